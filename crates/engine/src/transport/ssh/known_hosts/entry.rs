use russh::keys::PublicKey;

use super::pattern::HostField;

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// It is the host's key.
    Trusted,
    /// It must never be accepted again.
    Revoked,
    /// It signs host certificates; it is no host's own key.
    CertAuthority,
}

/// One readable line.
#[derive(Debug)]
pub struct Entry {
    pub marker: Marker,
    pub hosts: HostField,
    pub key: PublicKey,
}

impl Entry {
    /// `Ok(None)` for blanks and comments, `Err` for a line that cannot be read.
    pub fn parse(line: &str) -> Result<Option<Self>, BrokenLine> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (marker, rest) = split_marker(line)?;
        let mut fields = rest.split_ascii_whitespace();
        let (Some(hosts), Some(kind), Some(blob)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(BrokenLine("expected hosts, key type and key"));
        };
        let hosts = HostField::parse(hosts).ok_or(BrokenLine("the hashed host name is damaged"))?;
        let key = PublicKey::from_openssh(&format!("{kind} {blob}"))
            .map_err(|_| BrokenLine("the key is damaged or of an unknown type"))?;
        Ok(Some(Self { marker, hosts, key }))
    }
}

/// Why a line cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct BrokenLine(pub &'static str);

fn split_marker(line: &str) -> Result<(Marker, &str), BrokenLine> {
    if !line.starts_with('@') {
        return Ok((Marker::Trusted, line));
    }
    let (word, rest) = line.split_once([' ', '\t']).ok_or(BrokenLine("a marker with nothing behind it"))?;
    match word {
        "@revoked" => Ok((Marker::Revoked, rest)),
        "@cert-authority" => Ok((Marker::CertAuthority, rest)),
        _ => Err(BrokenLine("an unknown marker")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    #[test]
    fn reads_markers_hosts_and_keys() {
        for (prefix, marker) in
            [("", Marker::Trusted), ("@revoked ", Marker::Revoked), ("@cert-authority\t", Marker::CertAuthority)]
        {
            let entry = Entry::parse(&format!("{prefix}host,other {KEY} a comment")).unwrap().unwrap();
            assert_eq!(entry.marker, marker);
            assert!(entry.hosts.matches("other"));
        }
    }

    #[test]
    fn skips_blanks_and_comments() {
        for line in ["", "   ", "# host ssh-ed25519 x"] {
            assert!(matches!(Entry::parse(line), Ok(None)));
        }
    }

    #[test]
    fn reports_broken_lines() {
        for line in ["host", "host ssh-ed25519", "host ssh-ed25519 AAAA", "@nonsense host x y", "@revoked", "|1|x y z"]
        {
            assert!(Entry::parse(line).is_err(), "{line}");
        }
    }
}
