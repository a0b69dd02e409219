//! A future may be dropped anywhere. Whatever it held or was about to get finds its way back.

mod support;

use bytes::Bytes;
use support::{Answer, Limits, Sent, World, command, ms, settle};
use xec_engine::error::{Error, Phase, Reached};
use xec_engine::run::Cancel;
use xec_engine::transport::{ChannelEvent, Signal};

fn only_one_permit(limits: &mut Limits) {
    limits.host.max_connections = 1;
    limits.host.channels_per_connection = 1;
}

async fn leaked_nothing(world: &World) {
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn acquire_dropped_before_it_was_ever_polled() {
    let world = World::new(|_| {});
    let request = world.request();
    drop(world.pool.acquire(&request));
    assert_eq!(world.fake.tally().dials, 0);
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_dropped_in_the_queue() {
    let world = World::new(only_one_permit);
    let holder = world.permit(&world.request()).await;
    let leaver = world.acquire(&world.request());
    settle().await;
    let stayer = world.acquire(&world.request());
    settle().await;
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().queued, 1);
    holder.release();
    stayer.await.unwrap().unwrap().release();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_dropped_while_dialing() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let leaver = world.acquire(&world.request());
    let dial = world.fake.dial().await;
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().queued, 0);
    dial.succeed();
    world.quiet().await;
    assert_eq!(world.stats().idle, 1, "what was dialed is kept warm");
    leaked_nothing(&world).await;
    assert_eq!(world.fake.tally().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn acquire_dropped_while_dialing_and_the_dial_fails() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let leaver = world.acquire(&world.request());
    let dial = world.fake.dial().await;
    leaver.abort();
    settle().await;
    dial.fail(support::Fake::connection_refused());
    world.quiet().await;
    assert_eq!(world.stats().total, 0);
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_dropped_after_its_grant_was_sent_and_before_it_was_taken() {
    let world = World::new(only_one_permit);
    let holder = world.permit(&world.request()).await;
    let leaver = world.acquire(&world.request());
    settle().await;
    let next = world.acquire(&world.request());
    settle().await;
    // The grant is in the leaver's hands, but the leaver does not run any more.
    holder.release();
    leaver.abort();
    settle().await;
    assert!(leaver.await.err().unwrap().is_cancelled());
    next.await.unwrap().unwrap().release();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_permit_dropped_unused_serves_the_next() {
    let world = World::new(only_one_permit);
    let holder = world.permit(&world.request()).await;
    let next = world.acquire(&world.request());
    settle().await;
    drop(holder);
    next.await.unwrap().unwrap().release();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_permit_dropped_after_close_all_and_after_its_connection_is_gone() {
    let world = World::new(|_| {});
    let permit = world.permit(&world.request()).await;
    world.pool.close_all().await;
    drop(permit);
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_in_the_queue() {
    let world = World::new(only_one_permit);
    let holder = world.permit(&world.request()).await;
    let leaver = world.exec(command("x"));
    settle().await;
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().queued, 0);
    holder.release();
    leaked_nothing(&world).await;
    assert_eq!(world.fake.tally().execs, 1, "only the newcomer's");
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_dialing() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let leaver = world.exec(command("x"));
    let dial = world.fake.dial().await;
    leaver.abort();
    settle().await;
    dial.succeed();
    leaked_nothing(&world).await;
    assert_eq!(world.fake.tally().execs, 1, "only the newcomer's");
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_its_channel_opens_and_it_does_open() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let leaver = world.exec(command("x"));
    let opening = world.fake.open().await;
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().channels, 1, "the server may yet open it");
    opening.accept();
    let mut session = world.fake.channel().await;
    assert_eq!(session.receive().await, Sent::Close, "closed without ever having asked for the command");
    assert_eq!(world.stats().channels, 1);
    session.close();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_its_channel_opens_and_is_refused() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let leaver = world.exec(command("x"));
    let opening = world.fake.open().await;
    leaver.abort();
    settle().await;
    opening.refuse();
    leaked_nothing(&world).await;
    assert_eq!(world.fake.tally().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_its_channel_opens_and_the_connection_dies() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let leaver = world.exec(command("x"));
    let _opening = world.fake.open().await;
    leaver.abort();
    settle().await;
    world.fake.break_connection(0);
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_its_channel_opens_and_no_answer_ever_comes() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let leaver = world.exec(command("x"));
    // Dropping it means silence.
    drop(world.fake.open().await);
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().channels, 1);
    world.quiet().await;
    assert_eq!(world.stats().total, 0, "that connection cannot be trusted any more");
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_its_request_is_still_ours() {
    let world = World::new(|limits| limits.script.hold_exec = true);
    let leaver = world.exec(command("x"));
    let mut session = world.fake.channel().await;
    settle().await;
    leaver.abort();
    session.until(&Sent::Close).await;
    session.close();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_running() {
    let world = World::new(|_| {});
    let leaver = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.started().stdout("some");
    settle().await;
    leaver.abort();
    session.until(&Sent::Signal(Signal::Term)).await;
    assert_eq!(world.stats().channels, 1, "the server's slot is not free yet");
    session.killed("TERM").eof();
    session.until(&Sent::Close).await;
    assert_eq!(world.stats().channels, 1, "nor now");
    session.close();
    leaked_nothing(&world).await;
    assert_eq!(world.fake.tally().connections, 1, "the connection lives on");
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_stdin_is_not_read() {
    let world = World::new(|limits| limits.script.hold_stdin = true);
    let mut with_stdin = command("x");
    with_stdin.stdin = Some(Bytes::from_static(b"never read"));
    let leaver = world.exec(with_stdin);
    let mut session = world.fake.session().await;
    session.started();
    settle().await;
    leaver.abort();
    session.until(&Sent::Signal(Signal::Term)).await;
    session.killed("TERM").eof();
    session.close();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_lingering() {
    let world = World::new(|_| {});
    let leaver = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.started().exit(0).eof();
    settle().await;
    leaver.abort();
    session.until(&Sent::Close).await;
    session.close();
    leaked_nothing(&world).await;
    assert_eq!(world.fake.tally().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_after_its_answer_while_the_channel_closes() {
    let world = World::new(|_| {});
    let answered = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.started().exit(3).eof();
    // The server is slow to close; the caller does not wait for it.
    assert_eq!(answered.await.unwrap().unwrap().status.code(), 3);
    assert_eq!(world.stats().channels, 1);
    session.until(&Sent::Close).await;
    session.close();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_when_refused_and_queued_again() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.max_sessions = 1;
    });
    let _running = world.exec(command("running"));
    let running = world.fake.session().await;
    let leaver = world.exec(command("refused"));
    settle().await;
    assert_eq!((world.fake.tally().refusals, world.stats().queued), (1, 1));
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().queued, 0);
    running.finish(0);
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_when_its_connection_died_and_another_is_dialed() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let leaver = world.exec(command("x"));
    let _opening = world.fake.open().await;
    world.fake.script(|script| script.hold_dials = true);
    world.fake.break_connection(0);
    let dial = world.fake.dial().await;
    leaver.abort();
    settle().await;
    assert_eq!(world.stats().queued, 0);
    dial.succeed();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_dropped_while_close_all_cuts_it() {
    let world = World::new(|limits| limits.script.hold_closes = true);
    let leaver = world.exec(command("x"));
    let _session = world.fake.session().await;
    let pool = std::sync::Arc::clone(&world.pool);
    let closing = tokio::spawn(async move { pool.close_all().await });
    settle().await;
    leaver.abort();
    settle().await;
    world.fake.release_closes();
    closing.await.unwrap();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn close_all_dropped_half_way_closes_all_the_same() {
    let world = World::new(|limits| limits.script.hold_closes = true);
    world.permit(&world.request()).await.release();
    let pool = std::sync::Arc::clone(&world.pool);
    let closing = tokio::spawn(async move { pool.close_all().await });
    settle().await;
    closing.abort();
    settle().await;
    world.fake.release_closes();
    settle().await;
    assert_eq!(world.fake.tally().connections_now, 0);
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_says_where_it_found_the_command() {
    let world = World::new(|limits| {
        only_one_permit(limits);
        limits.script.hold_opens = true;
        limits.script.hold_dials = true;
    });
    let aborted = async |cancel: Cancel, running: support::Executing| {
        settle().await;
        cancel.cancel();
        cancel.cancel();
        match running.await.unwrap().unwrap_err().error {
            Error::Aborted { phase, reached } => (phase, reached),
            other => panic!("{other}"),
        }
    };
    let start = || {
        let cancel = Cancel::default();
        (cancel.clone(), world.exec_with(&world.request(), command("x"), cancel))
    };

    let (cancel, running) = start();
    let dial = world.fake.dial().await;
    assert_eq!(aborted(cancel, running).await, (Phase::Dial, Reached::No));
    dial.succeed();

    let (cancel, running) = start();
    let opening = world.fake.open().await;
    assert_eq!(aborted(cancel, running).await, (Phase::OpenChannel, Reached::No));
    let (cancel, running) = start();
    assert_eq!(aborted(cancel, running).await, (Phase::Queue, Reached::No));
    opening.accept();
    world.fake.channel().await.close();

    let (cancel, running) = start();
    world.fake.open().await.accept();
    let session = world.fake.session().await;
    session.started();
    assert_eq!(aborted(cancel, running).await, (Phase::Run, Reached::Yes));
    session.say(ChannelEvent::Eof);
    session.close();
    leaked_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_aborted_beforehand_never_reaches_the_server() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    world.run("warm up").await.unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let failure = world.exec_with(&world.request(), command("x"), cancel).await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), "ABORT_ERR");
    world.quiet().await;
    assert_eq!(world.fake.tally().channels, 1, "not even a channel for it");
}

#[tokio::test(start_paused = true)]
async fn one_abort_handle_serves_many_commands() {
    let world = World::new(|_| {});
    let shared = Cancel::default();
    let short = world.exec_with(&world.request(), command("short"), shared.clone());
    let short_session = world.fake.session().await;
    let long = world.exec_with(&world.request(), command("long"), shared.clone());
    let mut long_session = world.fake.session().await;
    short_session.finish(0);
    short.await.unwrap().unwrap();
    settle().await;
    assert!(!long.is_finished(), "a command that ended does not abort its siblings");
    long_session.all_received();
    shared.cancel();
    assert_eq!(long.await.unwrap().unwrap_err().error.code(), "ABORT_ERR");
    long_session.killed("TERM").eof();
    long_session.close();
    leaked_nothing(&world).await;
}

/// Every caller leaves after a different number of steps of the scheduler, so that each await is hit sooner or later.
#[tokio::test(start_paused = true)]
async fn callers_that_leave_at_every_possible_step_leak_nothing() {
    for steps in 0..60 {
        let world = World::new(|limits| {
            limits.host.max_connections = 2;
            limits.host.channels_per_connection = 2;
            limits.script.max_sessions = 1;
            limits.script.dial_time = ms(1);
            limits.script.open_time = ms(1);
            limits.script.answer = Answer::After(ms(1));
        });
        let commands: Vec<_> = (0..8).map(|_| world.exec(command("x"))).collect();
        for step in 0..steps {
            if step % 8 == 7 {
                tokio::time::sleep(ms(1)).await;
            }
            tokio::task::yield_now().await;
        }
        for leaver in commands.iter().step_by(2) {
            leaver.abort();
        }
        for (n, stayer) in commands.into_iter().enumerate() {
            let ended = stayer.await;
            if n % 2 == 1 {
                ended.unwrap().unwrap();
            }
        }
        leaked_nothing(&world).await;
    }
}
