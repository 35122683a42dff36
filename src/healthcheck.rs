//! `healthcheck`: one request to a running service.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Uri,
    body::Bytes,
    header,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{config, kafka::wire::unverified};

/// The longest duration of a health check. A health check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// The address of `/livez` of a service with these settings, as seen from its own machine.
pub fn url(http: &config::Http) -> String {
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let ip = match http.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}/livez", SocketAddr::new(ip, http.listen.port()))
}

/// Requests the URL and returns the body of the answer if its status is 200.
///
/// # Errors
/// The answer has another status, or there is no answer within 3 s.
pub async fn check(url: &str) -> anyhow::Result<String> {
    timeout(PATIENCE, ask(url)).await.with_context(|| format!("no answer from {url} within 3 s"))?
}

async fn ask(url: &str) -> anyhow::Result<String> {
    let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => bail!("{url}: expected http://host:port/path, or https"),
    };
    let authority = uri.authority().context("the URL names no host")?.clone();
    let host = authority.host().trim_matches(['[', ']']);
    let address = (host, authority.port_u16().unwrap_or(if secure { 443 } else { 80 }));
    let stream =
        TcpStream::connect(address).await.with_context(|| format!("no connection to {authority}"))?;
    if !secure {
        return exchange(TokioIo::new(stream), &uri).await;
    }
    // The certificate is not verified: it does not name the loopback address, and the request holds no secret.
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(unverified()?).connect(name, stream).await;
    exchange(TokioIo::new(stream.with_context(|| format!("no TLS with {authority}"))?), &uri).await
}

async fn exchange(stream: impl Read + Write + Send + Unpin + 'static, uri: &Uri) -> anyhow::Result<String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    // The connection task ends with the answer.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, uri.authority().map_or("", |host| host.as_str()))
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.context("the answer broke off")?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let words = String::from_utf8_lossy(&body).into_owned();
    if status.as_u16() != 200 {
        bail!("{uri} answers {status}: {}", words.trim());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FlagSetting, Sources, load};

    fn asked(settings: &[(&'static str, &str, &str)]) -> String {
        let settings = settings.iter().map(|(section, key, value)| FlagSetting {
            section,
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            flag: "test",
        });
        let sources =
            Sources { bootstrap: Some("b:1".to_owned()), settings: settings.collect(), ..Sources::default() };
        url(&load(&sources).expect("a configuration").http)
    }

    #[test]
    fn url_follows_the_port_and_the_tls_of_the_configuration() {
        assert_eq!(asked(&[]), "http://127.0.0.1:8080/livez");
        assert_eq!(asked(&[("http", "listen", "0.0.0.0:81")]), "http://127.0.0.1:81/livez");
        assert_eq!(asked(&[("http", "listen", "[::]:81")]), "http://[::1]:81/livez");
        let tls =
            [("http", "tls.certificate", "c"), ("http", "tls.key", "k"), ("http", "listen", "10.0.0.1:1")];
        assert_eq!(asked(&tls), "https://10.0.0.1:1/livez");
    }
}
