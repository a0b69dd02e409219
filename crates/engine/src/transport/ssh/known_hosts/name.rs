/// The names under which known_hosts may know a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNames {
    exact: String,
    bare: Option<String>,
    plain: String,
}

impl HostNames {
    /// An alias stands for host and port, and is the only name then.
    pub fn new(host: &str, port: u16, alias: Option<&str>) -> Self {
        let plain = alias.unwrap_or(host).to_ascii_lowercase();
        if alias.is_some() || port == 22 {
            return Self { exact: plain.clone(), bare: None, plain };
        }
        Self { exact: format!("[{plain}]:{port}"), bare: Some(plain.clone()), plain }
    }

    /// The name that new keys are written under: plain on port 22, `[host]:port` elsewhere.
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// On other ports `ssh` also accepts a key that is on file for the host alone; so do we.
    pub fn bare(&self) -> Option<&str> {
        self.bare.as_deref()
    }

    /// What a certificate calls it: certificates know no ports.
    pub fn principal(&self) -> &str {
        &self.plain
    }

    /// Can a line hold this name and speak of this host alone? What a pattern is made of would speak of others.
    pub fn is_recordable(&self) -> bool {
        let special = |letter: char| {
            letter.is_whitespace() || letter.is_control() || matches!(letter, '*' | '?' | '!' | ',' | '|' | '#' | '@')
        };
        !self.exact.is_empty() && !self.exact.contains(special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_port_and_alias() {
        let standard = HostNames::new("Host.Example", 22, None);
        assert_eq!((standard.exact(), standard.bare(), standard.principal()), ("host.example", None, "host.example"));
        let other = HostNames::new("::1", 2222, None);
        assert_eq!((other.exact(), other.bare(), other.principal()), ("[::1]:2222", Some("::1"), "::1"));
        let alias = HostNames::new("10.0.0.1", 2222, Some("Db"));
        assert_eq!((alias.exact(), alias.bare(), alias.principal()), ("db", None, "db"));
    }

    #[test]
    fn a_name_that_is_a_pattern_is_never_written() {
        for alias in ["*", "a,b", "!a", "a b", "|1|a|b", "#a", "@revoked", "", "a\nb", "a?"] {
            assert!(!HostNames::new("h", 22, Some(alias)).is_recordable(), "{alias:?}");
        }
        assert!(HostNames::new("::1", 2222, None).is_recordable());
    }
}
