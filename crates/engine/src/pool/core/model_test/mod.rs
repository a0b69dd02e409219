//! The core against a simple model of a driver and its servers: whatever happens, in whatever order, no limit is broken,
//! no caller is forgotten and nothing is left over.

mod model;
mod step;

use proptest::prelude::*;

use model::Model;
use step::{setup, step};

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_limit_is_broken_and_nobody_is_forgotten(
        setup in setup(),
        steps in prop::collection::vec(step(), 1..80),
        serve_all in any::<bool>(),
        shut in any::<bool>(),
    ) {
        let mut model = Model::new(setup);
        steps.into_iter().for_each(|step| model.take(step));
        if serve_all {
            model.settle();
        }
        model.end(shut);
    }
}
