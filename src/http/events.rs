//! `/events`: a stream with the page's fresh content, once a second, while a browser shows the page.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State as Extract,
    http::{HeaderName, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{StreamExt, stream};
use tokio::time::{self, MissedTickBehavior};

use super::{offload::render, page, state::Shared};

/// The time between two updates.
const EVERY: Duration = Duration::from_secs(1);

/// 503 while the most pages are watched already.
pub(super) async fn events(Extract(state): Extract<Shared>) -> Response {
    let Ok(watcher) = state.watchers.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are watched at the same time\n")
            .into_response();
    };
    let mut ticks = time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let stop = state.stop.clone();
    let updates = stream::unfold((ticks, state, watcher), |(mut ticks, state, watcher)| async move {
        ticks.tick().await;
        let shown = state.clone();
        let content = render(move || page::content(&shown)).await.ok()?;
        let event = Event::default().retry(Duration::from_secs(2)).data(content);
        Some((Ok::<_, Infallible>(event), (ticks, state, watcher)))
    });
    let updates = updates.take_until(stop.cancelled_owned());
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(updates).keep_alive(KeepAlive::default())).into_response()
}
