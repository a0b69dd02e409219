//! Logins that do not end with a yes or a no.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers")]

use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey, key::safe_rng};
use russh::server::{Auth, Config, Handler, run_stream};
use tokio::net::TcpListener;
use xec_engine::error::{Error, Kind, Phase, Reached};
use xec_engine::pool::Hops;
use xec_engine::transport::Transport;
use xec_engine::transport::ssh::{HostKeyChecking, Secret, SshTarget, SshTransport};

/// Hangs up when it is shown a password.
struct HangsUp;

impl Handler for HangsUp {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, _password: &str) -> Result<Auth, russh::Error> {
        Err(russh::Error::Disconnect)
    }
}

async fn server() -> u16 {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    let config = Arc::new(Config { keys: vec![key], ..Config::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let session = run_stream(config, stream, HangsUp).await.unwrap();
        // It ends with an error: that is the point.
        let _ = session.await;
    });
    port
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_middle_of_a_login_has_not_refused_it() {
    let target = SshTarget {
        password: Some(Secret::new("secret".into())),
        host_key_checking: HostKeyChecking::Off,
        ..SshTarget::new("127.0.0.1", server().await, "demo")
    };
    let error = SshTransport.connect(&Arc::new(target), &Hops::none()).await.err().expect("nobody can log in there");
    assert_eq!(
        (error.kind(), error.phase(), error.reached()),
        (Kind::ConnectionLost, Phase::Authenticate, Reached::No)
    );
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error}");
}
