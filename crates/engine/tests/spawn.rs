//! A command whose output is read as it comes: what a slow reader, a signal, a lost connection and a departure do to it.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::{Sent, World, bounded, command, ms, settle};
use xec_engine::command::{Command, ExitStatus, Pty};
use xec_engine::error::{Error, Reached};
use xec_engine::input::input;
use xec_engine::run::{Cancel, Outcome, Process, spawn};
use xec_engine::transport::{ChannelEvent, Signal};

/// More than a pipe holds.
const MUCH: usize = 3 * 1024 * 1024 / 2;

struct Running {
    process: Process,
    outcome: tokio::task::JoinHandle<Outcome>,
}

fn start(world: &World, command: Command) -> Running {
    let (process, outcome) = spawn(Arc::clone(&world.pool), world.request(), command, Cancel::default());
    Running { process, outcome: tokio::spawn(outcome) }
}

fn much() -> ChannelEvent {
    ChannelEvent::Stdout(Bytes::from(vec![7; MUCH]))
}

#[tokio::test(start_paused = true)]
async fn output_is_read_while_the_command_runs() {
    let world = World::new(|_| {});
    let running = start(&world, command("x"));
    let session = world.fake.session().await;
    session.started().stdout("first").stderr("complaint");
    let pipes = running.process.pipes();
    assert_eq!(bounded(pipes.stdout.read()).await.unwrap(), "first");
    assert_eq!(bounded(pipes.stderr.read()).await.unwrap(), "complaint");
    session.stdout("second").exit(3).eof();
    session.close();
    let output = bounded(running.outcome).await.unwrap().unwrap();
    assert_eq!(output.status, ExitStatus::Code(3));
    assert!(output.captured.stdout.is_empty(), "it is in the pipe");
    assert_eq!(bounded(pipes.stdout.read()).await.unwrap(), "second", "what was not read is still there");
    assert!(bounded(pipes.stdout.read()).await.is_none());
    assert!(bounded(pipes.stderr.read()).await.is_none());
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_waits_for_its_reader() {
    let world = World::new(|_| {});
    let running = start(&world, command("yes"));
    let session = world.fake.session().await;
    session.started().say(much()).exit(0).eof();
    session.close();
    tokio::time::sleep(ms(60_000)).await;
    assert!(!running.outcome.is_finished(), "the rest was taken although nobody has read");
    assert_eq!(bounded(running.process.pipes().stdout.read()).await.unwrap().len(), MUCH);
    bounded(running.outcome).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_wants_no_more_holds_up_nothing() {
    let world = World::new(|_| {});
    let running = start(&world, command("yes"));
    let session = world.fake.session().await;
    session.started().say(much());
    settle().await;
    running.process.pipes().stdout.discard();
    session.say(much()).exit(0).eof();
    session.close();
    bounded(running.outcome).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_heard_although_nobody_reads() {
    let world = World::new(|_| {});
    let running = start(&world, command("yes"));
    assert!(running.process.signal(Signal::Usr1), "said before it runs, heard when it does");
    let mut session = world.fake.session().await;
    session.started().say(much());
    session.until(&Sent::Signal(Signal::Usr1)).await;
    assert!(running.process.signal(Signal::Int));
    session.until(&Sent::Signal(Signal::Int)).await;
    session.killed("INT").eof();
    session.close();
    drop(bounded(running.process.pipes().stdout.read()).await);
    let output = bounded(running.outcome).await.unwrap().unwrap();
    assert_eq!(output.status.signal().as_deref(), Some("SIGINT"));
    assert!(!running.process.signal(Signal::Kill), "nobody is there to hear it");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_comes_first_and_can_be_resized() {
    let world = World::new(|_| {});
    let pty = Pty { term: "xterm".into(), columns: 80, rows: 24, quiet: false };
    let running = start(&world, Command { pty: Some(pty.clone()), ..command("vi") });
    let mut session = world.fake.channel().await;
    assert_eq!(session.receive().await, Sent::Pty(pty));
    assert_eq!(session.receive().await, Sent::Exec("vi".into()));
    session.started().started();
    assert!(running.process.resize(120, 40));
    session.until(&Sent::Resize(120, 40)).await;
    session.exit(0).eof();
    session.close();
    bounded(running.outcome).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_terminal_ends_the_command() {
    let world = World::new(|_| {});
    let pty = Pty { term: "xterm".into(), columns: 80, rows: 24, quiet: false };
    let running = start(&world, Command { pty: Some(pty), ..command("vi") });
    let mut session = world.fake.channel().await;
    session.say(ChannelEvent::ExecRefused).started();
    let failure = bounded(running.outcome).await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::PtyRefused), "{}", failure.error);
    assert_eq!(failure.error.reached(), Reached::Unknown);
    session.until(&Sent::Signal(Signal::Term)).await;
    session.exit(143).eof();
    session.until(&Sent::Close).await;
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn stdin_follows_as_it_comes() {
    let world = World::new(|_| {});
    let (sender, stream) = input();
    let running = start(&world, Command { stdin_stream: Some(stream), ..command("cat") });
    let mut session = world.fake.session().await;
    session.started();
    assert!(sender.send(Bytes::from_static(b"one")).await);
    assert_eq!(session.receive().await, Sent::Data(Bytes::from_static(b"one")));
    sender.end();
    assert_eq!(session.receive().await, Sent::Eof);
    session.exit(0).eof();
    session.close();
    bounded(running.outcome).await.unwrap().unwrap();
    assert!(!sender.send(Bytes::from_static(b"late")).await);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_ends_the_streams_and_is_told() {
    let world = World::new(|_| {});
    let running = start(&world, command("x"));
    let session = world.fake.session().await;
    session.started().stdout("half");
    settle().await;
    world.fake.break_connection(0);
    let failure = bounded(running.outcome).await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::ConnectionLost { reached: Reached::Yes, .. }), "{}", failure.error);
    let pipes = running.process.pipes();
    assert_eq!(bounded(pipes.stdout.read()).await.unwrap(), "half");
    assert!(bounded(pipes.stdout.read()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_ends_the_command_though_nothing_was_read() {
    let world = World::new(|_| {});
    let running = start(&world, command("yes"));
    let mut session = world.fake.session().await;
    session.started().say(much()).say(much());
    settle().await;
    running.outcome.abort();
    session.until(&Sent::Signal(Signal::Term)).await;
    session.killed("TERM").eof();
    session.until(&Sent::Close).await;
    session.close();
    world.quiet().await;
    assert!(bounded(running.process.pipes().stdout.read()).await.is_some());
}
