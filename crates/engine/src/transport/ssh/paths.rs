use std::path::{Path, PathBuf};

/// `~` and `~/x` under the home of the user we run as; everything else as it is.
pub fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// `HOME`, or `USERPROFILE` on Windows.
pub fn home() -> Option<PathBuf> {
    let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    std::env::var_os(variable).filter(|home| !home.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_only_a_leading_tilde_of_its_own() {
        let home = home().expect("tests run with a home");
        assert_eq!(expand_home(Path::new("~/.ssh/x")), home.join(".ssh/x"));
        assert_eq!(expand_home(Path::new("/a/~")), Path::new("/a/~"));
        assert_eq!(expand_home(Path::new("~other/x")), Path::new("~other/x"));
    }
}
