//! Who may log in, and with what.

use russh::keys::PublicKey;

use super::EmbeddedServerError;

/// One account of the server. Without a password and without keys nobody can log in as it.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    password: Option<String>,
    authorized_keys: Vec<String>,
}

impl User {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), password: None, authorized_keys: Vec::new() }
    }

    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Accepts this public key, given as in an `authorized_keys` file; may be called several times.
    #[must_use]
    pub fn authorized_key(mut self, line: impl Into<String>) -> Self {
        self.authorized_keys.push(line.into());
        self
    }
}

struct Account {
    name: String,
    password: Option<String>,
    keys: Vec<PublicKey>,
}

impl TryFrom<User> for Account {
    type Error = EmbeddedServerError;

    fn try_from(user: User) -> Result<Self, Self::Error> {
        let parse = |line: &String| {
            PublicKey::from_openssh(line)
                .map_err(|source| EmbeddedServerError::AuthorizedKey { user: user.name.clone(), source })
        };
        let keys = user.authorized_keys.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { name: user.name, password: user.password, keys })
    }
}

pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    pub(super) fn new(users: Vec<User>) -> Result<Self, EmbeddedServerError> {
        users.into_iter().map(Account::try_from).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn accept_password(&self, name: &str, password: &str) -> bool {
        self.named(name).any(|account| account.password.as_deref() == Some(password))
    }

    /// Compares key data only: the comment in an `authorized_keys` line is not part of the key.
    pub(super) fn accept_key(&self, name: &str, key: &PublicKey) -> bool {
        self.named(name).any(|account| account.keys.iter().any(|known| known.key_data() == key.key_data()))
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Account> {
        self.0.iter().filter(move |account| account.name == name)
    }
}
