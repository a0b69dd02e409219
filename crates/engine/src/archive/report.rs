/// Names that are listed; a tree of a million sockets must not fill memory.
const LISTED: usize = 1_000;

/// What became of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeReport {
    pub files: u64,
    pub directories: u64,
    pub links: u64,
    /// Of the files' content.
    pub bytes: u64,
    /// Devices, pipes and sockets, which are not copied: the first thousand by name.
    pub skipped: Vec<String>,
    pub skipped_count: u64,
}

impl TreeReport {
    pub(super) fn skip(&mut self, name: String) {
        self.skipped_count += 1;
        if self.skipped.len() < LISTED {
            self.skipped.push(name);
        }
    }
}
