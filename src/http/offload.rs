//! Work that takes processor time, kept off the threads that serve connections.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::sync::Semaphore;

/// The most answers that are put together at the same time: more would take the processors from the heartbeats.
const MOST_RENDERINGS: usize = 4;

/// A client waits for the disk at most so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs work that may wait for the disk, one piece at a time. It has no part in the places of [`render`], so a disk that hangs
/// delays no other answer.
///
/// # Errors
/// The answer 503 if the disk does not answer, and 500 if the work panics.
pub(super) async fn read<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    static PERMIT: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));
    let read = async {
        let permit = PERMIT.clone().acquire_owned().await;
        offload(permit, work).await
    };
    let Ok(answer) = tokio::time::timeout(PATIENCE, read).await else {
        let words =
            "the disk with the history file does not answer, or other requests wait for it; try again later";
        return Err((StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": words }))).into_response());
    };
    answer
}

/// Runs work that takes processor time off the async workers, a few pieces at a time.
///
/// # Errors
/// The answer 500 if the work panics.
pub(super) async fn render<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MOST_RENDERINGS)));
    let permit = PERMITS.clone().acquire_owned().await;
    offload(permit, work).await
}

/// Runs work off the async workers, and keeps the permit until it has ended.
async fn offload<T: Send + 'static>(
    permit: impl Send + 'static,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    // The work goes on when its client leaves, so the permit belongs to the work and not to the request.
    let work = move || {
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!("an answer could not be rendered: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be rendered; the log says why\n")
            .into_response()
    })
}
