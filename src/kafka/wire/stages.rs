//! Opens a session and times every step: dns, tcp, tls, api_versions, sasl.
//!
//! The timer starts before the name lookup. What was completed before a failure is reported with it.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::ApiVersionsRequest,
    protocol::{Request, StrBytes},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    Connection, Range, Settings, guard, kinds::Kind, limits::Limits, sasl, settings::Endpoint, tls,
    versions::Versions,
};
use crate::kafka::{Error, Fault, Stage};

/// Every broker since Kafka 2.4 knows it; others say so.
const API_VERSIONS: Range = Range { lowest: 0, highest: 3 };

/// Where an answer to ApiVersions has its error code, whatever the version: after the correlation id.
const ERROR_CODE: std::ops::Range<usize> = 4..6;

/// What came of opening a session.
#[derive(Debug)]
pub struct Opening {
    /// The completed stages, in order.
    pub stages: Vec<(Stage, Duration)>,
    /// The address that was connected to.
    pub address: Option<IpAddr>,
    /// The earliest expiry in the broker's certificate chain, also when it was not trusted.
    pub certificate_expiry: Option<SystemTime>,
    /// The session, or the stage and kind of what ended it.
    pub result: Result<Connection, Error>,
}

/// Opens a fresh session within `timeout`.
pub async fn open(settings: &Settings, endpoint: &Endpoint, timeout: Duration) -> Opening {
    open_within(settings, endpoint, Limits { deadline: Instant::now() + timeout, logins: None }).await
}

/// Opens a fresh session for one question.
pub(super) async fn open_within(settings: &Settings, endpoint: &Endpoint, limits: Limits<'_>) -> Opening {
    let mut opening = Steps {
        settings,
        endpoint,
        deadline: limits.deadline,
        logins: limits.logins,
        stages: Vec::with_capacity(Stage::ALL.len()),
        address: None,
        certificate_expiry: None,
    };
    let result = opening.all().await;
    let Steps { stages, address, certificate_expiry, .. } = opening;
    Opening { stages, address, certificate_expiry, result }
}

struct Steps<'a> {
    settings: &'a Settings,
    endpoint: &'a Endpoint,
    deadline: Instant,
    logins: Option<&'a Semaphore>,
    stages: Vec<(Stage, Duration)>,
    address: Option<IpAddr>,
    certificate_expiry: Option<SystemTime>,
}

impl Steps<'_> {
    async fn all(&mut self) -> Result<Connection, Error> {
        let (settings, endpoint, deadline) = (self.settings, self.endpoint, self.deadline);
        let addresses = self.step(Stage::Dns, resolve(settings, endpoint)).await?;
        let stream = self.step(Stage::Tcp, connect(endpoint, &addresses, deadline)).await?;
        self.address = stream.peer_addr().ok().map(|address| address.ip());
        let peer = endpoint.to_string();
        let connection = match &settings.tls {
            None => Connection::new(stream, peer, settings),
            Some(tls) => {
                let seen = tls::Seen::default();
                let stream = self.step(Stage::Tls, tls.handshake(endpoint, stream, seen.clone())).await;
                self.certificate_expiry = seen.expiry();
                Connection::new(stream?, peer, settings)
            }
        };
        let versions = self.step(Stage::ApiVersions, api_versions(&connection, deadline)).await?;
        connection.learn(versions);
        if let Some(credentials) = &settings.sasl {
            if let Some(logins) = self.logins {
                permit(logins, endpoint, deadline).await?;
            }
            self.step(Stage::Sasl, sasl::authenticate(&connection, credentials, deadline)).await?;
        }
        Ok(connection)
    }

    async fn step<T>(
        &mut self,
        stage: Stage,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let ended = timeout_at(self.deadline, work).await;
        let ended = ended.unwrap_or_else(|_| Err(Error::new(Fault::Timeout, self.endpoint.to_string())));
        let done = ended.map_err(|error| error.at(stage))?;
        self.stages.push((stage, begun.elapsed()));
        Ok(done)
    }
}

/// Waits until the question may begin one more login. A permit that was taken is not given back.
async fn permit(logins: &Semaphore, endpoint: &Endpoint, deadline: Instant) -> Result<(), Error> {
    match timeout_at(deadline, logins.acquire()).await {
        Ok(Ok(permit)) => {
            permit.forget();
            Ok(())
        }
        _ => Err(Error::new(Fault::NotReady, format!("no login at {endpoint}"))
            .because("the logins at other brokers, as many as one question may begin, were not answered")
            .at(Stage::Sasl)),
    }
}

async fn resolve(settings: &Settings, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    let failed = || Error::new(Fault::Dns, endpoint.to_string());
    // An address needs no lookup, and must not wait for the turn of one.
    if let Ok(ip) = endpoint.host.parse() {
        return of_family(settings, endpoint, vec![SocketAddr::new(ip, endpoint.port)]);
    }
    // The system's lookup takes a thread until it answers, whether anybody still waits or not. With a
    // resolver that hangs, check after check would take another, until none is left for anything else.
    let turn = settings.lookups.clone().acquire_owned().await;
    let name = (endpoint.host.clone(), endpoint.port);
    let lookup = tokio::spawn(async move {
        let _turn = turn;
        lookup_host(name).await.map(Vec::from_iter)
    });
    let found =
        lookup.await.map_err(|error| failed().because(error))?.map_err(|error| {
            match Fault::from_io(&error) {
                fault if fault.is_ours() => Error::new(fault, endpoint.to_string()).because(error),
                _ => failed().because(error),
            }
        })?;
    of_family(settings, endpoint, found)
}

/// The addresses of the wanted family, of which there must be one.
fn of_family(
    settings: &Settings,
    endpoint: &Endpoint,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Error> {
    addresses.retain(|address| settings.family.allows(address.ip()));
    if addresses.is_empty() {
        let words = "the name has no address of the wanted family";
        return Err(Error::new(Fault::Dns, endpoint.to_string()).because(words));
    }
    Ok(addresses)
}

/// Firewalls and load balancers forget a flow after a few idle minutes; the shortest usual time is four.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4)
}

/// Tries the addresses in order; each gets its share of the time that is left.
async fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, Error> {
    let mut last = Error::new(Fault::Timeout, endpoint.to_string());
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small questions must not wait for acknowledgements of earlier ones.
                let set = stream.set_nodelay(true);
                // A path that drops the flow without a word is noticed before the next question needs it.
                let set = set.and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive()));
                set.map_err(|error| Error::new(Fault::Other, endpoint.to_string()).because(error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = Error::new(Fault::from_io(&error), endpoint.to_string()).because(error),
            Err(_) => last = Error::new(Fault::Timeout, format!("{endpoint} at {address}")),
        }
    }
    Err(last)
}

/// A broker that does not know our version of the question answers in the oldest one, which both know,
/// and names its own; it is asked again in that, once.
async fn api_versions(connection: &Connection, deadline: Instant) -> Result<Versions, Error> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("kafka-heartbeat"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let mut version = API_VERSIONS.highest;
    let mut frame = connection.exchange(&request, version, deadline).await?;
    if frame.get(ERROR_CODE) == Some(&ResponseError::UnsupportedVersion.code().to_be_bytes()) {
        version = offered(frame).unwrap_or(API_VERSIONS.lowest);
        frame = connection.exchange(&request, version, deadline).await?;
    }
    let answer = connection.decode::<ApiVersionsRequest>(frame, version)?;
    match answer.error_code.err() {
        None => Ok(Versions::new(&answer)),
        Some(error) => Err(Error::new(Fault::from_response(error), "ApiVersions")),
    }
}

/// The version that a refusal of ours offers. Not every broker words the refusal as KIP-511 says
/// (librdkafka's embedded ones do not), so one that cannot be read is no error.
fn offered(frame: Bytes) -> Option<i16> {
    let refusal = (frame.len() >= ERROR_CODE.start).then(|| frame.slice(ERROR_CODE.start..))?;
    let answer =
        guard::decode(refusal, API_VERSIONS.lowest, false, Kind::of(ApiVersionsRequest::KEY).memory).ok()?;
    Versions::new(&answer).pick::<ApiVersionsRequest>(API_VERSIONS).ok()
}
