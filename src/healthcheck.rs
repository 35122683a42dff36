//! `healthcheck`: one request to a running service.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Uri, body::Bytes, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// A health check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks; the answer's text if its status is 200.
///
/// # Errors
/// Another status, or no answer in time.
pub async fn check(url: &str) -> anyhow::Result<String> {
    timeout(PATIENCE, ask(url)).await.with_context(|| format!("no answer from {url} within 3 s"))?
}

async fn ask(url: &str) -> anyhow::Result<String> {
    let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
    if uri.scheme_str() != Some("http") {
        bail!("{url}: expected http://host:port/path");
    }
    let authority = uri.authority().context("the URL names no host")?.clone();
    let address = (authority.host(), authority.port_u16().unwrap_or(80));
    let stream =
        TcpStream::connect(address).await.with_context(|| format!("nobody answers at {authority}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::HOST, authority.as_str()).body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.context("the answer broke off")?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let words = String::from_utf8_lossy(&body).into_owned();
    if status.as_u16() != 200 {
        bail!("{url} answers {status}: {}", words.trim());
    }
    Ok(words)
}
