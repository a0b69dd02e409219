//! Idle connections are asked whether they are well, and replaced when they are not.

mod support;

use std::time::Duration;

use support::{Answer, Fake, Sent, Unhealthy, World, command, ms, settle};
use xec_engine::events::EventKind;
use xec_engine::pool::{CloseReason, HealthConfig};
use xec_engine::transport::Signal;

const INTERVAL: Duration = Duration::from_secs(30);

fn checked() -> World {
    World::new(|limits| {
        limits.script.answer = Answer::After(ms(1));
        limits.host.health =
            Some(HealthConfig { interval: INTERVAL, timeout: ms(500), command: None, failure_threshold: 3 });
    })
}

async fn intervals(count: u32) {
    tokio::time::sleep(INTERVAL * count + ms(900)).await;
}

fn count(world: &World, kind: EventKind) -> usize {
    world.kinds().iter().filter(|other| **other == kind).count()
}

#[tokio::test(start_paused = true)]
async fn a_healthy_connection_stays_and_its_idle_time_counts_on() {
    let world = checked();
    world.run("x").await.unwrap();
    intervals(3).await;
    assert_eq!(world.stats().checks_passed, 3);
    assert_eq!(count(&world, EventKind::Healthy), 3);
    assert!(world.pool.connections()[0].idle > INTERVAL * 3, "a check is no use of it");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_not_asked() {
    let world = checked();
    world.fake.script(|script| script.answer = Answer::Held);
    let running = world.exec(command("x"));
    let session = world.fake.session().await;
    intervals(3).await;
    assert_eq!(world.fake.tally().checks, 0);
    drop(session);
    assert!(running.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn two_failures_are_forgiven() {
    let world = checked();
    world.run("x").await.unwrap();
    world.fake.script(|script| script.unhealthy = Unhealthy::Says);
    intervals(2).await;
    world.fake.script(|script| script.unhealthy = Unhealthy::No);
    intervals(1).await;
    assert_eq!((world.stats().checks_failed, world.stats().created), (2, 1));
    assert_eq!(count(&world, EventKind::Unhealthy), 0);
}

#[tokio::test(start_paused = true)]
async fn the_third_failure_replaces_it() {
    for how in [Unhealthy::Says, Unhealthy::Silent] {
        let world = checked();
        world.run("x").await.unwrap();
        world.fake.script(|script| script.unhealthy = how);
        intervals(3).await;
        // A silent one takes its timeout each time.
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.fake.script(|script| script.unhealthy = Unhealthy::No);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let events = world.events();
        let unhealthy = events.iter().find(|event| event.kind == EventKind::Unhealthy).expect("an event");
        let code = if how == Unhealthy::Says { "EUNHEALTHY" } else { "ETIMEDOUT" };
        assert_eq!(unhealthy.error.as_ref().unwrap().code(), code);
        let closed = events.iter().find(|event| event.kind == EventKind::ConnectionClosed).expect("the old one closed");
        assert_eq!(closed.reason, Some(CloseReason::Unhealthy));
        assert!(events.iter().any(|event| event.kind == EventKind::Reconnected));
        assert_eq!((world.stats().created, world.stats().idle), (2, 1), "{how:?}");
        world.quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_replaced_is_gone() {
    let world = checked();
    world.run("x").await.unwrap();
    world.fake.script(|script| {
        script.unhealthy = Unhealthy::Says;
        script.dial_error = Some(Fake::connection_refused());
    });
    intervals(4).await;
    settle().await;
    assert_eq!((world.stats().total, world.stats().connecting), (0, 0));
    world.assert_serves().await;
}

fn checked_by_command(threshold: u32) -> World {
    World::new(|limits| {
        limits.script.answer = Answer::After(ms(1));
        let command = Some("probe".into());
        limits.host.health =
            Some(HealthConfig { interval: INTERVAL, timeout: ms(500), command, failure_threshold: threshold });
    })
}

#[tokio::test(start_paused = true)]
async fn a_command_that_takes_too_long_is_ended_as_any_other() {
    let world = checked_by_command(3);
    world.run("x").await.unwrap();
    world.fake.script(|script| script.answer = Answer::Held);
    tokio::time::sleep(INTERVAL).await;
    let mut probe = world.fake.session().await;
    assert_eq!(probe.command, "probe");
    probe.until(&Sent::Signal(Signal::Term)).await;
    // It is judged at once, and holds its channel until it has left.
    assert_eq!((world.stats().checks_failed, world.stats().channels), (1, 1));
    probe.finish(143);
    settle().await;
    assert_eq!((world.stats().channels, world.stats().total), (0, 1));
    world.fake.script(|script| script.answer = Answer::After(ms(1)));
    intervals(1).await;
    assert_eq!(world.stats().checks_passed, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_too_late_for_its_check_is_closed() {
    let world = checked_by_command(3);
    world.run("x").await.unwrap();
    world.fake.script(|script| {
        script.hold_opens = true;
        script.answer = Answer::Held;
    });
    tokio::time::sleep(INTERVAL).await;
    let opening = world.fake.open().await;
    tokio::time::sleep(ms(600)).await;
    assert_eq!(world.stats().checks_failed, 1);
    opening.accept();
    let mut late = world.fake.channel().await;
    assert_eq!(late.receive().await, Sent::Close, "nothing runs on it");
    late.close();
    settle().await;
    assert_eq!((world.fake.tally().channels_now, world.stats().channels, world.stats().total), (0, 0, 1));
    world.fake.script(|script| script.answer = Answer::After(ms(1)));
    world.assert_serves().await;
    world.quiet().await;
}
