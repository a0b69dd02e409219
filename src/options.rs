//! Records from JavaScript, already checked and defaulted by the facade, made into the engine's types. What is checked here
//! again is only what the engine relies on.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Either};
use napi::{Error, Result, Status};
use napi_derive::napi;
use xec_engine::command::{Command, Pty, Sudo, SudoMethod};
use xec_engine::policy::{Backoff, Growth};
use xec_engine::pool::{HealthConfig, HostConfig, PoolConfig, Reconnect, WhenExhausted};
use xec_engine::transport::ssh::{
    Agent, Control, HostKeyChecking, KeepAlive, KeySource, MACHINES_KNOWN_HOSTS, Route, Secret, SshTarget, Traffic,
    USERS_KNOWN_HOSTS,
};
use zeroize::Zeroizing;

use crate::host_key::VerifierSpec;
use crate::input::NativeInput;
use crate::prompts::PrompterSpec;
use crate::route::ProxySpec;

/// Limits of one host. Milliseconds and counts; 0 where the field says so.
#[napi(object)]
pub struct HostSettings {
    pub enabled: bool,
    pub max_connections: u32,
    pub channels_per_connection: u32,
    /// `queue` or `fail`.
    pub when_exhausted: String,
    /// 0 = no limit.
    pub acquire_timeout: f64,
    pub max_queue: u32,
    pub connection_timeout: f64,
    /// 0 = never.
    pub idle_timeout: f64,
    /// 0 = never.
    pub max_lifetime: f64,
    pub keep_alive: bool,
    pub keep_alive_interval: f64,
    pub keep_alive_count_max: u32,
    /// Idle connections to keep ready.
    pub min_idle: u32,
    pub reconnect: ReconnectSettings,
    pub health_check: Option<HealthSettings>,
}

/// What to do when the server cannot be reached, or is lost.
#[napi(object)]
pub struct ReconnectSettings {
    /// Attempts after the first; 0 = none.
    pub max_retries: u32,
    pub initial_delay: f64,
    pub max_delay: f64,
    /// `exponential`, `linear` or `fixed`.
    pub backoff: String,
    /// Also where no connection has succeeded yet.
    pub first: bool,
}

/// How idle connections are judged.
#[napi(object)]
pub struct HealthSettings {
    pub interval: f64,
    pub timeout: f64,
    /// Must exit with 0; absent = a ping of the protocol.
    pub command: Option<String>,
    pub failure_threshold: u32,
}

#[napi(object)]
pub struct PoolSettings {
    pub host: HostSettings,
    pub max_total_connections: u32,
    pub cleanup_interval: f64,
}

/// Where and as whom.
#[napi(object, object_to_js = false)]
pub struct TargetSpec {
    pub host: String,
    pub port: u32,
    pub username: String,
    pub password: Option<String>,
    /// Key text or bytes, or a path (`~` is the local home).
    pub private_key: Option<Either<String, Buffer>>,
    pub passphrase: Option<String>,
    /// Text of a `-cert.pub` file, or its path.
    pub certificate: Option<Either<String, Buffer>>,
    /// `true`: the one at SSH_AUTH_SOCK; `false`: none; a path; absent: ssh's defaults.
    pub agent: Option<Either<bool, String>>,
    pub identities_only: Option<bool>,
    pub keyboard_interactive: Option<PrompterSpec>,
    /// `accept-new`, `strict` or `off`.
    pub host_key_checking: String,
    pub known_hosts_path: Option<String>,
    /// Where a ControlMaster is to be looked for.
    pub control_path: Option<String>,
    /// Its tokens have been replaced already.
    pub control_path_expanded: Option<bool>,
    /// Where there is none, be it.
    pub control_serve: bool,
    /// Its key's name in known_hosts.
    pub host_key_alias: Option<String>,
    /// What of ssh_config says more than one option could.
    pub from_config: Option<ConfigSpec>,
    /// The host's name before ssh_config; absent: the same.
    pub original_host: Option<String>,
    /// The hosts on the way, first hop first. They have no `jumps` of their own.
    pub jumps: Option<Vec<TargetSpec>>,
    /// For the first host on the way.
    pub proxy: Option<ProxySpec>,
    /// In place of known_hosts.
    #[napi(ts_type = "{ id: number, ask: (ticket: number, key: HostKeyRecord) => void }")]
    pub host_key_verifier: Option<VerifierSpec>,
    /// Only where it differs from the pool's.
    pub settings: Option<HostSettings>,
}

/// What ssh_config says about the login and the host key.
#[napi(object)]
#[derive(Default)]
pub struct ConfigSpec {
    pub identity_files: Vec<String>,
    pub certificate_files: Vec<String>,
    pub identities_only: Option<bool>,
    /// `none`, `SSH_AUTH_SOCK` or a path.
    pub identity_agent: Option<String>,
    pub known_hosts_files: Option<Vec<String>>,
    pub global_known_hosts_files: Option<Vec<String>>,
}

#[napi(object)]
pub struct CommandSpec {
    pub command: String,
    pub cwd: Option<String>,
    pub env: Option<HashMap<String, String>>,
    pub stdin: Option<Either<String, Buffer>>,
    /// Milliseconds from the call to the last byte.
    pub timeout: Option<f64>,
    /// How many of them are over.
    pub spent: Option<f64>,
    /// Bytes per stream.
    pub max_buffer: f64,
    pub retry_lost_connection: Option<bool>,
    /// In a warm shell, where that can be.
    pub persistent: Option<bool>,
    /// Also collect both streams in arrival order.
    pub collect_all: Option<bool>,
    pub priority: Option<i32>,
    pub pty: Option<PtySpec>,
    pub sudo: Option<SudoSpec>,
}

/// As whom a command runs.
#[napi(object)]
pub struct SudoSpec {
    pub user: String,
    pub password: Option<String>,
    /// `askpass` or `stdin`.
    pub method: String,
}

/// A terminal for a command.
#[napi(object)]
pub struct PtySpec {
    pub term: String,
    pub columns: u32,
    pub rows: u32,
}

/// The part of [`HostSettings`] that decides how a connection is made.
#[derive(Clone, Copy)]
pub struct ConnectSettings {
    timeout: Duration,
    keep_alive: Option<KeepAlive>,
}

impl HostSettings {
    pub fn connect(&self) -> Result<ConnectSettings> {
        let interval = duration("keepAliveInterval", self.keep_alive_interval)?;
        Ok(ConnectSettings {
            timeout: duration("connectionTimeout", self.connection_timeout)?,
            keep_alive: (self.keep_alive && !interval.is_zero())
                .then_some(KeepAlive { interval, count_max: count(self.keep_alive_count_max) }),
        })
    }

    pub fn limits(&self) -> Result<Arc<HostConfig>> {
        Ok(Arc::new(HostConfig {
            enabled: self.enabled,
            max_connections: count(self.max_connections),
            channels_per_connection: count(self.channels_per_connection),
            when_exhausted: when_exhausted(&self.when_exhausted)?,
            acquire_timeout: unless_zero("acquireTimeout", self.acquire_timeout)?,
            max_queue: self.max_queue as usize,
            idle_timeout: unless_zero("idleTimeout", self.idle_timeout)?,
            max_lifetime: unless_zero("maxLifetime", self.max_lifetime)?,
            min_idle: self.min_idle as usize,
            reconnect: self.reconnect.policy()?,
            is_hop: false,
            health: self.health_check.as_ref().map(HealthSettings::policy).transpose()?,
        }))
    }
}

impl ReconnectSettings {
    fn policy(&self) -> Result<Reconnect> {
        let growth = match self.backoff.as_str() {
            "exponential" => Growth::Exponential,
            "linear" => Growth::Linear,
            "fixed" => Growth::Fixed,
            _ => return Err(invalid("reconnect.backoff", "must be 'exponential', 'linear' or 'fixed'")),
        };
        let initial = duration("reconnect.initialDelay", self.initial_delay)?;
        let max = duration("reconnect.maxDelay", self.max_delay)?;
        Ok(Reconnect { max_retries: self.max_retries, backoff: Backoff { initial, max, growth }, first: self.first })
    }
}

impl HealthSettings {
    fn policy(&self) -> Result<HealthConfig> {
        Ok(HealthConfig {
            interval: duration("healthCheck.interval", self.interval)?,
            timeout: duration("healthCheck.timeout", self.timeout)?,
            command: self.command.as_deref().map(Into::into),
            failure_threshold: self.failure_threshold,
        })
    }
}

impl PoolSettings {
    pub fn pool(&self) -> Result<PoolConfig> {
        Ok(PoolConfig {
            max_total_connections: count(self.max_total_connections),
            cleanup_interval: duration("cleanupInterval", self.cleanup_interval)?.max(Duration::from_millis(1)),
            ..PoolConfig::default()
        })
    }
}

impl TargetSpec {
    pub fn into_target(self, connect: ConnectSettings, traffic: Traffic, route: Route) -> Result<SshTarget> {
        // What the target says itself wins over what its configuration says.
        let asked = self.from_config.is_some();
        let said = self.from_config.unwrap_or_default();
        let users = self.known_hosts_path.map(|path| vec![path]).or(said.known_hosts_files.map(or_nothing));
        // As with `ssh`, the machine's files count whichever the user's are.
        let known_hosts = match users {
            Some(users) if !asked => users,
            None if said.global_known_hosts_files.is_none() => Vec::new(),
            users => known_hosts(users, said.global_known_hosts_files),
        };
        let agent = self.agent.map(agent).or(said.identity_agent.map(configured_agent));
        Ok(SshTarget {
            host_key_alias: self.host_key_alias,
            traffic,
            route,
            password: self.password.map(Zeroizing::new),
            private_key: self.private_key.map(key_source),
            identity_files: said.identity_files.into_iter().map(PathBuf::from).collect(),
            certificate_files: said.certificate_files.into_iter().map(PathBuf::from).collect(),
            passphrase: self.passphrase.map(Zeroizing::new),
            certificate: self.certificate.map(key_source),
            agent: agent.unwrap_or_default(),
            identities_only: self.identities_only.or(said.identities_only).unwrap_or(false),
            keyboard_interactive: self.keyboard_interactive.map(PrompterSpec::into_prompter),
            host_key_checking: host_key_checking(&self.host_key_checking)?,
            known_hosts: known_hosts.into_iter().map(PathBuf::from).collect(),
            host_key_verifier: self.host_key_verifier.map(|spec| spec.0),
            connect_timeout: connect.timeout,
            keep_alive: connect.keep_alive,
            control: self.control_path.map(|path| Control {
                path,
                expanded: self.control_path_expanded.unwrap_or(false),
                serve: self.control_serve,
            }),
            ..SshTarget::new(self.host, port(self.port)?, self.username)
        })
    }
}

impl CommandSpec {
    /// `input`: the rest of stdin, as it comes.
    pub fn into_command(self, input: Option<&NativeInput>) -> Result<Command> {
        Ok(Command {
            line: self.command,
            cwd: self.cwd,
            env: sorted(self.env.unwrap_or_default()),
            pty: self.pty.map(|PtySpec { term, columns, rows }| Pty { term, columns, rows, quiet: false }),
            sudo: self.sudo.map(SudoSpec::into_sudo).transpose()?,
            stdin_stream: input.and_then(NativeInput::stream),
            stdin_is_open: false,
            place: None,
            stdin: self.stdin.map(|stdin| match stdin {
                Either::A(text) => Bytes::from(text),
                Either::B(buffer) => Bytes::from(Vec::from(buffer)),
            }),
            timeout: self.timeout.map(|timeout| duration("timeout", timeout)).transpose()?,
            spent: self.spent.map_or(Ok(Duration::ZERO), |spent| duration("spent", spent))?,
            max_buffer: self.max_buffer as usize,
            collect_all: self.collect_all.unwrap_or(false),
            retry_lost_connection: self.retry_lost_connection.unwrap_or(false),
            priority: self.priority.unwrap_or(0),
        })
    }
}

impl SudoSpec {
    pub fn into_sudo(self) -> Result<Sudo> {
        let method = match self.method.as_str() {
            "askpass" => SudoMethod::Askpass,
            "stdin" => SudoMethod::Stdin,
            _ => return Err(invalid("sudo.passwordMethod", "must be 'askpass' or 'stdin'")),
        };
        // It goes into a shell's text as it is.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-$".contains(c);
        if self.user.is_empty() || !self.user.chars().all(plain) {
            return Err(invalid("sudo.user", "must be the name of an account"));
        }
        Ok(Sudo { user: self.user, password: self.password.map(Zeroizing::new), method })
    }
}

pub fn port(port: u32) -> Result<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0).ok_or_else(|| invalid("port", "must be from 1 to 65535"))
}

/// The order of variables must not depend on a hash's seed.
fn sorted(env: HashMap<String, String>) -> Vec<(String, String)> {
    let mut env: Vec<_> = env.into_iter().collect();
    env.sort();
    env
}

/// A private key is recognised by its PEM frame, a public one or a certificate by how its base64 begins behind its type;
/// anything else on one line is a path.
fn key_source(key: Either<String, Buffer>) -> KeySource {
    let text: Secret = match key {
        Either::A(text) => Zeroizing::new(text),
        Either::B(buffer) => return KeySource::Text(Zeroizing::new(String::from_utf8_lossy(&buffer).into_owned())),
    };
    if text.contains("-----BEGIN")
        || text.contains(" AAAA")
        || text.contains('\n')
        || text.starts_with("PuTTY-User-Key-File")
    {
        KeySource::Text(text)
    } else {
        KeySource::File(PathBuf::from(text.as_str()))
    }
}

fn agent(agent: Either<bool, String>) -> Agent {
    match agent {
        Either::A(true) => Agent::Environment,
        Either::A(false) => Agent::Off,
        Either::B(socket) => Agent::Socket(socket.into()),
    }
}

/// `IdentityAgent` as the configuration says it.
fn configured_agent(word: String) -> Agent {
    match word.as_str() {
        "none" => Agent::Off,
        "SSH_AUTH_SOCK" => Agent::Default,
        _ => Agent::Socket(word.into()),
    }
}

/// ssh_config's `none` comes as no files at all, which the engine would take for the usual ones.
fn or_nothing(files: Vec<String>) -> Vec<String> {
    if files.is_empty() { vec!["/dev/null".to_owned()] } else { files }
}

/// The usual ones where nothing else is said.
fn known_hosts(users: Option<Vec<String>>, machines: Option<Vec<String>>) -> Vec<String> {
    let usual = |files: [&str; 2]| files.map(str::to_owned).to_vec();
    let mut files = users.unwrap_or_else(|| usual(USERS_KNOWN_HOSTS));
    files.extend(machines.unwrap_or_else(|| usual(MACHINES_KNOWN_HOSTS)));
    files
}

fn host_key_checking(word: &str) -> Result<HostKeyChecking> {
    match word {
        "accept-new" => Ok(HostKeyChecking::AcceptNew),
        "strict" => Ok(HostKeyChecking::Strict),
        "off" => Ok(HostKeyChecking::Off),
        _ => Err(invalid("hostKeyChecking", "must be 'accept-new', 'strict' or 'off'")),
    }
}

fn when_exhausted(word: &str) -> Result<WhenExhausted> {
    match word {
        "queue" => Ok(WhenExhausted::Queue),
        "fail" => Ok(WhenExhausted::Fail),
        _ => Err(invalid("whenExhausted", "must be 'queue' or 'fail'")),
    }
}

fn count(value: u32) -> usize {
    value.max(1) as usize
}

pub fn duration(option: &str, milliseconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(milliseconds / 1000.0)
        .map_err(|_| invalid(option, "must be a number of milliseconds, not negative"))
}

fn unless_zero(option: &str, milliseconds: f64) -> Result<Option<Duration>> {
    Ok(Some(duration(option, milliseconds)?).filter(|duration| !duration.is_zero()))
}

pub fn invalid(option: &str, problem: &str) -> Error {
    Error::new(Status::InvalidArg, format!("Invalid option '{option}': {problem}"))
}
