//! Connections that carry other connections, and the limits that they are outside of.

mod support;

use std::sync::Arc;

use support::{World, ms, settle};
use xec_engine::pool::{HostConfig, Request};

fn hop(world: &World) -> Request<support::Fake> {
    let config = HostConfig { is_hop: true, channels_per_connection: 2, ..HostConfig::clone(&world.config) };
    Request { config: Arc::new(config), ..world.request_at("host", "hop") }
}

#[tokio::test(start_paused = true)]
async fn a_hop_is_to_be_had_when_every_place_is_taken() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.pool.max_total_connections = 1;
        limits.pool.max_handshakes_per_host = 1;
        limits.script.hold_dials = true;
    });
    let target = world.acquire(&world.request());
    // The target's handshake is under way and takes the only place: the hop it waits for must not.
    let of_target = world.fake.dial().await;
    let through = world.acquire(&hop(&world));
    world.fake.dial().await.succeed();
    let through = through.await.unwrap().expect("a hop");
    of_target.succeed();
    drop(target.await.unwrap().expect("a target"));
    drop(through);
    world.quiet().await;
    assert_eq!(world.stats().total, 2);
}

#[tokio::test(start_paused = true)]
async fn a_hop_makes_room_for_nobody() {
    let world = World::new(|limits| limits.pool.max_total_connections = 1);
    drop(world.permit(&hop(&world)).await);
    drop(world.permit(&world.request()).await);
    // Room for a third: the target goes, not the hop, whose place nobody could use.
    drop(world.permit(&world.request_at("other", "user")).await);
    settle().await;
    let hosts: Vec<String> = world.pool.connections().iter().map(|info| info.key.username().to_owned()).collect();
    assert_eq!(hosts, ["hop", "user"]);
}

#[tokio::test(start_paused = true)]
async fn many_share_a_hop_and_the_figures_are_about_callers() {
    let world = World::new(|_| {});
    let hop = hop(&world);
    let permits = [world.permit(&hop).await, world.permit(&hop).await, world.permit(&hop).await];
    // Two channels on each, as configured.
    assert_eq!(world.stats().total, 2);
    assert_eq!((world.stats().hits, world.stats().misses, world.stats().permits), (0, 0, 0));
    drop(permits);
    assert_eq!(world.pool.close_idle().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_draining_pool_still_lends_hops_and_closes_them_at_the_end() {
    let world = World::new(|_| {});
    let running = world.permit(&world.request()).await;
    let pool = Arc::clone(&world.pool);
    let drain = tokio::spawn(async move { pool.drain(Some(ms(5_000))).await });
    settle().await;
    assert_eq!(world.refusal(&world.request()).await.code(), "EPOOLCLOSED");
    let through = world.permit(&hop(&world)).await;
    drop(running);
    settle().await;
    assert!(!drain.is_finished(), "the hop is in use");
    drop(through);
    assert!(drain.await.unwrap(), "nothing had to be cut");
    assert_eq!(world.stats().total, 0);
}
