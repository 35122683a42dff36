//! Asks again and again, until the gate is open or the time is over.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{
    reply::Reply,
    service::{Service, Trouble},
};

/// The time between an answer and the next question.
const EVERY: Duration = Duration::from_secs(1);

/// The last question may take so long, even if the time is over before: the service itself waits for new metadata for 3 s.
const LAST: Duration = Duration::from_secs(5);

/// How the wait ended.
#[derive(Debug)]
pub enum Ended {
    /// The gate is open.
    Open(Reply, Value),
    /// The gate was closed until the end.
    Closed(Reply, Value),
    /// There was no answer at the end.
    Silent(String),
    /// The service refuses the question.
    Refused(String),
}

/// Asks at least once, and then each second until the gate is open or the time is over. Each answer is given to `progress`, with
/// the time since the beginning.
pub async fn wait(
    service: &Service,
    limit: Duration,
    mut progress: impl FnMut(Duration, Result<&Reply, &str>),
) -> Ended {
    let begun = Instant::now();
    loop {
        let left = limit.saturating_sub(begun.elapsed()).max(LAST);
        let silent =
            || Trouble::Passing(format!("no answer from {} before the end of the time", service.name()));
        let answer = timeout(left, service.ask()).await.unwrap_or_else(|_| Err(silent()));
        let ended = match answer {
            Ok((reply, value)) if reply.open => return Ended::Open(reply, value),
            Ok((reply, value)) => {
                progress(begun.elapsed(), Ok(&reply));
                Ended::Closed(reply, value)
            }
            Err(Trouble::Lasting(error)) => return Ended::Refused(error),
            Err(Trouble::Passing(error)) => {
                progress(begun.elapsed(), Err(&error));
                Ended::Silent(error)
            }
        };
        if begun.elapsed() + EVERY > limit {
            return ended;
        }
        sleep(EVERY).await;
    }
}
