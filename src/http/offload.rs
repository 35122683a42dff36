//! Work that takes processor time, kept off the threads that serve connections.

use std::sync::{Arc, LazyLock};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

/// The most answers that are put together at the same time: more would take the processors from the heartbeats.
const MOST_RENDERINGS: usize = 4;

/// Runs work that takes processor time off the async workers, a few pieces at a time.
///
/// # Errors
/// The answer 500 if the work panics.
pub(super) async fn render<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MOST_RENDERINGS)));
    let permit = PERMITS.clone().acquire_owned().await;
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
