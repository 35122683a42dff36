//! One open socket: requests are pipelined, answers are matched by correlation id.
//!
//! A deadline that passes poisons the connection: an answer that comes later could not be told from a
//! hung broker's, so the socket is closed and whoever still waits hears why. Anything that is not
//! Kafka's protocol closes it too. Nothing a peer sends can reserve more than [`LARGEST_FRAME`].

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{RequestHeader, ResponseHeader},
    protocol::{Encodable, HeaderVersion, Request, StrBytes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{Mutex as AsyncMutex, oneshot},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    guard::{self, Layout},
    versions::{Range, Versions},
};
use crate::kafka::{Error, Fault};

/// The largest answer that is read: metadata of a million partitions is about this long.
const LARGEST_FRAME: usize = 64 << 20;

/// Anything bytes go through.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A session with one broker; clones share it. Dropping the last one closes the socket.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    versions: Arc<Versions>,
}

struct Shared {
    peer: String,
    client_id: StrBytes,
    writer: AsyncMutex<WriteHalf<Box<dyn Socket>>>,
    desk: Arc<Desk>,
    reader: AbortHandle,
}

/// Where answers are waited for.
#[derive(Default)]
struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    next: i32,
    waiting: HashMap<i32, oneshot::Sender<Bytes>>,
    closed: Option<(Fault, String)>,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes for good; the first reason stays.
    fn close(&self, fault: Fault, words: String) {
        let mut state = self.lock();
        state.closed.get_or_insert((fault, words));
        // Dropping the senders wakes everybody who waits.
        state.waiting.clear();
    }

    fn reason(&self, what: &str) -> Error {
        match &self.lock().closed {
            Some((fault, words)) => Error::new(*fault, what).because(words.clone()),
            None => Error::new(Fault::Disconnected, what),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Connection {
    /// Takes over a socket. Must be called inside a tokio runtime.
    pub(super) fn new(socket: Box<dyn Socket>, peer: String, client_id: &str) -> Self {
        let (reading, writing) = tokio::io::split(socket);
        let desk = Arc::new(Desk::default());
        let reader = tokio::spawn(read(reading, desk.clone())).abort_handle();
        let client_id = StrBytes::from_string(client_id.to_owned());
        let shared = Shared { peer, client_id, writer: AsyncMutex::new(writing), desk, reader };
        Self { shared: Arc::new(shared), versions: Arc::default() }
    }

    pub(super) fn with_versions(mut self, versions: Versions) -> Self {
        self.versions = Arc::new(versions);
        self
    }

    /// Whether it can still be used.
    pub fn is_open(&self) -> bool {
        self.shared.desk.lock().closed.is_none()
    }

    /// Asks in the highest version that both sides speak; returns the answer and that version.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] without asking; else as [`Connection::ask_version`].
    pub async fn ask<R: Request>(
        &self,
        request: &R,
        ours: Range,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let version = self.versions.pick::<R>(ours)?;
        self.ask_version(request, version, deadline).await
    }

    /// Asks in one version.
    ///
    /// # Errors
    /// [`Fault::Timeout`] at the deadline, which closes the connection; else why it was closed.
    pub(super) async fn ask_version<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let name = std::any::type_name::<R>().rsplit("::").next().unwrap_or("request");
        let what = format!("{name} to {}", self.shared.peer);
        let exchanged = timeout_at(deadline, self.exchange(request, version, &what)).await;
        let Ok(answer) = exchanged else {
            self.shared.desk.close(Fault::Timeout, format!("no answer in time to {what}"));
            self.shared.reader.abort();
            return Err(Error::new(Fault::Timeout, what));
        };
        let answer = answer?;
        // Headers of requests become flexible together with the messages.
        let flexible = R::header_version(version) >= 2;
        guard::decode(answer, Layout { version, flexible }).map_err(|words| {
            self.shared.desk.close(Fault::Protocol, words.clone());
            self.shared.reader.abort();
            Error::new(Fault::Protocol, what).because(words)
        })
    }

    async fn exchange<R: Request>(&self, request: &R, version: i16, what: &str) -> Result<Bytes, Error> {
        let (id, answer) = {
            let mut state = self.shared.desk.lock();
            if state.closed.is_some() {
                drop(state);
                return Err(self.shared.desk.reason(what));
            }
            let id = state.next;
            state.next = state.next.wrapping_add(1);
            let (sender, answer) = oneshot::channel();
            state.waiting.insert(id, sender);
            (id, answer)
        };
        let frame = self
            .frame(request, version, id)
            .map_err(|words| Error::new(Fault::Unsupported, what).because(words))?;
        let written = self.shared.writer.lock().await.write_all(&frame).await;
        if let Err(error) = written {
            let fault = Fault::from_io(&error);
            self.shared.desk.close(fault, error.to_string());
        }
        let mut answer = answer.await.map_err(|_| self.shared.desk.reason(what))?;
        let header_version = <R::Response as HeaderVersion>::header_version(version);
        let header = guard::decode_header::<ResponseHeader>(&mut answer, header_version);
        header.map_err(|words| {
            self.shared.desk.close(Fault::Protocol, words.clone());
            Error::new(Fault::Protocol, what).because(words)
        })?;
        Ok(answer)
    }

    fn frame<R: Request>(&self, request: &R, version: i16, id: i32) -> Result<BytesMut, String> {
        let mut frame = BytesMut::with_capacity(256);
        frame.put_i32(0);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(self.shared.client_id.clone()));
        header.encode(&mut frame, R::header_version(version)).map_err(|error| error.to_string())?;
        request.encode(&mut frame, version).map_err(|error| error.to_string())?;
        let length = i32::try_from(frame.len() - 4).map_err(|_| "the request is too long".to_owned())?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Ok(frame)
    }
}

/// Hands answers to who waits for them, until the socket ends or says something else than Kafka would.
async fn read(mut socket: ReadHalf<Box<dyn Socket>>, desk: Arc<Desk>) {
    let (fault, words) = loop {
        match next_frame(&mut socket).await {
            Ok(frame) => {
                let id = i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
                let waiting = desk.lock().waiting.remove(&id);
                match waiting {
                    // Who no longer waits has closed the connection already.
                    Some(sender) => _ = sender.send(frame),
                    None => break (Fault::Protocol, format!("an answer to a question never asked: {id}")),
                }
            }
            Err(end) => break end,
        }
    };
    desk.close(fault, words);
}

async fn next_frame(socket: &mut ReadHalf<Box<dyn Socket>>) -> Result<Bytes, (Fault, String)> {
    let broken = |error: io::Error| (Fault::from_io(&error), error.to_string());
    let length = socket.read_i32().await.map_err(broken)?;
    let length = usize::try_from(length).ok().filter(|length| (4..=LARGEST_FRAME).contains(length));
    let length = length.ok_or_else(|| (Fault::Protocol, "a frame of an impossible length".to_owned()))?;
    // Grows with what really arrives: a length alone reserves nothing.
    let mut frame = BytesMut::with_capacity(length.min(64 << 10));
    let mut limited = socket.take(length as u64);
    while frame.len() < length {
        if limited.read_buf(&mut frame).await.map_err(broken)? == 0 {
            return Err((Fault::Disconnected, "the broker closed the connection inside a frame".to_owned()));
        }
    }
    Ok(frame.freeze())
}
