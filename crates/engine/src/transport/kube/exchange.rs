use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::call::{give_back, permit};
use super::connection::{Cluster, KubeTransport, until};
use super::failure::LineFailure;
use crate::error::{Error, Phase, Reached};
use crate::input::input;
use crate::pool::{Pool, Request};
use crate::run::{Cancel, Pipes, stopped};
use crate::transport::docker::{ApiRequest, Exchange, Head};

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
    let running = Running { api, body, out: Out(Arc::clone(&pipes)) }.run(pool, request, heard, cancel);
    (Exchange { pipes, input }, head, running)
}

struct Running {
    api: ApiRequest,
    body: Bytes,
    out: Out,
}

impl Running {
    async fn run(
        self,
        pool: Arc<Pool<KubeTransport>>,
        request: Request<KubeTransport>,
        heard: oneshot::Sender<Head>,
        cancel: Cancel,
    ) -> Result<(), Error> {
        let stop = stopped(cancel, Cancel::default(), None, Instant::now());
        tokio::pin!(stop);
        let permit = permit(&pool, &request, &mut stop).await?;
        let cluster = Arc::clone(permit.connection().cluster());
        let mut cut = permit.connection().cut();
        let outcome = tokio::select! {
            biased;
            why = &mut stop => Err(why.error(Phase::Run, Reached::Unknown)),
            () = until(&mut cut, |cut| *cut) => Err(Error::PoolClosed { phase: Phase::Run, reached: Reached::Unknown }),
            outcome = self.read(&cluster, heard) => outcome,
        };
        if let Err(error) = &outcome {
            cluster.note(error);
        }
        give_back(permit);
        outcome
    }

    async fn read(&self, cluster: &Cluster, heard: oneshot::Sender<Head>) -> Result<(), Error> {
        let response = cluster.client.open(&self.api, self.body.clone()).await?;
        let headers = response.headers().iter();
        let head = Head {
            status: response.status().as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
        };
        // Whoever wanted the head may be gone; the answer is read all the same.
        let _ = heard.send(head);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| LineFailure::of(error).lost(Reached::Yes))?;
            if let Ok(data) = frame.into_data() {
                self.out.0.stdout.push(data);
                self.out.0.stdout.until_room().await;
            }
        }
        Ok(())
    }
}

/// Where the answer goes.
struct Out(Arc<Pipes>);

impl Drop for Out {
    // However the exchange ended: its readers must not wait for ever.
    fn drop(&mut self) {
        self.0.stdout.end();
        self.0.stderr.end();
    }
}
