use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::connection::{Cluster, KubeTransport};
use super::failure::LineFailure;
use crate::error::{Error, Reached};
use crate::input::input;
use crate::pool::{Pool, Request};
use crate::run::{Cancel, Pipes};
use crate::transport::container::{Answer, ApiRequest, Exchange, Head, on_connection};

/// Starts a call whose answer comes piece by piece, at its reader's pace. The futures: the head of its answer, and its end. The
/// end is not reached while pipes are full; dropping it ends the call.
pub fn exchange(
    pool: Arc<Pool<KubeTransport>>,
    request: Request<KubeTransport>,
    api: ApiRequest,
    body: Bytes,
    cancel: Cancel,
) -> (Exchange, oneshot::Receiver<Head>, impl Future<Output = Result<(), Error>> + Send) {
    let pipes = Arc::<Pipes>::default();
    // The API has no bodies that come piece by piece, so nobody listens to it.
    let (input, _) = input();
    let (heard, head) = oneshot::channel();
    let answer = Answer(Arc::clone(&pipes));
    let running = on_connection(pool, request, cancel, |connection| {
        let cluster = Arc::clone(connection.cluster());
        async move { read(&cluster, &api, body, &answer, heard).await }
    });
    (Exchange { pipes, input }, head, running)
}

async fn read(
    cluster: &Cluster,
    api: &ApiRequest,
    body: Bytes,
    answer: &Answer,
    heard: oneshot::Sender<Head>,
) -> Result<(), Error> {
    let (head, mut body) = cluster.client.open(api, body).await?.into_parts();
    // Whoever wanted the head may be gone; the answer is read all the same.
    let _ = heard.send(Head::of(&head));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| LineFailure::of(error).lost(Reached::Yes))?;
        if let Ok(data) = frame.into_data() {
            answer.push(data).await;
        }
    }
    Ok(())
}
