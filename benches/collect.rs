//! What a look at many topics and groups costs, on a real cluster, beside a bare loop of the same questions.
//!
//! 200 topics of 25 partitions, 500 groups, 25,000 commits. The floor asks metadata, groups, commits by fifty and
//! two ends of every log, all brokers at once, and throws the answers away.
//!
//! At the end the service itself watches all that and beats ten times a second, in turn with and without collectors.
//!
//! `cargo bench --bench collect -- [ROUNDS] [TOPICS] [GROUPS] [PAIRS]`, against `KAFKA_BOOTSTRAP_SERVERS` or a cluster of its own.

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kafka_heartbeat::{
    board::Readings,
    cluster::metadata,
    config::{self, Compat, Config, Sources},
    export::prometheus::{self, Format, Parts},
    kafka::{
        BrokerId,
        admin::{self, ByLeader, OffsetSpec, Topics},
        wire::{Client, Cluster, VersionRange},
    },
    metrics::{ClusterLabel, render},
    monitor::{HistoryFile, Probe, Snapshot},
    store::Store,
    task::{Cycle, Latest},
};
use kafka_protocol::{
    messages::{
        GroupId, OffsetCommitRequest, TopicName,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    },
    protocol::StrBytes,
};
use measure::{median, number, pause, processor_seconds, quantile, resident_mb, seconds};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use support::kafka::{Kafka, Listener};
use tokio::sync::watch;

mod measure;
#[path = "measure/rounds.rs"]
mod rounds;
#[path = "../tests/sample/mod.rs"]
mod sample;
#[path = "measure/served.rs"]
mod served;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "made for tests")]
mod support;

const PARTITIONS: i32 = 25;
/// Commits of each group: two topics.
const TOPICS_A_GROUP: usize = 2;
const RECORDS: usize = 20;
/// The service has dated what is committed, a share with each look.
const SETTLED: Duration = Duration::from_secs(135);
/// A form of the answer is written ahead once it was asked for after so many looks.
const IRREGULAR: u64 = 2;
/// Looks before anything counts.
const WARM_UP: usize = 6;

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    kafka_heartbeat::process::give_memory_back();
    let rounds = number(&arguments, 0, 20);
    let topics = number(&arguments, 1, 200) as usize;
    let groups = number(&arguments, 2, 500) as usize;
    let Some(kafka) = Kafka::shared() else { return };
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    let config = config(&bootstrap);
    let cluster = Arc::new(config.clusters[0].clone());
    let settings = Arc::new(Client::from_properties(&cluster.name, &cluster.kafka).expect("good settings"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let wire = Arc::new(Cluster::new(settings.clone(), Duration::from_secs(30)));
        fill(&wire, &bootstrap, topics, groups).await;
        let metadata = metadata::Probe::new(cluster.clone(), wire.clone()).cycle().await.expect("metadata");
        let mut latest = Latest::new(Duration::from_secs(3600));
        latest.snapshot = Some((Arc::new(metadata), tokio::time::Instant::now()));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("history.db");
        let store = Store::open(&file).expect("a file");
        let mut probe =
            Probe::new(cluster, wire.clone(), watch::channel(latest).1).with(HistoryFile::Open(Arc::new(store)));
        let before = settings.requests();
        let begun = Instant::now();
        let first = probe.cycle().await.expect("a look");
        println!(
            "first look, with ages found: {:.0} ms, {} requests",
            begun.elapsed().as_secs_f64() * 1e3,
            settings.requests() - before
        );
        describe(&first);
        // Records are dated a share at a time; commits that stay are known then.
        for _ in 0..WARM_UP {
            drop(probe.cycle().await.expect("a look"));
        }
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        let (mut used, mut floor_used) = (Vec::new(), Vec::new());
        let (mut judged, mut saved) = (Vec::new(), Vec::new());
        let mut snapshot = first;
        for _ in 0..rounds {
            let (took, cost) = timed(floor(&wire)).await;
            floors.push(took);
            floor_used.push(cost);
            let before = settings.requests();
            let (took, cost) = timed(async { snapshot = Box::pin(probe.cycle()).await.expect("a look") }).await;
            ours.push(took);
            used.push(cost);
            judged.push(snapshot.judging.as_secs_f64() * 1e3);
            saved.push(snapshot.saving.as_secs_f64() * 1e3);
            if ours.len() == 1 {
                println!("requests of a warm look: {}", settings.requests() - before);
            }
        }
        println!(
            "look: {:.0} ms, {:.0} ms of processor time; floor: {:.0} ms, {:.0} ms; ratio {:.2}; {:.0} MB resident",
            median(&ours),
            median(&used),
            median(&floors),
            median(&floor_used),
            median(&ours) / median(&floors),
            resident_mb(process::id()),
        );
        let begun = Instant::now();
        probe.end().await;
        let all = begun.elapsed().as_secs_f64() * 1e3;
        // What is written lies beside the file until it is put into it.
        let bytes = |end: &str| std::fs::metadata(format!("{}{end}", file.display())).map_or(0, |file| file.len());
        println!(
            "judging: {:.1} ms, at most {:.1}; writing what is kept: {:.1} ms, at most {:.1}; all of it {all:.0} ms, {:.1} MB",
            median(&judged),
            judged.iter().copied().fold(0.0, f64::max),
            median(&saved),
            saved.iter().copied().fold(0.0, f64::max),
            (bytes("") + bytes("-wal")) as f64 / 1e6,
        );
        encode(&config, snapshot, rounds);
    });
    let pairs = number(&arguments, 3, 3);
    if pairs > 0 {
        beside(&bootstrap, pairs);
    }
}

/// Heartbeats of the service beside its collectors, which run at their default intervals unless the arguments say otherwise and are scraped
/// every four seconds; and beside two scrapers and a collector that it pushes to as often.
fn beside(bootstrap: &str, pairs: u64) {
    let sink = sink();
    let config = |mode: Mode| {
        let collects = mode != Mode::Without;
        let push = if mode == Mode::Exported { format!("endpoint = http://{sink}") } else { String::new() };
        format!(
            "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\ntopic = beside\ninterval = 100ms\n\
             [lag]\nenabled = {collects}\n[freshness]\nenabled = {collects}\n[otlp]\ninterval = 4s\n{push}\n"
        )
    };
    rounds::create(&config(Mode::Without));
    let mut p99 = [Vec::new(), Vec::new(), Vec::new()];
    for pair in 1..=pairs {
        for mode in [Mode::Without, Mode::Collecting, Mode::Exported] {
            let scrape = |service: &support::service::Service| {
                let url = format!("http://{}/metrics", service.address());
                let scrapers = if mode == Mode::Exported { 2 } else { 1 };
                thread::scope(|scope| {
                    for _ in 0..scrapers {
                        scope.spawn(|| served::get(&ureq::agent(), &url, "text/plain", "gzip"));
                    }
                });
            };
            let settle = if mode == Mode::Without { rounds::WARM_UP } else { SETTLED };
            let round = rounds::service(&config(mode), settle, Duration::from_secs(60), scrape);
            round.print(&format!("{pair} {mode:?}"));
            p99[mode as usize].push(quantile(&round.latencies, 0.99));
        }
    }
    let [without, with, exported] = p99.map(|all| median(&all));
    println!(
        "p99: without {without:.2} ms, with collectors {with:.2} ms, ratio {:.2}; exported too {exported:.2} ms, ratio {:.2}",
        with / without,
        exported / with
    );
}

/// What the service does beside its heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Without,
    Collecting,
    Exported,
}

/// A collector that takes everything and keeps nothing.
fn sink() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a listener without blocking");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let taken = async |_: axum::body::Bytes| ();
            let router =
                axum::Router::new().fallback(taken).layer(axum::extract::DefaultBodyLimit::disable());
            axum::serve(listener, router).await.expect("the sink serves");
        });
    });
    address
}

fn config(bootstrap: &str) -> Config {
    config::load(&Sources { bootstrap: Some(bootstrap.to_owned()), ..Sources::default() })
        .expect("a configuration")
}

fn describe(snapshot: &Snapshot) {
    let lags =
        || snapshot.groups.values().flat_map(|group| group.topics.values()).flat_map(|lags| lags.values());
    println!(
        "{} topics, {} groups, {} commits, {} with a time lag; faults: {:?}",
        snapshot.topics.len(),
        snapshot.groups.len(),
        lags().count(),
        lags().filter(|lag| lag.time.is_some()).count(),
        snapshot.faults
    );
}

/// Milliseconds of the clock, and of all the process's threads.
async fn timed(work: impl Future<Output = ()>) -> (f64, f64) {
    let (begun, used) = (Instant::now(), processor_seconds(process::id()));
    work.await;
    (begun.elapsed().as_secs_f64() * 1e3, (processor_seconds(process::id()) - used) * 1e3)
}

/// The same questions, with answers decoded and thrown away.
async fn floor(wire: &Cluster) {
    let metadata = admin::metadata(wire, Topics::All).await.expect("metadata");
    let brokers: Vec<_> = metadata.brokers.keys().copied().collect();
    let listing = admin::list_groups(wire, &brokers).await;
    let mut coordinators = BTreeMap::<BrokerId, Vec<Arc<str>>>::new();
    for (name, listed) in listing.groups {
        coordinators.entry(listed.brokers[0]).or_default().push(name);
    }
    black_box(admin::group_offsets(wire, &coordinators, None).await);
    let mut leaders = ByLeader::new();
    for (name, topic) in metadata.topics.iter().filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)))
    {
        let name: Arc<str> = name.as_str().into();
        for (number, partition) in &topic.partitions {
            if let Some(leader) = partition.leader {
                leaders.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
            }
        }
    }
    let (ends, starts) = tokio::join!(
        admin::offsets(wire, &leaders, OffsetSpec::Latest),
        admin::offsets(wire, &leaders, OffsetSpec::Earliest)
    );
    black_box((ends, starts));
}

fn encode(config: &Config, snapshot: Snapshot, rounds: u64) {
    let mut readings: Readings =
        sample::sample(&sample::config(), std::time::SystemTime::now()).swap_remove(0);
    readings.settings = Arc::new(config.clusters[0].clone());
    readings.collect.interval = Duration::from_secs(3600);
    readings.collect.snapshot = Some((Arc::new(snapshot), tokio::time::Instant::now()));
    let blocks = || {
        let mut blocks = prometheus::Blocks::new(&BTreeMap::new(), Format::Text);
        render::topics_and_groups(&readings, ClusterLabel::OnlyCluster, Compat::default(), &mut blocks);
        blocks.done()
    };
    let written = blocks();
    let count = prometheus::count(&[&written]);
    let writing: Vec<f64> = (0..rounds).map(|_| 1e3 * seconds(|| drop(black_box(blocks())))).collect();
    let mut size = 0;
    let mut scrape = || {
        let parts = black_box(Parts::of(&[&written], Format::Text).plain());
        size = parts.iter().map(bytes::Bytes::len).sum();
    };
    let scrapes: Vec<f64> = (0..rounds).map(|_| 1e3 * seconds(&mut scrape)).collect();
    println!(
        "{count} series, {:.1} MB: written once a look in {:.0} ms, put together for a scrape in {:.1} ms; {:.0} MB resident",
        size as f64 / 1e6,
        median(&writing),
        median(&scrapes),
        resident_mb(process::id()),
    );
    drop((written, blocks));
    through_http(config, readings, rounds);
}

/// Scrapes of the whole, right behind a new snapshot and later.
fn through_http(config: &Config, readings: Readings, rounds: u64) {
    let (publish, collect) = watch::channel(readings.collect.clone());
    let mut board = sample::board(readings);
    board.tasks.collect = collect;
    let served = served::serve(board, config);
    let (url, agent) = (format!("http://{}/metrics", served.address), ureq::agent());
    for encoding in ["identity", "gzip"] {
        let mut size = 0;
        let mut scrape = || 1e3 * seconds(|| size = served::get(&agent, &url, "text/plain", encoding));
        let first = scrape();
        let (mut new, mut later) = (Vec::new(), Vec::new());
        let used = processor_seconds(process::id());
        for round in 0..rounds + IRREGULAR {
            publish.send_modify(|latest| {
                let snapshot = latest.snapshot.as_mut().expect("a snapshot");
                *snapshot = (Arc::new((*snapshot.0).clone()), tokio::time::Instant::now());
            });
            let behind = scrape();
            pause(Duration::from_millis(400));
            let after = scrape();
            if round >= IRREGULAR {
                new.push(behind);
                later.push(after);
            }
        }
        let used = 1e3 * (processor_seconds(process::id()) - used) / rounds as f64;
        println!(
            "http {encoding}: first {first:.0} ms; behind a new snapshot {:.1} ms, at most {:.0}; later {:.1} ms, at most {:.0}; {:.1} MB; {used:.0} ms of processor time for writing and two scrapes, with the client's; {:.0} MB resident",
            median(&new),
            quantile(&new, 1.0),
            median(&later),
            quantile(&later, 1.0),
            size as f64 / 1e6,
            resident_mb(process::id()),
        );
    }
}

/// Topics with records, and groups that have read half of them.
async fn fill(wire: &Cluster, bootstrap: &str, topics: usize, groups: usize) {
    let begun = Instant::now();
    admin::metadata(wire, Topics::All).await.expect("metadata");
    let name = |topic: usize| format!("collect-{topic:05}");
    for topic in 0..topics {
        admin::create_topic(wire, &name(topic), PARTITIONS, 1, &BTreeMap::new()).await.expect("a topic");
    }
    let (bootstrap, count) = (bootstrap.to_owned(), topics);
    let write = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("queue.buffering.max.messages", "1000000")
            .create()
            .expect("a producer");
        for topic in 0..count {
            let name = name(topic);
            for record in 0..RECORDS * PARTITIONS as usize {
                let partition = (record % PARTITIONS as usize) as i32;
                let record = BaseRecord::<(), _>::to(&name).partition(partition).payload("x");
                producer.send(record).map_err(|(error, _)| error).expect("taken");
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(Duration::from_secs(120)).expect("written");
    });
    write.await.expect("the writer ends well");
    let names: Vec<String> = (0..groups).map(|group| format!("group-{group:05}")).collect();
    let coordinators = loop {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found =
            admin::coordinators(wire, admin::Coordinated::Groups, &names).await.expect("coordinators");
        // The first one makes the topic of commits, which takes a moment.
        if found.values().all(Result::is_ok) {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for (number, group) in names.iter().enumerate() {
        let read = (0..TOPICS_A_GROUP).map(|step| {
            let partitions = (0..PARTITIONS).map(|partition| {
                OffsetCommitRequestPartition::default()
                    .with_partition_index(partition)
                    .with_committed_offset(RECORDS as i64 / 2)
            });
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(StrBytes::from_string(name((number * TOPICS_A_GROUP + step) % topics))))
                .with_partitions(partitions.collect())
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group.clone())))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(read.collect());
        let broker = *coordinators[group].as_ref().expect("found");
        // A coordinator may still be loading what it coordinates, and not know every new topic yet.
        loop {
            let answer =
                wire.ask(broker, &request, VersionRange { lowest: 2, highest: 8 }).await.expect("an answer");
            let codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let codes: Vec<i16> = codes.map(|partition| partition.error_code).collect();
            if codes.iter().all(|code| *code == 0) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    println!("filled in {:.0} s", begun.elapsed().as_secs_f64());
}
