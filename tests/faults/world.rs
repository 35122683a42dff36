//! The cluster that all cases share: three brokers in two racks, and ways to them that lead through proxies.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use kafka_heartbeat::{
    config::{Properties, Property},
    kafka::{
        BrokerId, Error,
        admin::{self, Topic, Topics},
        wire,
    },
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::{
    case::Way,
    names::{Names, library},
    support::{
        certs::{Authority, Identity},
        kafka::{
            Extras, HEARTBEAT, Kafka, Listener, NOBODY, Proxy, free_port,
            proxy::NetworkFault,
            settings::{FurtherListener, Quorum},
        },
        wait_for,
    },
};

/// The number of cases behind plain proxies that run at the same time.
const LANES: usize = 4;
const BROKERS: i32 = 3;

/// A listener of the brokers that a proxy before each broker leads to.
pub(crate) struct Lane {
    pub(crate) way: Way,
    proxies: Vec<Proxy>,
    /// The port of the listener at each broker.
    ports: Vec<u16>,
}

impl Lane {
    /// Opens the proxies of a lane and reserves the ports of its listener.
    fn new((number, way): (u8, Way)) -> Self {
        let proxies = (0..BROKERS).map(|_| Proxy::start_from(Self::source(number))).collect();
        let lane = Self { way, proxies, ports: (0..BROKERS).map(|_| free_port()).collect() };
        lane.restore();
        lane
    }

    /// The address from which the proxies of a lane connect to the brokers.
    pub(crate) fn source(number: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, 10 + number)
    }

    /// The listener of the brokers that advertises the proxies.
    fn listener(&self, number: usize) -> FurtherListener {
        let protocol = match self.way {
            Way::Login => "SASL_PLAINTEXT",
            Way::Tls => "SSL",
            Way::Direct | Way::Proxies | Way::Names => "PLAINTEXT",
        };
        let advertised = self.addresses();
        FurtherListener { name: format!("LANE{number}"), protocol, ports: self.ports.clone(), advertised }
    }

    /// `HOST:PORT` of each broker behind its proxy.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let host = |id| if self.way == Way::Names { Names::of_broker(id) } else { "127.0.0.1".to_owned() };
        (1..).zip(&self.proxies).map(|(id, proxy)| format!("{}:{}", host(id), proxy.port())).collect()
    }

    /// The proxy before a broker.
    pub(crate) fn proxy(&self, broker: i32) -> &Proxy {
        &self.proxies[broker as usize - 1]
    }

    /// The port of this lane's listener at a broker.
    pub(crate) fn port(&self, broker: i32) -> u16 {
        self.ports[broker as usize - 1]
    }

    /// Leads each proxy to its broker again, without a fault.
    pub(crate) fn restore(&self) {
        for (proxy, port) in self.proxies.iter().zip(&self.ports) {
            proxy.lead_to(*port);
            proxy.set(NetworkFault::Absent);
        }
    }
}

/// The proxies between the controllers. Each node connects to each controller through a proxy of its own.
/// Once a node knows the active controller, it follows the log of that controller through the proxy of the controller.
pub(crate) struct Links {
    nodes: Vec<Vec<Proxy>>,
    controllers: Vec<Proxy>,
}

impl Links {
    /// Opens the proxies, and reserves the ports of the controllers.
    fn new() -> (Self, Quorum) {
        let ports: Vec<u16> = (0..BROKERS).map(|_| free_port()).collect();
        let link = |port: &u16| {
            let proxy = Proxy::start();
            proxy.lead_to(*port);
            proxy
        };
        let controllers: Vec<_> = ports.iter().map(link).collect();
        let nodes: Vec<Vec<_>> = (0..BROKERS).map(|_| ports.iter().map(link).collect()).collect();
        let voters = nodes.iter().map(|links| links.iter().map(Proxy::port).collect()).collect();
        let advertised = controllers.iter().map(Proxy::port).collect();
        (Self { nodes, controllers }, Quorum { ports, advertised, voters })
    }

    /// Cuts the ways from a node to the controllers of the other nodes, or mends them.
    pub(crate) fn set(&self, node: i32, fault: NetworkFault) {
        let others = (1..).zip(&self.nodes[node as usize - 1]).filter(|(id, _)| *id != node);
        others.for_each(|(_, proxy)| proxy.set(fault));
    }

    /// Cuts all ways between nodes, or mends them.
    pub(crate) fn set_all(&self, fault: NetworkFault) {
        (1..=BROKERS).for_each(|node| self.set(node, fault));
        self.controllers.iter().for_each(|proxy| proxy.set(fault));
    }
}

/// A listener with a fault of its own, to which a proxy can be led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// The password of every user is another one.
    WrongPassword,
    /// The certificate has expired.
    Expired,
    /// The certificate is of a certificate authority that the service does not trust.
    Stranger,
}

impl Trap {
    const ALL: [Trap; 3] = [Trap::WrongPassword, Trap::Expired, Trap::Stranger];

    fn name(self) -> &'static str {
        ["WRONG_PASSWORD", "EXPIRED", "STRANGER"][self as usize]
    }

    fn protocol(self) -> &'static str {
        ["SASL_PLAINTEXT", "SSL", "SSL"][self as usize]
    }
}

/// The cluster, its lanes and its traps.
pub(crate) struct World {
    pub(crate) kafka: Kafka,
    pub(crate) lanes: Vec<Lane>,
    traps: Vec<FurtherListener>,
    pub(crate) names: Names,
    pub(crate) links: Links,
    /// The library that moves wall clocks.
    pub(crate) clock: PathBuf,
    wire: wire::Cluster,
    folder: tempfile::TempDir,
}

impl World {
    /// Starts the cluster. `None` if this machine cannot run Kafka.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let ways = [Way::Names, Way::Login, Way::Tls].into_iter().chain([Way::Proxies; LANES]);
        let lanes: Vec<_> = (0..).zip(ways).map(Lane::new).collect();
        let traps = Trap::ALL.map(|trap| {
            let ports: Vec<_> = (0..BROKERS).map(|_| free_port()).collect();
            let advertised = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
            FurtherListener { name: trap.name().to_owned(), protocol: trap.protocol(), ports, advertised }
        });
        let listeners = lanes.iter().enumerate().map(|(number, lane)| lane.listener(number));
        let listeners: Vec<_> = listeners.chain(traps.iter().cloned()).collect();
        let properties = security(&lanes, folder.path());
        let clock = library(folder.path(), "clock");
        let (links, quorum) = Links::new();
        let racks = &["a", "a", "b"];
        let (quorum, known) = (Some(quorum), Some(clock.clone()));
        let extras = Extras { properties, listeners, racks, quorum, clock: known, ..Extras::default() };
        let kafka = Kafka::start_with(BROKERS as usize, &extras)?;
        let names = Names::new(folder.path());
        let bootstrap = kafka.bootstrap(Listener::Plaintext);
        let property = Property { value: bootstrap, place: "test".to_owned() };
        let properties = Properties([("bootstrap.servers".to_owned(), property)].into());
        let client = wire::Client::from_properties("faults", &properties).expect("good settings");
        let wire = wire::Cluster::new(Arc::new(client), Duration::from_secs(20));
        Some(Self { kafka, lanes, traps: traps.into(), names, links, clock, wire, folder })
    }

    /// The port of a trap at a broker.
    pub(crate) fn trap(&self, trap: Trap, broker: i32) -> u16 {
        self.traps[trap as usize].ports[broker as usize - 1]
    }

    /// The certificate authority of the lane with TLS.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Runs an operation of an administrator.
    pub(crate) fn administer<T>(&self, work: impl AsyncFnOnce(&wire::Cluster) -> Result<T, Error>) -> T {
        runtime().block_on(work(&self.wire)).expect("an operation of an administrator")
    }

    /// Runs an operation of an administrator. `None` if it fails.
    pub(crate) fn try_administer<T>(
        &self,
        work: impl AsyncFnOnce(&wire::Cluster) -> Result<T, Error>,
    ) -> Option<T> {
        runtime().block_on(work(&self.wire)).ok()
    }

    /// The folder for files of the cases.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The broker that is the active controller.
    pub(crate) fn controller(&self) -> i32 {
        self.administer(async |wire| admin::describe_quorum(wire).await).0.leader.0
    }

    /// Creates a topic with these replicas of each partition, the first of which leads it.
    pub(crate) fn create_topic(&self, name: &str, replicas: &[[i32; 3]; 3], min_isr: &str) {
        let replicas = replicas.each_ref().map(|replicas| &replicas[..]);
        self.create_topic_with(name, replicas, &[("min.insync.replicas", min_isr)]);
    }

    /// Creates a topic with these replicas of each partition, and with these settings.
    pub(crate) fn create_topic_with(&self, name: &str, replicas: [&[i32]; 3], settings: &[(&str, &str)]) {
        let topic = NewTopic::new(name, BROKERS, TopicReplication::Variable(&replicas))
            .set("cleanup.policy", "delete");
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let done = runtime().block_on(self.admin().create_topics([&topic], &options()));
        let done = done.expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        wait_for("the leaders of the topic", Duration::from_secs(30), || {
            (self.kafka.leaders(name).len() == replicas.len()).then_some(())
        });
    }

    /// Deletes a topic.
    pub(crate) fn delete_topic(&self, name: &str) {
        let done = runtime().block_on(self.admin().delete_topics(&[name], &options())).expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// Gives partitions these replicas, the first of which is the preferred leader.
    pub(crate) fn reassign(&self, topic: &str, moves: &[(i32, &[i32])]) {
        let moves: BTreeMap<_, _> = moves
            .iter()
            .map(|(partition, to)| (*partition, to.iter().copied().map(BrokerId).collect()))
            .collect();
        self.administer(async |wire| admin::reassign(wire, topic, &moves).await);
    }

    /// Waits until each partition of a topic has so many replicas in sync.
    pub(crate) fn wait_until_in_sync(&self, topic: &str, count: usize) {
        wait_for(&format!("{count} replicas to be in sync"), Duration::from_secs(60), || {
            let partitions = self.topic(topic)?.partitions;
            partitions.values().all(|partition| partition.isr.len() == count).then_some(())
        });
    }

    /// The metadata of a topic. `None` if it does not exist, or if no broker answers.
    pub(crate) fn topic(&self, name: &str) -> Option<Topic> {
        let metadata =
            self.try_administer(async |wire| admin::metadata(wire, Topics::Named(&[name])).await)?;
        metadata.topics.get(name)?.clone().ok()
    }

    /// Writes this many records of one kilobyte to a partition. Its leader alone confirms them.
    pub(crate) fn fill(&self, topic: &str, partition: i32, count: usize) {
        let bootstrap = self.kafka.bootstrap(Listener::Plaintext);
        let mut config = ClientConfig::new();
        let producer: BaseProducer =
            config.set("bootstrap.servers", bootstrap).set("acks", "1").create().expect("a producer");
        let value = [0; 1024];
        for _ in 0..count {
            let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&value);
            producer.send(record).expect("a record in the queue");
        }
        producer.flush(Duration::from_secs(30)).expect("all records are written");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        let bootstrap = self.kafka.bootstrap(Listener::Plaintext);
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client")
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));
    &RUNTIME
}

/// The passwords and certificates of the lanes and traps, as lines of `server.properties`.
fn security(lanes: &[Lane], folder: &Path) -> String {
    let mut text = String::new();
    let mut login = |listener: &str, password: &str| {
        let prefix = format!("listener.name.{}", listener.to_lowercase());
        text += &format!(
            "{prefix}.sasl.enabled.mechanisms=PLAIN\n{prefix}.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required user_{}=\"{}{password}\" \
             user_{}=\"{}{password}\";\n",
            HEARTBEAT.user, HEARTBEAT.password, NOBODY.user, NOBODY.password
        );
    };
    let number = |way| lanes.iter().position(|lane| lane.way == way).expect("each way has a lane");
    login(&format!("lane{}", number(Way::Login)), "");
    login(Trap::WrongPassword.name(), "-other");
    let day = Duration::from_secs(86_400);
    let ours = Authority::new("the authority of the lane with TLS");
    fs::write(folder.join("ca.pem"), ours.pem()).expect("a file");
    let mut certificate = |listener: &str, identity: &Identity| {
        let file = folder.join(format!("{listener}.pem"));
        fs::write(&file, format!("{}{}", identity.key, identity.certificate)).expect("a file");
        text += &format!("listener.name.{listener}.ssl.keystore.location={}\n", file.display());
    };
    certificate(&format!("lane{}", number(Way::Tls)), &ours.server(30 * day));
    certificate(&Trap::Expired.name().to_lowercase(), &ours.expired_server());
    certificate(&Trap::Stranger.name().to_lowercase(), &Authority::new("a stranger").server(30 * day));
    text
}
