//! Waiting for a permit has a bound, and its error says what the wait was for.

mod support;

use std::error::Error as _;

use support::{Fake, Limits, World, command, ms, settle};
use tokio::time::Instant;
use xec_engine::error::{Error, Phase, Reached};
use xec_engine::pool::WhenExhausted;

fn short_wait(limits: &mut Limits) {
    limits.host.max_connections = 1;
    limits.host.channels_per_connection = 1;
    limits.host.acquire_timeout = Some(ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_busy_connection_times_out_in_the_queue() {
    let world = World::new(short_wait);
    let holder = world.permit(&world.request()).await;
    let began = Instant::now();
    let error = world.refusal(&world.request()).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Queue, reached: Reached::No, .. }));
    assert_eq!(error.to_string(), "Waiting for a free channel timed out after 100 ms");
    assert!(error.source().is_none());
    assert_eq!(began.elapsed().as_millis(), 100);
    assert_eq!((world.stats().queued, world.stats().acquire_timeouts), (0, 1));
    holder.release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_the_first_connection_times_out_while_dialing() {
    let world = World::new(|limits| {
        short_wait(limits);
        limits.script.hold_dials = true;
    });
    let error = world.refusal(&world.request()).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Dial, .. }));
    assert_eq!(error.to_string(), "Connecting timed out after 100 ms");
    world.fake.dial().await.succeed();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn it_carries_what_the_last_dial_said() {
    let world = World::new(|limits| {
        short_wait(limits);
        limits.host.max_connections = 2;
    });
    let holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    let error = world.refusal(&world.request()).await;
    assert_eq!(error.source().unwrap().to_string(), "Cannot connect to host:22: connection refused");
    holder.release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_dial_error_that_was_overcome_is_not_blamed() {
    let world = World::new(|limits| {
        short_wait(limits);
        limits.host.max_connections = 2;
    });
    let _holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    world.refusal(&world.request()).await;
    world.fake.script(|script| script.dial_error = None);
    tokio::time::sleep(ms(2_000)).await;
    let _second = world.permit(&world.request()).await;
    assert!(world.refusal(&world.request()).await.source().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_grant_that_comes_too_late_is_not_lost() {
    let world = World::new(short_wait);
    let holder = world.permit(&world.request()).await;
    let impatient = world.acquire(&world.request());
    settle().await;
    let patient = world.acquire(&world.request_with(|config| config.acquire_timeout = None));
    settle().await;
    // Granted in the very moment the time is over, before the one it is for could run.
    tokio::time::advance(ms(100)).await;
    holder.release();
    settle().await;
    match impatient.await.unwrap() {
        Ok(permit) => permit.release(),
        Err(error) => assert_eq!(error.code(), "ETIMEDOUT"),
    }
    patient.await.unwrap().unwrap().release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_permit_and_a_timeout_in_one_moment_lose_nothing_in_any_order() {
    for offset in 95..=105 {
        let world = World::new(short_wait);
        let holder = world.permit(&world.request()).await;
        let waiting: Vec<_> = (0..5).map(|_| world.acquire(&world.request())).collect();
        tokio::time::sleep(ms(offset)).await;
        holder.release();
        for caller in waiting {
            drop(caller.await.unwrap());
        }
        world.quiet().await;
        world.assert_serves().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_timeout_means_as_long_as_it_takes() {
    let world = World::new(|limits| {
        short_wait(limits);
        limits.host.acquire_timeout = None;
    });
    let holder = world.permit(&world.request()).await;
    let waiting = world.acquire(&world.request());
    tokio::time::sleep(ms(3_600_000)).await;
    assert!(!waiting.is_finished());
    holder.release();
    waiting.await.unwrap().unwrap().release();
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_own_time_is_over_in_the_queue_says_so() {
    let world = World::new(|limits| {
        short_wait(limits);
        limits.host.acquire_timeout = None;
    });
    let holder = world.permit(&world.request()).await;
    let mut impatient = command("x");
    impatient.timeout = Some(ms(30));
    let failure = world.exec(impatient).await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::Timeout { phase: Phase::Queue, reached: Reached::No, .. }));
    holder.release();
    world.quiet().await;
    assert_eq!(world.fake.tally().execs, 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_time_is_over_while_dialing_says_so() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let mut impatient = command("x");
    impatient.timeout = Some(ms(30));
    let failure = world.exec(impatient).await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::Timeout { phase: Phase::Dial, reached: Reached::No, .. }));
    // The connection it asked for still comes, and serves the next one.
    world.fake.dial().await.succeed();
    world.quiet().await;
    world.assert_serves().await;
    assert_eq!(world.fake.tally().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn fail_mode_still_waits_for_a_dial_no_longer_than_allowed() {
    let world = World::new(|limits| {
        short_wait(limits);
        limits.host.when_exhausted = WhenExhausted::Fail;
        limits.script.hold_dials = true;
    });
    assert!(matches!(world.refusal(&world.request()).await, Error::Timeout { phase: Phase::Dial, .. }));
}
