/// Links followed one inside the other, after which the next one is not: some servers cannot tell where a link really
/// leads.
const MOST: usize = 40;

/// The directories that a walk is in, by their real paths: where each link on the way was followed from.
#[derive(Debug, Clone, Default)]
pub struct Trail(Vec<Vec<u8>>);

impl Trail {
    /// The way into the directory `real` by a link in the directory `from`. `None`: it leads back to where the walk came
    /// from, and would never end.
    pub fn through(&self, from: &[u8], real: &[u8]) -> Option<Self> {
        let loops = self.0.iter().map(Vec::as_slice).chain([from]).any(|inside| is_within(inside, real));
        if loops || self.0.len() >= MOST {
            return None;
        }
        let mut trail = self.clone();
        trail.0.push(from.to_vec());
        Some(trail)
    }
}

fn is_within(path: &[u8], directory: &[u8]) -> bool {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_where_the_walk_came_from_is_a_loop() {
        let start = Trail::default();
        assert!(start.through(b"/a/b", b"/a").is_none());
        assert!(start.through(b"/a/b", b"/a/b").is_none());
        assert!(start.through(b"/a/b", b"/").is_none());
        assert!(start.through(b"/a/b", b"/a/bc").is_some());
        assert!(start.through(b"/a/b", b"/a/b/c").is_some());
    }

    #[test]
    fn so_is_a_link_back_from_where_another_one_led() {
        let inside = Trail::default().through(b"/a", b"/b").unwrap();
        assert!(inside.through(b"/b", b"/a").is_none());
        assert!(inside.through(b"/b", b"/c").is_some());
    }

    #[test]
    fn there_is_an_end_where_real_paths_are_not_to_be_had() {
        let mut trail = Some(Trail::default());
        let mut steps = 0;
        while let Some(on) = trail {
            trail = on.through(b"/x", b"/elsewhere");
            steps += 1;
        }
        assert_eq!(steps, MOST + 1);
    }
}
