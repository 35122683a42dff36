//! The running HTTP server.

use std::time::Duration;

use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, http, process::http_connections, supervisor};

/// The part of the grace time that belongs to HTTP: event streams end, and scrapes under way are answered.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// The task that serves HTTP.
pub(super) struct Server {
    task: JoinHandle<()>,
    stop: CancellationToken,
    /// Cancelled when the task has ended.
    ended: CancellationToken,
}

impl Server {
    /// Starts to answer requests, and notifies the supervisor.
    pub(super) fn start(config: &Config, state: http::State, listener: TcpListener) -> Self {
        let state = std::sync::Arc::new(state);
        tokio::spawn(http::write_ahead(state.clone()));
        tokio::spawn(http::renew_credentials(state.clone(), config.http.clone()));
        let router = http::router(state);
        announce(config, &listener);
        let (tls, limit) = (config.http.tls.clone(), http_connections(config.http.connections));
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, guard) = (stop.clone(), ended.clone().drop_guard());
        let task = tokio::spawn(async move {
            let _guard = guard;
            if let Err(error) = http::listen::serve(listener, tls, router, limit, stopped).await {
                tracing::error!("HTTP cannot be served: {error}");
            }
        });
        Self { task, stop, ended }
    }

    /// Waits until the server has ended, which it should not.
    pub(super) async fn broken(&self) {
        self.ended.cancelled().await;
        tracing::error!("the HTTP server has ended");
    }

    /// Ends the server after the answers under way.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if timeout(GRACE, self.task).await.is_err() {
            tracing::debug!("an HTTP connection was still open");
        }
    }
}

/// Logs the address, notifies the supervisor, and warns of a password or a token in clear text.
fn announce(config: &Config, listener: &TcpListener) {
    let Ok(address) = listener.local_addr() else { return };
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}/");
    supervisor::ready(&format!("{scheme}://{address}/"));
    let has_secret = config.http.basic.is_some() || config.http.bearer.is_some();
    if has_secret && config.http.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!("without [http] tls.certificate the password or the token travels in clear text");
    }
}
