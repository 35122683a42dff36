//! Membership in a group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup, as any client may send them. The members choose the
//! meaning of the bytes that they exchange, and the coordinator hands these bytes on without a look at them.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol, sync_group_request::SyncGroupRequestAssignment,
    },
};

use super::protocol::{check, group_id, text};
use crate::{
    kafka::{BrokerId, Error, wire},
    text::plain,
};

const JOIN: wire::VersionRange = wire::VersionRange { lowest: 2, highest: 7 };
const SYNC: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 5 };
const HEARTBEAT: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 4 };
/// From version 3 on one request names many members.
const LEAVE: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 2 };

/// A group, and what its members agree on.
#[derive(Debug, Clone)]
pub struct Group {
    /// The name of the group.
    pub name: String,
    /// The type of the group. Kafka refuses members of another type. For consumers it is `consumer`.
    pub protocol_type: &'static str,
    /// The name of the only way in which the members divide the work.
    pub protocol: &'static str,
    /// A member that sends nothing for this time is removed by the coordinator.
    pub session_timeout: Duration,
    /// A member that does not join again within this time after the beginning of a rebalance is removed.
    pub rebalance_timeout: Duration,
}

/// A member within one generation of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The id of the member, which the coordinator has chosen.
    pub member: String,
    /// The number of the generation.
    pub generation: i32,
}

/// A generation that has begun.
#[derive(Debug)]
pub struct Generation {
    /// The membership of this client.
    pub membership: Membership,
    /// What each member sent with its request, by the id of the member, if this member is to divide the work. It is hostile text.
    /// `None` if another member divides the work.
    pub members: Option<BTreeMap<String, Bytes>>,
}

/// What the coordinator says to a member.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<T> {
    /// The request succeeded.
    Done(T),
    /// The members come and go: this member must join again, and keeps its id.
    JoinAgain,
    /// The member is no longer in the group: it must join as a new member.
    Removed,
}

/// Joins a group. Waits until the generation begins, at most for the rebalance timeout. A `member` that is empty joins as a new
/// member.
///
/// # Errors
/// When the coordinator did not answer, or refused the request.
pub async fn join_group(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    group: &Group,
    member: &str,
    metadata: Bytes,
) -> Result<Said<Generation>, Error> {
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text(group.protocol)).with_metadata(metadata);
    let mut request = JoinGroupRequest::default()
        .with_group_id(group_id(&group.name))
        .with_session_timeout_ms(millis(group.session_timeout))
        .with_rebalance_timeout_ms(millis(group.rebalance_timeout))
        .with_member_id(text(member))
        .with_protocol_type(text(group.protocol_type))
        .with_protocols(vec![protocol]);
    let mut answer = cluster.ask(coordinator, &request, JOIN).await?;
    // From version 4 on (Kafka 2.2, KIP-394) a new member gets its id first.
    if answer.error_code.err() == Some(ResponseError::MemberIdRequired) {
        request = request.with_member_id(answer.member_id);
        answer = cluster.ask(coordinator, &request, JOIN).await?;
    }
    let said = said(answer.error_code, &what("join", group), ())?;
    Ok(match said {
        Said::Done(()) => {
            let divides = answer.leader == answer.member_id;
            let members = answer.members.into_iter().map(|one| (one.member_id.to_string(), one.metadata));
            Said::Done(Generation {
                members: divides.then(|| members.collect()),
                membership: Membership {
                    member: answer.member_id.to_string(),
                    generation: answer.generation_id,
                },
            })
        }
        Said::JoinAgain => Said::JoinAgain,
        Said::Removed => Said::Removed,
    })
}

/// Asks for the share of this member, and sends the shares of all members if this member divides the work. Waits until
/// the shares are there.
///
/// # Errors
/// When the coordinator did not answer, or refused the request.
pub async fn sync_group(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    group: &Group,
    member: &Membership,
    shares: BTreeMap<String, Bytes>,
) -> Result<Said<Bytes>, Error> {
    let shares = shares.into_iter().map(|(member, share)| {
        SyncGroupRequestAssignment::default().with_member_id(text(&member)).with_assignment(share)
    });
    let request = SyncGroupRequest::default()
        .with_group_id(group_id(&group.name))
        .with_generation_id(member.generation)
        .with_member_id(text(&member.member))
        .with_protocol_type(Some(text(group.protocol_type)))
        .with_protocol_name(Some(text(group.protocol)))
        .with_assignments(shares.collect());
    let answer = cluster.ask(coordinator, &request, SYNC).await?;
    said(answer.error_code, &what("sync", group), answer.assignment)
}

/// Tells the coordinator that this member lives.
///
/// # Errors
/// When the coordinator did not answer, or refused the request.
pub async fn group_heartbeat(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    group: &Group,
    member: &Membership,
) -> Result<Said<()>, Error> {
    let request = HeartbeatRequest::default()
        .with_group_id(group_id(&group.name))
        .with_generation_id(member.generation)
        .with_member_id(text(&member.member));
    let answer = cluster.ask(coordinator, &request, HEARTBEAT).await?;
    said(answer.error_code, &what("send a heartbeat to", group), ())
}

/// Leaves the group, so that its share is free at once.
///
/// # Errors
/// When the coordinator did not answer, or refused the request.
pub async fn leave_group(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    group: &Group,
    member: &Membership,
) -> Result<(), Error> {
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id(&group.name))
        .with_member_id(text(&member.member));
    let answer = cluster.ask(coordinator, &request, LEAVE).await?;
    check(answer.error_code, &what("leave", group), None)
}

/// What the error code of a response means for the member.
fn said<T>(code: i16, what: &str, answer: T) -> Result<Said<T>, Error> {
    match code.err() {
        None => Ok(Said::Done(answer)),
        Some(ResponseError::RebalanceInProgress) => Ok(Said::JoinAgain),
        Some(
            ResponseError::UnknownMemberId
            | ResponseError::IllegalGeneration
            | ResponseError::FencedInstanceId,
        ) => Ok(Said::Removed),
        Some(_) => Err(check(code, what, None).expect_err("the code is one of an error")),
    }
}

fn what(action: &str, group: &Group) -> String {
    format!("{action} group {}", plain(&group.name))
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
