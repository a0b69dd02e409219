use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Builder;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri};

use super::body::Body;
use crate::error::Error;

/// One call of an API, as it is documented there.
#[derive(Clone, Default)]
pub struct ApiRequest {
    /// `GET` and the like.
    pub method: String,
    /// From the root, without a version: `/containers/json`.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    /// For the head of the answer; the client's own by default.
    pub timeout: Option<Duration>,
}

impl ApiRequest {
    pub fn new(method: &str, path: String) -> Self {
        Self { method: method.to_owned(), path, ..Self::default() }
    }

    /// May it be sent again although nobody knows whether it arrived?
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// In hyper's terms, at this version of the API.
    pub fn build(&self, version: &str, body: Body) -> Result<Request<Body>, Error> {
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|error| invalid("method", &error))?;
        let uri = Uri::builder()
            .scheme("http")
            .authority("server")
            .path_and_query(self.target(version)?)
            .build()
            .map_err(|error| invalid("path", &error))?;
        let named = self.headers.iter().fold(Builder::new().method(method).uri(uri), |builder, (name, value)| {
            builder.header(name.as_str(), value.as_str())
        });
        named.body(body).map_err(|error| invalid("headers", &error))
    }

    fn target(&self, version: &str) -> Result<PathAndQuery, Error> {
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return Err(invalid("path", &"it must begin with / and have no query of its own"));
        }
        let mut target = format!("{version}{}", self.path);
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            encode(&mut target, name);
            target.push('=');
            encode(&mut target, value);
        }
        PathAndQuery::from_maybe_shared(Bytes::from(target)).map_err(|error| invalid("path", &error))
    }
}

fn invalid(option: &'static str, problem: &dyn std::fmt::Display) -> Error {
    Error::InvalidOption { option, problem: problem.to_string() }
}

/// As forms are encoded, but for the space: everything that could mean something else.
pub fn encode(target: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            target.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::container::no_body;

    #[test]
    fn queries_are_encoded_and_the_version_goes_first() {
        let request = ApiRequest {
            query: vec![("filters".into(), r#"{"a":["b c"]}"#.into())],
            ..ApiRequest::new("GET", "/containers/json".into())
        };
        let built = request.build("/v1.41", no_body()).unwrap();
        assert_eq!(built.uri().path(), "/v1.41/containers/json");
        assert_eq!(built.uri().query(), Some("filters=%7B%22a%22%3A%5B%22b%20c%22%5D%7D"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["containers", "/a b", "/a?b=c", "/a\r\nX: y"] {
            assert!(ApiRequest::new("GET", path.into()).build("", no_body()).is_err(), "{path}");
        }
    }
}
