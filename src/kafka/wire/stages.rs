//! Opens a session and times its stages: dns, tcp, tls, api_versions, sasl.
//!
//! The timer of the first stage starts before the name lookup. If a stage fails, the completed stages are reported with
//! the failure.

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
    Client, Connection, Endpoint,
    guard::{self, Encoding},
    request_kind::RequestKind,
    request_limits::RequestLimits,
    sasl, tls,
    version_range::{BrokerVersions, VersionRange},
};
use crate::kafka::{Error, Fault, Stage};

/// Brokers since Kafka 2.4 know the highest version. Older brokers refuse it and name their own.
const API_VERSIONS: VersionRange = VersionRange { lowest: 0, highest: 3 };

/// The bytes of the error code in a response to ApiVersions, in every version: they follow the correlation id.
const ERROR_CODE: std::ops::Range<usize> = 4..6;

/// The result of opening a session, with its completed stages.
#[derive(Debug)]
pub struct Opening {
    /// The completed stages in their order, with the duration of each.
    pub stages: Vec<(Stage, Duration)>,
    /// The IP address of the TCP connection. `None` if no connection was made.
    pub address: Option<IpAddr>,
    /// The earliest expiry in the broker's certificate chain, even if the chain is not trusted. `None` if the broker
    /// sent no certificate.
    pub certificate_expiry: Option<SystemTime>,
    /// The session, or an error with the stage that failed and its fault.
    pub result: Result<Connection, Error>,
}

/// Opens a fresh session within `timeout`.
pub async fn open(client: &Client, endpoint: &Endpoint, timeout: Duration) -> Opening {
    open_within(client, endpoint, RequestLimits { deadline: Instant::now() + timeout, logins: None }).await
}

/// Opens a fresh session until a deadline, which also holds for the wait for a token or a ticket.
pub async fn open_until(client: &Client, endpoint: &Endpoint, deadline: Instant) -> Opening {
    run(client, endpoint, RequestLimits { deadline, logins: None }, false).await
}

/// Opens a fresh session within the limits of one request.
pub(super) async fn open_within(client: &Client, endpoint: &Endpoint, limits: RequestLimits<'_>) -> Opening {
    run(client, endpoint, limits, true).await
}

/// Opens a fresh session. `extends` is whether the wait for a token or a ticket extends the deadline.
async fn run(client: &Client, endpoint: &Endpoint, limits: RequestLimits<'_>, extends: bool) -> Opening {
    let mut opening = SessionOpener {
        client,
        endpoint,
        deadline: limits.deadline,
        extends,
        logins: limits.logins,
        stages: Vec::with_capacity(Stage::ALL.len()),
        address: None,
        certificate_expiry: None,
    };
    let result = opening.open().await;
    let SessionOpener { stages, address, certificate_expiry, .. } = opening;
    Opening { stages, address, certificate_expiry, result }
}

/// Logs in again on an open connection, whose session ends soon. It goes on if the caller stops waiting, because a broker
/// accepts no other request between the messages of a login.
///
/// # Errors
/// As for a fresh session. After an error of the broker, the connection cannot be used any more.
pub(super) async fn log_in_again(
    client: &Client,
    endpoint: &Endpoint,
    connection: &Connection,
    limits: RequestLimits<'_>,
) -> Result<(), Error> {
    let deadline = limits.deadline;
    if let Some(logins) = limits.logins {
        take_login_permit(logins, endpoint, deadline).await?;
    }
    let (settings, host, connection) = (client.settings(), endpoint.host.clone(), connection.clone());
    let login = tokio::spawn(async move {
        let no_login = || Error::new(Fault::NotReady, "the login was removed from the configuration");
        let credentials = settings.sasl.as_ref().ok_or_else(no_login)?;
        sasl::log_in_again(&connection, credentials, &host, deadline).await
    });
    let ended = login.await;
    ended.map_err(|error| Error::new(Fault::Other, endpoint.to_string()).because(error))?
}

/// Opens one session, stage by stage.
struct SessionOpener<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    deadline: Instant,
    /// Whether the wait for a token or a ticket extends the deadline.
    extends: bool,
    /// One permit for each login that may begin. `None` if the number of logins has no limit.
    logins: Option<&'a Semaphore>,
    stages: Vec<(Stage, Duration)>,
    address: Option<IpAddr>,
    certificate_expiry: Option<SystemTime>,
}

impl SessionOpener<'_> {
    async fn open(&mut self) -> Result<Connection, Error> {
        let Self { client, endpoint, .. } = *self;
        let settings = client.settings();
        let begun = Instant::now();
        let login = match &settings.sasl {
            None => None,
            Some(credentials) => {
                Some(sasl::Login::prepare(credentials, &endpoint.host, self.deadline).await?)
            }
        };
        // A slow identity provider takes no time from the broker.
        if self.extends {
            self.deadline += begun.elapsed();
        }
        let deadline = self.deadline;
        let addresses = self.stage(Stage::Dns, resolve(client, endpoint)).await?;
        let stream = self.stage(Stage::Tcp, connect(endpoint, &addresses, deadline)).await?;
        self.address = stream.peer_addr().ok().map(|address| address.ip());
        let peer = endpoint.to_string();
        let connection = match &settings.tls {
            None => Connection::new(stream, peer, client),
            Some(tls) => {
                let seen = tls::SeenExpiry::default();
                let stream = self.stage(Stage::Tls, tls.handshake(endpoint, stream, seen.clone())).await;
                self.certificate_expiry = seen.earliest();
                Connection::new(stream?, peer, client)
            }
        };
        let versions = self.stage(Stage::ApiVersions, api_versions(&connection, deadline)).await?;
        connection.learn(versions);
        if let Some(login) = login {
            if let Some(logins) = self.logins {
                take_login_permit(logins, endpoint, deadline).await?;
            }
            let login = sasl::authenticate(&connection, login, deadline);
            self.stage(Stage::Sasl, login).await?;
        }
        Ok(connection)
    }

    /// Runs one stage until the deadline, and times it.
    async fn stage<T>(
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

/// Waits until the request may begin one more login. A permit that was taken is not given back.
async fn take_login_permit(logins: &Semaphore, endpoint: &Endpoint, deadline: Instant) -> Result<(), Error> {
    match timeout_at(deadline, logins.acquire()).await {
        Ok(Ok(permit)) => {
            permit.forget();
            Ok(())
        }
        _ => Err(Error::new(Fault::NotReady, format!("no login at {endpoint}"))
            .because("the logins at other brokers, as many as one request may begin, were not answered")
            .at(Stage::Sasl)),
    }
}

/// The addresses of a broker. A host that is an IP address needs no lookup.
async fn resolve(client: &Client, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    let failed = || Error::new(Fault::Dns, endpoint.to_string());
    // An address must not wait until a lookup may run.
    if let Ok(ip) = endpoint.host.parse() {
        return of_family(client, endpoint, vec![SocketAddr::new(ip, endpoint.port)]);
    }
    // The lookup of the system blocks a thread until it returns, even if its caller has stopped waiting. With a resolver
    // that hangs, each check would block one more thread, until no thread is left for other work.
    let permit = client.lookups.clone().acquire_owned().await;
    let name = (endpoint.host.clone(), endpoint.port);
    let lookup = tokio::spawn(async move {
        let _permit = permit;
        lookup_host(name).await.map(Vec::from_iter)
    });
    let found =
        lookup.await.map_err(|error| failed().because(error))?.map_err(|error| {
            match Fault::from_io(&error) {
                fault if fault.is_ours() => Error::new(fault, endpoint.to_string()).because(error),
                _ => failed().because(error),
            }
        })?;
    of_family(client, endpoint, found)
}

/// The addresses of the configured family.
///
/// # Errors
/// [`Fault::Dns`] if there is none.
fn of_family(
    client: &Client,
    endpoint: &Endpoint,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Error> {
    let settings = client.settings();
    addresses.retain(|address| settings.family.allows(address.ip()));
    if addresses.is_empty() {
        let words = "the name has no address of the wanted family";
        return Err(Error::new(Fault::Dns, endpoint.to_string()).because(words));
    }
    Ok(addresses)
}

/// Keepalive probes, because firewalls and load balancers forget a connection after a few idle minutes. The shortest
/// usual time is four minutes.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4)
}

/// Tries the addresses in order. Each address gets an equal share of the time that is left.
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
                // Small requests must not wait for the acknowledgements of earlier packets.
                let set = stream.set_nodelay(true);
                // A path that drops the connection silently is noticed before the next request needs it.
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

/// Asks a broker for the versions that it understands. A broker that does not know the version of this request answers
/// in version 0 and names the versions that it knows. Then the request is sent once more, in one of these.
async fn api_versions(connection: &Connection, deadline: Instant) -> Result<BrokerVersions, Error> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("kafka-heartbeat"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let mut version = API_VERSIONS.highest;
    let mut frame = connection.exchange(&request, version, deadline).await?;
    if frame.get(ERROR_CODE) == Some(&ResponseError::UnsupportedVersion.code().to_be_bytes()) {
        version = offered(frame).unwrap_or(API_VERSIONS.lowest);
        frame = connection.exchange(&request, version, deadline).await?;
    }
    let response = connection.decode::<ApiVersionsRequest>(frame, version)?;
    match response.error_code.err() {
        None => Ok(BrokerVersions::new(&response)),
        Some(error) => Err(Error::new(Fault::from_response(error), "ApiVersions")),
    }
}

/// The version that a broker offers when it refuses the version of a request. Not every broker follows KIP-511 there:
/// librdkafka's embedded brokers do not. `None` if the refusal cannot be read, which is no error.
fn offered(frame: Bytes) -> Option<i16> {
    let refusal = (frame.len() >= ERROR_CODE.start).then(|| frame.slice(ERROR_CODE.start..))?;
    let answer = guard::decode(
        refusal,
        API_VERSIONS.lowest,
        Encoding::Fixed,
        RequestKind::of(ApiVersionsRequest::KEY).memory,
    )
    .ok()?;
    BrokerVersions::new(&answer).pick::<ApiVersionsRequest>(API_VERSIONS).ok()
}
