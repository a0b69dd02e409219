use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::http::response::Parts;

/// The beginning of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Of a line that was handed over.
    pub fn switched() -> Self {
        Self { status: 101, headers: Vec::new() }
    }

    pub fn of(head: &Parts) -> Self {
        let headers = head.headers.iter();
        Self {
            status: head.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
        }
    }
}

/// An answer that was collected.
#[derive(Debug)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl ApiResponse {
    pub fn new(Head { status, headers }: Head, body: Bytes) -> Self {
        Self { status, headers, body }
    }
}

/// Why there is no whole body.
pub enum Uncollected<E> {
    TooLong,
    Broken(E),
}

/// The body of an answer, up to a limit.
pub async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Uncollected<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Uncollected::Broken)?.into_data() else { continue };
        if collected.len() + data.len() > limit {
            return Err(Uncollected::TooLong);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}
