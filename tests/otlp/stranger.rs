//! A gRPC server that answers a request for traces with a message that is no `ExportTraceServiceResponse`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use http_body_util::{BodyExt, Full};
use tonic::{
    body::Body,
    codegen::{
        Bytes, Service,
        http::{HeaderMap, HeaderValue, Request, Response},
    },
    server::NamedService,
    transport::Server,
};

/// Answers each request with this message and the status OK.
#[derive(Clone)]
struct Stranger(&'static [u8]);

impl NamedService for Stranger {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<Request<Body>> for Stranger {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        // A message of gRPC begins with a byte for "not packed" and its length.
        let length = u32::try_from(self.0.len()).expect("a short message").to_be_bytes();
        let frame: Vec<u8> = [0].into_iter().chain(length).chain(self.0.iter().copied()).collect();
        let trailers = HeaderMap::from_iter([(
            "grpc-status".parse().expect("a header's name"),
            HeaderValue::from_static("0"),
        )]);
        let body = Full::new(Bytes::from(frame)).with_trailers(ready(Some(Ok(trailers))));
        let mut answer = Response::new(Body::new(body));
        answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        ready(Ok(answer))
    }
}

/// Listens for gRPC.
pub(crate) async fn listen(message: &'static [u8]) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(Server::builder().add_service(Stranger(message)).serve_with_incoming(incoming));
    address
}
