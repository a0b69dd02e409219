//! Emptying the pool without cutting anything, and filling it ahead of need.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Answer, Fake, World, command, ms, settle};
use xec_engine::error::Error;
use xec_engine::events::EventKind;

#[tokio::test(start_paused = true)]
async fn drain_lets_commands_finish_and_refuses_new_ones() {
    let world = World::new(|limits| {
        limits.script.answer = Answer::After(ms(100));
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
    });
    let running = world.exec(command("running"));
    let waiting = world.exec(command("waiting"));
    settle().await;
    let pool = Arc::clone(&world.pool);
    let drain = tokio::spawn(async move { pool.drain(None).await });
    settle().await;
    assert_eq!(world.run("new").await.unwrap_err().error.code(), "EPOOLCLOSED");
    running.await.unwrap().expect("it was running");
    waiting.await.unwrap().expect("it was let in before");
    assert!(drain.await.unwrap(), "nothing had to be cut");
    assert_eq!(world.stats().total, 0);
    assert!(world.kinds().contains(&EventKind::Drain));
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn drain_cuts_what_is_left_after_its_time() {
    let world = World::new(|_| {});
    let running = world.exec(command("sleep"));
    let _session = world.fake.session().await;
    assert!(!world.pool.drain(Some(Duration::from_secs(3))).await);
    assert_eq!(running.await.unwrap().unwrap_err().error.code(), "EPOOLCLOSED");
    world.quiet().await;
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn draining_an_empty_pool_is_done_at_once_and_twice_is_once() {
    let world = World::new(|_| {});
    let (first, second) = tokio::join!(world.pool.drain(None), world.pool.drain(None));
    assert!(first && second);
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_a_connection_being_made() {
    let world = World::new(|limits| {
        limits.script.hold_dials = true;
        limits.script.answer = Answer::After(ms(1));
    });
    let running = world.exec(command("x"));
    let dial = world.fake.dial().await;
    let pool = Arc::clone(&world.pool);
    let drain = tokio::spawn(async move { pool.drain(None).await });
    settle().await;
    dial.succeed();
    running.await.unwrap().expect("it was let in before");
    assert!(drain.await.unwrap());
    assert_eq!(world.stats().total, 0);
}

#[tokio::test(start_paused = true)]
async fn removing_a_target_leaves_the_others() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    let other = world.request_at("other", "user");
    world.run("x").await.unwrap();
    world.exec_as(&other, command("x")).await.unwrap().unwrap();
    assert_eq!(world.pool.remove(&world.request().key), 1);
    assert_eq!(world.pool.remove(&world.request().key), 0);
    settle().await;
    assert_eq!(world.stats().total, 1);
    assert_eq!(world.pool.connections()[0].key, other.key);
}

#[tokio::test(start_paused = true)]
async fn warming_up_makes_as_many_as_asked_for() {
    let world = World::new(|limits| limits.script.dial_time = ms(100));
    let (ready, error) = world.pool.warm_up(&world.request(), 3).await;
    assert_eq!((ready, error.is_none(), world.stats().idle), (3, true, 3));
    let (ready, _) = world.pool.warm_up(&world.request(), 2).await;
    assert_eq!((ready, world.stats().total), (3, 3), "what is there is enough");
}

#[tokio::test(start_paused = true)]
async fn warming_up_stops_at_the_limits() {
    let world = World::new(|limits| limits.host.max_connections = 2);
    let (ready, error) = world.pool.warm_up(&world.request(), 5).await;
    assert_eq!((ready, error.is_none()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn warming_up_more_than_may_shake_hands_at_once_takes_turns() {
    let world = World::new(|limits| limits.script.dial_time = ms(100));
    let (ready, _) = world.pool.warm_up(&world.request(), 8).await;
    assert_eq!((ready, world.fake.tally().dials_max), (8, 4));
}

#[tokio::test(start_paused = true)]
async fn warming_up_reports_why_it_could_not() {
    let world = World::new(|limits| limits.script.dial_error = Some(Fake::connection_refused()));
    let (ready, error) = world.pool.warm_up(&world.request(), 2).await;
    assert_eq!(ready, 0);
    assert!(matches!(error, Some(Error::Dial { .. })));
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_shut_warms_nothing() {
    let world = World::new(|_| {});
    world.pool.shut_down().await;
    let (ready, error) = world.pool.warm_up(&world.request(), 1).await;
    assert_eq!((ready, error.map(|error| error.code())), (0, Some("EPOOLCLOSED")));
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_that_is_given_up_dials_no_further_but_for_those_who_wait() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let (pool, request) = (Arc::clone(&world.pool), world.request());
    let warming = tokio::spawn(async move { pool.warm_up(&request, 2).await });
    let (first, second) = (world.fake.dial().await, world.fake.dial().await);
    warming.abort();
    settle().await;
    assert!(first.is_abandoned() && second.is_abandoned());
    assert_eq!(world.stats().connecting, 0);
    let (pool, request) = (Arc::clone(&world.pool), world.request());
    let warming = tokio::spawn(async move { pool.warm_up(&request, 1).await });
    let dial = world.fake.dial().await;
    let waiting = world.acquire(&world.request());
    settle().await;
    warming.abort();
    settle().await;
    assert!(!dial.is_abandoned(), "somebody waits for it");
    dial.succeed();
    drop(waiting.await.unwrap().unwrap());
}
