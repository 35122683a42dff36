//! The election by a group in Kafka, whose coordinator knows which instances live.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    election::Candidate,
    shares::{Share, Subscription, divide, encode, share, subscription},
    standing::{EVERY_CLUSTER, Role, Scope, Standing},
};
use crate::{
    kafka::{
        BrokerId, Error, Fault,
        admin::{
            self, Coordinated, Group, Membership, Said, Topics, group_heartbeat, join_group, leave_group,
            sync_group,
        },
        wire,
    },
    text::{Chain, plain},
};

/// The type of the group. A consumer cannot join it by mistake.
const PROTOCOL_TYPE: &str = "kafka-heartbeat";

/// How the members divide the work: see [`super::shares`].
const PROTOCOL: &str = "shares-v1";

/// A part of the session timeout: this instance stops so much earlier than the coordinator gives its share away.
const MARGIN: u32 = 10;

/// Heartbeats to the coordinator in one session timeout.
const HEARTBEATS: u32 = 3;

/// The instance as a member of the group.
pub struct Member {
    /// Connections of its own: a coordinator holds back the answer to JoinGroup, and answers nothing else meanwhile.
    cluster: wire::Cluster,
    group: Group,
    instance: String,
    /// The clusters to divide, or [`EVERY_CLUSTER`].
    clusters: Vec<String>,
    coordinator: Option<BrokerId>,
    /// The id of this member. Empty before the first generation, and after the coordinator has removed the member.
    id: String,
    membership: Option<Membership>,
    share: Share,
    /// When this instance must have stopped, unless the coordinator has answered by then.
    until: Option<Instant>,
}

impl Member {
    /// Does not connect yet. The members of the group `name` divide the clusters, or let one of them collect all if `clusters` is
    /// `None`.
    pub fn new(
        client: Arc<wire::Client>,
        name: &str,
        instance: &str,
        session_timeout: Duration,
        clusters: Option<Vec<String>>,
    ) -> Self {
        let group = Group {
            name: name.to_owned(),
            protocol_type: PROTOCOL_TYPE,
            protocol: PROTOCOL,
            session_timeout,
            // Never shorter: a member that does not join again has stopped by the time when it is removed.
            rebalance_timeout: session_timeout,
        };
        Self {
            cluster: wire::Cluster::new(client, session_timeout + session_timeout / 2),
            group,
            instance: instance.to_owned(),
            clusters: clusters.unwrap_or_else(|| vec![EVERY_CLUSTER.to_owned()]),
            coordinator: None,
            id: String::new(),
            membership: None,
            share: Share::default(),
            until: None,
        }
    }

    /// The clusters that this instance collects at this time.
    fn collects(&self) -> Vec<String> {
        if self.until.is_some_and(|until| Instant::now() < until) {
            self.share.collects.clone()
        } else {
            Vec::new()
        }
    }

    fn standing(&self) -> Standing {
        let collects = &self.share.collects;
        let scope = match collects.iter().any(|cluster| cluster == EVERY_CLUSTER) {
            true => Scope::All,
            false => Scope::Named(collects.iter().cloned().collect::<BTreeSet<_>>()),
        };
        let role = if scope.is_empty() { Role::Standby } else { Role::Leader };
        Standing { role, collects: scope, until: self.until, leaders: self.share.leaders.clone() }
    }

    /// The coordinator answered a request that was sent then.
    fn lives_since(&mut self, sent: Instant) {
        self.until = Some(sent + self.group.session_timeout - self.group.session_timeout / MARGIN);
    }

    /// The broker that coordinates the group.
    async fn coordinator(&mut self) -> Result<BrokerId, Error> {
        if let Some(coordinator) = self.coordinator {
            return Ok(coordinator);
        }
        admin::metadata(&self.cluster, Topics::Named(&[])).await?;
        let name = self.group.name.as_str();
        let mut found = admin::coordinators(&self.cluster, Coordinated::Groups, &[name]).await?;
        let missing =
            || Err(Error::new(Fault::Protocol, format!("the coordinator of group {}", plain(name))));
        let coordinator = found.remove(name).unwrap_or_else(missing)?;
        self.coordinator = Some(coordinator);
        Ok(coordinator)
    }

    /// Joins the group, and takes its share of the new generation.
    async fn join(&mut self, coordinator: BrokerId) -> Result<Standing, Error> {
        let asks = Subscription::new(&self.instance, self.clusters.clone(), self.collects());
        let joined = join_group(&self.cluster, coordinator, &self.group, &self.id, encode(&asks)).await?;
        let generation = match joined {
            Said::Done(generation) => generation,
            Said::JoinAgain => return Ok(self.standing()),
            Said::Removed => return Ok(self.removed()),
        };
        self.id.clone_from(&generation.membership.member);
        let shares = generation.members.map(|members| {
            let known = members.iter().filter_map(|(id, bytes)| Some((id.clone(), subscription(bytes)?)));
            let shares = divide(&known.collect());
            shares.into_iter().map(|(id, share)| (id, encode(&share))).collect()
        });
        let (sent, membership) = (Instant::now(), generation.membership);
        let shares: BTreeMap<_, _> = shares.unwrap_or_default();
        match sync_group(&self.cluster, coordinator, &self.group, &membership, shares).await? {
            Said::Done(bytes) => {
                let held = asks.collects;
                self.share = share(&bytes).unwrap_or_default();
                self.lives_since(sent);
                // What this instance has stopped to collect is for others now, in a generation that knows of it.
                let gave_up = held.iter().any(|cluster| !self.share.collects.contains(cluster));
                self.membership = (!gave_up).then_some(membership);
                Ok(self.standing())
            }
            Said::JoinAgain => Ok(self.standing()),
            Said::Removed => Ok(self.removed()),
        }
    }

    /// Tells the coordinator that this instance lives.
    async fn heartbeat(&mut self, coordinator: BrokerId, membership: &Membership) -> Result<Standing, Error> {
        let sent = Instant::now();
        let asked = group_heartbeat(&self.cluster, coordinator, &self.group, membership);
        let limit = self.group.session_timeout / HEARTBEATS;
        let silent =
            || Error::new(Fault::Timeout, format!("a heartbeat to group {}", plain(&self.group.name)));
        match timeout(limit, asked).await.map_err(|_| silent())?? {
            Said::Done(()) => {
                self.lives_since(sent);
                Ok(self.standing())
            }
            Said::JoinAgain => {
                self.membership = None;
                Ok(self.standing())
            }
            Said::Removed => Ok(self.removed()),
        }
    }

    /// The coordinator has removed this member: it holds nothing, and joins as a new one.
    fn removed(&mut self) -> Standing {
        self.id.clear();
        self.membership = None;
        self.until = None;
        self.share = Share::default();
        Standing::unknown()
    }

    async fn ask(&mut self) -> Result<Standing, Error> {
        let coordinator = self.coordinator().await?;
        match self.membership.clone() {
            Some(membership) => self.heartbeat(coordinator, &membership).await,
            None => self.join(coordinator).await,
        }
    }
}

impl Candidate for Member {
    async fn attempt(&mut self) -> Result<Standing, String> {
        let asked = self.ask().await;
        if asked.is_err() {
            // Another broker may coordinate the group by now.
            self.coordinator = None;
        }
        asked.map_err(|error| in_words(&error))
    }

    fn pause(&self) -> Duration {
        // Without a membership this instance has to join again.
        match &self.membership {
            Some(_) => self.group.session_timeout / HEARTBEATS,
            None => Duration::from_millis(200),
        }
    }

    async fn release(&mut self) -> Result<(), String> {
        let (Some(coordinator), Some(membership)) = (self.coordinator, self.membership.take()) else {
            return Ok(());
        };
        let left = leave_group(&self.cluster, coordinator, &self.group, &membership).await;
        left.map_err(|error| in_words(&error))
    }
}

/// An error for the log, with its kind and what helps.
fn in_words(error: &Error) -> String {
    let hint = error.fault().hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}: {}{hint}", error.fault(), Chain(error))
}
