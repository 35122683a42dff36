//! The producer of the transaction probe: each step of a transaction, with a limit of its own.
//!
//! librdkafka's calls for transactions block. Each step runs on a thread of its own, so that no async worker waits for a broker,
//! and ends at its limit also if librdkafka does not return. A producer whose step failed is not used any more: a new producer
//! with the same transactional id ends what the old one left open.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use tokio::sync::oneshot;

use super::{
    background::run_aside,
    complaints::Complaint,
    errors::{fault, refused},
    login_feed::LoginFeed,
    polled::PolledProducer,
    settings::transactional_config,
};
use crate::{
    config::{self, Properties},
    kafka::{Access, Error, Fault, access::is_same_tls},
    sync::lock,
    text::plain,
};

/// librdkafka returns from a call a little after the limit of the call.
const RETURNS: Duration = Duration::from_millis(500);

/// Why a step of a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepFailure {
    /// Another producer has taken the transactional id since.
    Fenced,
    /// The step failed with a fault.
    Fault {
        /// The kind of the failure.
        fault: Fault,
        /// The error in words, for the log. Empty at the limit of the step.
        words: String,
    },
    /// The step did not run, because the system has no thread left.
    NoThread,
}

impl StepFailure {
    /// The failure with the trouble that the client has had since the step began, if the step ended at its limit.
    fn explained(self, trouble: &Trouble, begun: Instant) -> Self {
        let is_late = matches!(self, StepFailure::Fault { fault: Fault::Timeout, .. });
        match lock(trouble).clone().filter(|(at, ..)| is_late && *at >= begun) {
            Some((_, fault, words)) => StepFailure::Fault { fault, words },
            None => self,
        }
    }
}

/// The outcome of the delivery of a record: its offset, which is `None` if the broker did not report it, or why it failed.
type Delivered = Result<Option<i64>, Fault>;

/// A producer with a transactional id. The methods never block.
pub struct TransactionalProducer {
    /// Always present until the value is dropped.
    client: Option<Arc<Client>>,
    /// When the client was made. It connects at once, and librdkafka reports the same trouble only once.
    made: Instant,
    /// The properties of `[kafka]` with which the client was made.
    properties: Arc<Properties>,
}

struct Client {
    native: PolledProducer<QuietContext>,
    trouble: Arc<Trouble>,
    login: LoginFeed,
    delivered: Mutex<mpsc::Receiver<Delivered>>,
}

/// The last trouble of the client with names, TLS or the login, and when it was. librdkafka tries again after it, so that a step
/// ends at its limit and does not say why.
type Trouble = Mutex<Option<(Instant, Fault, String)>>;

/// The callbacks of the client. Each step reports its own failure, so the log lines of librdkafka are details: a client that failed
/// is replaced, and during an outage each of them would log the same lines.
struct QuietContext {
    delivered: mpsc::Sender<Delivered>,
    trouble: Arc<Trouble>,
}

impl ClientContext for QuietContext {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, "the transactional producer: {line}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("the transactional producer: {error}: {reason}");
        let Complaint { fault, text, .. } = Complaint::translate(fault(&error), reason);
        let is_trouble =
            matches!(fault, Fault::Dns | Fault::Tls | Fault::CertificateRefused | Fault::Authentication);
        if is_trouble || fault.is_ours() {
            *lock(&self.trouble) = Some((Instant::now(), fault, plain(&text)));
        }
    }
}

impl ProducerContext for QuietContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        let delivered = match result {
            Ok(message) => Ok(Some(message.offset()).filter(|offset| *offset >= 0)),
            Err((error, _)) => Err(fault(error)),
        };
        // After the end of the step, no receiver waits for the record.
        self.delivered.send(delivered).ok();
    }
}

impl TransactionalProducer {
    /// Makes a client. Each of its requests takes at most `limit`, and the coordinator aborts a
    /// transaction that is open for longer than twice that time.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or that the system has no thread left.
    pub async fn new(
        cluster: &config::Cluster,
        access: &Access,
        transactional_id: &str,
        limit: Duration,
    ) -> Result<Self, Error> {
        let (cluster, access, id) = (cluster.clone(), access.clone(), transactional_id.to_owned());
        let properties = access.properties();
        let begun = Instant::now();
        // The client reads files of certificates.
        let made =
            tokio::time::timeout(limit, aside(move || Client::new(&cluster, &access, &id, limit))).await;
        let late = |_| {
            Error::new(Fault::CredentialFile, "the files of the transactional producer were not read in time")
        };
        let made = made.map_err(late)?;
        let missing = || Err(Error::new(Fault::Other, "no thread was left for the transactional producer"));
        Ok(Self { client: Some(Arc::new(made.unwrap_or_else(missing)?)), made: begun, properties })
    }

    /// Whether the certificates and keys of the client are the newest. If not, another client is needed for new connections.
    pub fn has_newest_certificates(&self, access: &Access) -> bool {
        is_same_tls(&self.properties, &access.properties())
    }

    /// Takes the transactional id: the coordinator ends what an earlier producer with the same id left open, and fences that
    /// producer. Returns the duration.
    ///
    /// # Errors
    /// Why the step failed.
    pub async fn init(&self, limit: Duration) -> Result<Duration, StepFailure> {
        let taken = self.step(limit, |client, limit| {
            let left = client.login.push_first(client.native.client(), limit);
            client.native.init_transactions(left)
        });
        // The first step connects. Later ones have a connection, and another broker's trouble would not be theirs.
        let explained = |failure: StepFailure| match &self.client {
            Some(client) => failure.explained(&client.trouble, self.made),
            None => failure,
        };
        taken.await.map_err(explained)
    }

    /// Begins a transaction. No broker is asked. Returns the duration.
    ///
    /// # Errors
    /// Why the step failed.
    pub async fn begin(&self, limit: Duration) -> Result<Duration, StepFailure> {
        self.step(limit, |client, _| client.native.begin_transaction()).await
    }

    /// Sends a record in the transaction and waits for the acknowledgement. Returns the offset, which is `None` if the broker did
    /// not report it, and the duration.
    ///
    /// # Errors
    /// Why the step failed.
    pub async fn produce(
        &self,
        topic: &str,
        partition: i32,
        payload: Vec<u8>,
        limit: Duration,
    ) -> Result<(Option<i64>, Duration), StepFailure> {
        let topic = topic.to_owned();
        self.run(limit, move |client, limit| client.produce(&topic, partition, &payload, limit)).await
    }

    /// Commits the transaction. Returns the duration.
    ///
    /// # Errors
    /// Why the step failed. The transaction may be committed although its commit failed.
    pub async fn commit(&self, limit: Duration) -> Result<Duration, StepFailure> {
        self.step(limit, |client, limit| client.native.commit_transaction(limit)).await
    }

    /// Aborts the transaction. Returns the duration.
    ///
    /// # Errors
    /// Why the step failed.
    pub async fn abort(&self, limit: Duration) -> Result<Duration, StepFailure> {
        self.step(limit, |client, limit| client.native.abort_transaction(limit)).await
    }

    /// Runs a call of librdkafka as a step.
    async fn step(
        &self,
        limit: Duration,
        call: impl FnOnce(&Client, Duration) -> Result<(), KafkaError> + Send + 'static,
    ) -> Result<Duration, StepFailure> {
        let work = move |client: &Client, limit| call(client, limit).map_err(|error| client.failure(&error));
        self.run(limit, work).await.map(|((), took)| took)
    }

    /// Runs blocking work on a thread of its own, and measures it there.
    async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Client, Duration) -> Result<T, StepFailure> + Send + 'static,
    ) -> Result<(T, Duration), StepFailure> {
        let Some(client) = self.client.clone() else { return Err(StepFailure::NoThread) };
        let timed = move || {
            client.login.push(client.native.client());
            let begun = Instant::now();
            work(&client, limit).map(|done| (done, begun.elapsed()))
        };
        let timed_out = || Some(Err(StepFailure::Fault { fault: Fault::Timeout, words: String::new() }));
        let done = tokio::time::timeout(limit + RETURNS.min(limit / 4), aside(timed)).await;
        done.unwrap_or_else(|_| timed_out()).unwrap_or(Err(StepFailure::NoThread))
    }
}

impl Drop for TransactionalProducer {
    fn drop(&mut self) {
        // Closing a client may block.
        if let Some(client) = self.client.take() {
            run_aside(move || drop(client));
        }
    }
}

impl Client {
    fn new(cluster: &config::Cluster, access: &Access, id: &str, limit: Duration) -> Result<Self, Error> {
        let (sender, delivered) = mpsc::channel();
        let login = LoginFeed::new(cluster, access, &cluster.producer);
        let config = transactional_config(&access.newest(cluster), id, limit);
        let trouble = Arc::<Trouble>::default();
        let context = QuietContext { delivered: sender, trouble: trouble.clone() };
        let native = PolledProducer::new(&config, context);
        let native = native.map_err(|error| refused("the transactional producer", &error))?;
        Ok(Self { native, trouble, login, delivered: Mutex::new(delivered) })
    }

    fn produce(
        &self,
        topic: &str,
        partition: i32,
        payload: &[u8],
        limit: Duration,
    ) -> Result<Option<i64>, StepFailure> {
        let record = BaseRecord::<(), [u8]>::to(topic);
        let delivered = lock(&self.delivered);
        let sent = self.native.send(record.partition(partition).payload(payload));
        sent.map_err(|(error, _)| self.failure(&error))?;
        match delivered.recv_timeout(limit) {
            Ok(Ok(offset)) => Ok(offset),
            // The transaction can only be aborted now. librdkafka refuses its commit with the reason.
            Ok(Err(fault)) => match self.native.commit_transaction(RETURNS) {
                Err(error) => Err(self.failure(&error)),
                Ok(()) => Err(StepFailure::Fault { fault, words: String::new() }),
            },
            Err(_) => Err(StepFailure::Fault { fault: Fault::Timeout, words: String::new() }),
        }
    }

    /// Why a call failed. After a fatal error of the client, all calls fail with other errors.
    fn failure(&self, error: &KafkaError) -> StepFailure {
        if error.rdkafka_error_code().is_some_and(is_fenced) {
            return StepFailure::Fenced;
        }
        self.fatal()
            .unwrap_or_else(|| StepFailure::Fault { fault: fault(error), words: plain(&error.to_string()) })
    }

    /// The fatal error of the client. `None` while the client works.
    fn fatal(&self) -> Option<StepFailure> {
        let (code, words) = self.native.client().fatal_error()?;
        if is_fenced(code) {
            return Some(StepFailure::Fenced);
        }
        Some(StepFailure::Fault { fault: fault(&KafkaError::Global(code)), words: plain(&words) })
    }
}

/// Whether an error says that another producer has taken the transactional id. The coordinator raises the epoch of a producer
/// also if a transaction is open for too long, which no step of this producer takes.
fn is_fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// Runs blocking work on a thread of its own. `None` if the system has no thread left.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, done) = oneshot::channel();
    run_aside(move || {
        // A step that ended at its limit waits for no result.
        sender.send(work()).ok();
    });
    done.await.ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::{
        config::{FlagSetting, Sources},
        kafka::wire,
    };

    #[tokio::test]
    async fn first_step_that_ends_at_its_limit_has_the_trouble_of_the_connection() {
        // A port that speaks no TLS.
        let mut ports = 13_000..32_000_u16;
        let listener =
            ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a free port");
        let bootstrap = Some(listener.local_addr().expect("an address").to_string());
        thread::spawn(move || {
            // A connection that is closed while bytes are unread may be reset before the answer is read.
            let mut answered = Vec::new();
            for mut stream in listener.incoming().flatten() {
                _ = stream.read(&mut [0; 64]);
                _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                answered.push(stream);
            }
        });
        let setting = |key: &str, value: &str| FlagSetting {
            section: "kafka",
            key: key.to_owned(),
            value: value.to_owned(),
            flag: "test",
        };
        let settings = vec![
            setting("security.protocol", "ssl"),
            setting("enable.ssl.certificate.verification", "false"),
        ];
        let sources = Sources { bootstrap, settings, ..Sources::default() };
        let config = config::load(&sources).expect("a configuration");
        let cluster = &config.clusters[0];
        let client = wire::Client::from_properties(&cluster.name, &cluster.kafka).expect("a client");
        let limit = Duration::from_secs(3);
        let producer = TransactionalProducer::new(cluster, &client.access(), "id", limit).await;
        let failure = producer.expect("a producer").init(limit).await;
        assert!(matches!(failure, Err(StepFailure::Fault { fault: Fault::Tls, .. })), "{failure:?}");
    }

    #[test]
    fn trouble_before_the_step_and_the_fault_of_a_step_explain_nothing() {
        let timeout = || StepFailure::Fault { fault: Fault::Timeout, words: String::new() };
        let tls = (Instant::now(), Fault::Tls, "alert".to_owned());
        let begun = tls.0;
        let trouble = Trouble::new(Some(tls));
        assert_eq!(timeout().explained(&trouble, begun + Duration::from_millis(1)), timeout());
        let refused = StepFailure::Fault { fault: Fault::Authorization, words: String::new() };
        assert_eq!(refused.clone().explained(&trouble, begun), refused);
        let expected = StepFailure::Fault { fault: Fault::Tls, words: "alert".to_owned() };
        assert_eq!(timeout().explained(&trouble, begun), expected);
    }
}
