//! Who gets a permit, when, and how many connections that takes.

mod support;

use support::{Answer, World, command, ms, settle};
use xec_engine::pool::{HostConfig, Request, WhenExhausted};

#[tokio::test(start_paused = true)]
async fn a_returned_connection_is_used_again() {
    let world = World::new(|_| {});
    let first = world.permit(&world.request()).await;
    let id = first.connection_id();
    first.release();
    let second = world.permit(&world.request()).await;
    assert_eq!(second.connection_id(), id);
    assert_eq!(world.fake.tally().dials, 1);
    assert_eq!((world.stats().hits, world.stats().misses), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_connection_up_to_its_channels() {
    let world = World::new(|limits| limits.host.channels_per_connection = 3);
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(world.permit(&world.request()).await);
    }
    assert_eq!(world.fake.tally().dials, 1);
    permits.push(world.permit(&world.request()).await);
    assert_eq!(world.fake.tally().dials, 2);
    assert_eq!(world.stats().channels, 4);
}

#[tokio::test(start_paused = true)]
async fn the_least_loaded_connection_is_chosen() {
    let world = World::new(|limits| limits.host.channels_per_connection = 2);
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(world.permit(&world.request()).await);
    }
    let (busy, free) = (permits[0].connection_id(), permits[3].connection_id());
    assert_ne!(busy, free);
    permits.truncate(2);
    assert_eq!(world.permit(&world.request()).await.connection_id(), free);
}

#[tokio::test(start_paused = true)]
async fn different_keys_never_share_a_connection() {
    let world = World::new(|_| {});
    let alice = world.permit(&world.request_at("host", "alice")).await;
    let bob = world.permit(&world.request_at("host", "bob")).await;
    assert_ne!(alice.connection_id(), bob.connection_id());
    assert_eq!(alice.connection().target(), "alice@host");
    assert_eq!(bob.connection().target(), "bob@host");
}

#[tokio::test(start_paused = true)]
async fn five_commands_on_two_connections_all_succeed() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.host.channels_per_connection = 1;
        limits.script.answer = Answer::After(ms(10));
    });
    let commands: Vec<_> = (0..5).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        assert_eq!(running.await.unwrap().unwrap().status.code(), 0);
    }
    assert_eq!(world.fake.tally().connections_max, 2);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_host_limit_holds_over_all_keys_of_the_host() {
    let world = World::new(|limits| {
        limits.host.max_connections = 3;
        limits.host.channels_per_connection = 1;
        limits.script.answer = Answer::After(ms(5));
    });
    let users = ["a", "b", "c", "d", "e", "f"];
    let commands: Vec<_> =
        (0..60).map(|n| world.exec_as(&world.request_at("host", users[n % 6]), command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert_eq!(world.fake.tally().connections_max, 3);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_global_cap_holds_over_all_hosts() {
    let world = World::new(|limits| {
        limits.pool.max_total_connections = 4;
        limits.host.channels_per_connection = 1;
        limits.script.answer = Answer::After(ms(5));
    });
    let hosts = ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"];
    let commands: Vec<_> =
        (0..64).map(|n| world.exec_as(&world.request_at(hosts[n % 8], "user"), command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert_eq!(world.fake.tally().connections_max, 4);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn callers_are_served_in_the_order_they_came() {
    let world = World::new(only_one_permit);
    let mut holder = world.permit(&world.request()).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(world.acquire(&world.request()));
        settle().await;
    }
    for (place, next) in waiting.into_iter().enumerate() {
        holder.release();
        settle().await;
        assert!(next.is_finished(), "caller {place} is next");
        holder = next.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_never_overtakes_the_queue() {
    let world = World::new(only_one_permit);
    let holder = world.permit(&world.request()).await;
    let waiting = world.acquire(&world.request());
    settle().await;
    holder.release();
    // Asked for in the very moment the permit was free, before the one who waits could even run.
    let newcomer = world.acquire(&world.request());
    settle().await;
    assert!(waiting.is_finished());
    assert!(!newcomer.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_goes_first() {
    let world = World::new(only_one_permit);
    let holder = world.permit(&world.request()).await;
    let low = world.acquire(&world.request());
    settle().await;
    let high = world.acquire(&Request { priority: 5, ..world.request() });
    settle().await;
    holder.release();
    settle().await;
    assert!(high.is_finished() && !low.is_finished());
    high.await.unwrap().unwrap().release();
    low.await.unwrap().unwrap().release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn eight_first_callers_share_one_dial() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting: Vec<_> = (0..8).map(|_| world.acquire(&world.request())).collect();
    settle().await;
    assert_eq!(world.fake.tally().dials, 1);
    world.fake.dial().await.succeed();
    for permit in waiting {
        assert_eq!(permit.await.unwrap().unwrap().connection().target(), "user@host");
    }
    assert_eq!(world.fake.tally().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn dials_are_bounded_by_need() {
    let world = World::new(|limits| {
        limits.script.hold_dials = true;
        limits.pool.max_handshakes_per_host = 100;
    });
    let waiting: Vec<_> = (0..17).map(|_| world.acquire(&world.request())).collect();
    settle().await;
    assert_eq!(world.fake.tally().dials_now, 3, "17 callers need 3 connections of 8 channels");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn handshakes_to_one_host_are_bounded_over_its_keys() {
    let world = World::new(|limits| {
        limits.host.channels_per_connection = 1;
        limits.script.dial_time = ms(100);
        limits.script.answer = Answer::After(ms(1));
    });
    let commands: Vec<_> =
        (0..30).map(|n| world.exec_as(&world.request_at("host", ["a", "b", "c"][n % 3]), command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert_eq!(world.fake.tally().dials_max, 4);
}

#[tokio::test(start_paused = true)]
async fn handshakes_to_different_hosts_do_not_wait_for_each_other() {
    let world = World::new(|limits| limits.script.hold_dials = true);
    let waiting: Vec<_> = (0..20).map(|n| world.acquire(&world.request_at(&format!("h{n}"), "u"))).collect();
    settle().await;
    assert_eq!(world.fake.tally().dials_now, 20);
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn growth_adds_one_connection_at_a_time() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let _holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.hold_dials = true);
    let _waiting: Vec<_> = (0..9).map(|_| world.acquire(&world.request())).collect();
    settle().await;
    assert_eq!(world.fake.tally().dials_now, 1);
    world.fake.dial().await.succeed();
    settle().await;
    assert_eq!(world.fake.tally().dials_now, 1);
}

#[tokio::test(start_paused = true)]
async fn fail_mode_refuses_with_the_documented_words() {
    let world = World::new(|limits| {
        only_one_permit(limits);
        limits.host.when_exhausted = WhenExhausted::Fail;
    });
    let holder = world.permit(&world.request()).await;
    let error = world.refusal(&world.request()).await;
    assert_eq!(error.to_string(), "Connection pool exhausted for host:22 (max: 1)");
    assert_eq!((error.code(), error.phase().as_str()), ("EPOOLEXHAUSTED", "queue"));
    holder.release();
    world.permit(&world.request()).await.release();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn fail_mode_counts_dials_that_others_already_need() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.host.channels_per_connection = 2;
        limits.host.when_exhausted = WhenExhausted::Fail;
        limits.script.hold_dials = true;
    });
    let waiting: Vec<_> = (0..4).map(|_| world.acquire(&world.request())).collect();
    settle().await;
    assert!(waiting.iter().all(|caller| !caller.is_finished()), "four permits can be had");
    assert_eq!(world.refusal(&world.request()).await.code(), "EPOOLEXHAUSTED");
}

#[tokio::test(start_paused = true)]
async fn fail_mode_takes_the_room_of_another_keys_idle_connection() {
    let world = World::new(|limits| {
        only_one_permit(limits);
        limits.host.when_exhausted = WhenExhausted::Fail;
    });
    world.permit(&world.request_at("host", "alice")).await.release();
    let bob = world.acquire(&world.request_at("host", "bob"));
    assert_eq!(bob.await.unwrap().unwrap().connection().target(), "bob@host");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_the_others_stay() {
    let world = World::new(|limits| {
        only_one_permit(limits);
        limits.host.max_queue = 2;
    });
    let holder = world.permit(&world.request()).await;
    let waiting: Vec<_> = (0..2).map(|_| world.acquire(&world.request())).collect();
    settle().await;
    let error = world.refusal(&world.request()).await;
    assert_eq!(error.to_string(), "Connection pool queue for host:22 is full (maxQueue: 2)");
    assert_eq!(error.code(), "EPOOLEXHAUSTED");
    holder.release();
    for permit in waiting {
        permit.await.unwrap().unwrap().release();
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn new_limits_apply_to_the_next_caller() {
    let world = World::new(only_one_permit);
    let _first = world.permit(&world.request()).await;
    let roomier = world.request_with(|config| config.max_connections = 2);
    let second = world.acquire(&roomier);
    settle().await;
    assert!(second.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_raised_channel_count_applies_to_new_connections_of_a_warm_key() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let _first = world.permit(&world.request()).await;
    let wider = world.request_with(|config| config.channels_per_connection = 4);
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(world.permit(&wider).await);
    }
    assert_eq!(world.fake.tally().dials, 2, "one of 1 channel, one of 4");
}

fn only_one_permit(limits: &mut support::Limits) {
    limits.host = HostConfig { max_connections: 1, channels_per_connection: 1, ..HostConfig::default() };
}
