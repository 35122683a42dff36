//! A collector that keeps every request, over both transports, and answers as the test demands.

use std::{
    collections::VecDeque,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    metrics::v1::{Metric, ResourceMetrics, metric::Data, number_data_point},
    trace::v1::{ResourceSpans, Span},
};
use prost::Message;
use tonic::{
    Request, Status,
    codec::CompressionEncoding,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

/// What the collector does with the next request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Takes the whole request.
    Take,
    /// Takes the request and reports this number of points or spans as rejected.
    Part(i64),
    /// Refuses the request with an HTTP status or a gRPC code, and the seconds after which it may be sent again.
    Refuse(u16, Option<u64>),
    /// Responds with this status, content type and body, over HTTP only.
    Respond(u16, Option<&'static str>, &'static [u8]),
    /// Never responds.
    Hang,
}

/// The collector, and the requests that it received.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    answers: VecDeque<Answer>,
    requests: Vec<ExportMetricsServiceRequest>,
    spans: Vec<ResourceSpans>,
    headers: Vec<(String, String)>,
    sizes: Vec<usize>,
    asked: usize,
    /// HTTP bodies that are longer than this number of bytes after decompression are refused with status 413.
    limit: Option<usize>,
}

impl Collector {
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.lock().expect("no other thread panicked").answers.extend(answers);
    }

    /// From now on refuses HTTP bodies that are longer than this number of bytes after decompression.
    pub(crate) fn limit(&self, bytes: usize) {
        self.0.lock().expect("no other thread panicked").limit = Some(bytes);
    }

    /// Drops the remaining answers, so that the collector takes every request again.
    pub(crate) fn forget(&self) {
        self.0.lock().expect("no other thread panicked").answers.clear();
    }

    /// The number of requests, refused ones included.
    pub(crate) fn asked(&self) -> usize {
        self.0.lock().expect("no other thread panicked").asked
    }

    /// The headers of the last request.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        self.0.lock().expect("no other thread panicked").headers.clone()
    }

    /// The number of bytes of each request that was taken, after decompression.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.0.lock().expect("no other thread panicked").sizes.clone()
    }

    /// The metrics that were taken since the last call.
    pub(crate) fn take(&self) -> Vec<ResourceMetrics> {
        let requests = std::mem::take(&mut self.0.lock().expect("no other thread panicked").requests);
        requests.into_iter().flat_map(|request| request.resource_metrics).collect()
    }

    /// Spans that were taken since the last call.
    pub(crate) fn take_spans(&self) -> Vec<ResourceSpans> {
        std::mem::take(&mut self.0.lock().expect("no other thread panicked").spans)
    }

    fn note(&self, headers: Vec<(String, String)>) -> Answer {
        let mut kept = self.0.lock().expect("no other thread panicked");
        kept.asked += 1;
        kept.headers = headers;
        kept.answers.pop_front().unwrap_or(Answer::Take)
    }

    fn keep(&self, request: ExportMetricsServiceRequest) {
        let mut kept = self.0.lock().expect("no other thread panicked");
        kept.sizes.push(request.encoded_len());
        kept.requests.push(request);
    }

    /// Listens for HTTP.
    pub(crate) async fn http(&self) -> SocketAddr {
        let router = Router::new()
            .route("/v1/metrics", post(metrics))
            .route("/v1/traces", post(traces))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(axum::serve(listener, router).into_future());
        address
    }

    /// Listens for gRPC over TLS, for clients with a certificate of this authority.
    pub(crate) async fn guarded(&self, certificate: &str, key: &str, authority: &str) -> SocketAddr {
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(authority));
        self.serve(Server::builder().tls_config(tls).expect("a certificate with its key"), 4 << 20).await
    }

    /// Listens for gRPC.
    pub(crate) async fn grpc(&self) -> SocketAddr {
        self.serve(Server::builder(), 4 << 20).await
    }

    /// Listens for gRPC, for messages of so many bytes at most.
    pub(crate) async fn narrow_grpc(&self, limit: usize) -> SocketAddr {
        self.serve(Server::builder(), limit).await
    }

    async fn serve(&self, mut server: Server, limit: usize) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        // A real collector answers a compressed request with a compressed answer, too.
        let gzip = CompressionEncoding::Gzip;
        let metrics = MetricsServiceServer::new(self.clone()).accept_compressed(gzip).send_compressed(gzip);
        let metrics = metrics.max_decoding_message_size(limit);
        let traces = TraceServiceServer::new(self.clone()).accept_compressed(gzip).send_compressed(gzip);
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = server.add_service(metrics).add_service(traces);
        tokio::spawn(server.serve_with_incoming(incoming));
        address
    }
}

fn response(rejected: i64) -> ExportMetricsServiceResponse {
    let partial =
        ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: "too\nmany".to_owned() };
    ExportMetricsServiceResponse { partial_success: (rejected > 0).then_some(partial) }
}

fn response_of_traces(rejected: i64) -> ExportTraceServiceResponse {
    let partial =
        ExportTracePartialSuccess { rejected_spans: rejected, error_message: "too\nmany".to_owned() };
    ExportTraceServiceResponse { partial_success: (rejected > 0).then_some(partial) }
}

/// The decompressed body of a request that is taken and the number of rejected points; or the response to a refused request.
async fn body(collector: &Collector, headers: &HeaderMap, body: &Bytes) -> Result<(Vec<u8>, i64), Response> {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("a header of text").to_owned()));
    let rejected = match collector.note(pairs.collect()) {
        Answer::Hang => std::future::pending().await,
        Answer::Refuse(status, after) => {
            let after = after.map(|after| [("retry-after", after.to_string())]);
            return Err((StatusCode::from_u16(status).expect("a status"), after, "").into_response());
        }
        Answer::Respond(status, kind, body) => {
            let kind = kind.map(|kind| [("content-type", kind)]);
            let mut answer = (StatusCode::from_u16(status).expect("a status"), kind, body).into_response();
            if kind.is_none() {
                answer.headers_mut().remove("content-type");
            }
            return Err(answer);
        }
        Answer::Take => 0,
        Answer::Part(rejected) => rejected,
    };
    let mut plain = Vec::new();
    match headers.get("content-encoding") {
        Some(_) => {
            _ = flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("a body in gzip")
        }
        None => plain.extend_from_slice(body),
    }
    if collector.0.lock().expect("no other thread panicked").limit.is_some_and(|limit| plain.len() > limit) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    }
    Ok((plain, rejected))
}

async fn metrics(State(collector): State<Collector>, headers: HeaderMap, packed: Bytes) -> Response {
    let (plain, rejected) = match body(&collector, &headers, &packed).await {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    collector.keep(ExportMetricsServiceRequest::decode(&plain[..]).expect("a request in protobuf"));
    response(rejected).encode_to_vec().into_response()
}

async fn traces(State(collector): State<Collector>, headers: HeaderMap, packed: Bytes) -> Response {
    let (plain, rejected) = match body(&collector, &headers, &packed).await {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    let request = ExportTraceServiceRequest::decode(&plain[..]).expect("a request in protobuf");
    collector.0.lock().expect("no other thread panicked").spans.extend(request.resource_spans);
    response_of_traces(rejected).encode_to_vec().into_response()
}

impl Collector {
    /// The number of rejected points of a request that is taken; or the status of a refused request.
    async fn judge(&self, metadata: &tonic::metadata::MetadataMap) -> Result<i64, Status> {
        let headers = metadata.clone().into_headers();
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("a header of text").to_owned()));
        match self.note(pairs.collect()) {
            Answer::Hang => std::future::pending().await,
            Answer::Respond(..) => panic!("Answer::Respond is for HTTP only"),
            Answer::Refuse(code, after) => {
                let code = tonic::Code::from_i32(i32::from(code));
                Err(match after {
                    Some(after) => {
                        let details =
                            tonic_types::ErrorDetails::with_retry_info(Some(Duration::from_secs(after)));
                        <Status as tonic_types::StatusExt>::with_error_details(code, "not now", details)
                    }
                    None => Status::new(code, "not now"),
                })
            }
            Answer::Take => Ok(0),
            Answer::Part(rejected) => Ok(rejected),
        }
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let rejected = self.judge(request.metadata()).await?;
        self.keep(request.into_inner());
        Ok(tonic::Response::new(response(rejected)))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let rejected = self.judge(request.metadata()).await?;
        self.0.lock().expect("no other thread panicked").spans.extend(request.into_inner().resource_spans);
        Ok(tonic::Response::new(response_of_traces(rejected)))
    }
}

/// Every span of the requests that were taken.
pub(crate) fn spans(taken: &[ResourceSpans]) -> Vec<Span> {
    taken.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).cloned().collect()
}

/// Every metric of the requests that were taken.
pub(crate) fn metrics_of(taken: &[ResourceMetrics]) -> impl Iterator<Item = &Metric> {
    taken.iter().flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics)
}

/// A point of any kind: attributes, times, flags, and the number or count.
pub(crate) struct Point {
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) start: u64,
    pub(crate) flags: u32,
    pub(crate) value: Option<f64>,
}

/// All points of a metric.
pub(crate) fn points(metric: &Metric) -> Vec<Point> {
    use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
    let attributes = |attributes: &[KeyValue]| {
        let mut pairs: Vec<_> = attributes
            .iter()
            .map(|pair| {
                let value = match pair
                    .value
                    .as_ref()
                    .and_then(|value| value.value.as_ref())
                    .expect("an attribute has a value")
                {
                    Value::StringValue(text) => text.clone(),
                    Value::IntValue(number) => number.to_string(),
                    other => panic!("{other:?}"),
                };
                (pair.key.clone(), value)
            })
            .collect();
        pairs.sort();
        pairs
    };
    let number = |point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| Point {
        attributes: attributes(&point.attributes),
        start: point.start_time_unix_nano,
        flags: point.flags,
        value: point.value.map(|value| match value {
            number_data_point::Value::AsDouble(value) => value,
            number_data_point::Value::AsInt(value) => value as f64,
        }),
    };
    match metric.data.as_ref().expect("a metric has data") {
        Data::Gauge(gauge) => gauge.data_points.iter().map(number).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(number).collect(),
        Data::Histogram(histogram) => {
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| Point {
                attributes: attributes(&point.attributes),
                start: point.start_time_unix_nano,
                flags: point.flags,
                value: point.sum.map(|_| point.count as f64),
            };
            histogram.data_points.iter().map(point).collect()
        }
        Data::ExponentialHistogram(histogram) => {
            let point =
                |point: &opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint| Point {
                    attributes: attributes(&point.attributes),
                    start: point.start_time_unix_nano,
                    flags: point.flags,
                    value: point.sum.map(|_| point.count as f64),
                };
            histogram.data_points.iter().map(point).collect()
        }
        Data::Summary(_) => panic!("no metric is sent as a summary"),
    }
}
