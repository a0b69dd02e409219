use napi_derive::napi;

/// Removes the files of this process's control sockets: for its end, when no connection is closed any more.
#[napi]
pub fn remove_control_sockets() {
    #[cfg(unix)]
    xec_engine::transport::ssh::remove_control_sockets();
}
