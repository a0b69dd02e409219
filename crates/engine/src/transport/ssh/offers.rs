//! Which keys are offered to a server, in which order, and how many of them.

use std::collections::VecDeque;
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PrivateKey, PublicKey};

use super::certificate::{self, key_of};
use super::identity::Identity;
use super::signer;

/// What is shown to the server.
pub enum Proof {
    Key(PublicKey),
    Certificate(Box<Certificate>),
}

/// Who will sign for it.
pub enum Signatory {
    Own(Arc<PrivateKey>),
    Agent(Box<AgentIdentity>),
}

pub struct Offer {
    pub proof: Proof,
    pub signatory: Signatory,
    /// For messages.
    pub label: String,
    /// The target names it; otherwise it is one of the agent's.
    named: bool,
}

impl Offer {
    pub fn is_rsa(&self) -> bool {
        match &self.proof {
            Proof::Key(key) => key.algorithm().is_rsa(),
            Proof::Certificate(certificate) => certificate.algorithm().is_rsa(),
        }
    }
}

/// The offers that are still to be made.
#[derive(Default)]
pub struct Offers {
    pub waiting: VecDeque<Offer>,
    /// Keys for which there was no room.
    pub left_out: usize,
}

impl Offers {
    /// As `ssh` orders them: certificates, then the agent's keys, named ones first, then keys of our own.
    pub fn new(
        identities: &[Identity],
        certificates: Vec<Certificate>,
        agent: Vec<AgentIdentity>,
        identities_only: bool,
    ) -> Self {
        let in_agent = |key: &PublicKey| agent.iter().find(|held| is_plain(held, key));
        let named = |key: &PublicKey| identities.iter().any(|identity| same(&identity.public, key));
        let mut offers: Vec<Offer> = Vec::new();
        for certificate in certificates {
            let key = key_of(&certificate);
            let own = identities.iter().find(|identity| same(&identity.public, &key)).and_then(|it| it.private.clone());
            let signatory =
                own.map(Signatory::Own).or_else(|| in_agent(&key).map(|held| Signatory::Agent(Box::new(held.clone()))));
            offers.extend(signatory.map(|signatory| of_certificate(certificate, signatory, true)));
        }
        let (certificates, keys): (Vec<_>, Vec<_>) =
            agent.iter().partition(|held| matches!(held, AgentIdentity::Certificate { .. }));
        let (keys, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|held| named(&held.public_key()));
        for held in certificates.into_iter().chain(keys).chain(others) {
            let named = named(&held.public_key());
            if named || !identities_only {
                offers.push(of_agent(held, named));
            }
        }
        for identity in identities {
            offers.extend(identity.private.as_ref().map(|private| of_identity(identity, private)));
        }
        Self { waiting: without_repetitions(offers), left_out: 0 }
    }

    pub fn has_certificate(&self) -> bool {
        self.waiting.iter().any(|offer| matches!(offer.proof, Proof::Certificate(_)))
    }

    /// Leaves out what is too much: first of what the agent holds beyond the named keys, from the end.
    pub fn fit(&mut self, room: usize) {
        let before = self.waiting.len();
        while self.waiting.len() > room {
            let last_unnamed = self.waiting.iter().rposition(|offer| !offer.named);
            self.waiting.remove(last_unnamed.unwrap_or(self.waiting.len() - 1));
        }
        self.left_out += before - self.waiting.len();
    }
}

fn same(a: &PublicKey, b: &PublicKey) -> bool {
    a.key_data() == b.key_data()
}

fn is_plain(held: &AgentIdentity, key: &PublicKey) -> bool {
    matches!(held, AgentIdentity::PublicKey { key: own, .. } if same(own, key))
}

fn of_certificate(certificate: Certificate, signatory: Signatory, named: bool) -> Offer {
    let key = key_of(&certificate);
    let label = signer::describe(&key, &certificate::describe(&certificate));
    Offer { proof: Proof::Certificate(Box::new(certificate)), signatory, label, named }
}

fn of_agent(held: &AgentIdentity, named: bool) -> Offer {
    let signatory = Signatory::Agent(Box::new(held.clone()));
    match held {
        AgentIdentity::Certificate { certificate, .. } => of_certificate(certificate.clone(), signatory, named),
        AgentIdentity::PublicKey { key, comment } => {
            let label = signer::describe(key, &format!("{comment} (agent)"));
            Offer { proof: Proof::Key(key.clone()), signatory, label, named }
        }
    }
}

fn of_identity(identity: &Identity, private: &Arc<PrivateKey>) -> Offer {
    Offer {
        proof: Proof::Key(identity.public.clone()),
        signatory: Signatory::Own(Arc::clone(private)),
        label: signer::describe(&identity.public, &identity.name),
        named: true,
    }
}

/// A server counts what it refuses: the same thing twice would be one too many.
fn without_repetitions(offers: Vec<Offer>) -> VecDeque<Offer> {
    let mut kept: VecDeque<Offer> = VecDeque::new();
    for offer in offers {
        if !kept.iter().any(|other| same_proof(&other.proof, &offer.proof)) {
            kept.push_back(offer);
        }
    }
    kept
}

fn same_proof(a: &Proof, b: &Proof) -> bool {
    match (a, b) {
        (Proof::Key(a), Proof::Key(b)) => same(a, b),
        (Proof::Certificate(a), Proof::Certificate(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::Algorithm;
    use russh::keys::key::safe_rng;

    use super::*;

    fn key(comment: &str) -> PrivateKey {
        let mut key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        key.set_comment(comment);
        key
    }

    fn own(key: &PrivateKey) -> Identity {
        Identity {
            public: key.public_key().clone(),
            private: Some(Arc::new(key.clone())),
            name: key.comment().as_str_lossy().into(),
        }
    }

    fn held(key: &PrivateKey) -> AgentIdentity {
        AgentIdentity::PublicKey { key: key.public_key().clone(), comment: key.comment().as_str_lossy().into() }
    }

    /// What stands behind the fingerprints.
    fn names(offers: &Offers) -> Vec<String> {
        let name = |offer: &Offer| offer.label.splitn(3, ' ').nth(2).unwrap().to_owned();
        offers.waiting.iter().map(name).collect()
    }

    #[test]
    fn the_agents_named_keys_come_first_and_keys_of_our_own_last() {
        let (a, b, c, d) = (key("a"), key("b"), key("c"), key("d"));
        let offers = Offers::new(&[own(&d), own(&b)], Vec::new(), vec![held(&a), held(&b), held(&c)], false);
        assert_eq!(names(&offers), ["b (agent)", "a (agent)", "c (agent)", "d"]);
    }

    #[test]
    fn identities_only_leaves_the_agents_other_keys_alone() {
        let (a, b) = (key("a"), key("b"));
        let named = Identity { private: None, ..own(&b) };
        let offers = Offers::new(&[named], Vec::new(), vec![held(&a), held(&b)], true);
        assert_eq!(names(&offers), ["b (agent)"]);
    }

    #[test]
    fn an_agent_full_of_keys_does_not_crowd_out_the_named_one() {
        let (many, mine): (Vec<PrivateKey>, _) = (["a", "b", "c", "d"].map(key).into(), key("mine"));
        let mut offers = Offers::new(&[own(&mine)], Vec::new(), many.iter().map(held).collect(), false);
        offers.fit(3);
        assert_eq!(names(&offers), ["a (agent)", "b (agent)", "mine"]);
        assert_eq!(offers.left_out, 2);
        offers.fit(0);
        assert_eq!((offers.waiting.len(), offers.left_out), (0, 5));
    }
}
