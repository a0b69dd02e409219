//! Servers that open fewer channels than we ask for. A refusal proves that the command never ran, so nobody sees it.

mod support;

use support::{Answer, World, command, ms, settle};
use xec_engine::error::Phase;

#[tokio::test(start_paused = true)]
async fn two_sessions_at_most_and_every_command_succeeds() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.max_sessions = 2;
        limits.script.answer = Answer::After(ms(3));
    });
    world.run_all(50).await;
    assert_eq!(world.pool.connections()[0].channel_limit, 2, "the limit is learned");
    let refusals = world.fake.tally().refusals;
    assert!((1..=6).contains(&refusals), "{refusals} refusals");
    world.run_all(50).await;
    assert_eq!(world.fake.tally().refusals, refusals, "and stays learned");
    assert_eq!(world.fake.tally().execs, 100, "each ran once");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_freed_a_little_late_are_no_error() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 10;
        limits.script.max_sessions = 10;
        limits.script.free_after = ms(1);
        limits.script.answer = Answer::After(ms(3));
    });
    world.run_all(200).await;
    assert_eq!(world.fake.tally().execs, 200);
    tokio::time::sleep(ms(2)).await;
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn new_connections_of_the_key_start_at_the_learned_limit() {
    let world = World::new(|limits| {
        limits.host.max_connections = 4;
        limits.script.max_sessions = 2;
        limits.script.answer = Answer::After(ms(3));
    });
    world.run_all(10).await;
    let refusals = world.fake.tally().refusals;
    world.pool.close_idle().await;
    settle().await;
    // Nothing is known of a key that has no connection: learning begins anew, at the same price at most.
    world.run_all(10).await;
    assert!(world.fake.tally().refusals <= 2 * refusals + 6);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_keeps_the_front_of_the_queue() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 2;
        limits.script.max_sessions = 1;
    });
    let _running = world.exec(command("running"));
    let running = world.fake.session().await;
    let _refused = world.exec(command("refused"));
    settle().await;
    assert_eq!(world.fake.tally().refusals, 1);
    let _later = world.exec(command("later"));
    settle().await;
    running.finish(0);
    let next = world.fake.session().await;
    assert_eq!(next.command, "refused");
    next.finish(0);
    let last = world.fake.session().await;
    assert_eq!(last.command, "later");
    last.finish(0);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_requeued_even_before_callers_of_its_priority_that_came_later_were_queued() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 2;
        limits.script.hold_opens = true;
    });
    let _a = world.exec(command("a"));
    let a = world.fake.open().await;
    let _b = world.exec(command("b"));
    let b = world.fake.open().await;
    let _c = world.exec(command("c"));
    settle().await;
    a.accept();
    b.refuse();
    world.fake.session().await.finish(0);
    world.fake.open().await.accept();
    assert_eq!(world.fake.session().await.command, "b");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_opens_no_channel_at_all_is_given_up() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.max_sessions = 0;
    });
    let failure = world.run("x").await.unwrap_err();
    assert_eq!((failure.error.code(), failure.error.phase()), ("ECHANNEL", Phase::OpenChannel));
    assert_eq!(world.fake.tally().refusals, 8, "after a few tries");
    world.quiet().await;
    assert_eq!(world.stats().total, 0, "that connection is closed");
    world.assert_serves().await;
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_an_answer_from_a_server_that_opens_no_channel_at_all() {
    let world = World::new(|limits| {
        limits.host.max_connections = 2;
        limits.script.max_sessions = 0;
    });
    let commands: Vec<_> = (0..20).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        assert_eq!(running.await.unwrap().unwrap_err().error.code(), "ECHANNEL");
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_lone_refusal_is_asked_again_after_a_pause() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.max_sessions = 0;
        limits.script.answer = Answer::After(ms(1));
    });
    let running = world.exec(command("x"));
    settle().await;
    assert_eq!(world.fake.tally().refusals, 1, "not hammered");
    world.fake.script(|script| script.max_sessions = 1);
    running.await.unwrap().unwrap();
    assert_eq!(world.fake.tally().connections, 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_during_that_pause_waits_for_its_end_and_no_longer() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.script.max_sessions = 0;
        limits.script.answer = Answer::After(ms(1));
    });
    let leaver = world.exec(command("x"));
    settle().await;
    leaver.abort();
    settle().await;
    assert_eq!((world.fake.tally().refusals, world.stats().queued), (1, 0));
    world.fake.script(|script| script.max_sessions = 1);
    let began = tokio::time::Instant::now();
    world.run("y").await.unwrap();
    assert!(began.elapsed() < ms(50), "waited {:?}", began.elapsed());
    assert_eq!(world.fake.tally().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_probed_higher_after_a_long_run() {
    let world = World::new(|limits| {
        limits.host.max_connections = 1;
        limits.host.channels_per_connection = 3;
        limits.script.max_sessions = 2;
        limits.script.answer = Answer::After(ms(1));
    });
    world.run_all(10).await;
    assert_eq!(world.pool.connections()[0].channel_limit, 2);
    // The server was reconfigured: it now takes three.
    world.fake.script(|script| script.max_sessions = 3);
    world.run_all(1_000).await;
    assert_eq!(world.pool.connections()[0].channel_limit, 3);
    assert_eq!(world.fake.tally().channels_max, 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_shut_down_ends_the_wait() {
    let world = World::new(|limits| {
        limits.script.hold_opens = true;
        limits.script.hold_closes = true;
        limits.host.acquire_timeout = None;
    });
    let running = world.exec(command("x"));
    let opening = world.fake.open().await;
    let pool = std::sync::Arc::clone(&world.pool);
    let closing = tokio::spawn(async move { pool.shut_down().await });
    settle().await;
    opening.refuse();
    settle().await;
    assert!(running.is_finished(), "nobody will ever serve it");
    assert_eq!(running.await.unwrap().unwrap_err().error.code(), "EPOOLCLOSED");
    world.fake.release_closes();
    closing.await.unwrap();
}
