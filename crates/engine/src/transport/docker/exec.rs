use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::client::{DockerClient, typed_error};
use super::connection::End;
use super::frames::Frames;
use super::kill::{Process, Tag, kill};
use super::refusal::{Refusal, RefusalKind};
use super::wire::BoxedIo;
use crate::command::{ExitStatus, Place, Pty};
use crate::error::{Cause, Error, Phase, Reached, Stream};
use crate::transport::ChannelEvent;
use crate::transport::container::preamble::Preamble;
use crate::transport::container::{ApiRequest, Input, Order, Orders, Output, Over, What, until};

/// The most one read takes.
const READ: usize = 64 * 1024;
/// Between two looks at whether an exec whose streams have ended has ended too: twice the last pause, up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(250);
/// For a daemon's end to be noticed, when one of its lines has failed.
const DAEMON_END: Duration = Duration::from_millis(200);
/// A terminal can be given its size only when the process is there.
const SIZE_ATTEMPTS: u32 = 10;
const SIZE_PAUSE: Duration = Duration::from_millis(20);

/// What the process has for stdin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stdin {
    /// At its end from the beginning. A pipe for it would cost the daemon's runtime two milliseconds.
    Nothing,
    Pipe,
    Terminal,
}

/// One exec, from creating it to its status.
pub struct Exec {
    client: Arc<DockerClient>,
    output: Arc<Output>,
    daemon: watch::Receiver<Option<End>>,
    /// The signals it was sent, by name.
    sent: Mutex<Vec<&'static str>>,
    /// Of its terminal, once one was asked for.
    sizes: Mutex<Option<watch::Sender<(u32, u32)>>>,
}

/// How an exec's line ended.
enum LineEnd {
    Eof,
    Broken(Cause),
    Refused(Refusal),
    /// Whoever asked wants no more.
    Unwanted,
}

impl Exec {
    pub fn new(client: Arc<DockerClient>, output: Arc<Output>, daemon: watch::Receiver<Option<End>>) -> Self {
        Self { client, output, daemon, sent: Mutex::default(), sizes: Mutex::default() }
    }

    /// The exec's life. `Err`: there is nobody to close a channel for, or no connection.
    pub async fn run(self, mut orders: Orders, input: mpsc::Receiver<Input>) -> Result<(), Over> {
        let Some((what, about_to)) = orders.first().await else { return Ok(()) };
        let (words, preamble) = words_of(&what);
        self.output.expect(preamble);
        let tag = (what.place.argv.is_some() && !self.client.is_local()).then(Tag::fresh);
        let created = tokio::select! {
            created = self.create(&what, words, tag.as_ref()) => created,
            // Nothing has run, and nothing will.
            () = orders.unwanted() => return Ok(()),
        };
        let id = match created {
            Ok(id) => id,
            Err(error) => return self.failed(error, Some(about_to)).await,
        };
        // Whoever waited may be gone; the orders say what then.
        let _ = about_to.send(());
        let line = match self.client.hijack(&start_request(&id), start_body(what.pty.is_some())).await {
            Ok(line) => line,
            Err(error) => return self.failed(error, None).await,
        };
        self.output.say(ChannelEvent::Started).await;
        if let Some(Pty { columns, rows, .. }) = what.pty {
            // The first one was the terminal's.
            self.output.say(ChannelEvent::Started).await;
            self.resize(&id, columns, rows);
        }
        let process =
            Arc::new(Process { exec: id, container: what.place.container.clone(), user: what.place.user.clone(), tag });
        match self.talk(&process, line, &what, &mut orders, input).await {
            LineEnd::Eof => self.finish(&process, &mut orders).await,
            LineEnd::Broken(source) => self.failed(lost(source), None).await,
            LineEnd::Refused(refusal) => self.failed(refusal.error(), None).await,
            LineEnd::Unwanted => Ok(()),
        }
    }

    async fn create(&self, what: &What, words: Vec<String>, tag: Option<&Tag>) -> Result<String, Error> {
        let Place { container, user, workdir, privileged, .. } = &*what.place;
        let env: Vec<String> = what.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let term = what.pty.as_ref().map(|pty| format!("TERM={}", pty.term));
        let env: Vec<String> = term.into_iter().chain(env).chain(tag.map(Tag::assignment)).collect();
        let options = bollard::exec::CreateExecOptions {
            attach_stdin: Some(stdin_of(what) != Stdin::Nothing),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(what.pty.is_some()),
            env: (!env.is_empty()).then_some(env),
            cmd: Some(words),
            privileged: Some(*privileged),
            user: user.clone(),
            working_dir: workdir.clone(),
            ..Default::default()
        };
        let created = self.client.api().create_exec(container, options).await;
        Ok(created.map_err(typed_error).map_err(before)?.id)
    }

    /// Reads and writes the line until it ends or nobody wants it.
    async fn talk(
        &self,
        process: &Arc<Process>,
        line: BoxedIo,
        what: &What,
        orders: &mut Orders,
        input: mpsc::Receiver<Input>,
    ) -> LineEnd {
        let (read, write) = split(line);
        let reading = self.read(read, what.pty.is_some());
        let feeding = feed(write, input, stdin_of(what));
        tokio::pin!(reading, feeding);
        loop {
            tokio::select! {
                end = &mut reading => return end,
                () = &mut feeding => {}
                order = orders.next() => if self.obey(order, process).is_err() {
                    return LineEnd::Unwanted;
                },
            }
        }
    }

    /// Hands on what the line says. What its reader does not take is not read.
    async fn read(&self, mut line: ReadHalf<BoxedIo>, terminal: bool) -> LineEnd {
        let mut buffer = BytesMut::new();
        let mut frames = Frames::default();
        loop {
            buffer.reserve(READ);
            match line.read_buf(&mut buffer).await {
                Ok(0) if terminal || frames.is_whole() => break,
                Ok(0) => return LineEnd::Broken(Arc::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
                Err(error) => return LineEnd::Broken(Arc::new(error)),
                Ok(_) => {}
            }
            let data = buffer.split().freeze();
            let mut pieces = Vec::new();
            let taken = if terminal {
                pieces.push((Stream::Stdout, data));
                Ok(())
            } else {
                frames.push(data, |stream, piece| pieces.push((stream, piece)))
            };
            for (stream, piece) in pieces {
                self.output.hand_on(stream, self.output.own(stream, piece)).await;
            }
            if let Err(refusal) = taken {
                return LineEnd::Refused(refusal);
            }
        }
        self.output.rest().await;
        LineEnd::Eof
    }

    /// The streams have ended. The process may not have: it may have closed them, or the daemon is slower than its streams.
    async fn finish(&self, process: &Arc<Process>, orders: &mut Orders) -> Result<(), Over> {
        let status = self.status(&process.exec);
        tokio::pin!(status);
        let status = loop {
            tokio::select! {
                status = &mut status => break status,
                order = orders.next() => if self.obey(order, process).is_err() {
                    return Ok(());
                },
            }
        };
        match status {
            Ok(status) => {
                self.output.say(ChannelEvent::Exited(status)).await;
                self.output.say(ChannelEvent::Eof).await;
                Ok(())
            }
            Err(error) => self.failed(error, None).await,
        }
    }

    async fn status(&self, id: &str) -> Result<ExitStatus, Error> {
        let mut pause = FIRST_LOOK;
        loop {
            let seen = self.client.api().inspect_exec(id).await.map_err(typed_error).map_err(|error| match error {
                // A daemon that has restarted knows its execs no more, and one that lost its container neither.
                Error::Docker(Refusal { why: RefusalKind::NoObject | RefusalKind::NoContainer, .. }) => {
                    lost(Arc::new(error))
                }
                other => after(other),
            })?;
            if seen.running != Some(true) {
                let number = seen.exit_code.and_then(|code| u32::try_from(code).ok());
                let status = number.map(|number| ExitStatus::reported(number, &self.sent.lock()));
                return status.ok_or(Error::NoExitStatus);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// `Err`: whoever asked wants no more.
    fn obey(&self, order: Option<Order>, process: &Arc<Process>) -> Result<(), Over> {
        match order {
            None | Some(Order::Close) => return Err(Over),
            // One exec for one channel; whoever waits for the start of another one learns it.
            Some(Order::Start(..)) => {}
            Some(Order::Resize(columns, rows)) => self.resize(&process.exec, columns, rows),
            Some(Order::Signal(signal)) => {
                self.sent.lock().push(signal.name());
                let (client, preamble) = (Arc::clone(&self.client), Arc::clone(self.output.preamble()));
                let process = Arc::clone(process);
                tokio::spawn(async move { kill(&client, &process, &preamble, signal).await });
            }
        }
        Ok(())
    }

    fn resize(&self, id: &str, columns: u32, rows: u32) {
        let mut sizes = self.sizes.lock();
        match &*sizes {
            // Nobody listens once it could not be set: the exec has ended.
            Some(known) => drop(known.send((columns, rows))),
            None => {
                let (sender, wanted) = watch::channel((columns, rows));
                *sizes = Some(sender);
                tokio::spawn(keep_size(Arc::clone(&self.client), id.to_owned(), wanted));
            }
        }
    }

    /// A lost daemon ends the channel without a word, so that the pool's connection is blamed; other failures are this exec's.
    async fn failed(&self, error: Error, about_to: Option<oneshot::Sender<()>>) -> Result<(), Over> {
        let of_line = !matches!(error, Error::Docker(_) | Error::InvalidOption { .. } | Error::NoExitStatus);
        if of_line && timeout(DAEMON_END, until(&mut self.daemon.clone(), Option::is_some)).await.is_ok() {
            return Err(Over);
        }
        // The event says what is wrong, and that nothing ran.
        if let Some(about_to) = about_to {
            let _ = about_to.send(());
        }
        self.output.say(ChannelEvent::Failed(error)).await;
        Ok(())
    }
}

fn stdin_of(what: &What) -> Stdin {
    match (&what.pty, what.has_input()) {
        (Some(_), _) => Stdin::Terminal,
        (None, true) => Stdin::Pipe,
        (None, false) => Stdin::Nothing,
    }
}

/// What the daemon is to run, and what is heard before it.
fn words_of(what: &What) -> (Vec<String>, Preamble) {
    if let Some(argv) = &what.place.argv {
        return (argv.clone(), Preamble::none());
    }
    let line = String::from_utf8_lossy(&what.line);
    let (text, preamble) = Preamble::before(&line, what.pty.is_some());
    (vec!["sh".to_owned(), "-c".to_owned(), text], preamble)
}

/// Gives a terminal its sizes one after the other, so that the last one wins.
async fn keep_size(client: Arc<DockerClient>, id: String, mut wanted: watch::Receiver<(u32, u32)>) {
    loop {
        let (columns, rows) = *wanted.borrow_and_update();
        set_size(&client, &id, columns, rows).await;
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// The process may not be there yet, or not any more.
async fn set_size(client: &DockerClient, id: &str, columns: u32, rows: u32) {
    let size = bollard::query_parameters::ResizeExecOptionsBuilder::default()
        .w(i32::try_from(columns).unwrap_or(i32::MAX))
        .h(i32::try_from(rows).unwrap_or(i32::MAX))
        .build();
    for _ in 0..SIZE_ATTEMPTS {
        match client.api().resize_exec(id, size.clone()).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "a terminal could not be given its size"),
        }
        sleep(SIZE_PAUSE).await;
    }
}

/// A process that reads no more takes its stdin with it, which is no error.
async fn feed(mut line: WriteHalf<BoxedIo>, mut input: mpsc::Receiver<Input>, stdin: Stdin) -> ! {
    if let Err(error) = feed_all(&mut line, &mut input, stdin).await {
        tracing::debug!(%error, "stdin could not be sent to its end");
    }
    // Dropped, it would end the line's other direction as well.
    std::future::pending().await
}

async fn feed_all(
    line: &mut WriteHalf<BoxedIo>,
    input: &mut mpsc::Receiver<Input>,
    stdin: Stdin,
) -> std::io::Result<()> {
    let mut last = b'\n';
    while let Some(Input::Data(data)) = input.recv().await {
        line.write_all(&data).await?;
        line.flush().await?;
        last = data.last().copied().unwrap_or(last);
    }
    match stdin {
        Stdin::Nothing => return Ok(()),
        Stdin::Pipe => return line.shutdown().await,
        Stdin::Terminal => {}
    }
    // A daemon that hears the end of a terminal's input ends its output too. So the end is typed, as a person types it: on
    // a line that has begun, the first one only ends that line.
    line.write_all(if last == b'\n' { b"\x04" } else { b"\x04\x04" }).await?;
    line.flush().await
}

fn start_request(id: &str) -> ApiRequest {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    ApiRequest { headers, ..ApiRequest::new("POST", format!("/exec/{id}/start")) }
}

fn start_body(terminal: bool) -> Bytes {
    serde_json::json!({ "Detach": false, "Tty": terminal }).to_string().into()
}

fn lost(source: Cause) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, source: Some(source) }
}

/// What is created only has not run, whatever became of the call.
fn before(error: Error) -> Error {
    match error {
        Error::ConnectionLost { source, .. } => {
            Error::ConnectionLost { phase: Phase::OpenChannel, reached: Reached::No, source }
        }
        Error::Timeout { limit, source, .. } => {
            Error::Timeout { phase: Phase::OpenChannel, limit, reached: Reached::No, source }
        }
        error => error,
    }
}

/// The command has begun, whatever the call that failed says of itself.
fn after(error: Error) -> Error {
    match error {
        Error::ConnectionLost { source, .. } => {
            Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, source }
        }
        error @ (Error::Dial { .. } | Error::Timeout { .. }) => lost(Arc::new(error)),
        error => error,
    }
}
