//! Limits that several keys share: what makes room for whom.

mod support;

use support::{Answer, World, command, ms, settle};
use xec_engine::events::EventKind;
use xec_engine::pool::CloseReason;

fn close_reasons(world: &World) -> Vec<(String, CloseReason)> {
    world
        .events()
        .into_iter()
        .filter(|event| event.kind == EventKind::ConnectionClosed)
        .filter_map(|event| Some((event.key?.username().to_owned(), event.reason?)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_makes_room_on_its_host() {
    let world = World::new(|limits| limits.host.max_connections = 1);
    world.permit(&world.request_at("host", "alice")).await.release();
    let bob = world.permit(&world.request_at("host", "bob")).await;
    assert_eq!(bob.connection().target(), "bob@host");
    assert_eq!(close_reasons(&world), [("alice".to_owned(), CloseReason::Evicted)]);
    assert_eq!(world.fake.tally().connections_max, 1, "closed before the next one is dialed");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_of_any_host_makes_room_in_the_pool() {
    let world = World::new(|limits| limits.pool.max_total_connections = 1);
    world.permit(&world.request_at("h1", "alice")).await.release();
    let bob = world.permit(&world.request_at("h2", "bob")).await;
    assert_eq!(bob.connection().target(), "bob@h2");
    assert_eq!(world.fake.tally().connections_max, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_host_does_not_evict_from_other_hosts() {
    let world = World::new(|limits| limits.host.max_connections = 1);
    world.permit(&world.request_at("other", "carol")).await.release();
    world.permit(&world.request_at("host", "alice")).await.release();
    world.permit(&world.request_at("host", "bob")).await.release();
    assert_eq!(close_reasons(&world), [("alice".to_owned(), CloseReason::Evicted)]);
}

#[tokio::test(start_paused = true)]
async fn the_one_unused_longest_goes_first() {
    let world = World::new(|limits| limits.host.max_connections = 3);
    for user in ["old", "older-but-used-again", "young"] {
        world.permit(&world.request_at("host", user)).await.release();
        tokio::time::sleep(ms(10)).await;
    }
    let again = world.permit(&world.request_at("host", "older-but-used-again")).await;
    again.release();
    tokio::time::sleep(ms(10)).await;
    let _new = world.permit(&world.request_at("host", "new")).await;
    assert_eq!(close_reasons(&world), [("old".to_owned(), CloseReason::Evicted)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_becomes_idle_while_somebody_waits_makes_room_at_once() {
    let world = World::new(|limits| limits.host.max_connections = 2);
    let alice = world.permit(&world.request_at("host", "alice")).await;
    let _carol = world.permit(&world.request_at("host", "carol")).await;
    let bob = world.acquire(&world.request_at("host", "bob"));
    settle().await;
    assert!(!bob.is_finished());
    alice.release();
    settle().await;
    assert!(bob.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_busy_sibling_is_retired_for_a_key_that_has_none_and_never_cut() {
    let world = World::new(|limits| limits.host.max_connections = 1);
    let alice_1 = world.permit(&world.request_at("host", "alice")).await;
    let alice_2 = world.permit(&world.request_at("host", "alice")).await;
    let bob = world.acquire(&world.request_at("host", "bob"));
    settle().await;
    assert_eq!(world.pool.connections()[0].state, "retiring");
    alice_1.release();
    settle().await;
    assert!(!bob.is_finished() && world.fake.tally().closes == 0, "alice is not done");
    alice_2.release();
    settle().await;
    assert!(bob.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_has_a_connection_waits_for_it_instead() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.host.channels_per_connection = 1;
    });
    let _alice = world.permit(&world.request_at("host", "alice")).await;
    let bob = world.permit(&world.request_at("host", "bob")).await;
    let bob_2 = world.acquire(&world.request_at("host", "bob"));
    settle().await;
    assert!(world.pool.connections().iter().all(|connection| connection.state == "active"));
    bob.release();
    settle().await;
    assert!(bob_2.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_long_command_on_a_retired_connection_does_not_keep_an_idle_one_from_making_room() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.host.max_lifetime = Some(ms(1_000));
    });
    let _long = world.permit(&world.request_at("host", "alice")).await;
    tokio::time::sleep(ms(1_500)).await;
    assert_eq!(world.pool.connections()[0].state, "retiring");
    world.permit(&world.request_at("host", "carol")).await.release();
    let bob = world.acquire(&world.request_at("host", "bob"));
    settle().await;
    assert!(bob.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_only_connection_is_retired_and_busy_is_not_stuck_behind_it() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.host.channels_per_connection = 1;
        limits.host.max_lifetime = Some(ms(1_000));
    });
    let _long = world.permit(&world.request_at("host", "bob")).await;
    tokio::time::sleep(ms(1_500)).await;
    let alice = world.permit(&world.request_at("host", "alice")).await;
    let bob = world.acquire(&world.request_at("host", "bob"));
    settle().await;
    let alice_2 = world.acquire(&world.request_at("host", "alice"));
    settle().await;
    alice.release();
    settle().await;
    assert!(bob.is_finished(), "bob has no connection that could serve him");
    bob.await.unwrap().unwrap().release();
    settle().await;
    assert!(alice_2.is_finished());
}

#[tokio::test(start_paused = true)]
async fn two_busy_keys_take_turns_and_neither_starves() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 1;
        limits.host.acquire_timeout = Some(ms(10_000));
        limits.script.dial_time = ms(20);
        limits.script.answer = Answer::After(ms(5));
    });
    // Alice always has more callers in line.
    let alice: Vec<_> = (0..200).map(|_| world.exec_as(&world.request_at("host", "alice"), command("x"))).collect();
    settle().await;
    let bob = world.exec_as(&world.request_at("host", "bob"), command("x"));
    let began = tokio::time::Instant::now();
    bob.await.unwrap().unwrap();
    assert!(began.elapsed() < ms(500), "bob waited {:?}", began.elapsed());
    for running in alice {
        running.await.unwrap().unwrap();
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ten_keys_on_two_connections_all_get_their_turn() {
    let world = World::new(|limits| {
        limits.pool.max_total_connections = 2;
        limits.script.dial_time = ms(20);
        limits.script.answer = Answer::After(ms(5));
    });
    let commands: Vec<_> =
        (0..200).map(|n| world.exec_as(&world.request_at(&format!("h{}", n % 10), "user"), command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert!(world.fake.tally().connections_max <= 2);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_survives_close_all() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.host.channels_per_connection = 1;
        limits.script.hold_closes = true;
    });
    // Alice holds one and waits for more room, carol holds the other.
    let _alice = world.permit(&world.request_at("host", "alice")).await;
    let _carol = world.permit(&world.request_at("host", "carol")).await;
    let refused = world.acquire(&world.request_at("host", "alice"));
    settle().await;
    let pool = std::sync::Arc::clone(&world.pool);
    let closing = tokio::spawn(async move { pool.close_all().await });
    settle().await;
    assert!(refused.await.unwrap().is_err());
    // Everybody asks again while the old connections are still closing.
    let alice = world.acquire(&world.request_at("host", "alice"));
    let bob = world.acquire(&world.request_at("host", "bob"));
    settle().await;
    world.fake.release_closes();
    closing.await.unwrap();
    alice.await.unwrap().unwrap().release();
    bob.await.unwrap().unwrap().release();
    world.quiet().await;
}

/// Takes half a second of real time; searching the whole pool for each of them on every occasion took ten times as long
/// and grew with the cube of their number.
#[tokio::test(start_paused = true)]
async fn five_hundred_hosts_share_ten_connections() {
    let world = World::new(|limits| {
        limits.pool.max_total_connections = 10;
        limits.script.dial_time = ms(1);
        limits.script.answer = Answer::After(ms(1));
    });
    let commands: Vec<_> =
        (0..500).map(|n| world.exec_as(&world.request_at(&format!("h{n}"), "user"), command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert_eq!(world.fake.tally().connections_max, 10);
    world.quiet().await;
}
