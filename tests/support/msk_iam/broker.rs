//! One broker whose listeners take tokens of MSK IAM.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use super::{
    access_key::AccessKey,
    java::{compile, skip},
};
use crate::support::{
    certs::Authority,
    kafka::{free_port, install, process::Supervised, tools::run_java},
    try_wait,
};

/// The region that the verifier wants.
pub(crate) const REGION: &str = "eu-central-1";
/// The id of every such cluster: 16 bytes in base64url, as Kafka writes them.
const CLUSTER_ID: &str = "bXNrLWlhbS10ZXN0cy0wMQ";
const START_LIMIT: Duration = Duration::from_secs(120);
const VERIFIER: &str = "MskIamVerifier";

/// A way into the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IamListener {
    /// Without TLS, on loopback.
    Plaintext,
    /// With TLS, as at MSK.
    Tls,
    /// Without TLS. The verifier's clock is 901 s ahead: a token that is made now has expired.
    ClockAhead,
    /// Without TLS. A session lasts 5 s (`connections.max.reauth.ms`), then the broker closes the connection unless the client has
    /// signed in again.
    ShortSessions,
}

impl IamListener {
    const ALL: [Self; 4] = [Self::Plaintext, Self::Tls, Self::ClockAhead, Self::ShortSessions];

    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "IAM",
            Self::Tls => "IAM_TLS",
            Self::ClockAhead => "IAM_CLOCK_AHEAD",
            Self::ShortSessions => "IAM_SHORT_SESSIONS",
        }
    }

    fn protocol(self) -> &'static str {
        if self == Self::Tls { "SASL_SSL" } else { "SASL_PLAINTEXT" }
    }
}

/// A running broker, with a verifier that knows some access keys. Dropping it ends the broker.
pub(crate) struct MskIam {
    ports: [u16; 4],
    open_port: u16,
    folder: PathBuf,
    class_path: String,
    _process: Supervised,
}

impl MskIam {
    /// Starts a broker that accepts these access keys. `None` skips the test.
    pub(crate) fn start(keys: &[AccessKey]) -> Option<Self> {
        let compiled = install::class_path().map_err(str::to_owned).and_then(|_| {
            let classes = install::run_folder().join("msk-iam-classes");
            fs::create_dir_all(&classes).unwrap();
            compile(&format!("{VERIFIER}.java"), &classes, &[])
        });
        match compiled {
            Ok(class_path) => Some(Self::launch(class_path, keys)),
            Err(why) => {
                skip(&why);
                None
            }
        }
    }

    /// `127.0.0.1:PORT` of a listener that takes tokens.
    pub(crate) fn bootstrap(&self, listener: IamListener) -> String {
        format!("127.0.0.1:{}", self.ports[listener as usize])
    }

    /// `127.0.0.1:PORT` of the listener that takes every client without a login.
    pub(crate) fn open_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.open_port)
    }

    /// The authority of the broker's certificate: `ssl.ca.location`.
    pub(crate) fn ca_pem_path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// From now on the verifier knows these access keys and no others.
    pub(crate) fn accept_only(&self, keys: &[AccessKey]) {
        write_keys(&self.folder, keys);
    }

    /// The verifier's result for each token: `accepted PRINCIPAL SECONDS_LEFT` or `refused REASON`. No broker is asked, so
    /// thousands of tokens take a second. The verifier's clock is `ahead` of the machine's.
    pub(crate) fn verify(&self, tokens: &[String], ahead: Duration) -> Vec<String> {
        let keys = keys_path(&self.folder).display().to_string();
        let ahead = ahead.as_secs().to_string();
        let answers = run_java(&self.class_path, &[], VERIFIER, &[&keys, REGION, &ahead], &tokens.join("\n"));
        answers.expect("the verifier runs").lines().map(str::to_owned).collect()
    }

    fn launch(class_path: String, keys: &[AccessKey]) -> Self {
        static BROKER: AtomicU32 = AtomicU32::new(0);
        let number = BROKER.fetch_add(1, Ordering::Relaxed);
        let folder = install::run_folder().join(format!("msk-iam-{number}"));
        fs::create_dir_all(&folder).unwrap();
        write_certificates(&folder);
        write_keys(&folder, keys);
        let ports = [(); 4].map(|()| free_port());
        let open_port = free_port();
        let properties = folder.join("server.properties");
        fs::write(&properties, server_properties(&folder, &ports, open_port)).unwrap();
        let properties = properties.display().to_string();
        let format = ["format", "-t", CLUSTER_ID, "-c", &properties];
        run_java(&class_path, &[], "kafka.tools.StorageTool", &format, "").expect("a storage of our own");
        let log = folder.join("broker.log");
        let process = Supervised::java(&broker_command(&class_path), &folder, &log);
        let broker = Self { ports, open_port, folder, class_path, _process: process };
        let up = try_wait(START_LIMIT, || {
            let words = fs::read_to_string(&log).unwrap_or_default();
            let fatal = words.contains("Exiting Kafka due to fatal exception");
            if fatal { Some(false) } else { broker.answers().then_some(true) }
        });
        let words = fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<_> = words.lines().filter(|line| !line.contains(" INFO ")).collect();
        assert_eq!(up, Some(true), "the broker of MSK IAM did not start:\n{}", tail.join("\n"));
        broker
    }

    #[expect(clippy::disallowed_methods, reason = "tests may block, and this client is independent of ours")]
    fn answers(&self) -> bool {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.open_bootstrap())
            .set("log_level", "0")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(2));
        metadata.is_ok_and(|metadata| metadata.brokers().len() == 1)
    }
}

fn broker_command(class_path: &str) -> Vec<String> {
    let flags = "-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto";
    let mut arguments: Vec<_> = flags.split(' ').map(str::to_owned).collect();
    arguments.extend(["-cp", class_path, "kafka.Kafka", "server.properties"].map(str::to_owned));
    arguments
}

fn server_properties(folder: &Path, ports: &[u16; 4], open_port: u16) -> String {
    let controller = free_port();
    let mut listeners = format!("OPEN://127.0.0.1:{open_port}");
    let mut protocols = "OPEN:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    let mut security = String::new();
    for listener in IamListener::ALL {
        let name = listener.name();
        write!(listeners, ",{name}://127.0.0.1:{}", ports[listener as usize]).unwrap();
        write!(protocols, ",{name}:{}", listener.protocol()).unwrap();
        security.push_str(&listener_properties(listener, folder));
    }
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map={protocols}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
{security}",
        data = folder.join("data").display(),
        keystore = folder.join("broker-keystore.pem").display(),
    )
}

/// What makes a listener take tokens of MSK IAM. The login callback handler is needed beside the server callback handler:
/// Kafka's default handler takes the options of the JAAS entry for claims of a token, and the broker does not start.
fn listener_properties(listener: IamListener, folder: &Path) -> String {
    let prefix = format!("listener.name.{}", listener.name().to_lowercase());
    let ahead = if listener == IamListener::ClockAhead { 901 } else { 0 };
    let mut text = format!(
        "{prefix}.sasl.enabled.mechanisms=OAUTHBEARER
{prefix}.oauthbearer.sasl.server.callback.handler.class={VERIFIER}
{prefix}.oauthbearer.sasl.login.callback.handler.class={VERIFIER}
{prefix}.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
accessKeys=\"{keys}\" region=\"{REGION}\" clockAheadSeconds=\"{ahead}\";
",
        keys = keys_path(folder).display(),
    );
    if listener == IamListener::ShortSessions {
        writeln!(text, "{prefix}.oauthbearer.connections.max.reauth.ms=5000").unwrap();
    }
    text
}

fn keys_path(folder: &Path) -> PathBuf {
    folder.join("access-keys")
}

/// The file is replaced at once: the verifier never reads a half of it.
fn write_keys(folder: &Path, keys: &[AccessKey]) {
    let lines: String = keys.iter().map(AccessKey::line).collect();
    let new = folder.join("access-keys.new");
    fs::write(&new, lines).unwrap();
    fs::rename(new, keys_path(folder)).unwrap();
}

fn write_certificates(folder: &Path) {
    let authority = Authority::new("MSK IAM tests");
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let server = authority.server(Duration::from_secs(86_400));
    fs::write(folder.join("broker-keystore.pem"), format!("{}{}", server.key, server.certificate)).unwrap();
}
