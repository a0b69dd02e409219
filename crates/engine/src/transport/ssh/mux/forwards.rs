//! The forwards that visitors have asked for. They go on when their visitor has left, and end with the connection.

use std::sync::Arc;

use parking_lot::Mutex;

use super::errand::errand;
use super::packet::{ForwardRequest, REMOTE, Reply};
use crate::error::{Error, causes};
use crate::pool::Lender;
use crate::transport::ssh::SshTransport;
use crate::transport::ssh::forward::{Attached, Attachments};
use crate::transport::ssh::link::Link;

/// Forwards at once. Each has descriptors of ours, or a listener of the server's.
const MAX_FORWARDS: usize = 1024;

pub struct Forwards {
    attachments: Attachments,
    /// `None` when all has ended.
    open: Mutex<Option<Vec<Open>>>,
}

struct Open {
    asked: ForwardRequest,
    attached: Attached,
}

impl Open {
    /// Whoever had the server choose a port may ask for the end of either.
    fn is(&self, asked: &ForwardRequest) -> bool {
        let chosen = || {
            let (host, port) = &self.asked.listen;
            let port = if *port == 0 { self.attached.port().into() } else { *port };
            ForwardRequest { listen: (host.clone(), port), ..self.asked.clone() }
        };
        self.asked == *asked || chosen() == *asked
    }

    fn reply(&self, id: u32) -> Reply {
        match self.asked {
            ForwardRequest { kind: REMOTE, listen: (_, 0), .. } => {
                Reply::RemotePort { id, port: self.attached.port().into() }
            }
            _ => Reply::Ok { id },
        }
    }
}

impl Forwards {
    pub fn new(link: Arc<Link>) -> Self {
        Self { attachments: Attachments::new(link), open: Mutex::new(Some(Vec::new())) }
    }

    pub fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    /// Begins one, unless it is there already; bounded.
    pub async fn open(&self, id: u32, asked: ForwardRequest, lender: &Lender<SshTransport>) -> Reply {
        match self.opened(id, asked, lender).await {
            Ok(reply) => reply,
            Err(reason) => Reply::Failure { id, reason },
        }
    }

    async fn opened(&self, id: u32, asked: ForwardRequest, lender: &Lender<SshTransport>) -> Result<Reply, String> {
        if let Some(reply) = self.known(id, &asked)? {
            return Ok(reply);
        }
        let errand = errand(&asked)?;
        let stay = lender.stay(self.attachments.link()).ok_or_else(over)?;
        let attached = self.attachments.begin(errand, stay).await.map_err(|error| with_causes(&error))?;
        let new = Open { asked, attached };
        let reply = new.reply(id);
        let late = match &mut *self.open.lock() {
            Some(open) => {
                open.push(new);
                None
            }
            None => Some(new),
        };
        match late {
            None => Ok(reply),
            Some(Open { attached, .. }) => {
                attached.close(&self.attachments).await;
                Err(over())
            }
        }
    }

    fn known(&self, id: u32, asked: &ForwardRequest) -> Result<Option<Reply>, String> {
        let open = self.open.lock();
        let open = open.as_ref().ok_or_else(over)?;
        let known = open.iter().find(|open| open.asked == *asked);
        if known.is_none() && open.len() >= MAX_FORWARDS {
            return Err(format!("this master has {MAX_FORWARDS} forwards already"));
        }
        Ok(known.map(|known| known.reply(id)))
    }

    /// Ends the listening; those who are connected go on. Bounded.
    pub async fn close(&self, id: u32, asked: &ForwardRequest) -> Reply {
        let found = self.open.lock().as_mut().and_then(|open| {
            let index = open.iter().position(|open| open.is(asked))?;
            Some(open.swap_remove(index))
        });
        match found {
            Some(Open { attached, .. }) => {
                attached.close(&self.attachments).await;
                Reply::Ok { id }
            }
            None => Reply::Failure { id, reason: "there is no such forward".to_owned() },
        }
    }

    /// Ends them all, clients included, and has the server listen no more. For good; bounded.
    pub async fn end(&self) {
        self.attachments.end();
        let all = self.open.lock().take();
        for Open { attached, .. } in all.into_iter().flatten() {
            attached.close(&self.attachments).await;
        }
    }
}

fn over() -> String {
    "this master is about to end".to_owned()
}

/// An error in one line: the protocol has room for no more.
fn with_causes(error: &Error) -> String {
    causes(error)
        .into_iter()
        .fold(error.to_string(), |line, cause| if line.contains(&cause) { line } else { format!("{line}: {cause}") })
}
