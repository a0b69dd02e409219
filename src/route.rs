use napi::{Error, Result, Status};
use napi_derive::napi;
use xec_engine::transport::ssh::ssh_config::{Known, Local, Tokens};
use xec_engine::transport::ssh::{Proxy, ProxyKind, Route};
use zeroize::Zeroizing;

use crate::options::{TargetSpec, port};

/// A proxy, or a command in its place.
#[napi(object)]
pub struct ProxySpec {
    /// `socks5`, `http` or `command`.
    pub kind: String,
    pub host: Option<String>,
    pub port: Option<u32>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub command: Option<String>,
    /// The command's tokens have been replaced already.
    pub expanded: Option<bool>,
}

impl ProxySpec {
    /// The way to `target`.
    pub fn route(self, target: &TargetSpec) -> Result<Route> {
        let kind = match self.kind.as_str() {
            "socks5" => ProxyKind::Socks5,
            "http" => ProxyKind::Http,
            "command" => return self.command(target),
            _ => return Err(invalid("must be a SOCKS5 or HTTP proxy or a command")),
        };
        Ok(Route::Proxy(Proxy {
            kind,
            host: self.host.ok_or_else(|| invalid("needs a host"))?,
            port: port(self.port.unwrap_or(0))?,
            username: self.username,
            password: self.password.map(Zeroizing::new),
        }))
    }

    fn command(self, target: &TargetSpec) -> Result<Route> {
        let command = Zeroizing::new(self.command.ok_or_else(|| invalid("needs a command"))?);
        if self.expanded == Some(true) {
            return Ok(Route::Command(command));
        }
        let tokens = Tokens {
            host: &target.host,
            original: target.original_host.as_deref().unwrap_or(&target.host),
            port: port(target.port)?,
            user: &target.username,
            key_alias: target.host_key_alias.as_deref(),
            jump: "",
        };
        // The tokens of commands need nothing of this machine.
        let expanded =
            tokens.expand_command(&command, Known::Route, &Local::default()).map_err(|problem| invalid(&problem))?;
        Ok(Route::Command(Zeroizing::new(expanded)))
    }
}

fn invalid(problem: &str) -> Error {
    Error::new(Status::InvalidArg, format!("Invalid option 'proxy': {problem}"))
}
