//! An open session with one broker.
//!
//! Requests are pipelined: each has a correlation id, and its response is found by that id, in whatever order responses
//! come. Every request has a deadline. A deadline that passes without a response closes the connection, because a broker
//! responds in order and all later responses would wait as well. When a connection is closed, all requests that wait
//! fail with the reason, and the connection is never used again.
//!
//! A connection is a handle. Its clones share the socket, and dropping the last one closes the socket.

use std::{
    any, fmt,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{RequestHeader, ResponseHeader},
    protocol::{Encodable, HeaderVersion, Request, StrBytes},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{RwLock, RwLockWriteGuard, mpsc, oneshot},
    time::{self, Instant},
};

use super::{
    Client,
    guard::{self, Encoding},
    pending::{CloseReason, Pending, Waiter},
    request_kind::RequestKind,
    socket,
    version_range::{BrokerVersions, VersionRange},
};
use crate::{
    kafka::{Error, Fault},
    sync::lock,
};

/// The share of the lifetime of a session after which the client logs in again.
const LOGIN_SHARE: f64 = 0.8;

/// An open session with one broker.
#[derive(Clone)]
pub struct Connection(Arc<Handle>);

struct Handle {
    peer: String,
    client_id: StrBytes,
    /// The limit of each answer, in bytes, beside the limits of its kind.
    largest_answer: Option<usize>,
    /// Empty until the broker has answered ApiVersions.
    versions: OnceLock<BrokerVersions>,
    /// The end of the session. `None` if the broker does not limit it.
    lifetime: Mutex<Option<Lifetime>>,
    /// Each request reads it until its response, and a login on the open connection writes it: between the messages of a
    /// login, a broker accepts no other request.
    login: RwLock<()>,
    next_id: AtomicI32,
    outgoing: mpsc::UnboundedSender<Bytes>,
    pending: Arc<Pending>,
}

/// The time for which a broker accepts the requests of a session (KIP-368).
#[derive(Clone, Copy)]
struct Lifetime {
    /// When the client should log in again.
    login_due: Instant,
    /// When the broker closes the connection at the next request that is no login.
    end: Instant,
}

impl Connection {
    /// Takes over an open stream. `peer` names the broker in errors. Must be called inside a tokio runtime.
    pub(super) fn new<S>(stream: S, peer: String, client: &Client) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (outgoing, requests) = mpsc::unbounded_channel();
        let pending = Arc::new(Pending::new(client.counters.clone()));
        tokio::spawn(socket::drive(stream, requests, Arc::clone(&pending)));
        Self(Arc::new(Handle {
            peer,
            client_id: StrBytes::from_string(client.settings().client_id.clone()),
            largest_answer: client.largest_answer,
            versions: OnceLock::new(),
            lifetime: Mutex::default(),
            login: RwLock::default(),
            next_id: AtomicI32::new(1),
            outgoing,
            pending,
        }))
    }

    /// Sets the versions that the broker understands. Only the first call has an effect.
    pub(super) fn learn(&self, versions: BrokerVersions) {
        self.0.versions.get_or_init(|| versions);
    }

    /// Sets the lifetime that the broker announced at a login. `None` if it announced none.
    pub(super) fn set_lifetime(&self, lifetime: Option<Duration>) {
        let now = Instant::now();
        let limit = |lifetime: Duration| Lifetime {
            login_due: now + lifetime.mul_f64(LOGIN_SHARE),
            end: now + lifetime,
        };
        *lock(&self.0.lifetime) = lifetime.map(limit);
    }

    /// Whether the client should log in again, because the broker will end the session soon or has ended it.
    pub(super) fn needs_login(&self) -> bool {
        lock(&self.0.lifetime).is_some_and(|lifetime| lifetime.login_due <= Instant::now())
    }

    /// Whether the broker accepts nothing but a login any more.
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.0.lifetime).is_some_and(|lifetime| lifetime.end <= Instant::now())
    }

    /// Waits until no request is without its response, for a login on the open connection. New requests wait until the
    /// guard is dropped.
    ///
    /// # Errors
    /// [`Fault::Timeout`] at the deadline.
    pub(super) async fn hold_requests(&self, deadline: Instant) -> Result<RwLockWriteGuard<'_, ()>, Error> {
        let held = time::timeout_at(deadline, self.0.login.write()).await;
        held.map_err(|_| Error::new(Fault::Timeout, format!("a new login at {}", self.0.peer)))
    }

    /// Whether the connection can be used. A request whose caller has stopped waiting keeps its deadline: once the
    /// deadline has passed, the connection is closed.
    pub fn is_open(&self) -> bool {
        let now = Instant::now();
        let overdue = {
            let state = self.0.pending.state();
            if state.closed.is_some() {
                return false;
            }
            state.waiting.values().any(|waiter| waiter.deadline <= now)
        };
        if overdue {
            self.0.pending.close(CloseReason::unanswered());
        }
        !overdue
    }

    /// Sends a request in the highest version that both sides speak, and waits for the response until the deadline.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] and [`Fault::Throttled`] if the request was not sent. [`Fault::Timeout`] at the deadline,
    /// which closes the connection. Otherwise the reason for which the connection was closed.
    pub async fn ask<R: Request>(
        &self,
        request: &R,
        ours: VersionRange,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        self.ask_timed(request, ours, deadline).await.map(|(response, _)| response)
    }

    /// As [`Connection::ask`], with the time from sending the request to the whole response. The time does not include
    /// the wait for the end of a throttling or of a login.
    pub(super) async fn ask_timed<R: Request>(
        &self,
        request: &R,
        ours: VersionRange,
        deadline: Instant,
    ) -> Result<(R::Response, Duration), Error> {
        let turn = time::timeout_at(deadline, self.0.login.read()).await;
        let waited =
            |_| Error::new(Fault::Timeout, self.what::<R>()).because("a login was not answered in time");
        let _turn = turn.map_err(waited)?;
        self.ask_during_login(request, ours, deadline).await
    }

    /// As [`Connection::ask_timed`], for the messages of a login, which do not wait for its end.
    pub(super) async fn ask_during_login<R: Request>(
        &self,
        request: &R,
        ours: VersionRange,
        deadline: Instant,
    ) -> Result<(R::Response, Duration), Error> {
        let versions = self.0.versions.get();
        let none = || Error::new(Fault::NotReady, self.what::<R>());
        let version = versions.ok_or_else(none)?.pick::<R>(ours)?;
        self.wait_for_end_of_throttling::<R>(deadline).await?;
        let begun = Instant::now();
        let frame = self.exchange(request, version, deadline).await?;
        let response = self.decode::<R>(frame, version)?;
        Ok((response, begun.elapsed()))
    }

    /// Waits until the broker reads from the connection again. A throttling that lasts until the deadline fails the
    /// request without closing the connection, because the broker works.
    async fn wait_for_end_of_throttling<R: Request>(&self, deadline: Instant) -> Result<(), Error> {
        loop {
            let until = self.0.pending.state().throttled_until;
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return Ok(()) };
            if until >= deadline {
                let left = until - Instant::now();
                let words = format!("a quota of the cluster applies for another {} ms", left.as_millis());
                return Err(Error::new(Fault::Throttled, self.what::<R>()).because(words));
            }
            time::sleep_until(until).await;
        }
    }

    /// Sends a request in one version. The returned frame begins with the correlation id.
    pub(super) async fn exchange<Q: Request>(
        &self,
        request: &Q,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        self.0.pending.counters.count_request();
        let frame = self.encode(request, id, version)?;
        let (response, received) = oneshot::channel();
        {
            let mut state = self.0.pending.state();
            if let Some(closed) = &state.closed {
                return Err(self.error::<Q>(closed));
            }
            let max_frame = self.limits(Q::KEY).max_frame;
            state.waiting.insert(id, Waiter { response, deadline, max_frame });
            // The send fails only if the task of the socket has ended. Then the task has failed the waiter as well.
            let _ = self.0.outgoing.send(frame);
        }
        match time::timeout_at(deadline, received).await {
            Ok(Ok(Ok(frame))) => Ok(frame),
            Ok(Ok(Err(closed))) => Err(self.error::<Q>(&closed)),
            Ok(Err(_)) => {
                Err(self.error::<Q>(&CloseReason::new(Fault::Disconnected, "the connection has ended")))
            }
            Err(_) => {
                let closed = CloseReason::unanswered();
                self.0.pending.close(closed.clone());
                Err(self.error::<Q>(&closed))
            }
        }
    }

    fn encode<Q: Request>(&self, request: &Q, id: i32, version: i16) -> Result<Bytes, Error> {
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(self.0.client_id.clone()));
        let mut frame = BytesMut::zeroed(4);
        header
            .encode(&mut frame, Q::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| {
                let what = format!("{} in version {version}", self.what::<Q>());
                Error::new(Fault::Unsupported, what).because(error.to_string())
            })?;
        let length = i32::try_from(frame.len() - 4).expect("requests are far below two gigabytes");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Ok(frame.freeze())
    }

    /// Decodes a frame as a response. A malformed frame closes the connection.
    pub(super) fn decode<Q: Request>(&self, mut frame: Bytes, version: i16) -> Result<Q::Response, Error> {
        let header = <Q::Response as HeaderVersion>::header_version(version);
        let encoding = Encoding::of::<Q>(version);
        let decoded = guard::decode_header::<ResponseHeader>(&mut frame, header).and_then(|_| {
            let throttle = RequestKind::of(Q::KEY).throttle(&frame, version);
            guard::decode(frame, version, encoding, self.limits(Q::KEY).memory)
                .map(|response| (response, throttle))
        });
        match decoded {
            Ok((response, throttle)) => {
                if let Some(time) = throttle {
                    self.note_throttling::<Q>(time);
                }
                Ok(response)
            }
            Err(error) => {
                let closed = CloseReason::new(Fault::Protocol, error.to_string());
                self.0.pending.close(closed.clone());
                Err(self.error::<Q>(&closed))
            }
        }
    }

    /// Remembers that the broker stops reading from the connection for this time.
    fn note_throttling<Q: Request>(&self, time: Duration) {
        let until = Some(Instant::now() + time);
        {
            let mut state = self.0.pending.state();
            state.throttled_until = state.throttled_until.max(until);
        }
        self.0.pending.counters.add_throttling(Q::KEY, time);
    }

    /// The limits of the requests with this API key.
    fn limits(&self, key: i16) -> RequestKind {
        let kind = RequestKind::of(key);
        self.0.largest_answer.map_or(kind, |largest| kind.with_answers_up_to(largest))
    }

    /// Names a request for errors.
    fn what<Q: Request>(&self) -> String {
        let name = any::type_name::<Q>().rsplit("::").next().unwrap_or("request");
        format!("{name} to {}", self.0.peer)
    }

    fn error<Q: Request>(&self, closed: &CloseReason) -> Error {
        Error::new(closed.fault, self.what::<Q>()).because(closed.why.to_string())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.0.peer).finish()
    }
}
