//! The instance as a candidate for the Lease.
//!
//! A Lease of another instance is over when this instance has seen it unchanged for its duration, on a clock of its own. So the clocks
//! of the instances may differ by any time.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use reqwest::Url;
use tokio::{task::spawn_blocking, time};
use tokio_rustls::rustls::RootCertStore;

use super::{super::election::Candidate, super::standing::Standing, record::Record};
use crate::{
    backoff::random,
    files,
    rest::{Change, Client, Failure, Fault, Node, Request},
    tls,
};

/// How long the Lease lasts without a renewal: the default of Kubernetes' own components, like the two below.
const LEASE: Duration = Duration::from_secs(15);
/// The leader stops when it could not renew the Lease for this time.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// The time from one attempt to the next.
const RETRY: Duration = Duration::from_secs(2);

/// The time for one attempt, which is two requests at most.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The longest duration of a Lease that is believed.
const LONGEST_LEASE: Duration = Duration::from_secs(120);

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where the Lease is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The address of the API server.
    pub server: Url,
    /// The folder with the files `token`, `ca.crt` and `namespace` of the service account.
    pub credentials: PathBuf,
    /// The namespace; `None` is the one in the file `namespace`.
    pub namespace: Option<String>,
    /// The name of the Lease.
    pub name: String,
}

/// The instance as a candidate for the Lease.
pub struct Lease {
    place: Place,
    /// The name of the instance for people.
    instance: String,
    /// What the Lease names as its holder: the name, and what no other instance has.
    identity: String,
    /// `None` before the first attempt, and after one that failed.
    session: Option<Session>,
    /// The Lease as it was read last, and since when it has been unchanged.
    seen: Option<(Record, Instant)>,
}

/// What is needed to ask the API server.
#[derive(Clone)]
struct Session {
    client: Client,
    node: Node,
    namespace: String,
}

/// The files of the service account.
struct Credentials {
    token: String,
    authorities: String,
    namespace: Option<String>,
}

impl Lease {
    /// Does not connect yet.
    pub fn new(place: Place, instance: &str) -> Self {
        let identity = format!("{instance}_{:016x}", (random() * u64::MAX as f64) as u64);
        Self { place, instance: instance.to_owned(), identity, session: None, seen: None }
    }

    /// Acquires or renews the Lease.
    async fn acquire(&mut self, deadline: time::Instant) -> Result<Standing, String> {
        let session = self.session().await?;
        let (stored, is_new) = match self.read(&session, deadline).await {
            Ok(stored) => (stored, false),
            Err(failure) if failure.fault == Fault::NotFound => {
                (Record::new(&session.namespace, &self.place.name), true)
            }
            Err(failure) => return Err(self.in_words(&failure)),
        };
        let unchanged = match &self.seen {
            Some((seen, since)) if *seen == stored => since.elapsed(),
            _ => {
                self.seen = Some((stored.clone(), Instant::now()));
                Duration::ZERO
            }
        };
        if let Some(holder) = stored.holder().filter(|holder| *holder != self.identity)
            && unchanged < stored.duration(LEASE, LONGEST_LEASE)
        {
            return Ok(Standing::following(instance_of(holder)));
        }
        let sent = Instant::now();
        let held = stored.held_by(&self.identity, LEASE, SystemTime::now());
        match self.write(&session, &held, is_new, deadline).await {
            Ok(written) => {
                self.seen = Some((written, Instant::now()));
                Ok(Standing::leading(&self.instance, sent + RENEW_DEADLINE))
            }
            // Another instance was faster, and the next attempt tells which one.
            Err(failure) if failure.fault == Fault::Conflict => Ok(Standing::unknown()),
            Err(failure) => Err(self.in_words(&failure)),
        }
    }

    /// The session with the token as it is in its file now.
    async fn session(&mut self) -> Result<Session, String> {
        let folder = self.place.credentials.clone();
        let read = spawn_blocking(move || Credentials::read(&folder)).await;
        let credentials = read.map_err(|error| error.to_string())??;
        let Session { client, node, namespace } = match self.session.take() {
            Some(session) => session,
            None => {
                let mut roots = RootCertStore::empty();
                let place = self.place.credentials.join("ca.crt");
                tls::trust(&mut roots, credentials.authorities.as_bytes())
                    .map_err(|error| format!("{} {error}", place.display()))?;
                let namespace = self.place.namespace.clone().or(credentials.namespace);
                Session {
                    client: Client::with_token(roots, String::new())?,
                    node: Node::new(&self.place.server),
                    namespace: namespace
                        .ok_or("set [ha] namespace: there is no file with the namespace of a pod")?,
                }
            }
        };
        let session = Session { client: client.and_token(credentials.token), node, namespace };
        self.session = Some(session.clone());
        Ok(session)
    }

    async fn read(&self, session: &Session, deadline: time::Instant) -> Result<Record, Failure> {
        let name = self.place.name.as_str();
        let path = path(&session.namespace, Some(name));
        Ok(session.client.send(&session.node, request(&path, None, deadline)).await?.content)
    }

    async fn write(
        &self,
        session: &Session,
        lease: &Record,
        is_new: bool,
        deadline: time::Instant,
    ) -> Result<Record, Failure> {
        let content = serde_json::to_value(lease).unwrap_or_default();
        let name = (!is_new).then_some(self.place.name.as_str());
        let change = if is_new { Change::Post(content) } else { Change::Put(content) };
        let path = path(&session.namespace, name);
        Ok(session.client.send(&session.node, request(&path, Some(change), deadline)).await?.content)
    }

    /// What failed, and what helps.
    fn in_words(&self, failure: &Failure) -> String {
        let remedy = match failure.fault {
            Fault::Unauthorized => format!(
                ": the token in {} is refused; it is read again with each attempt",
                self.place.credentials.join("token").display()
            ),
            Fault::Forbidden => {
                ": the role of the service account must allow get, create and update on leases of coordination.k8s.io"
                    .to_owned()
            }
            _ => String::new(),
        };
        format!("Lease {}: {}: {}{remedy}", self.place.name, failure.fault.as_str(), failure.message)
    }
}

impl Candidate for Lease {
    async fn attempt(&mut self) -> Result<Standing, String> {
        let deadline = time::Instant::now() + ATTEMPT;
        let acquired = time::timeout_at(deadline, self.acquire(deadline)).await;
        let acquired =
            acquired.unwrap_or_else(|_| Err(format!("Lease {}: no answer in time", self.place.name)));
        if acquired.is_err() {
            // The authorities may have been renewed.
            self.session = None;
        }
        acquired
    }

    fn pause(&self) -> Duration {
        RETRY
    }

    async fn release(&mut self) -> Result<(), String> {
        let held = self
            .seen
            .as_ref()
            .map(|(stored, _)| stored)
            .filter(|stored| stored.holder() == Some(self.identity.as_str()));
        let Some(held) = held.cloned() else { return Ok(()) };
        let session = self.session().await?;
        let free = held.given_up(SystemTime::now());
        let written = self.write(&session, &free, false, time::Instant::now() + ATTEMPT).await;
        written.map(|_| ()).map_err(|failure| self.in_words(&failure))
    }
}

impl Credentials {
    fn read(folder: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            files::read_text(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let namespace = read("namespace").ok().map(|namespace| namespace.trim().to_owned());
        Ok(Self { token: read("token")?.trim().to_owned(), authorities: read("ca.crt")?, namespace })
    }
}

/// The path of the Lease, or of all Leases of the namespace.
fn path<'a>(namespace: &'a str, name: Option<&'a str>) -> Vec<&'a str> {
    let mut path = vec!["apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases"];
    path.extend(name);
    path
}

fn request<'a>(path: &'a [&'a str], change: Option<Change>, deadline: time::Instant) -> Request<'a> {
    Request { path, query: &[], change, content_type: "application/json", longest: LONGEST_ANSWER, deadline }
}

/// The name of the instance in what the Lease names as its holder.
fn instance_of(holder: &str) -> String {
    let holder = crate::text::plain(holder).to_string();
    holder.rsplit_once('_').map_or(holder.clone(), |(instance, _)| instance.to_owned())
}
