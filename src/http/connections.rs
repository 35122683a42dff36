//! The server's open connections: how many there may be, and which connection is closed when there are too many.
//!
//! A connection is *idle* while none of its requests is being answered: its peer sends nothing, sends a byte a second,
//! or is a scraper between two scrapes. At the limit the connection that has been idle the longest
//! is closed in favour of a new one. If every connection is being answered, a few more are accepted for the health
//! checks alone, so that a supervisor always gets its answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use crate::sync::lock;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// The number of connections above the limit. Only health checks are answered on them.
pub(super) const RESERVED: usize = 16;

/// A client that takes longer to read an answer may lose its connection to a new one. So may a stream of events, which
/// lasts longer by design; the page connects again by itself.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// A client that takes longer to read an answer loses its connection in any case: each answer may hold a whole exposition
/// that no other client needs any more.
const OVERDUE: Duration = Duration::from_secs(120);

/// All connections of a server.
#[derive(Clone)]
pub(super) struct Connections {
    limit: usize,
    open: Arc<Mutex<Open>>,
    /// Notified when a connection has ended.
    ended: Arc<Notify>,
}

/// The open connections by their number, which is given in the order of their beginning.
#[derive(Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

/// An open connection.
struct Connection {
    /// When the connection became idle, or when the answer that began last began.
    since: Instant,
    /// The number of requests that are being answered. HTTP/1.1 answers one at a time, but the next answer may begin before
    /// the last piece of the one before is dropped.
    answering: usize,
    /// Whether the answer that began last has no end: a stream of events.
    endless: bool,
    close: CancellationToken,
}

impl Connections {
    /// At most `limit` connections, and [`RESERVED`] more for health checks.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Arc::default(), ended: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }

    /// Waits for a place for a new connection. A connection that has to make room keeps its place until its descriptor is
    /// closed.
    pub(super) async fn enter(&self) -> Slot {
        loop {
            if let Some(slot) = self.try_enter() {
                return slot;
            }
            self.ended.notified().await;
        }
    }

    /// A place for a new connection; absent if a connection has to end first.
    fn try_enter(&self) -> Option<Slot> {
        let mut open = self.lock();
        let count = open.connections.len();
        if count >= self.limit + RESERVED || (count >= self.limit && open.close_idle()) {
            open.close_idle();
            return None;
        }
        let (id, close) = (open.next, CancellationToken::new());
        open.next += 1;
        let connection =
            Connection { since: Instant::now(), answering: 0, endless: false, close: close.clone() };
        open.connections.insert(id, connection);
        Some(Slot { connections: self.clone(), id, close, reserved: count >= self.limit })
    }

    /// Closes every connection that is idle, for a process that has run out of descriptors.
    pub(super) fn close_every_idle(&self) {
        let open = self.lock();
        let idle = open.connections.values().filter(|connection| connection.answering == 0);
        idle.for_each(|connection| connection.close.cancel());
    }
}

impl Open {
    /// Closes the connection that has been idle the longest. If none is idle, closes the connection that has been answered
    /// the longest, if that is longer than [`LONGEST_ANSWER`]. False if there is no such connection and none is closing.
    fn close_idle(&mut self) -> bool {
        if self.connections.values().any(|connection| connection.close.is_cancelled()) {
            return true;
        }
        let open = || self.connections.values();
        let idle = open().filter(|connection| connection.answering == 0);
        let stuck = || open().filter(|connection| connection.since.elapsed() > LONGEST_ANSWER);
        let since = |connection: &&Connection| connection.since;
        let oldest = idle.min_by_key(since).or_else(|| stuck().min_by_key(since));
        oldest.inspect(|oldest| oldest.close.cancel()).is_some()
    }
}

/// The place of one connection; dropping it makes room for another.
pub(super) struct Slot {
    connections: Connections,
    id: u64,
    /// Cancelled when the connection has to make room for another.
    pub(super) close: CancellationToken,
    /// Whether only health checks are answered.
    pub(super) reserved: bool,
}

impl Slot {
    /// Marks the connection as being answered until the result is dropped. An `endless` answer is never overdue.
    pub(super) fn answer(&self, endless: bool) -> Answering {
        let mut open = self.connections.lock();
        if let Some(connection) = open.connections.get_mut(&self.id) {
            connection.since = Instant::now();
            connection.endless = endless;
            connection.answering += 1;
        }
        Answering { connections: self.connections.clone(), id: self.id }
    }

    /// Waits until an answer has taken longer than [`OVERDUE`].
    pub(super) async fn overdue(&self) {
        loop {
            let since = {
                let open = self.connections.lock();
                let connection = open.connections.get(&self.id);
                let answered =
                    connection.filter(|connection| connection.answering > 0 && !connection.endless);
                answered.map(|connection| connection.since)
            };
            // An answer that begins after this moment cannot be overdue before the same time has passed.
            let left = since.map_or(OVERDUE, |since| OVERDUE.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().connections.remove(&self.id);
        self.connections.ended.notify_one();
    }
}

/// One request that is being answered, until the last piece of the answer is handed over.
pub(super) struct Answering {
    connections: Connections,
    id: u64,
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(connection) = self.connections.lock().connections.get_mut(&self.id) {
            connection.answering -= 1;
            if connection.answering == 0 {
                connection.since = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_at_the_limit_close_the_one_that_is_idle_the_longest() {
        let connections = Connections::new(2);
        let first = connections.try_enter().expect("room");
        let second = connections.try_enter().expect("room");
        let answered = first.answer(false);
        assert!(connections.try_enter().is_none(), "the second keeps its place until it has ended");
        assert!(second.close.is_cancelled() && !first.close.is_cancelled());
        drop(second);
        let third = connections.try_enter().expect("room");
        assert!(!third.reserved);
        drop(answered);
        assert!(connections.try_enter().is_none());
        assert!(third.close.is_cancelled(), "the first has been idle for a shorter time than the third");
        assert!(!first.close.is_cancelled());
    }

    #[test]
    fn connections_that_are_all_answered_leave_the_reserved_ones_and_then_none() {
        let connections = Connections::new(1);
        let first = connections.try_enter().expect("room");
        let mut answered = vec![first.answer(false)];
        let mut reserved = Vec::new();
        for _ in 0..RESERVED {
            let slot = connections.try_enter().expect("a reserved one");
            answered.push(slot.answer(false));
            reserved.push(slot);
        }
        assert!(reserved.iter().all(|slot| slot.reserved) && !first.reserved);
        assert!(connections.try_enter().is_none());
        drop(first);
        assert!(connections.try_enter().is_some_and(|slot| slot.reserved), "a place became free");
    }

    #[test]
    fn connection_that_reads_an_answer_for_too_long_makes_room_for_another() {
        let connections = Connections::new(1);
        let slow = connections.try_enter().expect("room");
        let _answered = slow.answer(false);
        let reserved = connections.try_enter().expect("a reserved one");
        assert!(reserved.reserved && !slow.close.is_cancelled());
        drop(reserved);
        if let Some(since) = Instant::now().checked_sub(LONGEST_ANSWER + Duration::from_secs(1)) {
            connections.lock().connections.values_mut().for_each(|connection| connection.since = since);
            assert!(connections.try_enter().is_none() && slow.close.is_cancelled());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_is_not_read_in_time_is_overdue_and_an_endless_one_never_is() {
        let connections = Connections::new(2);
        let slot = connections.try_enter().expect("room");
        let overdue = async |limit| tokio::time::timeout(limit, slot.overdue()).await.is_ok();
        assert!(!overdue(10 * OVERDUE).await, "a connection that is idle");
        let endless = slot.answer(true);
        assert!(!overdue(10 * OVERDUE).await, "a stream of events");
        drop(endless);
        let mut waiting = std::pin::pin!(slot.overdue());
        let begun = tokio::time::timeout(OVERDUE / 2, waiting.as_mut()).await;
        assert!(begun.is_err());
        let _slow = slot.answer(false);
        let begun = Instant::now();
        waiting.await;
        assert_eq!(begun.elapsed().as_secs(), OVERDUE.as_secs());
    }

    #[test]
    fn connection_with_two_answers_is_idle_after_both() {
        let connections = Connections::new(1);
        let slot = connections.try_enter().expect("room");
        let (one, other) = (slot.answer(false), slot.answer(false));
        drop(one);
        connections.close_every_idle();
        assert!(!slot.close.is_cancelled());
        drop(other);
        connections.close_every_idle();
        assert!(slot.close.is_cancelled());
    }
}
