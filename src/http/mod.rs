//! HTTP: `/metrics`, the page, health and the API.
//!
//! Everything is read from the boards' latest snapshots: no request asks Kafka anything, and none changes
//! anything. What takes processor time is rendered off the async workers, so that a scrape disturbs nobody.

mod api;
mod basic;
mod certificate;
mod connections;
mod events;
mod health;
pub mod listen;
mod metrics;
mod page;

pub use health::ticks;
pub use metrics::write_ahead;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use axum::{
    Router,
    extract::{Query, Request, State as Extract},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::{CompressionLevel, compression::CompressionLayer};

use crate::{
    board::Board,
    config::{Compat, Config},
    latency,
    metrics::process::Process,
};

/// What requests are answered from.
pub struct State {
    /// One for each cluster.
    pub boards: Vec<Board>,
    /// `[labels]`
    pub labels: BTreeMap<String, String>,
    /// `[compat]`
    pub compat: Compat,
    /// Since when counters count, where that is to be told.
    pub created: Option<SystemTime>,
    /// What the process knows of itself.
    pub process: ReadProcess,
    /// How long answers to scrapes take to put together.
    pub scrapes: Arc<latency::SharedBuckets>,
    /// Cancelled when the service stops: not ready any more, event streams end.
    pub stop: CancellationToken,
    /// Pages that may be watched at the same time.
    watchers: Arc<Semaphore>,
    written: metrics::Written,
    /// Who is let in; everybody, if nobody is named.
    basic: Option<basic::Expected>,
}

/// What the process tells of itself.
pub type ReadProcess = Box<dyn Fn() -> Process + Send + Sync>;

impl State {
    /// The state of a service with these clusters.
    pub fn new(
        boards: Vec<Board>,
        config: &Config,
        process: ReadProcess,
        scrapes: Arc<latency::SharedBuckets>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            boards,
            labels: config.labels.clone(),
            compat: config.compat,
            created: config.http.created_timestamps.then(SystemTime::now),
            process,
            scrapes,
            stop,
            watchers: Arc::new(Semaphore::new(events::MOST_WATCHERS)),
            written: metrics::Written::default(),
            basic: config.http.basic.as_ref().map(basic::expected),
        }
    }
}

/// The state as handlers get it.
type Shared = Arc<State>;

/// All paths.
pub fn router(state: Shared) -> Router {
    let basic = state.basic.clone();
    let router = Router::new()
        .route("/", get(root))
        .route("/metrics", get(metrics::metrics))
        .route("/livez", get(health::livez))
        .route("/health", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/ready", get(health::readyz))
        .route("/leader", get(api::leader))
        .route("/topics", get(topics))
        .route("/groups", get(page::groups))
        .route("/api/v1/status", view(api::status))
        .route("/api/v1/heartbeats", view(api::heartbeats))
        .route("/api/v1/brokers", view(api::brokers))
        .route("/api/v1/groups", view(api::groups))
        .route("/api/v1/topics", view(api::all_topics))
        .route("/api/v1/cluster", view(api::cluster))
        .route("/api/v1/events", view(api::all_events))
        .route("/api/v1/report", view(api::written))
        .route("/consumer-groups", view(api::consumer_groups))
        .route("/events", get(events::events))
        .route("/assets/page.css", get(page::style))
        .route("/assets/page.js", get(page::script))
        .fallback(not_found)
        .method_not_allowed_fallback(read_only)
        // Fast rather than small. What /metrics packs itself is left alone.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(state);
    let router = match basic {
        Some(expected) => router.layer(middleware::from_fn_with_state(expected, basic::ask)),
        None => router,
    };
    router.layer(middleware::from_fn(headers))
}

/// The page for browsers, metrics for everybody else: some scrape `/`.
async fn root(state: Extract<Shared>, headers: HeaderMap) -> Response {
    if is_browser(&headers) { page::page(state).await } else { metrics::metrics(state, headers).await }
}

/// The page for browsers, for everybody else what the cc-heartbeat program answered.
async fn topics(
    state: Extract<Shared>,
    headers: HeaderMap,
    wanted: Query<page::Wanted>,
    filter: Query<api::Filter>,
) -> Response {
    if is_browser(&headers) {
        page::topics(state, wanted).await
    } else {
        shown(state, filter, api::topics).await
    }
}

/// A path whose answer takes processor time: it is made off the async workers.
fn view<Q: DeserializeOwned + Send + 'static>(view: fn(&State, &Q) -> Response) -> MethodRouter<Shared> {
    get(move |state: Extract<Shared>, query: Query<Q>| shown(state, query, view))
}

async fn shown<Q: Send + 'static>(
    Extract(state): Extract<Shared>,
    Query(query): Query<Q>,
    view: fn(&State, &Q) -> Response,
) -> Response {
    render(move || view(&state, &query)).await.unwrap_or_else(|refused| refused)
}

fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

async fn not_found() -> Response {
    let words = "not found: try /, /metrics, /livez, /readyz, /topics, /api/v1/status, /api/v1/heartbeats, /api/v1/brokers, /api/v1/groups, /api/v1/topics, /api/v1/cluster, /api/v1/events or /api/v1/report\n";
    (StatusCode::NOT_FOUND, words).into_response()
}

async fn read_only() -> Response {
    let allow = [(header::ALLOW, "GET, HEAD")];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "everything here is read with GET\n").into_response()
}

/// Nothing from outside, nothing guessed, nothing kept.
async fn headers(request: Request, next: Next) -> Response {
    const HEADERS: [(header::HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Answers that are put together at the same time: more of them would only take the processors from the heartbeats.
const MOST_RENDERINGS: usize = 4;

/// Runs what takes processor time off the async workers.
async fn render<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MOST_RENDERINGS)));
    let turn = TURNS.clone().acquire_owned().await;
    // A client that leaves does not end the work: the turn belongs to the work.
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!("an answer could not be rendered: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be rendered; the log says why\n")
            .into_response()
    })
}
