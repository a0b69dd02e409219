//! HikariCP's spike: a burst is served by the connections that are there, not by a handshake each.

mod support;

use support::{Answer, World, command, ms};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn fifty_callers_on_one_warm_connection_never_wait_for_a_handshake() {
    let world = World::new(|limits| {
        limits.script.dial_time = ms(150);
        limits.script.answer = Answer::After(ms(2));
    });
    world.run("warm up").await.unwrap();
    let began = Instant::now();
    let commands: Vec<_> = (0..50).map(|_| world.exec(command("x"))).collect();
    for running in commands {
        running.await.unwrap().unwrap();
    }
    let took = began.elapsed();
    assert!(took < ms(60), "took {took:?}");
    assert!(world.fake.tally().dials <= 2, "{:?}", world.fake.tally());
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_served_by_whatever_comes_first() {
    let world = World::new(|limits| limits.host.channels_per_connection = 1);
    let holder = world.permit(&world.request()).await;
    world.fake.script(|script| script.hold_dials = true);
    let first = world.acquire(&world.request());
    support::settle().await;
    // The dial is for the first in line, but a permit comes back before it is done.
    let dial = world.fake.dial().await;
    holder.release();
    let permit = first.await.unwrap().unwrap();
    assert_eq!(world.fake.tally().connections, 1);
    dial.succeed();
    support::settle().await;
    assert_eq!((world.stats().idle, world.stats().active), (1, 1), "the new connection is kept warm");
    permit.release();
    world.quiet().await;
}
