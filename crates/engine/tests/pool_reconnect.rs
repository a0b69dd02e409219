//! What follows a lost connection or a failed attempt: another attempt where that can help, an error where it cannot.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Answer, Fake, World, command, ms, settle};
use tokio::time::Instant;
use xec_engine::error::{Error, Kind, Phase};
use xec_engine::events::EventKind;

fn answering() -> World {
    World::new(|limits| limits.script.answer = Answer::After(ms(1)))
}

fn login_refused() -> Error {
    Error::Authentication { username: "u".into(), tried: "password".into(), accepted: "publickey".into(), source: None }
}

fn hung_up() -> Error {
    let source = Arc::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
    Error::Handshake { address: "host:22".into(), dropped: true, source }
}

fn reconnects(world: &World) -> Vec<(EventKind, Option<u32>)> {
    world
        .events()
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Reconnecting | EventKind::Reconnected))
        .map(|event| (event.kind, event.attempt))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_is_tried_once() {
    let world = answering();
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    assert_eq!(world.run("x").await.unwrap_err().error.code(), "ECONNREFUSED");
    assert_eq!(world.fake.tally().dials, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_a_command_finds_first_is_followed_by_a_reconnect_too() {
    let world = answering();
    world.run("x").await.unwrap();
    world.events();
    world.permit(&world.request()).await.suspect();
    world.run("y").await.unwrap();
    assert_eq!(reconnects(&world), [(EventKind::Reconnecting, Some(1)), (EventKind::Reconnected, None)]);
    assert_eq!(world.stats().reconnected, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_is_waited_for() {
    let world = answering();
    world.run("x").await.unwrap();
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    world.fake.break_connection(0);
    settle().await;
    world.events();
    let running = world.exec(command("y"));
    settle().await;
    world.fake.script(|script| script.dial_error = None);
    running.await.unwrap().expect("the retry reaches the server");
    assert_eq!(
        reconnects(&world),
        [(EventKind::Reconnecting, Some(1)), (EventKind::Reconnecting, Some(2)), (EventKind::Reconnected, None),]
    );
    assert_eq!(world.stats().reconnected, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_the_retries_with_the_last_error() {
    let world = answering();
    world.run("x").await.unwrap();
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    world.fake.break_connection(0);
    settle().await;
    let began = Instant::now();
    assert_eq!(world.run("y").await.unwrap_err().error.code(), "ECONNREFUSED");
    assert_eq!(world.fake.tally().dials, 1 + 1 + 3, "one, and the three retries of the default");
    assert!(began.elapsed() <= Duration::from_secs(1 + 2 + 4), "delays stay under their ceilings");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_too_when_asked_for() {
    let world = answering();
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    let request = world.request_with(|config| {
        config.reconnect.first = true;
        config.reconnect.max_retries = 2;
    });
    assert!(world.exec_as(&request, command("x")).await.unwrap().is_err());
    assert_eq!(world.fake.tally().dials, 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_on_newcomers_is_asked_again_and_more_gently() {
    let world = World::new(|limits| {
        limits.script.hold_dials = true;
        limits.script.answer = Answer::After(ms(1));
        limits.host.channels_per_connection = 1;
    });
    let commands: Vec<_> = (0..4).map(|_| world.exec(command("x"))).collect();
    for _ in 0..4 {
        world.fake.dial().await.fail(hung_up());
    }
    settle().await;
    let next = world.fake.dial().await;
    assert_eq!(world.fake.tally().dials_now, 1, "fewer handshakes at once");
    world.fake.script(|script| script.hold_dials = false);
    next.succeed();
    for running in commands {
        running.await.unwrap().expect("being hung up on reached a caller");
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_only_hangs_up_is_an_error_in_the_end() {
    let world = answering();
    world.fake.script(|script| script.dial_error = Some(hung_up()));
    assert_eq!(world.run("x").await.unwrap_err().error.code(), "EHANDSHAKE");
    assert_eq!(world.fake.tally().dials, 9, "one and eight more");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_never_tried_again() {
    let world = answering();
    world.run("x").await.unwrap();
    world.fake.script(|script| script.dial_error = Some(login_refused()));
    world.fake.break_connection(0);
    settle().await;
    assert_eq!(world.run("y").await.unwrap_err().error.code(), "EAUTH");
    assert_eq!(world.fake.tally().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn after_three_refused_logins_callers_are_refused_without_asking() {
    let world = answering();
    world.fake.script(|script| script.dial_error = Some(login_refused()));
    for _ in 0..3 {
        assert_eq!(world.run("x").await.unwrap_err().error.code(), "EAUTH");
    }
    let error = world.run("x").await.unwrap_err().error;
    assert_eq!((error.code(), error.kind(), error.phase()), ("EBREAKEROPEN", Kind::Authentication, Phase::Dial));
    let causes = xec_engine::error::causes(&error);
    assert!(causes[0].contains("authentication methods failed"), "{causes:?}");
    assert_eq!(world.fake.tally().dials, 3, "the server was left alone");

    tokio::time::sleep(Duration::from_secs(5)).await;
    world.fake.script(|script| script.dial_error = None);
    world.run("x").await.expect("its pause is over");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn other_credentials_have_a_breaker_of_their_own() {
    let world = answering();
    world.fake.script(|script| script.dial_error = Some(login_refused()));
    for _ in 0..4 {
        world.run("x").await.unwrap_err();
    }
    world.fake.script(|script| script.dial_error = None);
    let other = world.request_at("host", "other");
    world.exec_as(&other, command("x")).await.unwrap().expect("another user");
}

#[tokio::test(start_paused = true)]
async fn spare_connections_come_back_by_themselves() {
    let world = World::new(|limits| {
        limits.script.answer = Answer::After(ms(1));
        limits.host.min_idle = 2;
    });
    world.run("x").await.unwrap();
    settle().await;
    assert_eq!(world.stats().idle, 3, "two were kept ready while one was in use");
    world.fake.script(|script| script.dial_error = Some(Fake::connection_refused()));
    (0..3).for_each(|nth| world.fake.break_connection(nth));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.stats().idle, 0);
    world.fake.script(|script| script.dial_error = None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.stats().idle, 2, "nobody had to ask");
    world.pool.close_all().await;
    settle().await;
    assert_eq!(world.stats().total, 0, "closed on purpose, they stay closed");
}

#[tokio::test(start_paused = true)]
async fn spare_connections_outlive_the_idle_timeout_and_the_others_do_not() {
    let world = World::new(|limits| {
        limits.script.answer = Answer::After(ms(50));
        limits.host.channels_per_connection = 1;
        limits.host.min_idle = 1;
        limits.host.idle_timeout = Some(ms(1000));
    });
    let commands: Vec<_> = (0..4).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    assert!(world.stats().total >= 4);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.stats().total, 1);
}

#[tokio::test(start_paused = true)]
async fn spare_connections_are_refilled_when_one_becomes_busy() {
    let world = World::new(|limits| {
        limits.host.channels_per_connection = 1;
        limits.host.min_idle = 2;
    });
    let mut held = Vec::new();
    for busy in 1..=3 {
        held.push(world.permit(&world.request()).await);
        settle().await;
        assert_eq!((world.stats().active, world.stats().idle), (busy, 2));
    }
    drop(held);
    world.quiet().await;
}
