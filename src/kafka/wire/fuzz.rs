//! Entry points for fuzzers: the wire client reads bytes as if a broker had sent them.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use kafka_protocol::{
    messages::*,
    protocol::{HeaderVersion, Request, VersionRange},
};
use rsasl::prelude::{Mechname, SASLClient, SASLConfig};

use tokio::{
    io::AsyncWriteExt,
    runtime::{self, Runtime},
    time::Instant,
};

use super::{
    Client, Connection,
    guard::{self, Encoding},
    request_kind::RequestKind,
    sasl,
};
use crate::{
    config::{Properties, Property},
    kafka::credentials::Mechanism,
};

/// Sends bytes to a connection on which three requests wait for their responses, and closes the connection.
pub(crate) fn frames(bytes: &[u8]) {
    static STARTED: LazyLock<(Runtime, Client)> = LazyLock::new(|| {
        let server = Property { value: "broker:9092".to_owned(), place: String::new() };
        let properties = Properties([("bootstrap.servers".to_owned(), server)].into());
        let runtime = runtime::Builder::new_current_thread().enable_time().build();
        (runtime.expect("a runtime"), Client::from_properties("k", &properties).expect("valid"))
    });
    let (runtime, client) = &*STARTED;
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let connection = Connection::new(ours, "broker:9092".to_owned(), client);
        let (request, deadline) = (ApiVersionsRequest::default(), Instant::now() + Duration::from_secs(5));
        let asked = join_all((0..3).map(|_| connection.exchange(&request, 0, deadline)));
        let answered = async move { _ = theirs.write_all(bytes).await };
        let (answers, ()) = join(asked, answered).await;
        assert!(answers.into_iter().flatten().all(|frame| frame.len() >= 4), "a frame has a correlation id");
    });
}

/// Decodes a frame as the response to a request. The first two bytes choose the request and the version.
pub(crate) fn answers(bytes: &[u8]) {
    let [request, version, frame @ ..] = bytes else { return };
    let decoders: &[fn(u8, &[u8])] = &[
        answer::<ApiVersionsRequest>,
        answer::<SaslHandshakeRequest>,
        answer::<SaslAuthenticateRequest>,
        answer::<MetadataRequest>,
        answer::<DescribeQuorumRequest>,
        answer::<DescribeTopicPartitionsRequest>,
        answer::<FindCoordinatorRequest>,
        answer::<ListGroupsRequest>,
        answer::<OffsetFetchRequest>,
        answer::<ListOffsetsRequest>,
        answer::<FetchRequest>,
        answer::<DescribeGroupsRequest>,
        answer::<ConsumerGroupDescribeRequest>,
        answer::<DescribeShareGroupOffsetsRequest>,
        answer::<DescribeLogDirsRequest>,
        answer::<DescribeConfigsRequest>,
        answer::<DescribeProducersRequest>,
        answer::<ListTransactionsRequest>,
        answer::<DescribeTransactionsRequest>,
        answer::<CreateTopicsRequest>,
        answer::<CreatePartitionsRequest>,
        answer::<IncrementalAlterConfigsRequest>,
        answer::<AlterPartitionReassignmentsRequest>,
        answer::<ListPartitionReassignmentsRequest>,
        answer::<ElectLeadersRequest>,
        answer::<ShareGroupDescribeRequest>,
    ];
    decoders[usize::from(*request) % decoders.len()](*version, frame);
}

fn answer<Q: Request>(version: u8, frame: &[u8]) {
    let VersionRange { min, max } = <Q as kafka_protocol::protocol::Message>::VERSIONS;
    let version = min + i16::from(version) % (max - min + 1);
    let header = <Q::Response as HeaderVersion>::header_version(version);
    let mut frame = Bytes::copy_from_slice(frame);
    if guard::decode_header::<ResponseHeader>(&mut frame, header).is_ok() {
        _ = guard::decode::<Q::Response>(
            frame,
            version,
            Encoding::of::<Q>(version),
            RequestKind::of(Q::KEY).memory,
        );
    }
}

/// Reads a broker's challenges during a login. The first byte chooses the mechanism, and a zero byte ends a challenge.
pub(crate) fn challenges(bytes: &[u8]) {
    let [mechanism, challenges @ ..] = bytes else { return };
    let mechanism = Mechanism::ALL[usize::from(*mechanism) % Mechanism::ALL.len()];
    if matches!(mechanism, Mechanism::OauthBearer | Mechanism::AwsMskIam) {
        _ = sasl::reason(challenges);
        return;
    }
    let mechanism = mechanism.as_str();
    let config = SASLConfig::with_credentials(None, "user".to_owned(), "password".to_owned()).expect("valid");
    let name = Mechname::parse(mechanism.as_bytes()).expect("a mechanism's name");
    let mut session =
        SASLClient::new(config).start_suggested(&[name]).expect("a mechanism that the client speaks");
    let mut message = Vec::new();
    if session.step(None, &mut message).is_err() {
        return;
    }
    // A challenge usually begins with the nonce of the client, which no fuzzer can guess. `$` stands for the nonce.
    let nonce = message.windows(3).position(|window| window == b",r=").map(|at| message[at + 3..].to_vec());
    for challenge in challenges.split(|byte| *byte == 0).take(sasl::MAX_ROUNDS) {
        let challenge: Vec<u8> = challenge
            .iter()
            .flat_map(|byte| match (byte, &nonce) {
                (b'$', Some(nonce)) => nonce.clone(),
                _ => vec![*byte],
            })
            .collect();
        message.clear();
        if sasl::check_iterations(&challenge).is_err() {
            return;
        }
        // The parser panics at some challenges, which ends the login and nothing else.
        match guard::fenced(|| session.step(Some(&challenge), &mut message)) {
            Some(Ok(_)) => {}
            _ => return,
        }
    }
}
