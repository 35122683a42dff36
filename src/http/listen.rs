//! The server: every connection is accepted, and no connection may delay another.
//!
//! Each connection, with its TLS handshake, is a task of its own. A peer that is silent or slow, or that opens many
//! connections, is bounded by a time for each step (`HANDSHAKE`, `FIRST_REQUEST`, `IDLE`, `UNREAD`, `OVERDUE`), by the size of a
//! request's header, and by the number of connections (`Connections`).

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
    response::IntoResponse,
};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::{
    access::Peer,
    certificate::Certificate,
    connections::{Connections, Slot},
    paths,
};
use crate::{config::ServerTls, kafka::Fault};

pub use super::certificate::check;

/// The most time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// The most time from accepting a connection to the whole header of its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// The most time from an answer to the whole header of the next request: longer than the usual interval of Prometheus,
/// which is one minute.
const IDLE: Duration = Duration::from_secs(90);
/// A peer that reads no byte of its answer for so long has stopped reading.
const UNREAD: Duration = Duration::from_secs(30);
/// The largest header of a request, in bytes.
const LARGEST_HEADER: usize = 64 * 1024;
/// The time of silence after which the kernel asks whether the peer is still there, and the time between two such probes.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The pause after an accept that failed: descriptors are short, and become free when connections end.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The least time between two lines of the log that say that connections cannot be accepted.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// Serves until `stopped`, then finishes the answers under way. `limit` is the number of connections.
///
/// # Errors
/// A certificate that cannot be used; [`check`] reports it before the service starts.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ServerTls>,
    router: Router,
    limit: usize,
    stopped: CancellationToken,
) -> io::Result<()> {
    let certificate = tls.map(Certificate::read).transpose().map_err(io::Error::other)?;
    let connections = Connections::new(limit);
    let mut tasks = JoinSet::new();
    let mut last_logged = None::<Instant>;
    loop {
        let accepted = tokio::select! {
            () = stopped.cancelled() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let peer =
                    Peer { is_loopback: address.ip().to_canonical().is_loopback(), is_certified: false };
                let slot = tokio::select! {
                    () = stopped.cancelled() => break,
                    slot = connections.enter() => slot,
                };
                tasks.spawn(connect(
                    stream,
                    peer,
                    slot,
                    certificate.clone(),
                    router.clone(),
                    stopped.clone(),
                ));
            }
            // The peer has closed the connection already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let fault = Fault::from_io(&error);
                if last_logged.is_none_or(|at| at.elapsed() > LOG_AGAIN) {
                    last_logged = Some(Instant::now());
                    let hint = fault.hint();
                    tracing::error!(hint, "HTTP connections cannot be accepted: {error}");
                }
                if fault.is_ours() {
                    connections.close_every_idle();
                }
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Serves one connection from its TLS handshake, if there is a certificate, to its end.
async fn connect(
    stream: TcpStream,
    peer: Peer,
    slot: Slot,
    certificate: Option<Certificate>,
    router: Router,
    stopped: CancellationToken,
) {
    prepare(&stream);
    let Some(certificate) = certificate else {
        converse(stream, peer, slot, router, stopped).await;
        return;
    };
    let shake = async { certificate.latest().await.accept(stream).await };
    let handshake = tokio::select! {
        () = slot.close.cancelled() => return,
        handshake = timeout(HANDSHAKE, shake) => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => {
            let is_certified = stream.get_ref().1.peer_certificates().is_some();
            converse(stream, Peer { is_certified, ..peer }, slot, router, stopped).await;
        }
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took longer than {HANDSHAKE:?}"),
    }
}

/// Sets the options of a socket. Without `TCP_NODELAY` the last piece of an answer, which is short, waits up to 40 ms for
/// the acknowledgement of the piece before. Keepalive ends connections whose peer vanished without closing them.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    // A connection without these options is slower or lives longer, and is served all the same.
    if let Err(error) = set {
        tracing::debug!("the options of a socket could not be set: {error}");
    }
}

/// Answers the requests of one connection, one after the other. Each is marked with what is known of the peer.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    peer: Peer,
    slot: Slot,
    router: Router,
    stopped: CancellationToken,
) {
    let slot = Arc::new(slot);
    let requested = CancellationToken::new();
    let service = {
        let (slot, requested, router) = (slot.clone(), requested.clone(), TowerToHyperService::new(router));
        service_fn(move |mut request: Request<Incoming>| {
            requested.cancel();
            request.extensions_mut().insert(peer);
            answer(&slot, &router, request)
        })
    };
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(LARGEST_HEADER)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    );
    let mut stopping = false;
    let mut waiting = true;
    let mut first = pin!(sleep(FIRST_REQUEST));
    let mut overdue = pin!(slot.overdue());
    loop {
        tokio::select! {
            biased;
            () = slot.close.cancelled() => return,
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("an HTTP connection ended: {error}");
                }
                return;
            }
            () = stopped.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = overdue.as_mut() => return,
            () = first.as_mut(), if waiting => {
                // Checked when the time is over: a condition of this branch would be evaluated before the first request.
                if !requested.is_cancelled() {
                    return;
                }
                waiting = false;
            }
        }
    }
}

/// Answers one request. The connection counts as idle again when the last piece of the answer is handed over.
fn answer(
    slot: &Slot,
    router: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let answering = slot.answer(paths::is_endless(request.uri().path()));
    let refused = slot.reserved && !paths::is_health(request.uri().path());
    let answer = (!refused).then(|| router.call(request));
    async move {
        let Some(answer) = answer else {
            let text = "too many connections: the limit is [http] connections\n";
            let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return Ok(response);
        };
        let response = answer.await?;
        Ok(response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                _ = &answering;
                frame
            }))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::SocketAddr};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{
        TlsConnector,
        rustls::{
            RootCertStore,
            pki_types::{CertificateDer, ServerName},
        },
    };

    use super::{
        super::certificate::tests::{certify, files},
        *,
    };
    use crate::tls;

    /// The answer's first line, if the server shows this certificate.
    async fn ask(address: SocketAddr, trusted: &CertificateDer<'static>) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("a certificate");
        let config = tls::client(roots, None).expect("a client");
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn renewed_certificate_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = certify(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "hello"));
        let server = tokio::spawn(serve(listener, Some(files(folder.path())), router, 256, stop.clone()));
        // A silent connection delays no other.
        let _silent = TcpStream::connect(address).await.expect("a connection");
        assert_eq!(ask(address, &first).await.expect("an answer"), "HTTP/1.1 200 OK");
        let second = certify(folder.path());
        // The check of the silent connection may still be under way. It may have seen the files as they were.
        let renewed = async {
            while ask(address, &second).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(FIRST_REQUEST, renewed).await.expect("the second certificate is served");
        assert!(ask(address, &first).await.is_err(), "the first certificate is no longer served");
        fs::write(folder.path().join("key.pem"), "no key").expect("a file");
        assert_eq!(ask(address, &second).await.expect("as before"), "HTTP/1.1 200 OK");
        stop.cancel();
        server.await.expect("no panic").expect("a good end");
    }
}
