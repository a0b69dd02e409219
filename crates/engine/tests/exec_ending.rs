//! How a command ends: by itself, or because somebody says so. The answer comes at once, the permit when the server has
//! freed its slot.

mod support;

use bytes::Bytes;
use support::{Answer, Sent, World, command, ms, settle};
use tokio::time::Instant;
use xec_engine::command::{Command, ExitStatus};
use xec_engine::error::{Error, Kind, Phase, Reached, Stream};
use xec_engine::pool::CloseReason;
use xec_engine::run::Cancel;
use xec_engine::transport::{ChannelEvent, Signal};

const TERM: Sent = Sent::Signal(Signal::Term);
const KILL: Sent = Sent::Signal(Signal::Kill);

fn with_timeout(limit: u64) -> Command {
    Command { timeout: Some(ms(limit)), ..command("x") }
}

#[tokio::test(start_paused = true)]
async fn output_and_exit_code_arrive_with_everything_the_server_said() {
    let world = World::new(|_| {});
    let running = world.exec(Command { collect_all: true, ..command("x") });
    let session = world.fake.session().await;
    session.started().stdout("a").stderr("b").stdout("c").exit(3).eof();
    session.close();
    let output = running.await.unwrap().unwrap();
    assert_eq!(output.status, ExitStatus::Code(3));
    assert_eq!((&output.captured.stdout[..], &output.captured.stderr[..]), (&b"ac"[..], &b"b"[..]));
    assert_eq!(output.captured.all.as_deref(), Some(&b"abc"[..]));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_back_before_the_answer() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    world.fake.session().await.finish(0);
    running.await.unwrap().unwrap();
    assert_eq!((world.stats().channels, world.stats().idle), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn eof_may_come_before_or_after_the_exit_status() {
    for eof_first in [true, false] {
        let world = World::new(|_| {});
        let running = world.exec(command("x"));
        let session = world.fake.session().await;
        session.started().stdout("early ");
        if eof_first {
            session.eof().exit(4);
        } else {
            session.exit(4).stdout("late").eof();
        }
        session.close();
        let output = running.await.unwrap().unwrap();
        assert_eq!(output.status.code(), 4);
        assert_eq!(output.captured.stdout, if eof_first { &b"early "[..] } else { &b"early late"[..] });
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_is_reported_with_its_signal() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let session = world.fake.session().await;
    session.started().killed("KILL").eof();
    session.close();
    let status = running.await.unwrap().unwrap().status;
    assert_eq!((status.code(), status.signal().as_deref()), (137, Some("SIGKILL")));
}

#[tokio::test(start_paused = true)]
async fn no_exit_status_is_an_error_and_keeps_the_output() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let session = world.fake.session().await;
    session.started().stdout("something").eof();
    session.close();
    let failure = running.await.unwrap().unwrap_err();
    assert_eq!((failure.error.code(), failure.error.reached()), ("ENOSTATUS", Reached::Yes));
    assert_eq!(failure.captured.stdout, b"something");
    world.quiet().await;
    assert_eq!(world.stats().idle, 1, "the connection is fine");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_runs_no_commands_says_so() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.say(ChannelEvent::ExecRefused);
    let error = running.await.unwrap().unwrap_err().error;
    assert_eq!((error.code(), error.kind()), ("EEXEC", Kind::PermissionDenied));
    assert_eq!(world.stats().channels, 1, "until the server has closed it");
    session.until(&Sent::Close).await;
    session.close();
    world.quiet().await;
    assert_eq!(world.stats().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_slow_to_close_delays_nobody_for_long() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.started().exit(0).eof();
    let began = Instant::now();
    running.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), ms(250));
    assert_eq!(world.stats().channels, 1);
    session.until(&Sent::Close).await;
    session.close();
    world.quiet().await;
    assert_eq!(world.fake.tally().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_close_within_the_linger_is_waited_for() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.started().exit(0).eof();
    tokio::time::sleep(ms(200)).await;
    assert!(!running.is_finished());
    assert!(!session.all_received().contains(&Sent::Close), "we did not close it, the server does");
    session.close();
    running.await.unwrap().unwrap();
    assert_eq!(world.stats().channels, 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_answered_at_once_and_the_process_ended_politely_first() {
    let world = World::new(|_| {});
    let began = Instant::now();
    let running = world.exec(with_timeout(100));
    let mut session = world.fake.session().await;
    session.started().stdout("partial");
    let failure = running.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed(), ms(100));
    assert!(matches!(failure.error, Error::Timeout { phase: Phase::Run, reached: Reached::Yes, .. }));
    assert_eq!(failure.error.to_string(), "The command timed out after 100 ms");
    assert_eq!(failure.captured.stdout, b"partial");

    session.until(&TERM).await;
    settle().await;
    assert_eq!((session.received(), world.stats().channels), (None, 1));
    session.until(&KILL).await;
    assert_eq!(began.elapsed(), ms(2_100), "two seconds of grace after TERM");
    session.until(&Sent::Close).await;
    assert_eq!(began.elapsed(), ms(3_100), "one more after KILL");
    assert_eq!(world.stats().channels, 1, "the slot is the server's to free");
    session.close();
    settle().await;
    assert_eq!((world.stats().channels, world.stats().idle), (0, 1));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_obeys_term_is_not_killed() {
    let world = World::new(|_| {});
    let running = world.exec(with_timeout(100));
    let mut session = world.fake.session().await;
    session.started();
    running.await.unwrap().unwrap_err();
    session.until(&TERM).await;
    session.stdout("last words").killed("TERM").eof();
    assert_eq!(session.receive().await, Sent::Close);
    session.close();
    world.quiet().await;
    assert_eq!(world.stats().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_child_holds_the_streams_open_is_not_waited_for() {
    let world = World::new(|_| {});
    let running = world.exec(with_timeout(100));
    let mut session = world.fake.session().await;
    session.started();
    running.await.unwrap().unwrap_err();
    session.until(&TERM).await;
    // Exited, but neither EOF nor CLOSE.
    session.killed("TERM");
    let began = Instant::now();
    assert_eq!(session.receive().await, Sent::Close);
    assert_eq!(began.elapsed(), ms(0));
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_is_answered_at_once() {
    let world = World::new(|_| {});
    let cancel = Cancel::default();
    let running = world.exec_with(&world.request(), command("x"), cancel.clone());
    let mut session = world.fake.session().await;
    session.started().stdout("partial");
    settle().await;
    let began = Instant::now();
    cancel.cancel();
    let failure = running.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed(), ms(0));
    assert_eq!((failure.error.code(), failure.error.reached()), ("ABORT_ERR", Reached::Yes));
    assert_eq!(failure.captured.stdout, b"partial");
    session.until(&TERM).await;
    session.killed("TERM").eof();
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_before_the_server_answered_leaves_open_whether_it_ran() {
    let world = World::new(|_| {});
    let cancel = Cancel::default();
    let running = world.exec_with(&world.request(), command("x"), cancel.clone());
    let session = world.fake.session().await;
    cancel.cancel();
    assert_eq!(running.await.unwrap().unwrap_err().error.reached(), Reached::Unknown);
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_before_the_request_was_sent_proves_that_it_never_ran() {
    let world = World::new(|limits| limits.script.hold_exec = true);
    let cancel = Cancel::default();
    let running = world.exec_with(&world.request(), command("x"), cancel.clone());
    let session = world.fake.channel().await;
    settle().await;
    cancel.cancel();
    assert_eq!(running.await.unwrap().unwrap_err().error.reached(), Reached::No);
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn too_much_output_ends_the_command_and_keeps_the_head() {
    let world = World::new(|_| {});
    let running = world.exec(Command { max_buffer: 4, ..command("yes") });
    let mut session = world.fake.session().await;
    session.started().stderr("1234").stdout("abcd").stdout("e");
    let failure = running.await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::MaxBuffer { stream: Stream::Stdout, limit: 4 }));
    assert_eq!(failure.error.to_string(), "stdout exceeded maxBuffer (4 bytes)");
    assert_eq!((&failure.captured.stdout[..], &failure.captured.stderr[..]), (&b"abcd"[..], &b"1234"[..]));
    session.until(&TERM).await;
    assert_eq!(world.stats().channels, 1);
    session.killed("TERM").eof();
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn its_neighbours_do_not_notice_any_of_it() {
    let world = World::new(|_| {});
    let neighbour = world.exec(command("neighbour"));
    let neighbours = world.fake.session().await;
    neighbours.started().stdout("before ");
    let doomed = world.exec(with_timeout(100));
    let mut dooms = world.fake.session().await;
    dooms.started();
    doomed.await.unwrap().unwrap_err();
    dooms.until(&Sent::Close).await;
    // The server never closes it: the connection is quarantined, and still carries the neighbour.
    tokio::time::sleep(ms(6_000)).await;
    assert_eq!(world.pool.connections()[0].state, "retiring");
    assert_eq!(world.stats().channels, 1, "only the neighbour's");
    assert!(!neighbour.is_finished());

    let newcomer = world.exec(command("newcomer"));
    let newcomers = world.fake.session().await;
    assert_eq!(world.fake.tally().connections, 2, "nothing new on a quarantined connection");
    newcomers.finish(0);
    newcomer.await.unwrap().unwrap();

    neighbours.stdout("after");
    neighbours.finish(0);
    assert_eq!(neighbour.await.unwrap().unwrap().captured.stdout, b"before after");
    settle().await;
    let closed: Vec<_> = world.events().iter().filter_map(|event| event.reason).collect();
    assert_eq!(closed, [CloseReason::Quarantined, CloseReason::Quarantined], "retired, then closed when empty");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_close_just_within_the_grace_saves_the_connection() {
    let world = World::new(|_| {});
    let running = world.exec(with_timeout(100));
    let mut session = world.fake.session().await;
    session.started();
    running.await.unwrap().unwrap_err();
    session.until(&Sent::Close).await;
    tokio::time::sleep(ms(4_900)).await;
    session.close();
    settle().await;
    assert_eq!((world.stats().idle, world.stats().channels), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_while_a_command_is_being_ended_leaves_nothing() {
    let world = World::new(|_| {});
    let running = world.exec(with_timeout(100));
    let mut session = world.fake.session().await;
    running.await.unwrap().unwrap_err();
    session.until(&TERM).await;
    world.fake.break_connection(0);
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn the_timeout_counts_from_the_call_and_not_from_the_start_of_the_command() {
    let world = World::new(|limits| limits.script.dial_time = ms(60));
    let began = Instant::now();
    let running = world.exec(with_timeout(100));
    let session = world.fake.session().await;
    session.started();
    running.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed(), ms(100));
    session.close();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_while_the_channel_opens_says_so_and_gives_the_channel_back() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let running = world.exec(with_timeout(100));
    let opening = world.fake.open().await;
    let error = running.await.unwrap().unwrap_err().error;
    assert!(matches!(error, Error::Timeout { phase: Phase::OpenChannel, reached: Reached::No, .. }));
    opening.accept();
    let mut session = world.fake.channel().await;
    assert_eq!(session.receive().await, Sent::Close);
    session.close();
    world.quiet().await;
    assert_eq!(world.stats().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn stdin_follows_the_request_and_ends() {
    let world = World::new(|_| {});
    let running = world.exec(Command { stdin: Some(Bytes::from_static(b"input")), ..command("cat") });
    let mut session = world.fake.session().await;
    settle().await;
    assert_eq!(session.command, "cat");
    assert_eq!(session.all_received(), [Sent::Data(Bytes::from_static(b"input")), Sent::Eof]);
    session.finish(0);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_stdin_there_is_only_its_end() {
    let world = World::new(|_| {});
    let running = world.exec(command("cat"));
    let mut session = world.fake.session().await;
    settle().await;
    assert_eq!(session.all_received(), [Sent::Eof]);
    session.finish(0);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn directory_and_variables_are_part_of_the_request() {
    let world = World::new(|_| {});
    let env = vec![("A".to_owned(), "b c".to_owned())];
    let running = world.exec(Command { cwd: Some("/tmp".into()), env, ..command("pwd") });
    let session = world.fake.session().await;
    assert_eq!(session.command, "cd /tmp || exit 1\nexport A='b c'\npwd");
    session.finish(0);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ends_without_reading_its_stdin_has_ended() {
    let world = World::new(|limits| limits.script.hold_stdin = true);
    let running = world.exec(Command { stdin: Some(Bytes::from_static(b"nobody reads this")), ..command("true") });
    let session = world.fake.session().await;
    session.started().stdout("done").exit(0).eof();
    session.close();
    assert_eq!(running.await.unwrap().unwrap().captured.stdout, b"done");
    world.quiet().await;
    assert_eq!(world.stats().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn where_the_time_went() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
        limits.script.dial_time = ms(70);
        limits.script.answer = Answer::After(ms(30));
    });
    let first = world.exec(command("first"));
    settle().await;
    let second = world.exec(command("second"));
    let first = first.await.unwrap().unwrap();
    assert_eq!((first.timings.connect, first.timings.queued, first.timings.run), (ms(70), ms(0), ms(30)));
    assert_eq!(first.duration, ms(100));
    let second = second.await.unwrap().unwrap();
    assert_eq!(second.timings.queued + second.timings.connect, ms(100));
    assert_eq!(second.timings.run, ms(30));
    assert_eq!(second.duration, ms(130));
}

#[tokio::test(start_paused = true)]
async fn a_priority_is_heard() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
    });
    let _running = world.exec(command("running"));
    let running = world.fake.session().await;
    let _low = world.exec(command("low"));
    settle().await;
    let urgent = xec_engine::pool::Request { priority: 9, ..world.request() };
    let _high = world.exec_as(&urgent, command("high"));
    settle().await;
    running.finish(0);
    assert_eq!(world.fake.session().await.command, "high");
}
