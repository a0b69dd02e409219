use std::sync::LazyLock;
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::error::Error;
use xec_engine::run::unless_stopped;
use xec_engine::transport::ssh::HostKeyChecking;
use xec_engine::transport::ssh::ssh_config::{
    AgentChoice, ConfigFiles, Local, Persist, Query, Resolved, Via, Which, resolve, system_finds,
};

use crate::cancel::CancelToken;
use crate::failure::FailureRecord;
use crate::options::{ConfigSpec, duration, port};
use crate::runtime;
use crate::uses::token;

/// Files are parsed once for all pools.
static FILES: LazyLock<ConfigFiles> = LazyLock::new(ConfigFiles::default);

/// Whom to ask the files about; what is given counts as said before any file.
#[napi(object)]
pub struct ConfigQuery {
    pub host: String,
    pub username: Option<String>,
    pub port: Option<u32>,
    /// Absent: `~/.ssh/config` and `/etc/ssh/ssh_config`.
    pub file: Option<String>,
    /// `Match exec` may run its commands.
    pub exec: bool,
    /// What the target says itself, tokens not expanded.
    pub control_path: Option<String>,
}

#[napi(object)]
pub struct HopRecord {
    pub host: String,
    pub username: Option<String>,
    pub port: Option<u32>,
}

/// What the files say. Milliseconds; what is absent is not said.
#[napi(object)]
pub struct ConfigRecord {
    pub host: String,
    pub username: Option<String>,
    pub port: Option<u32>,
    pub login: ConfigSpec,
    pub jumps: Option<Vec<HopRecord>>,
    pub proxy_command: Option<String>,
    pub host_key_checking: Option<String>,
    pub host_key_alias: Option<String>,
    /// 0: no keepalive.
    pub alive_interval: Option<f64>,
    pub alive_count_max: Option<u32>,
    pub connect_timeout: Option<f64>,
    pub control_master: Option<bool>,
    /// Tokens expanded, unless it is `none`.
    pub control_path: Option<String>,
    /// 0: for ever; -1: not at all.
    pub control_persist: Option<f64>,
}

#[napi(object)]
pub struct ConfigOutcome {
    pub resolved: Option<ConfigRecord>,
    pub failure: Option<FailureRecord>,
}

/// Reads the files, off the event loop, until `cancel` or the end of `limit` milliseconds, of which `spent` are over. The
/// promise resolves whatever happens.
#[napi(ts_return_type = "Promise<ConfigOutcome>")]
pub fn resolve_ssh_config<'env>(
    env: &'env Env,
    query: ConfigQuery,
    cancel: Option<&CancelToken>,
    limit: Option<f64>,
    spent: Option<f64>,
) -> Result<Object<'env>> {
    let limit = limit.map(|limit| duration("timeout", limit)).transpose()?;
    let spent = spent.map_or(Ok(Duration::ZERO), |spent| duration("spent", spent))?;
    let cancel = token(cancel);
    let given_port = query.port.map(port).transpose()?;
    let host = query.host.clone();
    let query = Query {
        host: query.host,
        user: query.username,
        port: given_port,
        which: query.file.map_or(Which::Standard, |file| Which::File(file.into())),
        exec: query.exec,
        control_path: query.control_path,
        find: system_finds,
    };
    runtime::promise(env, async move {
        // A file system or a command of `Match exec` may keep it for longer than anybody waits.
        let resolving = tokio::task::spawn_blocking(move || resolve(&query, &FILES, &Local::current()));
        let outcome = match unless_stopped(resolving, cancel, limit.map(|limit| (limit, spent))).await {
            Ok(resolved) => resolved.unwrap_or(Err(Error::Internal { what: "reading the ssh configuration" })),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(resolved) => ConfigOutcome { resolved: Some(resolved.into()), failure: None },
            Err(error) => {
                let failure = FailureRecord::new(&error, &host, given_port.unwrap_or(22));
                ConfigOutcome { resolved: None, failure: Some(failure) }
            }
        }
    })
}

impl From<Resolved> for ConfigRecord {
    fn from(resolved: Resolved) -> Self {
        let (jumps, proxy_command) = match resolved.via {
            Some(Via::Jump(hops)) => (Some(hops.into_iter().map(HopRecord::from).collect()), None),
            Some(Via::Command(command)) => (None, Some(command)),
            None => (None, None),
        };
        Self {
            host: resolved.host_name,
            username: resolved.user_given.then_some(resolved.user),
            port: resolved.port_given.then_some(u32::from(resolved.port)),
            login: ConfigSpec {
                identity_files: resolved.identity_files,
                certificate_files: resolved.certificate_files,
                identities_only: resolved.identities_only,
                identity_agent: resolved.identity_agent.map(agent),
                known_hosts_files: resolved.known_hosts,
                global_known_hosts_files: resolved.global_known_hosts,
            },
            jumps,
            proxy_command,
            host_key_checking: resolved.host_key_checking.map(|word| checking(word).to_owned()),
            host_key_alias: resolved.host_key_alias,
            alive_interval: resolved.alive_interval.map(millis),
            alive_count_max: resolved.alive_count_max,
            connect_timeout: resolved.connect_timeout.map(millis),
            control_master: resolved.control_master,
            control_path: resolved.control_path,
            control_persist: resolved.control_persist.map(|persist| match persist {
                Persist::No => -1.0,
                Persist::Forever => 0.0,
                Persist::For(duration) => millis(duration),
            }),
        }
    }
}

impl From<xec_engine::transport::ssh::ssh_config::HopAddress> for HopRecord {
    fn from(hop: xec_engine::transport::ssh::ssh_config::HopAddress) -> Self {
        Self { host: hop.host, username: hop.user, port: hop.port.map(u32::from) }
    }
}

fn agent(choice: AgentChoice) -> String {
    match choice {
        AgentChoice::None => "none".to_owned(),
        AgentChoice::Environment => "SSH_AUTH_SOCK".to_owned(),
        AgentChoice::Socket(path) => path,
    }
}

fn checking(word: HostKeyChecking) -> &'static str {
    match word {
        HostKeyChecking::AcceptNew => "accept-new",
        HostKeyChecking::Strict => "strict",
        HostKeyChecking::Off => "off",
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
