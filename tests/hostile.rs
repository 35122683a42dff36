//! The memory that answers of a hostile broker cost. The test is alone in its process, because it measures the process.

#![cfg(target_os = "linux")]

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use kafka_heartbeat::{
    config::{Properties, Property},
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, Topics},
        wire::{Client, Cluster},
    },
};
use kafka_protocol::{
    messages::{
        self, ApiKey, ApiVersionsResponse, MetadataResponse, api_versions_response::ApiVersion,
        metadata_response::MetadataResponseBroker,
    },
    protocol::{Encodable, StrBytes},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const MIB: u64 = 1 << 20;

/// The most memory that one answer may cost: its frame, its decoded form and our own form of it.
const MOST: u64 = 64 * MIB;

/// Writes fields in one of Kafka's two encodings.
struct Writer {
    flexible: bool,
    bytes: Vec<u8>,
}

impl Writer {
    /// The beginning of every answer, up to its throttle time.
    fn new(flexible: bool) -> Self {
        Self { flexible, bytes: vec![0; if flexible { 5 } else { 4 }] }
    }

    fn length(&mut self, length: usize) {
        if !self.flexible {
            self.bytes.extend((length as u32).to_be_bytes());
            return;
        }
        let mut rest = length + 1;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    fn text(&mut self, text: &str) {
        match self.flexible {
            true => self.length(text.len()),
            false => self.bytes.extend((text.len() as u16).to_be_bytes()),
        }
        self.bytes.extend(text.as_bytes());
    }

    fn tags(&mut self, unknown: bool) {
        match unknown {
            _ if !self.flexible => {}
            true => self.bytes.extend([1, 99, 0]),
            false => self.bytes.push(0),
        }
    }
}

/// An answer to Metadata, in version 12 or 8.
fn metadata(flexible: bool, topics: usize, partitions: i32, replicas: i32, tagged: bool) -> Vec<u8> {
    let mut to = Writer::new(flexible);
    to.length(0);
    to.bytes.extend(if flexible { &[0][..] } else { &[0xff, 0xff] });
    to.bytes.extend((-1_i32).to_be_bytes());
    to.length(topics);
    for topic in 0..topics {
        to.bytes.extend([0, 0]);
        to.text(&format!("a-topic-with-a-name-of-usual-length-{topic}"));
        to.bytes.extend(if flexible { &[7; 16][..] } else { &[] });
        to.bytes.push(0);
        to.length(partitions as usize);
        for partition in 0..partitions {
            to.bytes.extend([0, 0]);
            [partition, 1, 5].iter().for_each(|number| to.bytes.extend(number.to_be_bytes()));
            for list in [replicas, replicas, 0] {
                to.length(list as usize);
                (0..list).for_each(|replica| to.bytes.extend(replica.to_be_bytes()));
            }
            to.tags(tagged);
        }
        to.bytes.extend(0_i32.to_be_bytes());
        to.tags(false);
    }
    to.bytes.extend(if flexible { &[0][..] } else { &[0; 4] });
    to.bytes
}

/// An answer to ListGroups in version 3: groups without a name.
fn groups(count: usize) -> Vec<u8> {
    let mut to = Writer::new(true);
    to.bytes.extend([0, 0]);
    to.length(count);
    (0..count).for_each(|_| to.bytes.extend([1, 1, 0]));
    to.tags(false);
    to.bytes
}

/// A broker that answers one request, in one version, with these bytes. It also answers ApiVersions, and Metadata with
/// itself.
async fn broker(key: ApiKey, version: i16, answer: Vec<u8>) -> Cluster {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let servers = address.to_string();
    let answer: Arc<[u8]> = answer.into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                // The client closes the connection when the answer is too large.
                let _ = serve(stream, address, key, version, &answer).await;
            });
        }
    });
    let property = Property { value: servers, place: "test".to_owned() };
    let properties = Properties([("bootstrap.servers".to_owned(), property)].into_iter().collect());
    Cluster::new(
        Arc::new(Client::from_properties("k", &properties).expect("valid properties")),
        Duration::from_secs(60),
    )
}

async fn serve(
    mut stream: TcpStream,
    own: SocketAddr,
    key: ApiKey,
    version: i16,
    answer: &[u8],
) -> std::io::Result<()> {
    loop {
        let mut request = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut request).await?;
        let asked = i16::from_be_bytes([request[0], request[1]]);
        let mut small = Vec::new();
        let body = if asked == ApiKey::ApiVersions as i16 {
            let known = |key: ApiKey, version: i16| {
                ApiVersion::default()
                    .with_api_key(key as i16)
                    .with_min_version(version)
                    .with_max_version(version)
            };
            let known = vec![known(ApiKey::Metadata, 12), known(key, version)];
            ApiVersionsResponse::default()
                .with_api_keys(known)
                .encode(&mut small, 3)
                .expect("it can be encoded");
            &small[..]
        } else if asked == key as i16 {
            answer
        } else {
            let broker = MetadataResponseBroker::default()
                .with_node_id(messages::BrokerId(1))
                .with_host(StrBytes::from_string(own.ip().to_string()))
                .with_port(i32::from(own.port()));
            small.push(0);
            MetadataResponse::default()
                .with_brokers(vec![broker])
                .encode(&mut small, 12)
                .expect("it can be encoded");
            &small[..]
        };
        stream.write_u32(body.len() as u32 + 4).await?;
        stream.write_all(&request[4..8]).await?;
        stream.write_all(body).await?;
    }
}

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
    line.split_whitespace().nth(1).expect("a value").parse::<u64>().expect("a number") << 10
}

/// The result of the work, and the most by which the resident memory grew meanwhile, in bytes.
async fn growth<T>(work: impl Future<Output = T>) -> (T, u64) {
    fs::write("/proc/self/clear_refs", "5").expect("the peak is reset");
    let before = status("VmRSS");
    let done = work.await;
    (done, status("VmHWM").saturating_sub(before))
}

#[tokio::test]
async fn answer_costs_at_most_64_mib_and_a_large_cluster_is_still_read() {
    kafka_heartbeat::process::give_memory_back();
    // Each answer is as dense as the longest frame allows, or as the limit of the decoder allows.
    let hostile = [
        ("partitions", metadata(true, 1, 930_000, 0, false), 12),
        ("partitions that fit", metadata(true, 1, 310_000, 0, false), 12),
        ("partitions in the old encoding", metadata(false, 1, 640_000, 0, false), 8),
        ("partitions in the old encoding that fit", metadata(false, 1, 360_000, 0, false), 8),
        ("partitions of one replica", metadata(true, 1, 260_000, 1, false), 12),
        ("topics", metadata(true, 240_000, 0, 0, false), 12),
        ("unknown tags", metadata(true, 1, 800_000, 0, true), 12),
        ("unknown tags that fit", metadata(true, 1, 75_000, 0, true), 12),
    ];
    for (what, answer, version) in hostile {
        let cluster = broker(ApiKey::Metadata, version, answer).await;
        let (answer, grown) = growth(admin::metadata(&cluster, Topics::All)).await;
        println!("{what}: {} MiB, {:?}", grown / MIB, answer.as_ref().map_err(Error::fault).err());
        assert!(answer.is_ok() || answer.is_err_and(|error| error.fault() == Fault::Protocol), "{what}");
        assert!(grown <= MOST, "{what}: {} MiB", grown / MIB);
    }
    for count in [2_000_000, 200_000] {
        let cluster = broker(ApiKey::ListGroups, 3, groups(count)).await;
        admin::metadata(&cluster, Topics::All).await.expect("the first answer");
        let (_, grown) = growth(admin::list_groups(&cluster, &[BrokerId(1)])).await;
        println!("{count} groups: {} MiB", grown / MIB);
        assert!(grown <= MOST, "{count} groups: {} MiB", grown / MIB);
    }
    for (flexible, version) in [(true, 12), (false, 8)] {
        let cluster = broker(ApiKey::Metadata, version, metadata(flexible, 10_000, 20, 3, false)).await;
        let (answer, grown) = growth(admin::metadata(&cluster, Topics::All)).await;
        let topics = answer.expect("the large answer is read").topics;
        let partitions: usize = topics
            .values()
            .map(|topic| topic.as_ref().expect("a topic without an error").partitions.len())
            .sum();
        println!("200,000 partitions in version {version}: {} MiB", grown / MIB);
        assert_eq!(partitions, 200_000);
        assert!(grown <= MOST, "version {version}: {} MiB", grown / MIB);
    }
}
