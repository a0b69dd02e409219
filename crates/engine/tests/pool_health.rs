//! Idle connections are asked whether they are well, and replaced when they are not.

mod support;

use std::time::Duration;

use support::{Answer, Fake, Unhealthy, World, command, ms, settle};
use xec_engine::events::EventKind;
use xec_engine::pool::{CloseReason, HealthConfig};

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
