//! A scripted broker on loopback.
//!
//! It follows the protocol unless a test changes that: [`Fake::on`] sets the reply to one kind of request, from a proper
//! response to silence, a wrong length or a closed connection. Like Kafka it answers the requests of a connection one after
//! the other. It counts the requests.

use std::{
    collections::HashMap,
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use kafka_heartbeat::kafka::wire::Endpoint;
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, MetadataRequest, MetadataResponse,
        RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeRequest, SaslHandshakeResponse, TopicName,
        api_versions_response::ApiVersion,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::port;

/// The reply of a fake to one request.
pub(crate) enum Reply<T> {
    /// Answers.
    Answer(T),
    /// Answers after this time; later requests of the connection wait, as with Kafka.
    After(Duration, T),
    /// Answers after the next answer, which Kafka never does.
    Swapped(T),
    /// Answers under another correlation id.
    Misnumbered(T),
    /// Announces the length of the whole answer, sends all but this number of bytes, and closes the connection.
    Truncated(T, usize),
    /// Appends this number of bytes to the answer, inside the frame.
    Padded(T, usize),
    /// A frame with the right correlation id and these bytes.
    Garbage(Vec<u8>),
    /// These bytes alone, without a frame around them.
    Raw(Vec<u8>),
    /// No answer at all.
    Silence,
    /// Closes the connection.
    Close,
}

/// What a handler gets beside the content of a request.
pub(crate) struct Call {
    /// The number of earlier requests of the same kind, on any connection.
    pub(crate) number: usize,
    /// The version of the request.
    pub(crate) version: i16,
}

/// What a fake does with a new connection.
#[derive(Clone)]
pub(crate) enum Manners {
    /// Reads requests and replies to them.
    Polite,
    /// Never sends a byte.
    Mute,
    /// Closes the connection after the first bytes that the client sends.
    Curt,
    /// Sends these bytes after the first bytes that the client sends.
    Babbling(Vec<u8>),
}

/// Bytes to send, the time to wait before, and whether to close the connection afterwards.
struct Deed {
    after: Duration,
    bytes: Bytes,
    swapped: bool,
    close: bool,
}

type Handler = Arc<dyn Fn(&Call, i32, Bytes) -> Deed + Send + Sync>;

/// The broker; dropping it closes everything.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Script {
    handlers: Mutex<HashMap<i16, Handler>>,
    versions: Mutex<HashMap<i16, (i16, i16)>>,
    counts: Mutex<HashMap<i16, usize>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    /// The time in milliseconds for which a new connection is not read.
    delay_ms: AtomicU64,
}

/// The value of a mutex.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds the script")
}

impl Fake {
    /// A polite plaintext broker that knows every request of the protocol, and answers metadata
    /// with itself as broker 1.
    pub(crate) async fn start() -> Self {
        Self::with(Manners::Polite, None).await
    }

    /// A broker with other manners, or with TLS.
    pub(crate) async fn with(manners: Manners, tls: Option<ServerConfig>) -> Self {
        let listener = port::listen();
        let address = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener need not block");
        let listener = TcpListener::from_std(listener).expect("a runtime is running");
        let script = Arc::new(Script::default());
        for key in (0..128).filter_map(|key| ApiKey::try_from(key).ok()) {
            let range = key.valid_versions();
            held(&script.versions).insert(key as i16, (range.min, range.max));
        }
        let stop = CancellationToken::new();
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(listen(listener, script.clone(), stop.clone(), manners, tls));
        let fake = Self { address, script, _stop: stop.drop_guard() };
        let own = metadata(&[&fake], "", &[]);
        fake.on(move |_: MetadataRequest, _| Reply::Answer(own.clone()));
        fake
    }

    /// Sets what is done with one kind of request from now on.
    pub(crate) fn on<R>(&self, handler: impl Fn(R, &Call) -> Reply<R::Response> + Send + Sync + 'static)
    where
        R: Request,
    {
        let handler = move |call: &Call, id: i32, mut body: Bytes| {
            let request = R::decode(&mut body, call.version).expect("our own requests are well-formed");
            assert!(!body.has_remaining(), "a request has {} bytes too many", body.remaining());
            deed::<R>(handler(request, call), call.version, id)
        };
        held(&self.script.handlers).insert(R::KEY, Arc::new(handler));
    }

    /// Sets which versions of a request are understood.
    pub(crate) fn versions<R: Request>(&self, range: RangeInclusive<i16>) {
        held(&self.script.versions).insert(R::KEY, (*range.start(), *range.end()));
    }

    /// Makes a request unsupported.
    pub(crate) fn without<R: Request>(&self) {
        held(&self.script.versions).remove(&R::KEY);
    }

    /// Accepts SASL/PLAIN with these credentials only.
    pub(crate) fn plain(&self, username: &str, password: &str) {
        let expected = format!("\0{username}\0{password}");
        self.on(|request: SaslHandshakeRequest, _| {
            let code = if &*request.mechanism == "PLAIN" { 0 } else { 33 };
            let offered = vec![StrBytes::from_static_str("PLAIN")];
            Reply::Answer(SaslHandshakeResponse::default().with_error_code(code).with_mechanisms(offered))
        });
        self.on(move |request: SaslAuthenticateRequest, _| {
            let answer = SaslAuthenticateResponse::default();
            Reply::Answer(match request.auth_bytes == expected.as_bytes() {
                true => answer,
                false => answer.with_error_code(58).with_error_message(Some(StrBytes::from_static_str(
                    "Authentication failed: Invalid username or password",
                ))),
            })
        });
    }

    /// The number of requests of this kind.
    pub(crate) fn count<R: Request>(&self) -> usize {
        held(&self.script.counts).get(&R::KEY).copied().unwrap_or(0)
    }

    /// The number of requests of all kinds except ApiVersions.
    pub(crate) fn total(&self) -> usize {
        let counts = held(&self.script.counts);
        counts.iter().filter(|(key, _)| **key != ApiVersionsRequest::KEY).map(|(_, count)| count).sum()
    }

    /// The number of connections that were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.script.accepted.load(Ordering::SeqCst)
    }

    /// The number of connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.script.open.load(Ordering::SeqCst)
    }

    /// Reads nothing from a new connection for this time, as a broker that throttles new connections.
    pub(crate) fn delay_accepted(&self, by: Duration) {
        self.script.delay_ms.store(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// The address of the broker.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.address.ip().to_string(), port: self.address.port() }
    }
}

/// A response to Metadata: these brokers, numbered from 1, and a topic with these leaders by partition. The leader 0 stands
/// for no leader, and the name "" for no topic.
pub(crate) fn metadata(brokers: &[&Fake], topic: &str, leaders: &[i32]) -> MetadataResponse {
    let broker = |(index, fake): (usize, &&Fake)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(index as i32 + 1))
            .with_host(StrBytes::from_string(fake.address.ip().to_string()))
            .with_port(i32::from(fake.address.port()))
    };
    let partition = |(index, leader): (usize, &i32)| {
        let leader = BrokerId(if *leader == 0 { -1 } else { *leader });
        MetadataResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(leader)
            .with_replica_nodes(vec![leader])
            .with_isr_nodes(vec![leader])
    };
    let described = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.to_owned()))))
        .with_partitions(leaders.iter().enumerate().map(partition).collect());
    MetadataResponse::default()
        .with_cluster_id(Some(StrBytes::from_static_str("fake-cluster")))
        .with_controller_id(BrokerId(1))
        .with_brokers(brokers.iter().enumerate().map(broker).collect())
        .with_topics(if topic.is_empty() { vec![] } else { vec![described] })
}

async fn listen(
    listener: TcpListener,
    script: Arc<Script>,
    stop: CancellationToken,
    manners: Manners,
    tls: Option<TlsAcceptor>,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, _) = accepted.expect("a connection");
        script.accepted.fetch_add(1, Ordering::SeqCst);
        script.open.fetch_add(1, Ordering::SeqCst);
        let (script, stop, manners, tls) = (script.clone(), stop.clone(), manners.clone(), tls.clone());
        tokio::spawn(async move {
            let delay = Duration::from_millis(script.delay_ms.load(Ordering::SeqCst));
            stop.run_until_cancelled(time::sleep(delay)).await;
            stop.run_until_cancelled(welcome(stream, &script, manners, tls)).await;
            script.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn welcome(mut stream: TcpStream, script: &Script, manners: Manners, tls: Option<TlsAcceptor>) {
    let mut first = [0; 512];
    match (manners, tls) {
        (Manners::Polite, None) => serve(stream, script).await,
        (Manners::Polite, Some(tls)) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, script).await;
            }
        }
        (Manners::Mute, _) => while stream.read(&mut first).await.is_ok_and(|read| read > 0) {},
        (Manners::Curt, _) => _ = stream.read(&mut first).await,
        (Manners::Babbling(bytes), _) => {
            _ = stream.read(&mut first).await;
            _ = stream.write_all(&bytes).await;
            while stream.read(&mut first).await.is_ok_and(|read| read > 0) {}
        }
    }
}

/// Answers requests until one side closes the connection.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: &Script) {
    let mut held = BytesMut::new();
    while let Ok(length) = stream.read_u32().await {
        let mut frame = vec![0; length as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let deed = script.decide(frame.into());
        time::sleep(deed.after).await;
        if deed.swapped {
            held.extend_from_slice(&deed.bytes);
            continue;
        }
        let written = stream.write_all(&deed.bytes).await.is_ok() && stream.write_all(&held).await.is_ok();
        held.clear();
        if !written || stream.flush().await.is_err() || deed.close {
            return;
        }
    }
}

impl Script {
    fn decide(&self, mut frame: Bytes) -> Deed {
        let (key, version) = (frame.slice(..2).get_i16(), frame.slice(2..4).get_i16());
        let known = held(&self.versions).get(&key).copied();
        let header = ApiKey::try_from(key).expect("a key of the protocol").request_header_version(version);
        let header = RequestHeader::decode(&mut frame, header).expect("our own headers are well-formed");
        let number = {
            let mut counts = held(&self.counts);
            let count = counts.entry(key).or_default();
            *count += 1;
            *count - 1
        };
        let call = Call { number, version };
        let handler = held(&self.handlers).get(&key).cloned();
        let fits = known.is_some_and(|(low, high)| (low..=high).contains(&version));
        match handler {
            Some(handler) if fits => handler(&call, header.correlation_id, frame),
            _ if key == ApiKey::ApiVersions as i16 => self.api_versions(fits, version, header.correlation_id),
            // A real broker closes the connection when it cannot read a request.
            _ => deed::<ApiVersionsRequest>(Reply::Close, 0, 0),
        }
    }

    /// A request in a version that is not supported is answered in version 0 with UNSUPPORTED_VERSION.
    fn api_versions(&self, fits: bool, version: i16, id: i32) -> Deed {
        let versions = held(&self.versions);
        let keys = versions.iter().filter(|(key, _)| fits || **key == ApiKey::ApiVersions as i16);
        let keys = keys.map(|(key, (low, high))| {
            ApiVersion::default().with_api_key(*key).with_min_version(*low).with_max_version(*high)
        });
        let answer = ApiVersionsResponse::default().with_api_keys(keys.collect());
        let (answer, version) = if fits { (answer, version) } else { (answer.with_error_code(35), 0) };
        deed::<ApiVersionsRequest>(Reply::Answer(answer), version, id)
    }
}

/// A frame around a correlation id and an answer.
fn frame<R: Request>(answer: &R::Response, version: i16, id: i32) -> BytesMut {
    let header = ResponseHeader::default().with_correlation_id(id);
    let mut frame = BytesMut::zeroed(4);
    header.encode(&mut frame, <R::Response as HeaderVersion>::header_version(version)).expect("a header");
    answer.encode(&mut frame, version).expect("an answer in this version");
    announce(frame)
}

fn announce(mut frame: BytesMut) -> BytesMut {
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn deed<R: Request>(reply: Reply<R::Response>, version: i16, id: i32) -> Deed {
    let whole = |answer: &R::Response| frame::<R>(answer, version, id);
    let close = matches!(reply, Reply::Truncated(..) | Reply::Close);
    let swapped = matches!(reply, Reply::Swapped(_));
    let after = if let Reply::After(delay, _) = &reply { *delay } else { Duration::ZERO };
    let bytes = match reply {
        Reply::Answer(answer) | Reply::After(_, answer) | Reply::Swapped(answer) => whole(&answer),
        Reply::Misnumbered(answer) => frame::<R>(&answer, version, id ^ 0x5a5a),
        Reply::Truncated(answer, missing) => {
            let mut bytes = whole(&answer);
            bytes.truncate(bytes.len() - missing);
            bytes
        }
        Reply::Padded(answer, extra) => {
            let mut bytes = whole(&answer);
            bytes.resize(bytes.len() + extra, 0);
            announce(bytes)
        }
        Reply::Garbage(garbage) => {
            announce(BytesMut::from(&[&[0; 4], &id.to_be_bytes()[..], &garbage].concat()[..]))
        }
        Reply::Raw(raw) => BytesMut::from(raw.as_slice()),
        Reply::Silence | Reply::Close => BytesMut::new(),
    };
    Deed { after, bytes: bytes.freeze(), swapped, close }
}
