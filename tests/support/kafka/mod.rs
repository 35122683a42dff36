//! A real Apache Kafka for the tests: three brokers on free loopback ports, their data in `target/kafka`.
//!
//! `Kafka::shared` is for tests that leave the cluster as they found it but for their own topics;
//! a test that stops brokers takes `Kafka::start`. All users of `shared` belong in one test binary, because
//! each process has its own cluster. `None` means that this machine cannot run Kafka: the test
//! prints so and passes, unless `CI=true` or `REQUIRE_KAFKA=1` make that a failure.
//!
//! | environment | effect |
//! |---|---|
//! | `KAFKA_BOOTSTRAP_SERVERS` | `shared` is that cluster (plaintext); tests that need more are skipped |
//! | `KAFKA_HOME` | an unpacked Kafka, in place of Maven |
//! | `KAFKA_TEST_VERSION` | the version that Maven fetches |

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{certs::IdentityPaths, try_wait, wait_for};

mod archive;
mod broker;
pub(crate) mod cut;
pub(crate) mod install;
pub(crate) mod mirror_maker;
pub(super) mod process;
pub(crate) mod proxy;
mod sasl_broker;
pub(crate) mod settings;
pub(crate) mod share_consumer;
pub(super) mod tools;

pub(crate) use super::port::free_port;
pub(crate) use broker::Broker;
use process::Restartable;
pub(crate) use proxy::Proxy;
pub(crate) use sasl_broker::SaslKafka;
pub(crate) use settings::Extras;
use settings::{Ports, copy_format, server_properties};
use tools::{format_storage, java, views, write_certificates};

/// A name and a password that PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 accept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credentials {
    /// `sasl.username`
    pub(crate) user: &'static str,
    /// `sasl.password`
    pub(crate) password: &'static str,
}

/// May do everything.
pub(crate) const HEARTBEAT: Credentials = Credentials { user: "heartbeat", password: "heartbeat-secret" };
/// May sign in and nothing else.
pub(crate) const NOBODY: Credentials = Credentials { user: "nobody", password: "nobody-secret" };

/// A way into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Open to every client, with all permissions.
    Plaintext,
    /// PLAIN and SCRAM.
    SaslPlaintext,
    /// PLAIN and SCRAM over TLS.
    SaslSsl,
    /// TLS that asks for the client's certificate.
    MutualTls,
}

impl Listener {
    /// Every listener.
    pub(crate) const ALL: [Listener; 4] =
        [Listener::Plaintext, Listener::SaslPlaintext, Listener::SaslSsl, Listener::MutualTls];

    fn name(self) -> &'static str {
        match self {
            Listener::Plaintext => "PLAINTEXT",
            Listener::SaslPlaintext => "SASL_PLAINTEXT",
            Listener::SaslSsl => "SASL_SSL",
            Listener::MutualTls => "MUTUAL_TLS",
        }
    }
}

/// How long a cluster may take to start on a busy machine; 10 to 20 s are usual.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A cluster: ours, or the one that `KAFKA_BOOTSTRAP_SERVERS` names.
pub(crate) struct Kafka {
    brokers: Vec<Broker>,
    external: Option<String>,
    folder: PathBuf,
    /// The lock that is held while a private cluster runs: two at once are too much for a small machine.
    _turn: Option<File>,
}

impl Kafka {
    /// The cluster that the tests of this process share; `None` skips the test.
    pub(crate) fn shared() -> Option<&'static Kafka> {
        static SHARED: OnceLock<Option<Kafka>> = OnceLock::new();
        SHARED
            .get_or_init(|| match env::var("KAFKA_BOOTSTRAP_SERVERS") {
                Ok(servers) if !servers.is_empty() => Some(Kafka::external(servers)),
                _ => can_run().then(|| Kafka::launch(3, None, None, &Extras::default())),
            })
            .as_ref()
    }

    /// The shared cluster, if it has all its listeners: not the one of `KAFKA_BOOTSTRAP_SERVERS`.
    pub(crate) fn shared_with_all_listeners() -> Option<&'static Kafka> {
        let kafka = Kafka::shared()?;
        if kafka.external.is_some() {
            skip("the cluster of KAFKA_BOOTSTRAP_SERVERS has no listeners with known credentials");
            return None;
        }
        Some(kafka)
    }

    /// A private cluster for a test with faults; dropping it ends its brokers. `None` skips the test.
    ///
    /// One private cluster exists at a time on a machine: the call waits for its turn.
    pub(crate) fn start(brokers: usize) -> Option<Kafka> {
        Kafka::start_with(brokers, &Extras::default())
    }

    /// [`Kafka::start`] with more settings of the brokers.
    pub(crate) fn start_with(brokers: usize, extras: &Extras) -> Option<Kafka> {
        if env::var("KAFKA_BOOTSTRAP_SERVERS").is_ok_and(|servers| !servers.is_empty()) {
            skip("KAFKA_BOOTSTRAP_SERVERS names a cluster, and this test would break it");
            return None;
        }
        can_run().then(|| Kafka::launch(brokers, Some(install::lock("private.lock")), None, extras))
    }

    /// A private cluster with a proxy before the last broker. The metadata of the cluster name the proxy as the address of that
    /// broker, for clients and for the other brokers. Only the plaintext listener has a proxy.
    pub(crate) fn start_behind_proxy(brokers: usize) -> Option<(Kafka, Proxy)> {
        if env::var("KAFKA_BOOTSTRAP_SERVERS").is_ok_and(|servers| !servers.is_empty()) {
            skip("KAFKA_BOOTSTRAP_SERVERS names a cluster, and there is no proxy before its brokers");
            return None;
        }
        can_run().then(|| {
            let proxy = Proxy::start();
            let turn = Some(install::lock("private.lock"));
            (Kafka::launch(brokers, turn, Some(&proxy), &Extras::default()), proxy)
        })
    }

    /// A single broker with more settings than the brokers of the other clusters; dropping it ends it. `None` skips the test.
    ///
    /// It waits for no turn, because a single broker is small: a test binary may keep one for all its tests.
    pub(crate) fn start_single(extras: &Extras) -> Option<Kafka> {
        can_run().then(|| Kafka::launch(1, None, None, extras))
    }

    /// An address without a listener.
    pub(crate) fn dead_bootstrap() -> String {
        format!("127.0.0.1:{}", free_port())
    }

    /// The addresses of all brokers at a listener, in the form of `bootstrap.servers`.
    pub(crate) fn bootstrap(&self, listener: Listener) -> String {
        if let Some(servers) = &self.external {
            assert_eq!(listener, Listener::Plaintext, "use shared_with_all_listeners");
            return servers.clone();
        }
        let addresses: Vec<_> = self.brokers.iter().map(|broker| broker.address(listener)).collect();
        addresses.join(",")
    }

    /// The brokers, in the order of their ids 1, 2, 3 and racks a, b, c; none if the cluster is external.
    pub(crate) fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// The broker with an id, counted from 1.
    pub(crate) fn broker(&self, id: i32) -> &Broker {
        self.brokers.iter().find(|broker| broker.id == id).expect("ids are 1, 2, 3")
    }

    /// The authority of the brokers' certificates: `ssl.ca.location`.
    pub(crate) fn ca_pem_path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The certificate of an authority that no broker and no client trusts.
    pub(crate) fn untrusted_ca_pem_path(&self) -> PathBuf {
        self.folder.join("untrusted-ca.pem")
    }

    /// The certificate of `User:CN=heartbeat`, which has all permissions.
    pub(crate) fn client_cert_paths(&self) -> IdentityPaths {
        self.identity("client")
    }

    /// A certificate with which the one of [`Kafka::client_cert_paths`] is renewed: it is valid until five days from now.
    pub(crate) fn renewed_client_cert_paths(&self) -> IdentityPaths {
        self.identity("renewed-client")
    }

    /// A client's certificate that the brokers do not trust.
    pub(crate) fn untrusted_client_cert_paths(&self) -> IdentityPaths {
        self.identity("untrusted-client")
    }

    /// Runs a class of Kafka's command line against the cluster and returns what it prints.
    ///
    /// For operations that the client of the service lacks: `admin("org.apache.kafka.tools.TopicCommand", &["--delete", …])`.
    /// It takes two to three seconds. Panics when the command fails.
    pub(crate) fn admin(&self, class: &str, arguments: &[&str]) -> String {
        self.admin_with_input(class, arguments, "")
    }

    /// [`Kafka::admin`] with a standard input, for the console producer.
    pub(crate) fn admin_with_input(&self, class: &str, arguments: &[&str], input: &str) -> String {
        let bootstrap = self.bootstrap(Listener::Plaintext);
        let mut all = vec!["--bootstrap-server", &bootstrap];
        all.extend(arguments);
        java(class, &all, input)
    }

    /// Creates a topic with as many replicas as the cluster has brokers, three at most, and waits for its leaders.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, &[]);
    }

    /// [`Kafka::create_topic`] with settings of the topic.
    pub(crate) fn create_topic_with(&self, topic: &str, partitions: i32, settings: &[&str]) {
        let class = "org.apache.kafka.tools.TopicCommand";
        let count = partitions.to_string();
        let mut arguments = vec!["--create", "--topic", topic, "--partitions", &count];
        arguments.extend(settings.iter().flat_map(|setting| ["--config", setting]));
        self.admin(class, &arguments);
        wait_for(&format!("leaders of {topic}"), Duration::from_secs(20), || {
            (self.leaders(topic).len() == partitions as usize).then_some(())
        });
    }

    /// Whether the version of Kafka is 4.0 or later: KIP-848 without switches, and tools in other packages. The version of an
    /// external cluster is not known; it is assumed to be 4.0 or later.
    pub(crate) fn is_modern(&self) -> bool {
        self.external.is_some() || install::is_modern()
    }

    /// Switches share groups on, and lets a group begin at the first record. Kafka 4.1 has share groups off, later versions
    /// have them on. False if the version has none.
    pub(crate) fn begin_share_group(&self, group: &str) -> bool {
        let version = install::version();
        let mut parts = version.split('.').filter_map(|part| part.parse::<u32>().ok());
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version < (4, 1) {
            return false;
        }
        let mut class = "org.apache.kafka.tools.ConfigCommand";
        if version == (4, 1) {
            let switch = ["upgrade", "--feature", "share.version=1"];
            self.admin("org.apache.kafka.tools.FeatureCommand", &switch);
            class = "kafka.admin.ConfigCommand";
        }
        let begin = ["--alter", "--add-config", "share.auto.offset.reset=earliest"];
        self.admin(class, &[&begin, &["--entity-type", "groups", "--entity-name", group][..]].concat());
        true
    }

    /// Deletes a topic.
    pub(crate) fn delete_topic(&self, topic: &str) {
        self.admin("org.apache.kafka.tools.TopicCommand", &["--delete", "--topic", topic]);
    }

    /// The leader of each partition that has one, by the partition's number, where all brokers agree.
    pub(crate) fn leaders(&self, topic: &str) -> Vec<(i32, i32)> {
        let views = views(&self.bootstrap(Listener::Plaintext), Some(topic));
        let mut leaders = views.iter().map(|view| {
            let partitions = view.topics().iter().flat_map(|topic| topic.partitions());
            let all = partitions.map(|partition| (partition.id(), partition.leader()));
            all.filter(|(_, leader)| *leader >= 0).collect::<Vec<_>>()
        });
        let mut agreed = leaders.next().unwrap_or_default();
        leaders.for_each(|view| agreed.retain(|leader| view.contains(leader)));
        agreed
    }

    /// Makes `leader` the leader of a partition: it becomes the first of the replicas and is elected.
    pub(crate) fn move_leader(&self, topic: &str, partition: i32, leader: i32) {
        let mut replicas = vec![leader];
        replicas.extend(self.brokers.iter().map(|broker| broker.id).filter(|id| *id != leader));
        let plan = format!(
            r#"{{"version":1,"partitions":[{{"topic":"{topic}","partition":{partition},"replicas":{replicas:?}}}]}}"#
        );
        let file = self.folder.join(format!("plan-{topic}-{partition}.json"));
        fs::write(&file, plan).unwrap();
        let file = file.display().to_string();
        let reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        self.admin(reassign, &["--reassignment-json-file", &file, "--execute"]);
        let partition_text = partition.to_string();
        let elect = ["--election-type", "preferred", "--topic", topic, "--partition", &partition_text];
        self.admin("org.apache.kafka.tools.LeaderElectionCommand", &elect);
        wait_for(&format!("broker {leader} to lead {topic}-{partition}"), Duration::from_secs(20), || {
            self.leaders(topic).contains(&(partition, leader)).then_some(())
        });
    }

    fn identity(&self, name: &str) -> IdentityPaths {
        IdentityPaths {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        }
    }

    fn external(servers: String) -> Kafka {
        Kafka { brokers: Vec::new(), external: Some(servers), folder: install::run_folder(), _turn: None }
    }

    /// Starts a cluster; a second time if a port was taken in the meantime.
    fn launch(brokers: usize, turn: Option<File>, proxy: Option<&Proxy>, extras: &Extras) -> Kafka {
        archive::make();
        let began = Instant::now();
        let kafka = match Kafka::try_launch(brokers, proxy, extras) {
            Err(why) if why.contains("Address already in use") => Kafka::try_launch(brokers, proxy, extras),
            other => other,
        };
        match kafka {
            Ok(mut kafka) => {
                eprintln!("{brokers} brokers are up after {:.1} s", began.elapsed().as_secs_f32());
                kafka._turn = turn;
                kafka
            }
            Err(why) => panic!("Kafka did not start within {START_LIMIT:?}:\n{why}"),
        }
    }

    fn try_launch(count: usize, proxy: Option<&Proxy>, extras: &Extras) -> Result<Kafka, String> {
        static CLUSTER: AtomicU32 = AtomicU32::new(0);
        let number = CLUSTER.fetch_add(1, Ordering::Relaxed);
        let folder = install::run_folder().join(format!("cluster-{number}"));
        fs::create_dir_all(&folder).unwrap();
        write_certificates(&folder);
        let ports: Vec<_> = (0..count).map(|_| Ports::free()).collect();
        let addresses: Vec<_> =
            ports.iter().map(|p| format!("127.0.0.1:{}", p.of(Listener::Plaintext))).collect();
        let mut brokers = Vec::new();
        if let Some(proxy) = proxy {
            proxy.lead_to(ports[count - 1].of(Listener::Plaintext));
        }
        for id in 1..=count {
            let advertised = proxy.filter(|_| id == count).map(Proxy::port);
            let home = folder.join(format!("broker-{id}"));
            fs::create_dir_all(&home).unwrap();
            let properties = server_properties(id, &ports, &home, advertised, extras) + &extras.properties;
            fs::write(home.join("server.properties"), properties).unwrap();
            if id == 1 {
                format_storage(&home.join("server.properties"));
            } else {
                copy_format(&folder.join("broker-1/data"), &home.join("data"), id);
            }
            brokers.push(Broker {
                id: id as i32,
                ports: ports[id - 1].clone(),
                folder: home,
                flags: extras.flags.clone(),
                clock: extras.clock.clone(),
                has_own_group: extras.own_groups,
                cluster: addresses.join(","),
                process: Restartable::default(),
            });
        }
        for broker in &brokers {
            broker.launch();
        }
        let answer = try_wait(START_LIMIT, || {
            if let Some(why) = brokers.iter().find_map(Broker::startup_failure) {
                return Some(Err(why));
            }
            brokers.iter().all(|broker| broker.sees_brokers(count)).then_some(Ok(()))
        });
        let logs = || brokers.iter().map(Broker::last_words).collect::<Vec<_>>().join("\n");
        answer.unwrap_or_else(|| Err(logs()))?;
        Ok(Kafka { brokers, external: None, folder, _turn: None })
    }
}

impl Drop for Kafka {
    /// Ends the brokers. Their files stay, for the logs of a failure; the next run removes them.
    fn drop(&mut self) {
        self.brokers.clear();
        if self.external.is_none() && !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Whether this machine can start a cluster. Panics with the missing program if a cluster is required.
fn can_run() -> bool {
    match install::class_path() {
        Ok(_) => true,
        Err(why) => {
            skip(why);
            false
        }
    }
}

fn skip(why: &str) {
    let remedy = "install Java 17 and Maven, or set KAFKA_HOME or KAFKA_BOOTSTRAP_SERVERS";
    skip_without("a real Kafka", why, remedy);
}

/// Says that a test is skipped, and why. A panic where the tests must not be skipped and no cluster is named.
pub(super) fn skip_without(what: &str, why: &str, remedy: &str) {
    let is = |name, value| env::var(name).is_ok_and(|set: String| set == value);
    let must = is("CI", "true") || is("REQUIRE_KAFKA", "1");
    let external = env::var("KAFKA_BOOTSTRAP_SERVERS").is_ok_and(|servers| !servers.is_empty());
    assert!(!must || external, "the tests need {what} here (CI=true or REQUIRE_KAFKA=1): {why}; {remedy}");
    eprintln!("SKIPPED: {why}");
}
