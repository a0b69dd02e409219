use std::sync::Weak;
use std::time::Duration;

use russh::client::Handle;
use russh::keys::PublicKey;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::handler::Handler;
use super::host_key_judge::HostKeyJudge;

/// What a server says about its host keys once we are in.
pub struct Announcement {
    /// The key that it is trusted by.
    pub trusted: PublicKey,
    pub keys: Vec<PublicKey>,
}

/// More keys than any host has; who announces more wants to fill our file.
const MOST: usize = 16;
/// For the server's proof. Nobody waits for it, but the task that does must end.
const PROOF: Duration = Duration::from_secs(30);

/// Learns the other host keys of a server we know, so that it stays known when it changes to one of them. Announcing is not
/// enough: it must prove that it holds each of them, by signing this session's identity, which russh checks. It is all or
/// nothing: one key without proof, and none is learned. Old keys stay on file.
pub async fn follow(handle: Weak<Handle<Handler>>, judge: HostKeyJudge, announced: oneshot::Receiver<Announcement>) {
    // The sender goes with the connection.
    let Ok(Announcement { trusted, keys }) = announced.await else { return };
    let is_new = |key: &PublicKey| key.key_data() != trusted.key_data() && judge.is_news(key);
    let mut new: Vec<PublicKey> = keys.into_iter().filter(is_new).collect();
    let mut seen = Vec::new();
    new.retain(|key| {
        let is_first = !seen.contains(key.key_data());
        seen.push(key.key_data().clone());
        is_first
    });
    if new.is_empty() || new.len() > MOST {
        return;
    }
    let Some(handle) = handle.upgrade() else { return };
    let proof = timeout(PROOF, handle.hostkeys_prove(new.clone())).await;
    drop(handle);
    match proof {
        Ok(Ok(())) => judge.record_proven(trusted, new).await,
        Ok(Err(error)) => tracing::warn!(%error, "the server did not prove the host keys it announced"),
        Err(_) => tracing::warn!("the server left the proof of its host keys open"),
    }
}
