//! `acls`: the permissions that a configuration needs, as commands or as a document that grants them.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::config::{Cluster, Config, aws_region};

/// The platform for which the permissions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `kafka-acls.sh`, for Apache Kafka and for MSK without IAM.
    Kafka,
    /// Confluent Cloud's command line.
    Confluent,
    /// Strimzi's `KafkaUser`.
    Strimzi,
    /// An IAM policy, for MSK with IAM.
    MskIam,
}

/// The resource that a permission is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Resource {
    Topic(String),
    Group,
    /// The group of this name.
    OwnGroup(String),
    /// The groups whose names begin with this text.
    Groups(String),
    TransactionalId,
    /// The transactional id of this name.
    OwnTransactionalId(String),
    /// The transactional ids that begin with this text.
    TransactionalIds(String),
    Cluster,
}

/// A permission that is needed: an operation by Kafka's name, a resource, and what is missing without the permission.
struct Need {
    resource: Resource,
    operation: &'static str,
    what_for: &'static str,
}

/// The permissions that the configuration of a cluster needs, the most important first.
fn needs(config: &Config, cluster: &Cluster) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |when: bool, resource: Resource, operation, what_for| {
        if when {
            needs.push(Need { resource, operation, what_for });
        }
    };
    let own = || Resource::Topic(cluster.heartbeat.topic.clone());
    let every = || Resource::Topic("*".to_owned());
    let (sends, duty) = (cluster.heartbeat.enabled, &cluster.topic);
    need(sends, own(), "Write", "heartbeats");
    need(sends, own(), "Read", "heartbeats");
    need(sends && duty.create, own(), "Create", "the topic, where it is missing");
    need(sends && duty.expand, own(), "Alter", "a partition for each broker");
    need(sends, own(), "DescribeConfigs", "whether the topic's settings are right");
    need(sends && duty.rebalance, own(), "AlterConfigs", "putting the settings right");
    let watches = watches(cluster);
    need(watches, every(), "Describe", "lag and freshness");
    need(watches, every(), "Read", "ages where timestamps are not in order; open transactions");
    need(watches, every(), "DescribeConfigs", "min.insync.replicas, compaction, changed settings");
    need(cluster.lag.enabled, Resource::Group, "Describe", "lag");
    let checks = sends && cluster.coordinators.enabled;
    let offsets = Resource::Topic("__consumer_offsets".to_owned());
    need(checks, Resource::Groups(cluster.coordinator_names()), "Read", "checks of coordinators");
    need(checks && !watches, offsets, "Describe", "checks of coordinators");
    let transacts = sends && cluster.transaction_probe.enabled;
    let of_transactions = || Resource::Topic(cluster.transaction_topic());
    let own_id = || Resource::OwnTransactionalId(cluster.transactional_id());
    need(transacts, own_id(), "Write", "transactions of the service");
    need(transacts, own_id(), "Describe", "a transaction that an earlier run left open");
    need(transacts, of_transactions(), "Write", "transactions of the service");
    need(transacts, of_transactions(), "Read", "what consumers of committed records see");
    need(transacts && duty.create, of_transactions(), "Create", "the topic, where it is missing");
    let checks = sends && cluster.transaction_coordinators.enabled;
    let transactions = Resource::Topic("__transaction_state".to_owned());
    let ids = Resource::TransactionalIds(cluster.coordinator_names());
    need(checks, ids, "Write", "checks of coordinators of transactions");
    need(checks && !watches, transactions, "Describe", "checks of coordinators of transactions");
    need(cluster.transactions.enabled, Resource::TransactionalId, "Describe", "whose transaction is open");
    if let Some(group) = config.election_in(&cluster.name) {
        need(
            true,
            Resource::OwnGroup(group.to_owned()),
            "Read",
            "the election of the instance that collects",
        );
    }
    need(true, Resource::Cluster, "Describe", "the quorum, reassignments, sizes of logs");
    need(sends && duty.rebalance, Resource::Cluster, "Alter", "leaders on all brokers");
    for topic in [&config.alerts.topic, &config.alerts.metrics_topic].into_iter().flatten() {
        need(true, Resource::Topic(topic.clone()), "Write", "findings that are published");
    }
    needs.extend(needs_of_mirrors(cluster));
    needs
}

/// The permissions for what mirrors copy to the cluster.
fn needs_of_mirrors(cluster: &Cluster) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |when: bool, topic: &str, operation, what_for| {
        if when {
            needs.push(Need { resource: Resource::Topic(topic.to_owned()), operation, what_for });
        }
    };
    let (sends, watches) = (cluster.heartbeat.enabled, watches(cluster));
    for mirror in &cluster.mirrors.0 {
        for topic in &mirror.topics {
            let is_own = sends && *topic == cluster.heartbeat.topic;
            need(!is_own, topic, "Read", "heartbeats of another cluster that a mirror copies");
            need(!is_own && !watches, topic, "Describe", "whether the mirrored topic exists");
        }
        if let Some(checkpoints) = &mirror.checkpoints {
            need(true, &checkpoints.topic, "Read", "offsets that a mirror translates for consumer groups");
            need(!watches, &checkpoints.topic, "Describe", "whether the mirror translates offsets");
        }
    }
    needs
}

/// The permissions on one resource: its operations, and the purpose of each.
struct Grant {
    resource: Resource,
    operations: Vec<&'static str>,
    what_for: Vec<String>,
    /// Whether the operations are denied, although a permission on all topics includes them.
    denies: bool,
}

fn grants(config: &Config, cluster: &Cluster) -> Vec<Grant> {
    let mut grants: Vec<Grant> = Vec::new();
    for Need { resource, operation, what_for } in needs(config, cluster) {
        let words = format!("{operation}: {what_for}");
        match grants.iter_mut().find(|grant| grant.resource == resource) {
            Some(grant) => {
                grant.operations.push(operation);
                grant.what_for.push(words);
            }
            None => grants.push(Grant {
                resource,
                operations: vec![operation],
                what_for: vec![words],
                denies: false,
            }),
        }
    }
    grants.extend(denials(cluster, &grants));
    grants
}

/// What is denied: the use of the topics that the negative checks watch, if the service may read all topics otherwise. A topic that the
/// service itself uses is never denied.
fn denials(cluster: &Cluster, grants: &[Grant]) -> Vec<Grant> {
    let checks = &cluster.negative_checks;
    if !checks.enabled || !watches(cluster) {
        return Vec::new();
    }
    let denial = |topic: &String| Grant {
        resource: Resource::Topic(topic.clone()),
        operations: vec!["Read", "Write"],
        what_for: vec![
            "Read, Write: denied, because [negative_checks] forbidden.topics names the topic".to_owned(),
        ],
        denies: true,
    };
    let uses = |topic: &str| grants.iter().any(|grant| grant.resource == Resource::Topic(topic.to_owned()));
    checks.topics.iter().filter(|topic| !uses(topic)).map(denial).collect()
}

/// Whether the topics of applications are watched.
fn watches(cluster: &Cluster) -> bool {
    cluster.lag.enabled || cluster.freshness.enabled
}

/// The permissions for every cluster of a configuration. The principal is the configured user, unless another is given.
pub fn acls(config: &Config, format: Format, principal: Option<&str>) -> String {
    if format == Format::MskIam {
        return msk_iam(config);
    }
    let mut text = String::new();
    for (number, cluster) in config.clusters.iter().enumerate() {
        let separator = if number > 0 && format == Format::Strimzi { "---\n" } else { "" };
        _ = writeln!(text, "{separator}# Cluster {}.", cluster.name.escape_debug());
        let grants = grants(config, cluster);
        let user = principal.or_else(|| cluster.kafka.get("sasl.username")).unwrap_or("kafka-heartbeat");
        text += &match format {
            Format::Kafka => kafka(&grants, user, cluster.kafka.get("bootstrap.servers").unwrap_or_default()),
            Format::Confluent => confluent(&grants, principal.unwrap_or("sa-xxxxx")),
            Format::Strimzi => strimzi(&grants, user, cluster),
            // It is one document for all clusters, which is written above.
            Format::MskIam => String::new(),
        };
    }
    text
}

fn kafka(grants: &[Grant], user: &str, servers: &str) -> String {
    let user = if user.starts_with("User:") { user.to_owned() } else { format!("User:{user}") };
    let mut text =
        "# ADMIN, where it is set, names the file with the properties of whoever may allow this.\n"
            .to_owned();
    for Grant { resource, operations, what_for, denies } in grants {
        let effect = if *denies { "deny" } else { "allow" };
        let on = option(resource, ["--group", "--resource-pattern-type prefixed", "--cluster"]);
        comment(&mut text, "", what_for);
        _ = write!(
            text,
            "kafka-acls.sh --bootstrap-server {} ${{ADMIN:+--command-config \"$ADMIN\"}} --add --{effect}-principal {}",
            quoted(servers),
            quoted(&user)
        );
        for operation in operations {
            _ = write!(text, " --operation {operation}");
        }
        _ = writeln!(text, " {on}");
    }
    text
}

fn confluent(grants: &[Grant], account: &str) -> String {
    let mut text = "# On the cluster in use: `confluent kafka cluster use` names another.\n".to_owned();
    for Grant { resource, operations, what_for, denies } in grants {
        let effect = if *denies { "deny" } else { "allow" };
        let on = option(resource, ["--consumer-group", "--prefix", "--cluster-scope"]);
        let operations: Vec<_> = operations.iter().map(|operation| kebab(operation)).collect();
        comment(&mut text, "", what_for);
        _ = write!(text, "confluent kafka acl create --{effect} --service-account ");
        _ = writeln!(text, "{} --operations {} {on}", quoted(account), operations.join(","));
    }
    text
}

fn strimzi(grants: &[Grant], user: &str, cluster: &Cluster) -> String {
    let authentication = if cluster.kafka.get("sasl.mechanism").is_some() { "scram-sha-512" } else { "tls" };
    let mut text = format!(
        "apiVersion: kafka.strimzi.io/v1\nkind: KafkaUser\nmetadata:\n  name: {user:?}\n  labels: {{ strimzi.io/cluster: {:?} }}\n\
         spec:\n  authentication: {{ type: {authentication} }}\n  authorization:\n    type: simple\n    acls:\n",
        cluster.name
    );
    for Grant { resource, operations, what_for, denies } in grants {
        // Without a type a rule allows.
        let effect = if *denies { "type: deny, " } else { "" };
        let on = match resource {
            Resource::Topic(name) => format!("type: topic, name: {name:?}"),
            Resource::Group => "type: group, name: \"*\"".to_owned(),
            Resource::OwnGroup(name) => format!("type: group, name: {name:?}"),
            Resource::Groups(prefix) => format!("type: group, name: {prefix:?}, patternType: prefix"),
            Resource::TransactionalId => "type: transactionalId, name: \"*\"".to_owned(),
            Resource::OwnTransactionalId(id) => format!("type: transactionalId, name: {id:?}"),
            Resource::TransactionalIds(prefix) => {
                format!("type: transactionalId, name: {prefix:?}, patternType: prefix")
            }
            Resource::Cluster => "type: cluster".to_owned(),
        };
        comment(&mut text, "      ", what_for);
        _ = writeln!(
            text,
            "      - {{ {effect}resource: {{ {on} }}, operations: [{}] }}",
            operations.join(", ")
        );
    }
    text
}

/// The partitions of AWS by the begin of the names of their regions. All other regions are in the partition `aws`.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
];

/// One policy for all clusters, for the role that signs in. JSON has no comments. REGION and ACCOUNT stand for what the
/// configuration does not say.
fn msk_iam(config: &Config) -> String {
    let statements: Vec<Value> =
        config.clusters.iter().flat_map(|cluster| statements(config, cluster)).collect();
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    format!("{policy:#}\n")
}

/// The statements of a policy for one cluster, which has the name of the configuration at MSK, too.
fn statements(config: &Config, cluster: &Cluster) -> Vec<Value> {
    let region = aws_region(|key| cluster.kafka.get(key).filter(|value| !value.is_empty()));
    let region = region.as_deref().unwrap_or("REGION");
    let partition = PARTITIONS.into_iter().find(|(begin, _)| region.starts_with(begin));
    let partition = partition.map_or("aws", |(_, partition)| partition);
    // The identifier that MSK gives a cluster is in its place as a wildcard.
    let arn = |kind: &str, name: &str| {
        format!("arn:{partition}:kafka:{region}:ACCOUNT:{kind}/{}/*{name}", cluster.name)
    };
    let idempotent = [&cluster.producer, &cluster.kafka]
        .into_iter()
        .find_map(|properties| properties.get("enable.idempotence"))
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || (cluster.heartbeat.enabled && cluster.transaction_probe.enabled);
    let mut statements = Vec::new();
    for Grant { resource, operations, denies, .. } in grants(config, cluster) {
        let on = match &resource {
            Resource::Topic(name) => arn("topic", &format!("/{name}")),
            Resource::Group => arn("group", "/*"),
            Resource::OwnGroup(name) => arn("group", &format!("/{name}")),
            Resource::Groups(prefix) => arn("group", &format!("/{prefix}*")),
            Resource::TransactionalId => arn("transactional-id", "/*"),
            Resource::OwnTransactionalId(id) => arn("transactional-id", &format!("/{id}")),
            Resource::TransactionalIds(prefix) => arn("transactional-id", &format!("/{prefix}*")),
            Resource::Cluster => arn("cluster", ""),
        };
        let mut actions = Vec::new();
        match resource {
            Resource::Cluster => {
                actions.push("Connect");
                actions.extend(idempotent.then_some("WriteDataIdempotently"));
            }
            Resource::OwnGroup(_) | Resource::Groups(_) => actions.push("DescribeGroup"),
            Resource::TransactionalIds(_) => actions.push("DescribeTransactionalId"),
            // MSK lets nobody read or write a topic without this, unlike Kafka's own ACLs.
            Resource::Topic(_) if !denies && !operations.contains(&"Describe") => {
                actions.push("DescribeTopic")
            }
            _ => {}
        }
        actions.extend(operations.iter().map(|operation| action(&resource, operation)));
        let actions: Vec<_> = actions.iter().map(|action| format!("kafka-cluster:{action}")).collect();
        let effect = if denies { "Deny" } else { "Allow" };
        statements.push(json!({ "Effect": effect, "Action": actions, "Resource": on }));
    }
    statements
}

/// The action of IAM that stands for an operation of Kafka. The table is in MSK's developer guide, "Semantics of IAM
/// authorization policy actions and resources".
fn action(resource: &Resource, operation: &str) -> &'static str {
    match (resource, operation) {
        (Resource::Topic(_), "Read") => "ReadData",
        (Resource::Topic(_), "Write") => "WriteData",
        (Resource::Topic(_), "Create") => "CreateTopic",
        (Resource::Topic(_), "Alter") => "AlterTopic",
        (Resource::Topic(_), "DescribeConfigs") => "DescribeTopicDynamicConfiguration",
        (Resource::Topic(_), "AlterConfigs") => "AlterTopicDynamicConfiguration",
        (Resource::Topic(_), _) => "DescribeTopic",
        (Resource::OwnGroup(_) | Resource::Groups(_), "Read") => "AlterGroup",
        (Resource::Group | Resource::OwnGroup(_) | Resource::Groups(_), _) => "DescribeGroup",
        (Resource::OwnTransactionalId(_) | Resource::TransactionalIds(_), "Write") => "AlterTransactionalId",
        (Resource::TransactionalId | Resource::OwnTransactionalId(_) | Resource::TransactionalIds(_), _) => {
            "DescribeTransactionalId"
        }
        (Resource::Cluster, "Alter") => "AlterCluster",
        (Resource::Cluster, _) => "DescribeCluster",
    }
}

/// The resource as an option of a command line. `group`, `prefix` and `cluster` are the names of the options of this command
/// line.
fn option(resource: &Resource, [group, prefix, cluster]: [&str; 3]) -> String {
    match resource {
        Resource::Topic(name) => format!("--topic {}", quoted(name)),
        Resource::Group => format!("{group} '*'"),
        Resource::OwnGroup(name) => format!("{group} {}", quoted(name)),
        Resource::Groups(begin) => format!("{group} {} {prefix}", quoted(begin)),
        Resource::TransactionalId => "--transactional-id '*'".to_owned(),
        Resource::OwnTransactionalId(id) => format!("--transactional-id {}", quoted(id)),
        Resource::TransactionalIds(begin) => format!("--transactional-id {} {prefix}", quoted(begin)),
        Resource::Cluster => cluster.to_owned(),
    }
}

fn comment(text: &mut String, indent: &str, what_for: &[String]) {
    _ = writeln!(text, "{indent}# {}", what_for.join("; "));
}

/// The text as one quoted word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// An operation in kebab case: `DescribeConfigs` as `describe-configs`.
fn kebab(operation: &str) -> String {
    let mut text = String::new();
    for (at, c) in operation.char_indices() {
        if c.is_uppercase() && at > 0 {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
