//! The port of the HTTP server.

use std::io;

use tokio::net::TcpListener;

use crate::{config::Config, exit::Exit};

/// Binds the address of `[http] listen`: the first thing that a service does, because the port may be taken.
///
/// # Errors
/// [`Exit::Port`]; the log has the reason and the remedy.
pub async fn listen(config: &Config) -> Result<TcpListener, Exit> {
    TcpListener::bind(config.http.listen).await.map_err(|error| {
        let (listen, hint) = (config.http.listen, port_hint(&error));
        tracing::error!("cannot listen on {listen}: {error}{hint}");
        Exit::Port
    })
}

fn port_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another process has the port; choose one with --listen or [http] listen"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need a permission; choose another with --listen"
        }
        _ => "",
    }
}
