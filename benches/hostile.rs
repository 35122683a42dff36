//! What silent brokers cost: a hundred scripted brokers, of which some never answer.
//!
//! The time to the first metadata, where the silent brokers stand first in `bootstrap.servers`, and the time of two
//! collection cycles, where each broker leads one partition. The first row, without silent brokers, is the floor.
//!
//! `cargo bench --bench hostile -- [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]
#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]

use std::{sync::Arc, time::Instant};

use fake::{Fake, Reply, metadata as described};
use futures_util::future::join_all;
use kafka_heartbeat::{
    cluster::metadata,
    config::{self, Sources},
    kafka::{
        admin::{self, Topics},
        wire::{Client, Cluster},
    },
    monitor,
    task::{Cycle, Latest},
};
use kafka_protocol::messages::{
    ApiVersionsRequest, DescribeConfigsRequest, DescribeConfigsResponse, FetchRequest, FetchResponse,
    ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, MetadataRequest,
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
};
use measure::{median, number};
use tokio::sync::watch;

#[path = "../tests/support/fake.rs"]
#[expect(dead_code, reason = "made for tests")]
mod fake;
#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[expect(dead_code, reason = "a fake keeps the listener of its port")]
#[path = "../tests/support/port.rs"]
mod port;

const BROKERS: usize = 100;
const SILENT: [usize; 5] = [0, 1, 5, 50, 99];

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let rounds = number(&arguments, 0, 3);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        println!("silent   first metadata      ratio   first cycle      ratio   next cycle      ratio   (ms, median of {rounds})");
        let mut floor = None;
        for silent in SILENT {
            let mut seen = [Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..rounds {
                for (all, took) in seen.iter_mut().zip(Box::pin(round(silent)).await) {
                    all.push(took);
                }
            }
            let seen = seen.map(|all| median(&all));
            let floor = *floor.get_or_insert(seen);
            let column = |index: usize| format!("{:11.1} {:10.2}", seen[index], seen[index] / floor[index]);
            println!("{silent:6}      {}   {}  {}", column(0), column(1), column(2));
        }
    });
}

/// Milliseconds to the first metadata, of the first collection cycle, and of the next one.
async fn round(silent: usize) -> [f64; 3] {
    let fakes = join_all((0..BROKERS).map(|_| Fake::start())).await;
    let listed: Vec<&Fake> = fakes.iter().collect();
    let leaders: Vec<i32> = (1..=BROKERS as i32).collect();
    let answer = described(&listed, "topic", &leaders);
    for fake in &fakes {
        let answer = answer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request)));
        fake.on(|_: FetchRequest, _| Reply::Answer(FetchResponse::default()));
        fake.on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default()));
        fake.on(|_: DescribeConfigsRequest, _| Reply::Answer(DescribeConfigsResponse::default()));
        fake.on(|_: ListPartitionReassignmentsRequest, _| {
            Reply::Answer(ListPartitionReassignmentsResponse::default())
        });
    }
    let servers: Vec<String> = fakes.iter().map(|fake| fake.address.to_string()).collect();
    let sources = Sources { bootstrap: Some(servers.join(",")), ..Sources::default() };
    let config = Arc::new(config::load(&sources).unwrap().clusters.remove(0));
    let settings = Arc::new(Client::from_properties(&config.name, &config.kafka).unwrap());
    let known = Arc::new(Cluster::new(settings.clone(), config.metadata.timeout));
    let snapshot = metadata::Probe::new(config.clone(), known.clone()).cycle().await.unwrap();
    let mut latest = Latest::new(config.metadata.interval);
    latest.snapshot = Some((Arc::new(snapshot), tokio::time::Instant::now()));
    for fake in &fakes[..silent] {
        fake.on(|_: ApiVersionsRequest, _| Reply::Silence);
        fake.on(|_: MetadataRequest, _| Reply::Silence);
    }

    let fresh = Cluster::new(settings, config.metadata.timeout);
    let begun = Instant::now();
    admin::metadata(&fresh, Topics::All).await.expect("a healthy broker is found within one timeout");
    let first = begun.elapsed();

    let mut probe = monitor::Probe::new(config, known, watch::channel(latest).1);
    let mut cycles = [first; 2];
    for took in &mut cycles {
        let begun = Instant::now();
        probe.cycle().await.unwrap();
        *took = begun.elapsed();
    }
    [first, cycles[0], cycles[1]].map(|took| took.as_secs_f64() * 1e3)
}

/// Logs from 10 to 110.
fn ends(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let offset = if partition.timestamp == -2 { 10 } else { 110 };
            ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_offset(offset)
                .with_timestamp(-1)
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}
