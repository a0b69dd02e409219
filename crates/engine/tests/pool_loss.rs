//! Connections die. Whoever can be served otherwise is, and nobody is told that a command succeeded which did not.

mod support;

use std::error::Error as _;

use support::{Answer, Fake, World, command, ms, settle};
use tokio::time::Instant;
use xec_engine::error::{Error, Phase, Reached};
use xec_engine::events::EventKind;

#[tokio::test(start_paused = true)]
async fn one_that_dies_idle_is_replaced() {
    let world = World::new(|_| {});
    world.permit(&world.request()).await.release();
    world.fake.break_connection(0);
    settle().await;
    assert_eq!((world.stats().total, world.stats().lost), (0, 1));
    let permit = world.permit(&world.request()).await;
    assert_eq!(world.fake.tally().connections, 2);
    permit.release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_before_the_channel_opened_is_replaced_unseen() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let running = world.exec(command("x"));
    let _opening = world.fake.open().await;
    world.fake.script(|script| script.hold_opens = false);
    world.fake.break_connection(0);
    world.fake.session().await.finish(0);
    assert_eq!(running.await.unwrap().unwrap().status.code(), 0);
    assert_eq!(world.fake.tally().connections, 2);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn all_of_its_openers_keep_their_place_in_line() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 2;
        limits.script.hold_opens = true;
    });
    let mut commands = Vec::new();
    let mut openings = Vec::new();
    for name in ["a", "b"] {
        commands.push(world.exec(command(name)));
        openings.push(world.fake.open().await);
    }
    for name in ["c", "d"] {
        commands.push(world.exec(command(name)));
        settle().await;
    }
    world.fake.script(|script| script.hold_opens = false);
    world.fake.break_connection(0);
    for name in ["a", "b", "c", "d"] {
        let session = world.fake.session().await;
        assert_eq!(session.command, name);
        session.finish(0);
        settle().await;
    }
    for running in commands {
        running.await.unwrap().unwrap();
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_keep_dying_before_the_command_are_given_up() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let running = world.exec(command("x"));
    for nth in 0..3 {
        let _opening = world.fake.open().await;
        world.fake.break_connection(nth);
    }
    let error = running.await.unwrap().unwrap_err().error;
    assert!(matches!(error, Error::ConnectionLost { phase: Phase::OpenChannel, reached: Reached::No, .. }));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ran_on_it_is_reported_and_never_a_success() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let session = world.fake.session().await;
    session.started().stdout("half of");
    settle().await;
    world.fake.break_connection(0);
    let failure = running.await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, .. }));
    assert_eq!(failure.error.code(), "ECONNLOST");
    assert!(failure.error.source().unwrap().to_string().contains("reset"), "{:?}", failure.error);
    assert_eq!(failure.captured.stdout, b"half of");
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_sent_and_never_answered_may_or_may_not_have_run() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let _session = world.fake.session().await;
    world.fake.break_connection(0);
    let error = running.await.unwrap().unwrap_err().error;
    assert!(matches!(error, Error::ConnectionLost { reached: Reached::Unknown, .. }));
    assert_eq!(world.fake.tally().execs, 1, "not run again unasked");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_never_sent_runs_on_another_connection() {
    let world = World::new(|limits| limits.script.hold_exec = true);
    let running = world.exec(command("x"));
    let _channel = world.fake.channel().await;
    settle().await;
    world.fake.script(|script| script.hold_exec = false);
    world.fake.break_connection(0);
    world.fake.session().await.finish(0);
    running.await.unwrap().unwrap();
    assert_eq!(world.fake.tally().execs, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_it_gets_its_command_run_again_once() {
    let world = World::new(|_| {});
    let mut again = command("x");
    again.retry_lost_connection = true;
    let running = world.exec(again);
    let first = world.fake.session().await;
    first.started().stdout("of the first run");
    settle().await;
    world.fake.break_connection(0);
    let second = world.fake.session().await;
    second.started().stdout("second");
    settle().await;
    world.fake.break_connection(1);
    let failure = running.await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), "ECONNLOST");
    assert_eq!(failure.captured.stdout, b"second", "runs are not mixed");
    assert_eq!(world.fake.tally().execs, 2);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_end_had_arrived_has_ended() {
    let world = World::new(|_| {});
    let mut again = command("reboot");
    again.retry_lost_connection = true;
    let running = world.exec(again);
    let session = world.fake.session().await;
    session.started().stdout("bye").exit(7).eof();
    settle().await;
    world.fake.break_connection(0);
    let output = running.await.unwrap().expect("exit code and all output were here");
    assert_eq!((output.status.code(), &output.captured.stdout[..]), (7, &b"bye"[..]));
    world.quiet().await;
    assert_eq!(world.fake.tally().execs, 1, "and must not run twice");
}

#[tokio::test(start_paused = true)]
async fn neighbours_on_other_connections_do_not_notice() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let doomed = world.exec(command("doomed"));
    let _doomed_session = world.fake.session().await;
    let healthy = world.exec(command("healthy"));
    let healthy_session = world.fake.session().await;
    world.fake.break_connection(0);
    assert!(doomed.await.unwrap().is_err());
    healthy_session.finish(0);
    healthy.await.unwrap().unwrap();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_dial_answers_everybody_who_waited_for_it_once() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting: Vec<_> = (0..8).map(|_| world.acquire(&world.request())).collect();
    world.fake.dial().await.fail(Fake::connection_refused());
    for caller in waiting {
        assert_eq!(caller.await.unwrap().err().unwrap().code(), "ECONNREFUSED");
    }
    assert_eq!(world.fake.tally().dials, 1, "one attempt is what their calls were worth");
    assert_eq!(world.stats().failed, 1);
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn of_several_dials_one_that_fails_answers_nobody() {
    let world = World::new(|limits| {
        limits.host.channels_per_connection = 1;
        limits.script.hold_dials = true;
    });
    let waiting: Vec<_> = (0..2).map(|_| world.acquire(&world.request())).collect();
    let (bad, good) = (world.fake.dial().await, world.fake.dial().await);
    bad.fail(Fake::connection_refused());
    settle().await;
    assert!(waiting.iter().all(|caller| !caller.is_finished()));
    good.succeed();
    for caller in waiting {
        caller.await.unwrap().unwrap().release();
        settle().await;
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_growth_dial_that_fails_pauses_growth_and_hurts_nobody() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    let waiting = world.acquire(&world.request());
    settle().await;
    assert_eq!(world.fake.tally().dials, 2);
    tokio::time::sleep(ms(400)).await;
    assert_eq!(world.fake.tally().dials, 2, "not hammered");
    tokio::time::sleep(ms(200)).await;
    assert_eq!(world.fake.tally().dials, 3, "tried again after half a second");
    holder.release();
    waiting.await.unwrap().unwrap().release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_pause_of_growth_ends_with_the_connection_that_made_it_bearable() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let _holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    let waiting = world.acquire(&world.request());
    // Long enough for the pauses to have grown to half a minute.
    tokio::time::sleep(ms(40_000)).await;
    world.fake.script(|script| script.dial_error = None);
    let began = Instant::now();
    world.fake.break_connection(0);
    waiting.await.unwrap().unwrap().release();
    assert!(began.elapsed() < ms(100), "waited {:?} with no connection at all", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_growth_pauses_profits_from_its_end() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    let first = world.acquire(&world.request());
    settle().await;
    holder.release();
    let _holder = first.await.unwrap().unwrap();
    tokio::time::sleep(ms(100)).await;
    // Nobody waits, growth pauses. The next one needs it.
    world.fake.script(|script| script.dial_error = None);
    let began = Instant::now();
    let _second = world.permit(&world.request()).await;
    assert!(began.elapsed() < ms(500), "waited {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_panics_hangs_nobody() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting: Vec<_> = (0..3).map(|_| world.acquire(&world.request())).collect();
    world.fake.dial().await.panic();
    for caller in waiting {
        assert_eq!(caller.await.unwrap().err().unwrap().code(), "EINTERNAL");
    }
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn an_unpooled_dial_that_fails_answers_its_own_caller() {
    let world = World::new(|limits| {
        limits.host.enabled = false;
        limits.script.hold_dials = true;
    });
    let waiting: Vec<_> = (0..2).map(|_| world.acquire(&world.request())).collect();
    let (first, second) = (world.fake.dial().await, world.fake.dial().await);
    first.fail(Fake::connection_refused());
    settle().await;
    assert_eq!(waiting.iter().filter(|caller| caller.is_finished()).count(), 1);
    second.succeed();
    let mut served = 0;
    for caller in waiting {
        served += usize::from(caller.await.unwrap().is_ok());
    }
    assert_eq!(served, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn losing_many_connections_at_once_loses_no_waiter() {
    let world = World::new(|limits| {
        limits.host.max_connections = 4;
        limits.host.channels_per_connection = 2;
        limits.script.answer = Answer::After(ms(10));
    });
    let commands: Vec<_> = (0..40).map(|_| world.exec(command("x"))).collect();
    tokio::time::sleep(ms(5)).await;
    let made = world.fake.tally().connections;
    (0..made).for_each(|nth| world.fake.break_connection(nth));
    let mut lost = 0;
    for running in commands {
        match running.await.unwrap() {
            Ok(output) => assert_eq!(output.status.code(), 0),
            Err(failure) => {
                assert_eq!(failure.error.code(), "ECONNLOST");
                lost += 1;
            }
        }
    }
    assert_eq!(lost, 2 * made, "only those that ran");
    let errors = world.events().iter().filter(|event| event.kind == EventKind::ConnectionError).count();
    assert_eq!(errors, made);
    world.quiet().await;
}
