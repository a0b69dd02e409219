//! How long connections live, and how the pool closes them.

mod support;

use std::sync::Arc;

use support::{Answer, Sent, World, command, ms, settle};
use xec_engine::error::{Error, Phase, Reached};
use xec_engine::pool::CloseReason;

/// A task that calls one of the pool's closing methods.
macro_rules! closing {
    ($world:expr, $how:ident) => {{
        let pool = Arc::clone(&$world.pool);
        tokio::spawn(async move { pool.$how().await })
    }};
}

fn reasons(world: &World) -> Vec<CloseReason> {
    use xec_engine::events::EventKind::ConnectionClosed;
    world.events().iter().filter(|event| event.kind == ConnectionClosed).filter_map(|event| event.reason).collect()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_in_time() {
    let world = World::new(|limits| limits.host.idle_timeout = Some(ms(1_000)));
    world.permit(&world.request()).await.release();
    tokio::time::sleep(ms(990)).await;
    assert_eq!(world.stats().total, 1);
    tokio::time::sleep(ms(150)).await;
    assert_eq!(world.stats().total, 0);
    assert_eq!(reasons(&world), [CloseReason::IdleTimeout]);
    assert_eq!(world.fake.tally().closes, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn use_begins_its_idle_time_anew() {
    let world = World::new(|limits| limits.host.idle_timeout = Some(ms(1_000)));
    for _ in 0..5 {
        world.permit(&world.request()).await.release();
        tokio::time::sleep(ms(700)).await;
    }
    assert_eq!(world.fake.tally().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_never_idle() {
    let world = World::new(|limits| limits.host.idle_timeout = Some(ms(1_000)));
    let permit = world.permit(&world.request()).await;
    tokio::time::sleep(ms(10_000)).await;
    assert_eq!(world.stats().total, 1);
    permit.release();
    tokio::time::sleep(ms(900)).await;
    assert_eq!(world.stats().total, 1, "its idle time began when it was given back");
}

#[tokio::test(start_paused = true)]
async fn none_means_never() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = None;
        limits.host.max_lifetime = None;
    });
    world.permit(&world.request()).await.release();
    tokio::time::sleep(ms(7 * 24 * 3_600_000)).await;
    assert_eq!(world.stats().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_idle_connection_is_closed() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = None;
        limits.host.max_lifetime = Some(ms(10_000));
    });
    world.permit(&world.request()).await.release();
    tokio::time::sleep(ms(8_900)).await;
    assert_eq!(world.stats().total, 1, "at most a tenth early");
    tokio::time::sleep(ms(1_200)).await;
    assert_eq!(world.stats().total, 0);
    assert_eq!(reasons(&world), [CloseReason::MaxLifetime]);
}

#[tokio::test(start_paused = true)]
async fn an_old_busy_connection_is_retired_and_its_command_finishes() {
    let world = World::new(|limits| limits.host.max_lifetime = Some(ms(10_000)));
    let long = world.exec(command("long"));
    let session = world.fake.session().await;
    tokio::time::sleep(ms(11_000)).await;
    assert_eq!(world.pool.connections()[0].state, "retiring");
    assert_eq!(world.fake.tally().closes, 0);
    let newcomer = world.exec(command("newcomer"));
    world.fake.session().await.finish(0);
    newcomer.await.unwrap().unwrap();
    assert_eq!(world.fake.tally().connections, 2);
    session.finish(5);
    assert_eq!(long.await.unwrap().unwrap().status.code(), 5);
    settle().await;
    assert_eq!(reasons(&world), [CloseReason::MaxLifetime]);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_connection_that_grows_too_old_get_another() {
    let world = World::new(|limits| {
        limits.host.channels_per_connection = 1;
        limits.host.max_lifetime = Some(ms(10_000));
    });
    let _long = world.permit(&world.request()).await;
    world.fake.script(|script| script.dial_error = Some(support::Fake::connection_refused()));
    let waiting = world.acquire(&world.request());
    tokio::time::sleep(ms(8_000)).await;
    // Growth is pausing for seconds by now; with nothing left to serve the key it must not.
    world.fake.script(|script| script.dial_error = None);
    tokio::time::sleep(ms(2_500)).await;
    assert!(waiting.is_finished());
    waiting.await.unwrap().unwrap().release();
}

#[tokio::test(start_paused = true)]
async fn connections_made_together_do_not_all_end_together() {
    let world = World::new(|limits| {
        limits.host.channels_per_connection = 1;
        limits.host.max_lifetime = Some(ms(100_000));
        limits.host.idle_timeout = None;
    });
    let mut permits = Vec::new();
    for _ in 0..10 {
        permits.push(world.permit(&world.request()).await);
    }
    drop(permits);
    tokio::time::sleep(ms(95_000)).await;
    assert!((1..10).contains(&world.stats().total), "{} left", world.stats().total);
}

#[tokio::test(start_paused = true)]
async fn close_idle_spares_the_busy() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let busy = world.permit(&world.request()).await;
    world.permit(&world.request()).await.release();
    assert_eq!(world.pool.close_idle().await, 1);
    assert_eq!((world.stats().total, world.fake.tally().connections_now), (1, 1), "closed when it resolves");
    assert_eq!(world.pool.close_idle().await, 0);
    busy.release();
    assert_eq!(reasons(&world), [CloseReason::Removed]);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn close_all_cuts_running_commands_and_says_so() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let session = world.fake.session().await;
    session.started().stdout("so far");
    settle().await;
    world.pool.close_all().await;
    assert_eq!(world.fake.tally().connections_now, 0);
    let failure = running.await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::PoolClosed { phase: Phase::Run, reached: Reached::Yes }));
    assert_eq!(failure.captured.stdout, b"so far");
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn close_all_refuses_those_who_wait_and_abandons_dials() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting: Vec<_> = (0..3).map(|_| world.acquire(&world.request())).collect();
    let dial = world.fake.dial().await;
    world.pool.close_all().await;
    for caller in waiting {
        assert_eq!(caller.await.unwrap().err().unwrap().code(), "EPOOLCLOSED");
    }
    settle().await;
    assert!(dial.is_abandoned());
    assert_eq!(world.fake.tally().dials_now, 0);
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn close_all_while_a_channel_opens() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let running = world.exec(command("x"));
    let _opening = world.fake.open().await;
    world.pool.close_all().await;
    let error = running.await.unwrap().unwrap_err().error;
    assert!(matches!(error, Error::PoolClosed { phase: Phase::OpenChannel, reached: Reached::No }));
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn close_all_even_what_is_retired_or_closing() {
    let world = World::new(|limits| {
        limits.host.channels_per_connection = 1;
        limits.host.max_lifetime = Some(ms(1_000));
        limits.script.hold_closes = true;
    });
    let retired = world.permit(&world.request()).await;
    tokio::time::sleep(ms(1_200)).await;
    world.permit(&world.request()).await.release();
    let idle = closing!(world, close_idle);
    settle().await;
    let all = closing!(world, close_all);
    settle().await;
    assert!(!idle.is_finished() && !all.is_finished());
    world.fake.release_closes();
    assert_eq!(idle.await.unwrap(), 1);
    all.await.unwrap();
    assert_eq!((world.stats().total, world.fake.tally().closes), (0, 2), "each is closed once");
    retired.release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn closing_twice_is_closing_once() {
    let world = World::new(|limits| limits.script.hold_closes = true);
    world.permit(&world.request()).await.release();
    let both = [closing!(world, close_all), closing!(world, close_all)];
    settle().await;
    world.fake.release_closes();
    for closed in both {
        closed.await.unwrap();
    }
    world.pool.close_all().await;
    world.pool.shut_down().await;
    world.pool.shut_down().await;
    assert_eq!(world.fake.tally().closes, 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_come_while_it_closes_are_served_by_a_new_connection() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.hold_closes = true;
    });
    world.permit(&world.request()).await.release();
    let closing = closing!(world, close_all);
    settle().await;
    let newcomer = world.acquire(&world.request());
    settle().await;
    assert!(!newcomer.is_finished(), "the limit counts the one that is closing");
    world.fake.release_closes();
    closing.await.unwrap();
    let permit = newcomer.await.unwrap().unwrap();
    assert_eq!(world.fake.tally().connections_max, 1);
    permit.release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn after_shut_down_nobody_is_served() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let _session = world.fake.session().await;
    world.pool.shut_down().await;
    assert_eq!(running.await.unwrap().unwrap_err().error.code(), "EPOOLCLOSED");
    let refused = world.acquire(&world.request()).await.unwrap().err().unwrap();
    assert!(matches!(refused, Error::PoolClosed { phase: Phase::Queue, reached: Reached::No }));
    let refused = world.exec(command("x")).await.unwrap().unwrap_err();
    assert_eq!(refused.error.code(), "EPOOLCLOSED");
    world.quiet().await;
    assert_eq!((world.stats().total, world.fake.tally().dials), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn shut_down_while_dialing() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting = world.acquire(&world.request());
    let dial = world.fake.dial().await;
    world.pool.shut_down().await;
    assert_eq!(waiting.await.unwrap().err().unwrap().code(), "EPOOLCLOSED");
    settle().await;
    assert!(dial.is_abandoned());
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn shut_down_in_the_very_moment_a_dial_succeeds() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting = world.acquire(&world.request());
    world.fake.dial().await.succeed();
    world.pool.shut_down().await;
    assert_eq!(waiting.await.unwrap().err().unwrap().code(), "EPOOLCLOSED");
    settle().await;
    assert_eq!(world.fake.tally().connections_now, 0, "{:?}", world.fake.tally());
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_before_its_channel_opened_is_not_replaced_after_shut_down() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let running = world.exec_as(&world.request_with(|config| config.acquire_timeout = None), command("x"));
    let _opening = world.fake.open().await;
    world.fake.break_connection(0);
    world.pool.shut_down().await;
    settle().await;
    assert!(running.is_finished());
    assert_eq!(world.fake.tally().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_pool_closes_idle_connections_and_lets_busy_ones_finish() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let busy = world.permit(&world.request()).await;
    world.permit(&world.request()).await.release();
    let World { pool, fake, .. } = world;
    drop(pool);
    settle().await;
    assert_eq!(fake.tally().connections_now, 1);
    busy.release();
    settle().await;
    assert_eq!(fake.tally().connections_now, 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_pool_while_it_dials_leaves_no_connection() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = None;
        limits.script.hold_dials = true;
    });
    let leaver = world.acquire(&world.request());
    let dial = world.fake.dial().await;
    leaver.abort();
    settle().await;
    drop(leaver);
    let World { pool, fake, .. } = world;
    drop(pool);
    dial.succeed();
    settle().await;
    assert_eq!((fake.tally().connections_now, fake.tally().dials_now), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pool_is_freed_with_everything_in_it() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = None;
        limits.host.max_lifetime = None;
    });
    let events = Arc::downgrade(world.pool.events());
    world.permit(&world.request()).await.release();
    tokio::time::sleep(ms(200_000)).await;
    drop(world);
    tokio::time::sleep(ms(1)).await;
    settle().await;
    assert!(events.upgrade().is_none(), "some task still holds the pool");
}

#[tokio::test(start_paused = true)]
async fn without_pooling_every_command_has_a_connection_of_its_own_that_is_closed_after_it() {
    let world = World::new(|limits| {
        limits.host.enabled = false;
        limits.script.answer = Answer::After(ms(5));
    });
    let commands: Vec<_> = (0..6).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    settle().await;
    let tally = world.fake.tally();
    assert_eq!((tally.connections, tally.channels_max, tally.connections_now), (6, 1, 0));
    assert_eq!(reasons(&world), vec![CloseReason::PoolingDisabled; 6]);
    assert_eq!(world.stats().hits, 0);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn without_pooling_the_limits_hold_all_the_same() {
    let world = World::new(|limits| {
        limits.host.enabled = false;
        limits.host.max_connections = 2;
        limits.script.answer = Answer::After(ms(5));
    });
    let commands: Vec<_> = (0..10).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert_eq!((world.fake.tally().connections, world.fake.tally().connections_max), (10, 2));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn without_pooling_a_connection_whose_caller_left_is_closed() {
    let world = World::new(|limits| {
        limits.host.enabled = false;
        limits.host.idle_timeout = None;
        limits.script.hold_dials = true;
    });
    let leaver = world.acquire(&world.request());
    let dial = world.fake.dial().await;
    leaver.abort();
    settle().await;
    dial.succeed();
    settle().await;
    assert_eq!((world.stats().total, world.fake.tally().connections_now), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_closes_the_channel_gets_its_connection_retired() {
    let world = World::new(|_| {});
    let running = world.exec(command("x"));
    let mut session = world.fake.session().await;
    session.started().exit(0).eof();
    running.await.unwrap().unwrap();
    session.until(&Sent::Close).await;
    tokio::time::sleep(ms(5_100)).await;
    assert_eq!(reasons(&world), [CloseReason::Quarantined]);
    world.quiet().await;
}
