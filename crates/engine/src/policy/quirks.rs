//! Servers that are known to do wrong what others do right.

/// The most channels to have open at once on one connection, by what the server calls itself; `None`: as many as it allows.
///
/// dropbear 2022.83 to 2024.86 closes a channel whose command has not begun when another channel's command ends, may run the
/// command all the same, and then dies of it: with one channel at a time there is no other.
pub fn most_channels(server_id: &str) -> Option<usize> {
    let version = server_id.strip_prefix("SSH-2.0-dropbear_")?;
    let (year, release) = version.split_once('.')?;
    let digits = release.find(|c: char| !c.is_ascii_digit()).map_or(release, |end| release.get(..end).unwrap_or(""));
    let version: (u32, u32) = (year.parse().ok()?, digits.parse().ok()?);
    ((2022, 83)..=(2024, 86)).contains(&version).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_versions_that_have_the_fault() {
        for id in ["SSH-2.0-dropbear_2022.83", "SSH-2.0-dropbear_2024.85", "SSH-2.0-dropbear_2024.86-1"] {
            assert_eq!(most_channels(id), Some(1), "{id}");
        }
        for id in [
            "SSH-2.0-dropbear_2020.81",
            "SSH-2.0-dropbear_2022.82",
            "SSH-2.0-dropbear_2025.87",
            "SSH-2.0-dropbear",
            "SSH-2.0-dropbear_x.y",
            "SSH-2.0-OpenSSH_9.2p1",
            "",
        ] {
            assert_eq!(most_channels(id), None, "{id}");
        }
    }
}
