//! The paths, and what holds for every answer: authentication, compression, headers.

use axum::{
    Router,
    extract::{Query, Request, State as Extract},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde::de::DeserializeOwned;
use tower_http::{CompressionLevel, compression::CompressionLayer};

use super::{
    access,
    api::{self, Asked},
    events, health, mcp, metrics,
    offload::render,
    page, probe, reload,
    state::{Shared, State},
};

/// The handler of each path.
pub fn router(state: Shared) -> Router {
    let access = state.access.clone();
    let mut router = Router::new();
    if state.mcp {
        let api = api().with_state(state.clone());
        let answer = post(move |request: Request| mcp::answer(api, request)).fallback(mcp::post_only);
        router = router.route("/mcp", answer);
    }
    let router = router
        .route("/", get(root))
        .route("/metrics", get(metrics::metrics))
        .route("/livez", get(health::livez))
        .route("/health", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/ready", get(health::readyz))
        .route("/leader", get(api::leader))
        .route("/topics", get(topics))
        .route("/groups", get(page::groups))
        .merge(api())
        .route("/consumer-groups", view(api::consumer_groups))
        .route("/events", get(events::events))
        .route("/probe", get(probe::probe))
        .route("/-/reload", post(reload::reload).fallback(reload::post_only))
        .route("/assets/page.css", get(page::style))
        .route("/assets/page.js", get(page::script))
        .fallback(not_found)
        .method_not_allowed_fallback(read_only)
        // Fast rather than small. Answers of /metrics that are packed already are left as they are.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(state);
    let router = match access {
        Some(access) => router.layer(middleware::from_fn_with_state(access, access::require)),
        None => router,
    };
    router.layer(middleware::from_fn(headers))
}

/// The JSON API. Every answer of it passes [`api::select`].
fn api() -> Router<Shared> {
    Router::new()
        .route("/api/v1/openapi.json", get(api::openapi))
        .route("/api/v1/status", view(api::status))
        .route("/api/v1/diagnosis", view(api::diagnosis))
        .route("/api/v1/gate", get(api::gate))
        .route("/api/v1/heartbeats", view(api::heartbeats))
        .route("/api/v1/durability", view(api::durability))
        .route("/api/v1/brokers", view(api::brokers))
        .route("/api/v1/groups", view(api::groups))
        .route("/api/v1/topics", view(api::topics))
        .route("/api/v1/cluster", view(api::cluster))
        .route("/api/v1/events", view(api::events))
        .route("/api/v1/history", get(api::history))
        .route("/api/v1/report", view(api::last_report))
        .route("/api/v1/slo", get(api::slo))
        .layer(middleware::from_fn(api::select))
}

/// `/`: the page for browsers, metrics for every other client, because some scrapers ask for `/`.
async fn root(state: Extract<Shared>, headers: HeaderMap) -> Response {
    if is_browser(&headers) { page::page(state).await } else { metrics::metrics(state, headers).await }
}

/// `/topics`: the list of topics for browsers; for every other client the answer of the cc-heartbeat program.
async fn topics(
    state: Extract<Shared>,
    headers: HeaderMap,
    wanted: Query<page::ListQuery>,
    Asked(filter): Asked<api::ClusterQuery>,
) -> Response {
    if is_browser(&headers) {
        page::topics(state, wanted).await
    } else {
        shown(state, filter, api::heartbeat_topic).await
    }
}

/// The handler of a path whose answer takes processor time: the answer is made off the async workers.
fn view<Q: DeserializeOwned + Send + 'static>(view: fn(&State, &Q) -> Response) -> MethodRouter<Shared> {
    get(move |state: Extract<Shared>, Asked(query): Asked<Q>| shown(state, query, view))
}

/// Answers off the async workers.
async fn shown<Q: Send + 'static>(
    Extract(state): Extract<Shared>,
    query: Q,
    view: fn(&State, &Q) -> Response,
) -> Response {
    render(move || view(&state, &query)).await.unwrap_or_else(|refused| refused)
}

/// Whether a client asks for HTML.
fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Lists the paths.
async fn not_found() -> Response {
    let text = "not found: try /, /metrics, /livez, /readyz, /topics, /api/v1/status, /api/v1/diagnosis, /api/v1/gate, /api/v1/heartbeats, /api/v1/durability, /api/v1/brokers, /api/v1/groups, /api/v1/topics, /api/v1/cluster, /api/v1/events, /api/v1/history, /api/v1/report, /api/v1/slo, /api/v1/openapi.json, /probe or, with [http] mcp = true, /mcp\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Refuses every method but GET and HEAD. Only a reload and `/mcp` have another.
async fn read_only() -> Response {
    let allow = [(header::ALLOW, "GET, HEAD")];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "this path is read with GET\n").into_response()
}

/// Adds the headers of every answer: a browser loads nothing from other hosts, guesses no content type, sends no
/// referrer and stores no answer.
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
