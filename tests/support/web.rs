//! Scripted HTTP services: answers that are good, huge or a redirect, and a service behind TLS.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use tokio::net::TcpListener;

use super::certs::Identity;

/// An answer with this status and this text.
pub(crate) fn respond(status: u16, text: String) -> Response<Body> {
    let head = Response::builder().status(status).header("content-type", "application/json");
    head.body(Body::from(text)).expect("a response")
}

/// A listener on a free port.
pub(crate) fn listener() -> TcpListener {
    let listener = super::port::listen();
    listener.set_nonblocking(true).expect("a listener that does not block");
    TcpListener::from_std(listener).expect("a listener of the runtime")
}

/// A redirect to an address.
pub(crate) fn redirect(to: &str) -> Response<Body> {
    Response::builder().status(302).header("location", to).body(Body::empty()).expect("a response")
}

/// 100 pieces of JSON of one megabyte each, without their length. Counts the pieces that are taken.
pub(crate) fn huge(pieces: &Arc<AtomicUsize>) -> Response<Body> {
    let pieces = pieces.clone();
    let piece = Bytes::from("[".to_owned() + &"\"name\",".repeat(149_000));
    let pieces = futures_util::stream::iter((0..100).map(move |_| {
        pieces.fetch_add(1, Relaxed);
        Ok::<_, Infallible>(piece.clone())
    }));
    Response::new(Body::from_stream(pieces))
}

/// A service behind TLS that answers each request with this JSON. Returns its address.
pub(crate) async fn secure(identity: &Identity, json: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{
            ServerConfig,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        },
    };
    let chain =
        CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = listener();
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", json.len());
            let answer = format!("{head}connection: close\r\n\r\n{json}");
            _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("https://localhost:{port}")
}
