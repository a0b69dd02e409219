//! Borrowed connections: what a lease keeps, when it gives it up, and that nothing is left over.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::sync::Arc;

use support::{Answer, World, bounded, command, ms, settle};
use xec_engine::command::Command;
use xec_engine::error::Error;
use xec_engine::pool::Lease;
use xec_engine::run::{Cancel, exec};

async fn lease(world: &World) -> Lease<support::Fake> {
    bounded(world.pool.lease(world.request())).await.unwrap()
}

fn run(
    world: &World,
    lease: &Lease<support::Fake>,
    command: Command,
) -> tokio::task::JoinHandle<xec_engine::run::Outcome> {
    tokio::spawn(exec(Arc::clone(&world.pool), lease.request(0), command, Cancel::default()))
}

fn one_channel() -> World {
    World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
        limits.script.answer = Answer::After(ms(10));
    })
}

#[tokio::test(start_paused = true)]
async fn its_commands_run_while_others_wait_for_a_turn() {
    let world = one_channel();
    let lease = lease(&world).await;
    let other = world.exec(command("other"));
    for _ in 0..3 {
        bounded(run(&world, &lease, command("mine"))).await.unwrap().unwrap();
    }
    settle().await;
    assert!(!other.is_finished(), "the lease holds the only channel there is");
    assert_eq!(world.stats().channels, 1);
    lease.release();
    bounded(other).await.unwrap().unwrap();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_command_beside_the_first_takes_its_turn_in_the_pool() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 2;
    });
    let lease = lease(&world).await;
    let (first, second) = (run(&world, &lease, command("a")), run(&world, &lease, command("b")));
    let (one, two) = (world.fake.session().await, world.fake.session().await);
    two.finish(0);
    one.finish(0);
    bounded(first).await.unwrap().unwrap();
    bounded(second).await.unwrap().unwrap();
    settle().await;
    assert_eq!(world.stats().channels, 1, "one of the two permits stayed with the lease");
    drop(lease);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_leased_connection_is_in_use_and_never_idle() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = Some(ms(1_000));
        limits.script.answer = Answer::After(ms(1));
    });
    let lease = lease(&world).await;
    tokio::time::sleep(ms(60_000)).await;
    assert_eq!((world.stats().active, world.stats().total), (1, 1));
    assert_eq!(world.pool.close_idle().await, 0);
    lease.release();
    lease.release();
    tokio::time::sleep(ms(2_000)).await;
    assert_eq!(world.stats().total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lease_whose_command_runs_lets_it_end_first() {
    let world = World::new(|_| {});
    let lease = lease(&world).await;
    let running = run(&world, &lease, command("x"));
    let session = world.fake.session().await;
    drop(lease);
    session.finish(0);
    bounded(running).await.unwrap().unwrap();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_aborted_before_it_began_leaves_the_lease_its_permit() {
    let world = World::new(|limits| limits.script.hold_opens = true);
    let lease = lease(&world).await;
    let running = run(&world, &lease, command("x"));
    let pending = world.fake.open().await;
    running.abort();
    settle().await;
    pending.refuse();
    settle().await;
    assert_eq!(lease.connection_id(), Some(world.pool.connections()[0].id));
    drop(lease);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_lost_its_connection_gets_another_one_with_its_next_command() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    let lease = lease(&world).await;
    world.fake.break_connection(0);
    settle().await;
    assert!(!lease.is_healthy(ms(100)).await);
    bounded(run(&world, &lease, command("x"))).await.unwrap().unwrap();
    assert!(lease.is_healthy(ms(100)).await);
    assert_eq!(world.fake.tally().connections, 2);
    drop(lease);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_channel_costs_the_lease_nothing() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.hold_opens = true;
        limits.script.answer = Answer::After(ms(1));
    });
    let lease = lease(&world).await;
    let running = run(&world, &lease, command("x"));
    world.fake.open().await.refuse();
    world.fake.open().await.accept();
    bounded(running).await.unwrap().unwrap();
    settle().await;
    assert_eq!(world.stats().channels, 1);
    assert!(lease.connection_id().is_some());
    drop(lease);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn reconnecting_takes_a_new_connection_and_lets_neighbours_finish() {
    let world = World::new(|_| {});
    let lease = lease(&world).await;
    let neighbour = world.exec(command("neighbour"));
    let session = world.fake.session().await;
    let before = lease.connection_id();
    bounded(lease.reconnect()).await.unwrap();
    assert_ne!(lease.connection_id(), before);
    session.finish(0);
    bounded(neighbour).await.unwrap().unwrap();
    settle().await;
    assert_eq!(world.stats().total, 1, "the old connection is closed");
    lease.release();
    assert!(matches!(lease.reconnect().await, Err(Error::PoolClosed { .. })));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_leaves_an_unused_lease() {
    let world = World::new(|limits| {
        limits.host.max_lifetime = Some(ms(10_000));
        limits.host.idle_timeout = None;
        limits.script.answer = Answer::After(ms(1));
    });
    let lease = lease(&world).await;
    tokio::time::sleep(ms(60_000)).await;
    assert_eq!(world.stats().total, 0);
    bounded(run(&world, &lease, command("x"))).await.unwrap().unwrap();
    assert_eq!(world.fake.tally().connections, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unused_lease_does_not_hold_up_a_drain() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    let lease = lease(&world).await;
    assert!(bounded(world.pool.drain(Some(ms(5_000)))).await, "something had to be cut");
    bounded(run(&world, &lease, command("x"))).await.unwrap().unwrap();
    assert_eq!(world.pool.remove(&world.request().key), 1);
    settle().await;
    assert_eq!(world.stats().total, 0, "nothing runs on it");
}

#[tokio::test(start_paused = true)]
async fn after_close_all_it_begins_anew_and_after_shut_down_it_is_refused() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    let lease = lease(&world).await;
    bounded(world.pool.close_all()).await;
    bounded(run(&world, &lease, command("x"))).await.unwrap().unwrap();
    bounded(world.pool.shut_down()).await;
    let failure = bounded(run(&world, &lease, command("x"))).await.unwrap().unwrap_err();
    assert!(matches!(failure.error, Error::PoolClosed { .. }), "{}", failure.error);
}

#[tokio::test(start_paused = true)]
async fn its_own_pings_find_a_dead_connection() {
    let world = World::new(|limits| limits.host.idle_timeout = None);
    let lease = lease(&world).await;
    lease.keep_alive(Some(ms(1_000)), 3);
    tokio::time::sleep(ms(10_500)).await;
    assert!(world.fake.tally().checks >= 10);
    world.fake.script(|script| script.unhealthy = support::Unhealthy::Silent);
    tokio::time::sleep(ms(7_000)).await;
    assert_eq!(world.stats().total, 0);
    lease.keep_alive(None, 3);
    let checks = world.fake.tally().checks;
    tokio::time::sleep(ms(10_000)).await;
    assert_eq!(world.fake.tally().checks, checks);
}
