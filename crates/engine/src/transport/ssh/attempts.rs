use russh::{MethodKind, MethodSet};

/// How an error says that the server accepts no method at all. It may also be that the connection has ended.
pub const NOTHING: &str = "nothing";
/// The same where the server had refused something before: then it has had enough.
pub const NO_MORE: &str = "no more attempts";

/// What was tried in one login, and what the server said to it.
#[derive(Default)]
pub struct Attempts {
    /// What the server counts against us.
    pub refusals: usize,
    /// What it still takes, as far as it has said so.
    accepted: Option<MethodSet>,
    methods: Vec<&'static str>,
    keys: Vec<String>,
}

impl Attempts {
    /// The server takes this, or has not said what it takes.
    pub fn may_take(&self, method: MethodKind) -> bool {
        self.accepted.as_ref().is_none_or(|accepted| accepted.contains(&method))
    }

    pub fn wants(&self, method: MethodKind) -> bool {
        self.accepted.as_ref().is_some_and(|accepted| accepted.contains(&method))
    }

    pub fn tried(&mut self, method: &'static str) {
        if !self.methods.contains(&method) {
            self.methods.push(method);
        }
    }

    pub fn tried_key(&mut self, label: &str) {
        self.tried("publickey");
        self.keys.push(label.to_owned());
    }

    /// Answers whether the server looked at what it was shown: it does not while it wants another method first.
    pub fn note(&mut self, method: MethodKind, accepted: MethodSet, partial: bool) -> bool {
        let judged = partial || accepted.contains(&method) || accepted.is_empty();
        let ended = accepted.is_empty() && !partial;
        self.refusals += usize::from(!partial && !ended);
        if ended {
            self.ended();
        } else {
            self.accepted = Some(accepted);
        }
        judged
    }

    pub fn ended(&mut self) {
        self.accepted = Some(MethodSet::empty());
    }

    pub fn is_over(&self) -> bool {
        self.accepted.as_ref().is_some_and(|accepted| accepted.is_empty())
    }

    pub fn tried_text(&self, left_out: usize) -> String {
        let keys = if self.keys.is_empty() { String::new() } else { format!(" ({})", self.keys.join("; ")) };
        let methods = self.methods.iter().map(|method| match *method {
            "publickey" => format!("publickey{keys}"),
            other => other.to_owned(),
        });
        let tried = list(&methods.collect::<Vec<_>>());
        match left_out {
            0 => tried,
            1 => format!("{tried}, but not 1 more key, because servers allow few attempts"),
            more => format!("{tried}, but not {more} more keys, because servers allow few attempts"),
        }
    }

    pub fn accepted_text(&self) -> String {
        if self.is_over() && self.refusals > 0 {
            return NO_MORE.to_owned();
        }
        let methods: Vec<String> = self.accepted.iter().flat_map(|methods| methods.iter()).map(String::from).collect();
        list(&methods)
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { NOTHING.to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(methods: &[MethodKind]) -> MethodSet {
        MethodSet::from(methods)
    }

    #[test]
    fn what_another_method_must_come_before_has_not_been_judged() {
        let mut attempts = Attempts::default();
        assert!(!attempts.note(MethodKind::PublicKey, set(&[MethodKind::Password]), false));
        assert!(attempts.note(MethodKind::Password, set(&[MethodKind::PublicKey]), true));
        assert_eq!((attempts.refusals, attempts.wants(MethodKind::PublicKey)), (1, true));
    }

    #[test]
    fn an_end_after_a_refusal_is_the_servers_last_word() {
        let mut attempts = Attempts::default();
        attempts.ended();
        assert_eq!(attempts.accepted_text(), NOTHING);
        let mut attempts = Attempts::default();
        attempts.note(MethodKind::PublicKey, set(&[MethodKind::PublicKey]), false);
        attempts.note(MethodKind::PublicKey, MethodSet::empty(), false);
        assert_eq!((attempts.accepted_text().as_str(), attempts.refusals), (NO_MORE, 1));
    }

    #[test]
    fn says_which_keys_were_tried() {
        let mut attempts = Attempts::default();
        attempts.tried_key("a");
        attempts.tried_key("b");
        attempts.tried("password");
        assert_eq!(attempts.tried_text(0), "publickey (a; b), password");
        assert!(attempts.tried_text(3).contains("not 3 more keys"));
    }
}
