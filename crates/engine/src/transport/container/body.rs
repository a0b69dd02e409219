use std::error::Error as StdError;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// What a request has to say.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

pub fn no_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub fn full_body(data: Bytes) -> Body {
    Full::new(data).map_err(|never| match never {}).boxed_unsync()
}
