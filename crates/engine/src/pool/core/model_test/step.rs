//! What may happen, and to which pools.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use crate::pool::config::{Reconnect, WhenExhausted};

/// The `usize` picks one of what there is.
#[derive(Debug, Clone)]
pub enum Step {
    Acquire { key: usize, priority: i32 },
    Cancel(usize),
    Release(usize),
    ReleaseUnused(usize),
    Refuse(usize),
    Abandon(usize),
    Suspect(usize),
    Replace(usize),
    Stay(usize),
    Leave(usize),
    DialOk(usize),
    DialFail(usize, Fault),
    Lose(usize),
    FinishClose(usize),
    Pass(u64),
    CloseIdle,
    CloseAll,
    CheckPasses(usize),
    CheckFails(usize),
    WarmUp { key: usize, count: usize },
    CancelWarmUp(usize),
    Remove(usize),
    BeginDrain,
    EndDrain,
}

/// Why a dial fails.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Ours,
    Login,
    Unreachable,
    HungUp,
}

impl Fault {
    pub fn error(self) -> Error {
        let address = || "host:22".to_owned();
        let source = || Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        match self {
            Self::Ours => Error::PassphraseMissing,
            Self::Login => {
                Error::Authentication { username: "u".into(), tried: "x".into(), accepted: "y".into(), source: None }
            }
            Self::Unreachable => Error::Handshake { address: address(), dropped: false, source: source() },
            Self::HungUp => Error::Handshake { address: address(), dropped: true, source: source() },
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::Ours), Just(Fault::Login), Just(Fault::Unreachable), Just(Fault::HungUp)]
}

pub fn step() -> impl Strategy<Value = Step> {
    let any = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        12 => (0..KEYS, prop_oneof![4 => Just(0), 1 => Just(5)]).prop_map(|(key, priority)| Step::Acquire { key, priority }),
        2 => any.clone().prop_map(Step::Cancel),
        6 => any.clone().prop_map(Step::Release),
        1 => any.clone().prop_map(Step::ReleaseUnused),
        3 => any.clone().prop_map(Step::Refuse),
        1 => any.clone().prop_map(Step::Abandon),
        1 => any.clone().prop_map(Step::Suspect),
        1 => any.clone().prop_map(Step::Replace),
        1 => any.clone().prop_map(Step::Stay),
        1 => any.clone().prop_map(Step::Leave),
        6 => any.clone().prop_map(Step::DialOk),
        3 => (any.clone(), fault()).prop_map(|(n, fault)| Step::DialFail(n, fault)),
        1 => any.clone().prop_map(Step::Lose),
        4 => any.clone().prop_map(Step::FinishClose),
        2 => any.clone().prop_map(Step::CheckPasses),
        2 => any.prop_map(Step::CheckFails),
        1 => (0..KEYS, 1..4_usize).prop_map(|(key, count)| Step::WarmUp { key, count }),
        1 => (0..KEYS).prop_map(Step::CancelWarmUp),
        1 => prop_oneof![1 => (0..KEYS).prop_map(Step::Remove), 1 => Just(Step::BeginDrain), 2 => Just(Step::EndDrain)],
        3 => prop_oneof![1..50_u64, 50..2_000_u64, 2_000..40_000_u64].prop_map(Step::Pass),
        1 => Just(Step::CloseIdle),
        1 => prop_oneof![9 => Just(Step::Pass(1)), 1 => Just(Step::CloseAll)],
    ]
}

/// Three on one host, one on another.
pub const KEYS: usize = 4;

#[derive(Debug, Clone)]
pub struct Setup {
    pub limits: PoolConfig,
    pub hosts: Vec<HostConfig>,
}

pub fn setup() -> impl Strategy<Value = Setup> {
    let fail = prop_oneof![4 => Just(WhenExhausted::Queue), 1 => Just(WhenExhausted::Fail)];
    let pooled = prop_oneof![4 => Just([true; KEYS]), 1 => Just([true, false, true, false])];
    let extras = (any::<bool>(), any::<bool>(), 0..3_usize, any::<bool>());
    (1..7_usize, 1..4_usize, 1..4_usize, 1..4_usize, fail, pooled, extras).prop_map(
        |(total, handshakes, connections, channels, when_exhausted, pooled, (ages, checked, min_idle, first))| Setup {
            limits: PoolConfig {
                max_total_connections: total,
                max_handshakes_per_host: handshakes,
                cleanup_interval: Duration::from_secs(60),
            },
            hosts: pooled
                .into_iter()
                .map(|enabled| HostConfig {
                    enabled,
                    max_connections: connections,
                    channels_per_connection: channels,
                    when_exhausted,
                    max_queue: 20,
                    idle_timeout: ages.then_some(Duration::from_secs(3)),
                    max_lifetime: ages.then_some(Duration::from_secs(10)),
                    min_idle,
                    reconnect: Reconnect { first, ..Reconnect::default() },
                    health: checked.then_some(HealthConfig {
                        interval: Duration::from_secs(1),
                        timeout: Duration::from_secs(1),
                        command: None,
                        failure_threshold: 2,
                    }),
                    ..HostConfig::default()
                })
                .collect(),
        },
    )
}
