//! Requests to a collector: gRPC, or protobuf over HTTP. One attempt at a time; the answer says whether to repeat it.

use std::{fs, path::Path};

use bytes::{Buf, BufMut, Bytes};
use reqwest::header;
use tokio_rustls::rustls::{
    ClientConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::answer::{LONGEST_ANSWER, Refused, Taken, answered_grpc, answered_http, passing, refused_grpc};
use crate::{
    config::{ClientTls, Compression, Protocol, Target},
    export::gzip,
    text::Chain,
    tls,
};

/// The kind of data that a request holds.
#[derive(Debug, Clone, Copy)]
pub(in crate::export) enum Signal {
    /// `ExportMetricsServiceRequest`
    Metrics,
    /// `ExportTraceServiceRequest`
    Traces,
}

impl Signal {
    /// The name of this kind in a log line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Signal::Metrics => "metrics",
            Signal::Traces => "traces",
        }
    }

    /// The method of gRPC that accepts this kind.
    fn method(self) -> &'static str {
        match self {
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        }
    }
}

/// A connection to a collector, which is opened with the first request.
pub(in crate::export) enum Transport {
    Http { client: reqwest::Client, url: String, headers: header::HeaderMap, gzip: bool },
    Grpc { client: Grpc<Channel>, headers: MetadataMap, method: &'static str },
}

impl Transport {
    /// Prepares the connection.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub(in crate::export) fn new(settings: &Target, signal: Signal) -> Result<Self, String> {
        match settings.protocol {
            Protocol::Grpc => grpc(settings, signal.method()),
            Protocol::HttpProtobuf => http(settings),
        }
    }

    /// Checks the settings as [`Transport::new`] does, but needs no runtime.
    pub(super) fn check(settings: &Target) -> Result<(), String> {
        match settings.protocol {
            Protocol::Grpc => server(settings).map(drop),
            Protocol::HttpProtobuf => http(settings).map(drop),
        }
    }

    /// Sends a request, within the timeout of the settings.
    pub(in crate::export) async fn send(&self, request: Bytes) -> Result<Taken, Refused> {
        match self {
            Transport::Http { client, url, headers, gzip } => {
                let body = if *gzip { packed(&request).await } else { request };
                let asked = client.post(url).headers(headers.clone()).body(body).send().await;
                answered_http(asked.map_err(|error| passing(error.without_url()))?).await
            }
            Transport::Grpc { client, headers, method } => {
                let mut client = client.clone();
                let refused = |error: tonic::transport::Error| passing(error);
                client.ready().await.map_err(refused)?;
                let mut request = Request::new(request);
                *request.metadata_mut() = headers.clone();
                let answer = client.unary(request, PathAndQuery::from_static(method), Raw).await;
                answered_grpc(&answer.map_err(|status| refused_grpc(&status))?.into_inner())
            }
        }
    }
}

fn http(settings: &Target) -> Result<Transport, String> {
    let mut headers = header::HeaderMap::new();
    let fixed = [(header::CONTENT_TYPE, "application/x-protobuf")];
    let gzip = settings.compression == Compression::Gzip;
    let packed = gzip.then_some((header::CONTENT_ENCODING, "gzip"));
    for (name, value) in fixed.into_iter().chain(packed) {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    for (name, value) in &settings.headers.0 {
        let malformed = |_| format!("headers: {name:?} cannot be sent in a request");
        let name_of = header::HeaderName::try_from(name.as_str()).map_err(|_| malformed(()))?;
        let mut value = header::HeaderValue::try_from(value.as_str()).map_err(|_| malformed(()))?;
        value.set_sensitive(true);
        headers.insert(name_of, value);
    }
    let (client, url) = client(settings)?;
    Ok(Transport::Http { client, url, headers, gzip })
}

/// The HTTP client and the URL of these settings.
fn client(settings: &Target) -> Result<(reqwest::Client, String), String> {
    let builder = reqwest::Client::builder()
        .timeout(settings.timeout)
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(trusted(settings)?);
    let client = builder.build().map_err(|error| error.without_url().to_string())?;
    let url = reqwest::Url::parse(&settings.endpoint).map_err(|error| format!("endpoint: {error}"))?;
    Ok((client, url.into()))
}

/// TLS with the CA certificates of the system and of `tls.ca`, and with the service's own certificate.
fn trusted(settings: &Target) -> Result<ClientConfig, String> {
    let mut roots = tls::system_roots();
    if let Some(path) = &settings.tls_ca {
        tls::trust(&mut roots, &read("tls.ca", path)?)
            .map_err(|words| format!("tls.ca: {} {words}", path.display()))?;
    }
    let own = settings.tls_identity.as_ref().map(identity).transpose()?;
    tls::client(roots, own).map_err(|error| format!("tls.certificate: {error}"))
}

/// The service's own certificate and its key.
fn identity(ClientTls { certificate, key }: &ClientTls) -> Result<tls::Identity, String> {
    let chain = tls::certificates(&read("tls.certificate", certificate)?)
        .map_err(|words| format!("tls.certificate: {} {words}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_slice(&read("tls.key", key)?)
        .map_err(|error| format!("tls.key: {} holds no private key: {error}", key.display()))?;
    Ok((chain, private))
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{key}: {}: {error}", path.display()))
}

fn grpc(settings: &Target, method: &'static str) -> Result<Transport, String> {
    let (endpoint, headers) = server(settings)?;
    let mut client = Grpc::new(endpoint.connect_lazy());
    if settings.compression == Compression::Gzip {
        // A server that gets packed requests may pack its answers.
        client =
            client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    }
    Ok(Transport::Grpc { client, headers, method })
}

/// The endpoint of the server, and the headers of every request.
fn server(settings: &Target) -> Result<(Endpoint, MetadataMap), String> {
    let bad = |error: tonic::transport::Error| format!("endpoint: {}", Chain(&error));
    let mut endpoint = Endpoint::from_shared(settings.endpoint.clone())
        .map_err(bad)?
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout);
    if settings.endpoint.starts_with("https://") {
        // The certificates are checked by the same code as for HTTP, whose errors name the file.
        trusted(settings)?;
        let mut tls = ClientTlsConfig::new().with_native_roots();
        if let Some(path) = &settings.tls_ca {
            tls = tls.ca_certificate(Certificate::from_pem(read("tls.ca", path)?));
        }
        if let Some(ClientTls { certificate, key }) = &settings.tls_identity {
            tls = tls
                .identity(Identity::from_pem(read("tls.certificate", certificate)?, read("tls.key", key)?));
        }
        endpoint = endpoint.tls_config(tls).map_err(bad)?;
    }
    let mut headers = MetadataMap::new();
    for (name, value) in &settings.headers.0 {
        let malformed = || format!("headers: {name:?} cannot be sent in a request");
        let name_of = MetadataKey::from_bytes(name.to_lowercase().as_bytes()).map_err(|_| malformed())?;
        let mut value = MetadataValue::try_from(value.as_str()).map_err(|_| malformed())?;
        value.set_sensitive(true);
        headers.insert(name_of, value);
    }
    Ok((endpoint, headers))
}

async fn packed(request: &Bytes) -> Bytes {
    let plain = request.clone();
    let packed = tokio::task::spawn_blocking(move || gzip::stream(&[gzip::Piece::of(&plain)]).concat());
    packed.await.map(Bytes::from).unwrap_or_default()
}

/// Messages that are encoded before and decoded later.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining().min(LONGEST_ANSWER);
        Ok(Some(from.copy_to_bytes(length)))
    }
}
