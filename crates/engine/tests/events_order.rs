//! What listeners hear, in which order, and with which arguments.

mod support;

use support::{Answer, Fake, World, command, ms, settle};
use xec_engine::events::EventKind::{self, *};
use xec_engine::pool::{CloseReason, WhenExhausted};

#[tokio::test(start_paused = true)]
async fn the_life_of_a_connection() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = Some(ms(1_000));
        limits.script.dial_time = ms(70);
    });
    world.permit(&world.request()).await.release();
    assert_eq!(world.kinds(), [Queue, ConnectionCreated, Acquire]);
    tokio::time::sleep(ms(300)).await;
    world.permit(&world.request()).await.release();
    assert_eq!(world.kinds(), [ConnectionReused, ConnectionIdle, Acquire]);
    tokio::time::sleep(ms(1_200)).await;
    assert_eq!(world.kinds(), [Retire, ConnectionIdle, Cleanup, ConnectionClosed]);
}

#[tokio::test(start_paused = true)]
async fn their_arguments() {
    let world = World::new(|limits| {
        limits.host.idle_timeout = Some(ms(1_000));
        limits.script.dial_time = ms(70);
    });
    let permit = world.permit(&world.request()).await;
    let id = permit.connection_id();
    permit.release();
    tokio::time::sleep(ms(300)).await;
    world.permit(&world.request()).await.release();
    tokio::time::sleep(ms(1_200)).await;
    let events = world.events();
    let one = |kind: EventKind| events.iter().find(|event| event.kind == kind).unwrap();

    assert_eq!(one(ConnectionCreated).connection, Some(id));
    assert_eq!(one(ConnectionCreated).duration, Some(ms(70)));
    assert_eq!(one(ConnectionReused).connection, Some(id));
    assert_eq!(one(ConnectionIdle).duration, Some(ms(300)));
    assert_eq!(one(Acquire).connection, Some(id));
    assert_eq!((one(Queue).connection, one(Queue).duration), (None, None));
    assert_eq!(one(Retire).reason, Some(CloseReason::IdleTimeout));
    let closed = one(ConnectionClosed);
    assert_eq!((closed.connection, closed.reason), (Some(id), Some(CloseReason::IdleTimeout)));
    assert!(closed.duration.unwrap() >= ms(1_300), "how long it lived");
    let cleanup = one(Cleanup);
    assert_eq!((cleanup.cleaned, cleanup.key.is_none()), (Some((1, 0)), true));
    for event in &events {
        let key = event.key.as_ref().map(ToString::to_string);
        assert!(event.kind == Cleanup || key.unwrap().starts_with("user@host:22#"), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_dial() {
    let world = World::new(|limits| {
        limits.script.dial_time = ms(70);
        limits.script.dial_error = Some(Fake::connection_refused());
    });
    assert!(world.run("x").await.is_err());
    let events = world.events();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [Queue, ConnectionFailed]);
    let failed = &events[1];
    assert_eq!((failed.error.as_ref().unwrap().code(), failed.duration), ("ECONNREFUSED", Some(ms(70))));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection() {
    let world = World::new(|_| {});
    world.permit(&world.request()).await.release();
    world.events();
    world.fake.break_connection(0);
    settle().await;
    let events = world.events();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [ConnectionError, ConnectionClosed]);
    assert_eq!(events[0].error.as_ref().unwrap().code(), "ECONNLOST");
    assert_eq!(events[1].reason, Some(CloseReason::Dead));
}

#[tokio::test(start_paused = true)]
async fn what_we_close_ourselves_is_no_error() {
    let world = World::new(|_| {});
    let _busy = world.permit(&world.request()).await;
    world.events();
    world.pool.close_all().await;
    settle().await;
    assert_eq!(world.kinds(), [ConnectionClosed]);
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_is_told_once_to_those_who_wait() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
        limits.script.answer = Answer::After(ms(5));
    });
    let commands: Vec<_> = (0..50).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    let full = world.kinds().into_iter().filter(|kind| *kind == PoolFull).count();
    assert_eq!(full, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_is_told_to_each_who_is_refused() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
        limits.host.when_exhausted = WhenExhausted::Fail;
    });
    let _holder = world.permit(&world.request()).await;
    world.events();
    for _ in 0..3 {
        assert!(world.pool.acquire(&world.request()).await.is_err());
    }
    assert_eq!(world.kinds(), [PoolFull; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_eviction() {
    let world = World::new(|limits| limits.host.max_connections = 1);
    world.permit(&world.request_at("host", "alice")).await.release();
    world.events();
    let _bob = world.permit(&world.request_at("host", "bob")).await;
    assert_eq!(world.kinds(), [Queue, Retire, ConnectionClosed, ConnectionCreated, Acquire]);
}

#[tokio::test(start_paused = true)]
async fn every_acquire_is_told_and_every_command_needs_one() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    let commands: Vec<_> = (0..40).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    let kinds = world.kinds();
    let count = |wanted: EventKind| kinds.iter().filter(|kind| **kind == wanted).count() as u64;
    assert_eq!(count(Acquire), 40);
    assert_eq!((count(ConnectionReused), count(ConnectionCreated)), (world.stats().hits, world.stats().created));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_wanted_is_recorded() {
    let world = World::new(|limits| limits.script.answer = Answer::After(ms(1)));
    world.pool.events().set_mask(1 << Acquire as u32);
    world.run("x").await.unwrap();
    assert_eq!(world.kinds(), [Acquire]);
    world.pool.events().set_mask(0);
    world.run("x").await.unwrap();
    assert_eq!(world.kinds(), []);
}

#[tokio::test(start_paused = true)]
async fn what_happened_before_a_command_ended_is_there_when_it_has() {
    let world = World::new(|limits| {
        limits.host.enabled = false;
        limits.script.answer = Answer::After(ms(1));
    });
    world.run("x").await.unwrap();
    assert_eq!(world.kinds()[..4], [Queue, ConnectionCreated, Acquire, Retire]);
}
