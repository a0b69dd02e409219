use std::path::PathBuf;

use crate::transport::ssh::paths::home;

/// This machine and who we are on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Local {
    pub user: String,
    pub uid: u32,
    pub home: PathBuf,
    pub host_name: String,
}

impl Local {
    /// Blocks as long as the system's user database does.
    pub fn current() -> Self {
        let home = home().unwrap_or_default();
        #[cfg(unix)]
        {
            let uid = nix::unistd::Uid::current();
            let user = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
            let host_name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
            Self {
                user: user.or_else(|| std::env::var("USER").ok()).unwrap_or_default(),
                uid: uid.as_raw(),
                home,
                host_name: host_name.unwrap_or_default(),
            }
        }
        #[cfg(not(unix))]
        Self {
            user: std::env::var("USERNAME").unwrap_or_default(),
            uid: 0,
            home,
            host_name: std::env::var("COMPUTERNAME").unwrap_or_default(),
        }
    }

    /// `~`, `~/x` and `~user/x`; anything else as it is. `None`: there is no such user.
    pub fn expand_tilde(&self, path: &str) -> Option<String> {
        let Some(rest) = path.strip_prefix('~') else { return Some(path.to_owned()) };
        let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let home = if user.is_empty() { self.home.clone() } else { home_of(user)? };
        Some(home.join(rest.trim_start_matches('/')).to_string_lossy().into_owned())
    }
}

#[cfg(unix)]
fn home_of(user: &str) -> Option<PathBuf> {
    nix::unistd::User::from_name(user).ok().flatten().map(|user| user.dir)
}

#[cfg(not(unix))]
fn home_of(_: &str) -> Option<PathBuf> {
    None
}
