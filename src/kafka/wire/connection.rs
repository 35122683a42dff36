//! One open socket.
//!
//! Questions are pipelined: each gets a correlation id, the answer is matched by it, whatever the
//! order. Every question has a deadline; one that passes unanswered poisons the connection, because
//! the peer answers in order and everything behind would wait for the same. A connection that is
//! closed, for whatever reason, fails all who wait with that reason and is never used again.
//!
//! A connection is a handle: clones share the socket, the last one dropped closes it.

use std::{
    any,
    collections::HashMap,
    fmt, io,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use kafka_protocol::{
    messages::{RequestHeader, ResponseHeader},
    protocol::{Encodable, HeaderVersion, Request, StrBytes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    Settings, guard,
    kinds::{Kind, LONGEST},
    settings::Counts,
    versions::{Range, Versions},
};
use crate::{
    kafka::{Error, Fault},
    sync::lock,
};

/// Why a passed deadline closes a connection.
const UNANSWERED: &str = "a question was not answered in time";

/// A failed write waits this long for the reader, which may still find the peer's last words.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// An open session with one broker.
#[derive(Clone)]
pub struct Connection(Arc<Handle>);

struct Handle {
    peer: String,
    client_id: StrBytes,
    versions: OnceLock<Versions>,
    next_id: AtomicI32,
    outgoing: mpsc::UnboundedSender<Bytes>,
    shared: Arc<Shared>,
}

/// What the handles and the socket's task share.
struct Shared {
    state: Mutex<State>,
    counts: Arc<Counts>,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    waiting: HashMap<i32, Waiter>,
    closed: Option<Closed>,
    /// Until then the broker reads nothing from the connection, because of a quota (KIP-219).
    throttled_until: Option<Instant>,
}

struct Waiter {
    answer: oneshot::Sender<Result<Bytes, Closed>>,
    deadline: Instant,
    /// The longest frame that its answer may be, in bytes.
    longest: usize,
}

/// Why a connection ended: cheap to clone, one for everybody who waits.
#[derive(Debug, Clone)]
struct Closed {
    fault: Fault,
    why: Arc<str>,
}

impl Closed {
    fn new(fault: Fault, why: impl Into<Arc<str>>) -> Self {
        Self { fault, why: why.into() }
    }

    fn from_io(error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the broker closed the connection".to_owned(),
            _ => error.to_string(),
        };
        Self::new(Fault::from_io(error), why)
    }
}

impl Shared {
    /// The state stays whole even if a holder of the lock panicked: every change is one step.
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Closes the socket and fails all who wait; the first reason stays.
    fn close(&self, closed: Closed) {
        let waiting = {
            let mut state = self.state();
            if state.closed.is_none() && closed.fault == Fault::Protocol {
                self.counts.violations.fetch_add(1, Ordering::Relaxed);
            }
            state.closed.get_or_insert_with(|| closed.clone());
            std::mem::take(&mut state.waiting)
        };
        self.stop.cancel();
        for waiter in waiting.into_values() {
            // Who stopped waiting needs no reason.
            let _ = waiter.answer.send(Err(closed.clone()));
        }
    }
}

impl Connection {
    /// Takes over an open stream. Must be called inside a tokio runtime.
    pub(super) fn new<S>(stream: S, peer: String, settings: &Settings) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (outgoing, requests) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            counts: settings.counts.clone(),
            stop: CancellationToken::new(),
        });
        tokio::spawn(drive(stream, requests, Arc::clone(&shared)));
        Self(Arc::new(Handle {
            peer,
            client_id: StrBytes::from_string(settings.client_id.clone()),
            versions: OnceLock::new(),
            next_id: AtomicI32::new(1),
            outgoing,
            shared,
        }))
    }

    /// The broker's word on what it understands; the first stays.
    pub(super) fn learn(&self, versions: Versions) {
        self.0.versions.get_or_init(|| versions);
    }

    /// Whether it can still be used. A question that nobody waits for any more still has its
    /// deadline: once that has passed, the answer is wrong here.
    pub fn is_open(&self) -> bool {
        let now = Instant::now();
        let overdue = {
            let state = self.0.shared.state();
            if state.closed.is_some() {
                return false;
            }
            state.waiting.values().any(|waiter| waiter.deadline <= now)
        };
        if overdue {
            self.0.shared.close(Closed::new(Fault::Timeout, UNANSWERED));
        }
        !overdue
    }

    /// Asks in the highest version that both sides speak, and waits until the deadline.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] and [`Fault::Throttled`] without asking; [`Fault::Timeout`] at the deadline, which
    /// closes the connection; else why the connection was closed.
    pub async fn ask<R: Request>(
        &self,
        request: &R,
        ours: Range,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        self.ask_timed(request, ours, deadline).await.map(|(answer, _)| answer)
    }

    /// As [`Connection::ask`], with the time from sending the request to the whole answer: waiting for the end of a
    /// throttling is not in it.
    pub(super) async fn ask_timed<R: Request>(
        &self,
        request: &R,
        ours: Range,
        deadline: Instant,
    ) -> Result<(R::Response, Duration), Error> {
        let versions = self.0.versions.get();
        let none = || Error::new(Fault::NotReady, self.what::<R>());
        let version = versions.ok_or_else(none)?.pick::<R>(ours)?;
        self.throttling_over::<R>(deadline).await?;
        let begun = Instant::now();
        let frame = self.exchange(request, version, deadline).await?;
        let answer = self.decode::<R>(frame, version)?;
        Ok((answer, begun.elapsed()))
    }

    /// Waits until the broker reads from the connection again. A throttling that lasts until the deadline fails the
    /// question without closing the connection: the broker is well.
    async fn throttling_over<R: Request>(&self, deadline: Instant) -> Result<(), Error> {
        loop {
            let until = self.0.shared.state().throttled_until;
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return Ok(()) };
            if until >= deadline {
                let left = until - Instant::now();
                let words = format!("a quota of the cluster applies for another {} ms", left.as_millis());
                return Err(Error::new(Fault::Throttled, self.what::<R>()).because(words));
            }
            time::sleep_until(until).await;
        }
    }

    /// Asks in one version; the answer is a frame that begins with its correlation id.
    pub(super) async fn exchange<Q: Request>(
        &self,
        request: &Q,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        self.0.shared.counts.requests.fetch_add(1, Ordering::Relaxed);
        let frame = self.encode(request, id, version)?;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.0.shared.state();
            if let Some(closed) = &state.closed {
                return Err(self.error::<Q>(closed));
            }
            state.waiting.insert(id, Waiter { answer, deadline, longest: Kind::of(Q::KEY).longest });
            // A send fails only when the task has ended, and then it fails the waiter, too.
            let _ = self.0.outgoing.send(frame);
        }
        match time::timeout_at(deadline, answered).await {
            Ok(Ok(Ok(frame))) => Ok(frame),
            Ok(Ok(Err(closed))) => Err(self.error::<Q>(&closed)),
            Ok(Err(_)) => Err(self.error::<Q>(&Closed::new(Fault::Disconnected, "the connection has ended"))),
            Err(_) => {
                let closed = Closed::new(Fault::Timeout, UNANSWERED);
                self.0.shared.close(closed.clone());
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
        let length = i32::try_from(frame.len() - 4).expect("questions are far below two gigabytes");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Ok(frame.freeze())
    }

    /// Decodes a frame as an answer; one that is malformed closes the connection.
    pub(super) fn decode<Q: Request>(&self, mut frame: Bytes, version: i16) -> Result<Q::Response, Error> {
        let header = <Q::Response as HeaderVersion>::header_version(version);
        let flexible = Q::header_version(version) >= 2;
        let decoded = guard::decode_header::<ResponseHeader>(&mut frame, header).and_then(|_| {
            let throttle = Kind::of(Q::KEY).throttle(&frame, version);
            guard::decode(frame, version, flexible, Kind::of(Q::KEY).memory).map(|answer| (answer, throttle))
        });
        match decoded {
            Ok((answer, throttle)) => {
                if let Some(time) = throttle {
                    self.throttled::<Q>(time);
                }
                Ok(answer)
            }
            Err(words) => {
                let closed = Closed::new(Fault::Protocol, words);
                self.0.shared.close(closed.clone());
                Err(self.error::<Q>(&closed))
            }
        }
    }

    fn throttled<Q: Request>(&self, time: Duration) {
        let until = Some(Instant::now() + time);
        {
            let mut state = self.0.shared.state();
            state.throttled_until = state.throttled_until.max(until);
        }
        self.0.shared.counts.throttled(Q::KEY, time);
    }

    fn what<Q: Request>(&self) -> String {
        let name = any::type_name::<Q>().rsplit("::").next().unwrap_or("request");
        format!("{name} to {}", self.0.peer)
    }

    fn error<Q: Request>(&self, closed: &Closed) -> Error {
        Error::new(closed.fault, self.what::<Q>()).because(closed.why.to_string())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.0.peer).finish()
    }
}

/// Owns the socket until one side ends it. A panic in the code of the session, TLS included, ends only the session.
async fn drive<S>(stream: S, requests: mpsc::UnboundedReceiver<Bytes>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let session = async {
        tokio::select! {
            closed = read(reader, &shared) => closed,
            closed = write(writer, requests) => closed,
            () = shared.stop.cancelled() => Closed::new(Fault::Disconnected, "we closed the connection"),
        }
    };
    let closed = AssertUnwindSafe(session).catch_unwind().await;
    shared.close(closed.unwrap_or_else(|_| Closed::new(Fault::Protocol, "the session panicked")));
}

/// Writes until every handle is dropped.
async fn write(mut writer: impl AsyncWrite + Unpin, mut requests: mpsc::UnboundedReceiver<Bytes>) -> Closed {
    while let Some(frame) = requests.recv().await {
        let written = match writer.write_all(&frame).await {
            Ok(()) => writer.flush().await,
            failed => failed,
        };
        if let Err(error) = written {
            time::sleep(LAST_WORDS).await;
            return Closed::from_io(&error);
        }
    }
    Closed::new(Fault::Disconnected, "nobody uses the connection any more")
}

/// Reads until the peer ends the connection or breaks the protocol.
async fn read(mut reader: impl AsyncRead + Unpin, shared: &Shared) -> Closed {
    loop {
        let (id, frame) = match frame(&mut reader, shared).await {
            Ok(frame) => frame,
            Err(closed) => return closed,
        };
        if let Some(waiter) = shared.state().waiting.remove(&id) {
            // A question that was given up needs no answer.
            let _ = waiter.answer.send(Ok(frame));
        }
    }
}

/// Reads one frame of at least a correlation id, which must be that of a question. Memory grows with what arrives, not
/// with what is announced, and ends at the limit of the question.
async fn frame(reader: &mut (impl AsyncRead + Unpin), shared: &Shared) -> Result<(i32, Bytes), Closed> {
    let mut prefix = [0; 4];
    reader.read_exact(&mut prefix).await.map_err(|error| Closed::from_io(&error))?;
    let announced = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(0);
    let refused = || Err(Closed::new(Fault::Protocol, guard::implausible(prefix)));
    if !(4..=LONGEST).contains(&announced) {
        return refused();
    }
    let mut number = [0; 4];
    reader.read_exact(&mut number).await.map_err(|error| Closed::from_io(&error))?;
    let id = i32::from_be_bytes(number);
    let Some(longest) = shared.state().waiting.get(&id).map(|waiter| waiter.longest) else {
        return Err(Closed::new(Fault::Protocol, format!("an answer to nothing asked, number {id}")));
    };
    if announced > longest {
        return refused();
    }
    let mut frame = BytesMut::with_capacity(announced.min(8 << 10));
    frame.extend_from_slice(&number);
    let mut rest = reader.take((announced - number.len()) as u64);
    while frame.len() < announced {
        let read = rest.read_buf(&mut frame).await.map_err(|error| Closed::from_io(&error))?;
        if read == 0 {
            let why = format!("the broker closed the connection after {} of {announced} bytes", frame.len());
            return Err(Closed::new(Fault::Disconnected, why));
        }
    }
    Ok((id, frame.freeze()))
}
