//! The permissions that `acls` writes: their text, and that they are sufficient on a real Kafka.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use support::{
    groups::{PATIENCE, client, commit, now_ms, wait_for_lag, write},
    kafka::{Kafka, Listener, NOBODY},
    service::{Service, program},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

fn acls(config: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    fs::write(&file, config).expect("the configuration written");
    printed(program().args(["acls", "--config"]).arg(file).args(arguments))
}

/// The output of a command, which has to succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().expect("a program that starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn acls_cover_only_the_enabled_tasks_and_quote_names() {
    let heartbeats = "[kafka]\nbootstrap.servers = a:1\n[topic]\ncreate = false\nexpand = false\n\
                      [lag]\nenabled = false\n[freshness]\nenabled = false\n[transactions]\nenabled = false\n\
                      [coordinators]\nenabled = false\n";
    let commands = |config: &str, arguments: &[&str]| {
        let text = acls(config, arguments);
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let add = "kafka-acls.sh --bootstrap-server 'a:1' ${ADMIN:+--command-config \"$ADMIN\"} --add --allow-principal";
    assert_eq!(
        commands(heartbeats, &[]),
        [
            format!(
                "{add} 'User:kafka-heartbeat' --operation Write --operation Read --operation DescribeConfigs \
                 --topic 'kafka-heartbeat'"
            ),
            format!("{add} 'User:kafka-heartbeat' --operation Describe --cluster"),
        ]
    );
    let checks = &heartbeats.replace("[coordinators]\nenabled = false", "[coordinators]\nenabled = true");
    let of_checks = [
        format!(
            "{add} 'User:kafka-heartbeat' --operation Read --group 'kafka-heartbeat-coordinator-' \
             --resource-pattern-type prefixed"
        ),
        format!("{add} 'User:kafka-heartbeat' --operation Describe --topic '__consumer_offsets'"),
    ];
    assert_eq!(commands(checks, &[])[1..3], of_checks);
    let confluent = &commands(checks, &["--format", "confluent"])[1];
    assert!(confluent.ends_with("--consumer-group 'kafka-heartbeat-coordinator-' --prefix"), "{confluent}");
    let strimzi: Value = serde_norway::from_str(&acls(checks, &["--format", "strimzi"])).expect("YAML");
    assert_eq!(
        strimzi["spec"]["authorization"]["acls"][1],
        json!({
            "resource": { "type": "group", "name": "kafka-heartbeat-coordinator-", "patternType": "prefix" },
            "operations": ["Read"]
        })
    );
    let named = commands(heartbeats, &["--principal", "User:CN=o'neil"]);
    assert!(named[0].contains(r"--allow-principal 'User:CN=o'\''neil' --operation"), "{named:?}");
    let confluent = commands(heartbeats, &["--format", "confluent", "--principal", "sa-1"]);
    assert_eq!(
        confluent[0],
        "confluent kafka acl create --allow --service-account 'sa-1' --operations write,read,describe-configs \
         --topic 'kafka-heartbeat'"
    );
    let two = "[cluster:a]\nbootstrap.servers = a:1\nsasl.mechanism = PLAIN\nsecurity.protocol = SASL_PLAINTEXT\n\
               sasl.username = prober\nsasl.password = hush\n[cluster:b]\nbootstrap.servers = b:1\n[alerts]\ntopic = findings\n";
    let strimzi = acls(two, &["--format", "strimzi"]);
    assert!(!strimzi.contains("hush"), "no secret");
    let users: Vec<Value> = strimzi
        .split("---\n")
        .map(|user| serde_norway::from_str(user).expect("a document of YAML"))
        .collect();
    let of: Vec<_> = users.iter().map(|user| &user["metadata"]["labels"]["strimzi.io/cluster"]).collect();
    assert_eq!(of, ["a", "b"]);
    let names: Vec<_> = users.iter().map(|user| &user["metadata"]["name"]).collect();
    assert_eq!(names, ["prober", "kafka-heartbeat"]);
    let last = users[1]["spec"]["authorization"]["acls"]
        .as_array()
        .and_then(|acls| acls.last())
        .expect("permissions");
    assert_eq!(
        *last,
        json!({ "resource": { "type": "topic", "name": "findings" }, "operations": ["Write"] })
    );
}

#[test]
fn acls_of_the_transaction_probe_name_its_id_and_its_topic() {
    let config = "[kafka]\nbootstrap.servers = a:1\n[heartbeat]\ntopic = hb\ninstance = one\n[transaction_probe]\nenabled = true\n";
    let text = acls(config, &[]);
    for part in [
        "--operation Write --operation Describe --transactional-id 'hb-transactions-one'\n",
        "--operation Write --operation Read --operation Create --topic 'hb-transactions'\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(acls(config, &["--format", "confluent"]).contains("--transactional-id 'hb-transactions-one'\n"));
    let strimzi = acls(config, &["--format", "strimzi"]);
    assert!(strimzi.contains("type: transactionalId, name: \"hb-transactions-one\" }"), "{strimzi}");
    let policy = acls(config, &["--format", "msk-iam"]);
    for part in
        ["transactional-id/default/*/hb-transactions-one", "AlterTransactionalId", "WriteDataIdempotently"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
}

/// A configuration of two clusters without a permission on all topics, and these further sections.
fn two_clusters(more: &str) -> String {
    format!(
        "[cluster:a]\nbootstrap.servers = a:1\n[cluster:b]\nbootstrap.servers = b:1\n[heartbeat]\ntopic = hb\n\
         [lag]\nenabled = false\n[freshness]\nenabled = false\n{more}"
    )
}

/// The commands for each of two clusters.
fn commands_of_two(config: &str) -> [Vec<String>; 2] {
    let text = acls(config, &[]);
    ["'a:1'", "'b:1'"].map(|server| {
        let commands = text.lines().filter(|line| !line.starts_with('#') && line.contains(server));
        commands.map(str::to_owned).collect()
    })
}

#[test]
fn acls_of_a_mirror_let_the_service_read_the_mirrored_topic_in_the_target_alone() {
    let mirror = "[mirror:dr]\nsource = a\ntarget = b\n";
    let [source, target] = commands_of_two(&two_clusters(""));
    let added = |config: &str| {
        let [of_source, of_target] = commands_of_two(config);
        assert_eq!(of_source, source, "a mirror needs no permission in its source");
        let added = of_target.into_iter().filter(|command| !target.contains(command));
        let words = added.map(|command| {
            let (_, permission) =
                command.split_once("'User:kafka-heartbeat' ").expect("a command for the user");
            permission.to_owned()
        });
        words.collect::<Vec<_>>()
    };
    // The heartbeat topic of the target has the other name, and the service may read that topic anyway.
    let read = |topic: &str| format!("--operation Read --operation Describe --topic '{topic}'");
    assert_eq!(added(&two_clusters(mirror)), ["a.hb", "a.checkpoints.internal"].map(read));
    let renamed = mirror.to_owned() + "alias = east\n";
    assert_eq!(added(&two_clusters(&renamed)), ["east.hb", "east.checkpoints.internal"].map(read));
    let chosen = mirror.to_owned() + "topic = copy of o'neil\ncheck.offsets = false\n";
    assert_eq!(added(&two_clusters(&chosen)), [read(r"copy of o'\''neil")]);
    let other_name =
        two_clusters(mirror).replace("servers = b:1\n", "servers = b:1\nheartbeat.topic = other\n");
    let both = acls(&other_name, &[]);
    for topic in ["a.hb", "hb"] {
        assert!(both.contains(&(read(topic) + "\n")), "{topic}: {both}");
    }
    // Describe on all topics is among the permissions for the lag.
    let watching = two_clusters(mirror).replace("[lag]\nenabled = false\n", "");
    assert!(acls(&watching, &[]).contains(" --operation Read --topic 'a.hb'\n"));
    let of_target = |format: &str| acls(&two_clusters(mirror), &["--format", format]);
    assert!(of_target("confluent").contains("--operations read,describe --topic 'a.hb'\n"));
    let rule = "- { resource: { type: topic, name: \"a.hb\" }, operations: [Read, Describe] }";
    assert!(of_target("strimzi").contains(rule));
    let policy: Value = serde_json::from_str(&of_target("msk-iam")).expect("JSON");
    let statement = json!({
        "Effect": "Allow",
        "Action": ["kafka-cluster:ReadData", "kafka-cluster:DescribeTopic"],
        "Resource": "arn:aws:kafka:REGION:ACCOUNT:topic/b/*/a.hb",
    });
    let statements = policy["Statement"].as_array().expect("statements");
    assert!(statements.contains(&statement), "{policy:#}");
}

#[test]
fn tasks_that_need_no_permission_of_their_own_leave_the_acls_as_they_are() {
    let config = "[kafka]\nbootstrap.servers = a:1\n";
    for section in [
        "[negative_checks]\nenabled = true\n",
        "[remote_reads]\nenabled = true\n",
        "[connect:payments]\nurl = http://connect:8083\n",
        "[schema_registry]\nschema.registry.url = http://registry:8081\nwrite = true\n",
    ] {
        for format in ["kafka", "confluent", "strimzi", "msk-iam"] {
            let arguments = ["--format", format];
            let with = acls(&(config.to_owned() + section), &arguments);
            assert_eq!(with, acls(config, &arguments), "{section} {format}");
        }
    }
}

#[test]
fn acls_of_an_election_let_the_service_join_its_group_in_the_cluster_with_the_group_alone() {
    let election = "[ha]\nprovider = kafka\ncluster = b\ngroup = inst.ances\n";
    let config = two_clusters(election);
    let [a, b] = commands_of_two(&config);
    let join = |command: &&String| command.ends_with("--operation Read --group 'inst.ances'");
    assert_eq!((a.iter().filter(join).count(), b.iter().filter(join).count()), (0, 1), "{a:?} {b:?}");
    for (format, part) in [
        ("confluent", "--operations read --consumer-group 'inst.ances'"),
        ("strimzi", "type: group, name: \"inst.ances\" }, operations: [Read]"),
        ("msk-iam", "arn:aws:kafka:REGION:ACCOUNT:group/b/*/inst.ances"),
    ] {
        let printed = acls(&config, &["--format", format]);
        assert!(printed.contains(part), "{format}: {printed}");
    }
    let lease = two_clusters("[ha]\nprovider = kubernetes\n");
    assert_eq!(acls(&lease, &[]), acls(&two_clusters(""), &[]), "a Lease needs no permission in Kafka");
}

#[test]
fn forbidden_topics_of_the_negative_checks_are_denied_where_all_topics_may_be_read() {
    let config = "[kafka]\nbootstrap.servers = a:1\n[negative_checks]\nenabled = true\nforbidden.topics = salaries,o.n,kafka-heartbeat\n";
    let commands = acls(config, &[]);
    for topic in ["salaries", "o.n"] {
        let command = format!(
            "--add --deny-principal 'User:kafka-heartbeat' --operation Read --operation Write --topic '{topic}'\n"
        );
        assert!(commands.contains(&command), "{topic}: {commands}");
    }
    assert_eq!(commands.matches("--deny-principal").count(), 2, "the heartbeat topic stays open: {commands}");
    let confluent = acls(config, &["--format", "confluent"]);
    let command =
        "acl create --deny --service-account 'sa-xxxxx' --operations read,write --topic 'salaries'\n";
    assert!(confluent.contains(command), "{confluent}");
    let strimzi: Value = serde_norway::from_str(&acls(config, &["--format", "strimzi"])).expect("YAML");
    let rules = strimzi["spec"]["authorization"]["acls"].as_array().expect("rules");
    let resource = json!({ "type": "topic", "name": "salaries" });
    let rule = json!({ "type": "deny", "resource": resource, "operations": ["Read", "Write"] });
    assert!(rules.contains(&rule), "{strimzi:#}");
    let policy: Value = serde_json::from_str(&acls(config, &["--format", "msk-iam"])).expect("JSON");
    let statement = json!({
        "Effect": "Deny",
        "Action": ["kafka-cluster:ReadData", "kafka-cluster:WriteData"],
        "Resource": "arn:aws:kafka:REGION:ACCOUNT:topic/default/*/salaries",
    });
    assert!(policy["Statement"].as_array().expect("statements").contains(&statement), "{policy:#}");
    // A principal that may read no other topic than its own needs no denial, and nothing is denied before the checks are on.
    for other in [
        config.to_owned() + "[lag]\nenabled = false\n[freshness]\nenabled = false\n",
        config.replace("enabled = true\nforbidden", "forbidden"),
    ] {
        assert!(!acls(&other, &[]).contains("deny"), "{other}");
    }
}

#[test]
fn policy_of_msk_iam_has_an_action_for_every_permission() {
    let config = "[kafka]\nname = orders\nbootstrap.servers = b:9098\nsasl.mechanism = AWS_MSK_IAM\naws.region = cn-north-1\n\
                  [topic]\nrebalance = true\n[alerts]\ntopic = findings\n[producer]\nenable.idempotence = true\n";
    let policy: Value = serde_json::from_str(&acls(config, &["--format", "msk-iam"])).expect("JSON");
    let golden: Value = serde_json::from_str(include_str!("golden/msk-iam-policy.json")).expect("JSON");
    assert_eq!(policy, golden, "{policy:#}");
    let two = "[cluster:a]\nbootstrap.servers = a:1\n[cluster:b]\nbootstrap.servers = b:1\n";
    let policy = acls(two, &["--format", "msk-iam"]);
    for part in ["arn:aws:kafka:REGION:ACCOUNT:cluster/a/*", "arn:aws:kafka:REGION:ACCOUNT:cluster/b/*"] {
        assert!(policy.contains(&format!("\"{part}\"")), "{policy}");
    }
    assert!(!policy.contains("Idempotently"), "{policy}");
    let of_names = "[cluster:a]\nbootstrap.servers = b-1.a.x.c2.kafka.cn-north-1.amazonaws.com.cn:9098\n\
                    [cluster:b]\nbootstrap.servers = b:1\naws.region = eusc-de-east-1\n";
    let policy = acls(of_names, &["--format", "msk-iam"]);
    for part in [
        "arn:aws-cn:kafka:cn-north-1:ACCOUNT:cluster/a/*",
        "arn:aws-eusc:kafka:eusc-de-east-1:ACCOUNT:cluster/b/*",
    ] {
        assert!(policy.contains(&format!("\"{part}\"")), "{policy}");
    }
}

/// The arguments of each command, as a shell hands them to the program.
fn run_by_a_shell(commands: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = folder.path().join("kafka-acls.sh");
    fs::write(&shim, "#!/bin/sh\nprintf '%s\\n' \"$@\"\necho\n").expect("a program written");
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("a PATH"));
    let mut shell = Command::new("sh");
    shell.args(["-euc", commands]).env("PATH", path).env("ADMIN", "");
    let printed = printed(&mut shell);
    let commands = printed.trim_end().split("\n\n");
    commands.map(|command| command.lines().map(str::to_owned).collect()).collect()
}

/// Runs a service whose principal has no permission: Kafka answers most of its requests without an error and with empty
/// lists. Asserts that each missing permission is reported.
fn missing_permissions_are_reported(config: &str) {
    let service = Service::start(config);
    let capability = |request: &str, state: &str| {
        let labels = [format!("api=\"{request}\""), format!("state=\"{state}\"")];
        service.series("heartbeat_capability", &[&labels[0], &labels[1]]) == Some(1.0)
    };
    for request in
        ["DescribeQuorum", "Metadata", "ListGroups", "DescribeLogDirs", "OffsetCommit", "AddPartitionsToTxn"]
    {
        wait_for(request, PATIENCE, || capability(request, "denied").then_some(()));
    }
    let reasons = wait_for("the verdict", PATIENCE, || {
        let status = service.api("/api/v1/status", "k");
        let reasons = status["reasons"].to_string();
        reasons.contains("authorization").then_some(reasons)
    });
    assert!(!reasons.contains("is not ready"), "{reasons}");
    let status = service.api("/api/v1/status", "k");
    let mut capabilities = status["capabilities"].as_array().expect("a list").iter();
    let groups = capabilities.find(|capability| capability["request"] == "ListGroups").expect("ListGroups");
    assert_eq!(
        *groups,
        json!({ "request": "ListGroups", "state": "denied", "permission": "Describe on the cluster or on the groups" })
    );
    let (_, _, page) = service.request("/", "text/html").expect("the page");
    assert!(page.contains("ListGroups is denied: it needs Describe on the cluster"), "{page}");
    wait_for("one line in the log", PATIENCE, || {
        service
            .log()
            .contains("ListGroups is denied: it needs Describe on the cluster or on the groups")
            .then_some(())
    });
}

/// A configuration with a principal that has no permissions at first; `extra` continues the section `[topic]`.
fn config(kafka: &Kafka, topic: &str, extra: &str) -> String {
    format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\nsecurity.protocol = SASL_PLAINTEXT\nsasl.mechanism = PLAIN\n\
         sasl.username = {}\nsasl.password = {}\n[heartbeat]\ntopic = {topic}\ninterval = 250ms\n[metadata]\ninterval = 1s\n\
         [replicas]\ninterval = 1s\n[topic]\ninterval = 1s\n{extra}",
        kafka.bootstrap(Listener::SaslPlaintext),
        NOBODY.user,
        NOBODY.password,
    )
}

/// Creates the ACLs that the program printed.
fn allow(kafka: &Kafka, printed: &str) {
    let package = if kafka.is_modern() { "org.apache.kafka.tools" } else { "kafka.admin" };
    for command in run_by_a_shell(printed) {
        assert_eq!(command[..2], ["--bootstrap-server", &kafka.bootstrap(Listener::SaslPlaintext)]);
        let arguments: Vec<&str> = command[2..].iter().map(String::as_str).collect();
        kafka.admin(&format!("{package}.AclCommand"), &arguments);
    }
}

/// A principal with the permissions on all topics may read a topic that `forbidden.topics` names, until the printed denial is created.
/// The lag of the topic is still known.
fn printed_denials_close_the_forbidden_topic(kafka: &Kafka) {
    kafka.create_topic("salaries", 1);
    commit(kafka, "salaries-reader", "salaries", &[(0, 0)]);
    let checks = "[lag]\ninterval = 1s\n[freshness]\ninterval = 1s\n\
                  [negative_checks]\nenabled = true\ninterval = 2s\ntimeout = 2s\nforbidden.topics = salaries\n";
    let config = config(kafka, "hb-allowed", checks);
    let service = Service::start(&config);
    let accepting = || service.sum("heartbeat_negative_check_accepted", &["check=\"forbidden_topic\""]);
    wait_for("each broker to allow the forbidden topic", PATIENCE, || (accepting() == 3.0).then_some(()));
    allow(kafka, &acls(&config, &[]));
    let refused = ["check=\"forbidden_topic\"", "answer=\"refused\""];
    wait_for("each broker to refuse the forbidden topic", PATIENCE, || {
        let answers = service.sum("heartbeat_negative_checks_total", &refused);
        (answers >= 3.0 && accepting() == 0.0).then_some(())
    });
    let lag = wait_for_lag(&service, "salaries-reader", "salaries", 0, |reported| !reported["lag"].is_null());
    assert_eq!(lag["lag"], 0, "{lag}");
}

/// The series of all capabilities whose state is not `state`.
fn capabilities_but(service: &Service, state: &str) -> Vec<String> {
    let page = service.get("/metrics").expect("metrics");
    let state = format!("state=\"{state}\"");
    let others = page.lines().filter(|line| {
        line.starts_with("heartbeat_capability{") && !line.contains(&state) && line.ends_with(" 1")
    });
    others.map(str::to_owned).collect()
}

/// Asserts that no request of the service or of its librdkafka clients was refused.
fn assert_no_refusal(service: &Service) {
    let log = service.log().to_lowercase();
    let refusals = log.lines().filter(|line| line.contains("authorization") || line.contains(" denied"));
    assert_eq!(refusals.collect::<Vec<_>>(), [""; 0]);
    for family in ["heartbeat_produce_errors_total", "heartbeat_fetch_errors_total"] {
        assert_eq!(service.sum(family, &["fault=\"authorization\""]), 0.0, "{family}");
    }
}

/// A principal that only sends heartbeats needs no permission on any group, and the service asks for no group: a request
/// for the coordinator of a group of its own would be refused.
fn heartbeats_alone_need_no_group(kafka: &Kafka) {
    let extra = "[lag]\nenabled = false\n[freshness]\nenabled = false\n[transactions]\nenabled = false\n\
                 [coordinators]\nenabled = false\n";
    let config = config(kafka, "hb-alone", extra);
    let commands = acls(&config, &[]);
    assert!(!commands.contains("--group"), "{commands}");
    allow(kafka, &commands);
    let service = Service::start(&config);
    service.wait("k", "heartbeats from every partition", 30, |totals| totals.of("ok") >= 60);
    assert_eq!(capabilities_but(&service, "ok"), [""; 0]);
    assert_no_refusal(&service);
}

#[test]
fn principal_with_the_printed_acls_sees_everything() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    kafka.create_topic("allowed", 1);
    kafka.create_topic("findings", 1);
    let begun = now_ms() - 600_000;
    write(kafka, "allowed", 0, (0..50).map(|n| begun + n * 1000));
    commit(kafka, "allowed-reader", "allowed", &[(0, 20)]);
    let config = config(
        kafka,
        "hb-allowed",
        "rebalance = true\n[freshness]\ninterval = 1s\n[lag]\ninterval = 1s\n[log_dirs]\nenabled = true\ninterval = 1s\n\
         [transactions]\ninterval = 1s\nmin.age = 1s\n[transaction_probe]\nenabled = true\ninterval = 2s\nabort.every = 2\n\
         [alerts]\ntopic = findings\nmetrics.topic = findings\ninterval = 1s\n",
    );
    missing_permissions_are_reported(&config);
    heartbeats_alone_need_no_group(kafka);
    let config = config + "[ha]\nprovider = kafka\ngroup = allowed-instances\n";
    allow(kafka, &acls(&config, &[]));
    let open = {
        let producer: BaseProducer =
            client(kafka).set("transactional.id", "allowed-tx").create().expect("a producer");
        producer.init_transactions(PATIENCE).expect("known to its coordinator");
        producer.begin_transaction().expect("begun");
        producer.send(BaseRecord::<(), _>::to("allowed").partition(0).payload("x")).expect("taken");
        producer.flush(PATIENCE).expect("written");
        producer
    };
    let service = Service::start(&config);
    service.wait("k", "heartbeats from every partition", 30, |totals| totals.of("ok") >= 12);
    let lag = wait_for_lag(&service, "allowed-reader", "allowed", 0, |reported| {
        reported["time_lag"]["method"] == "record"
    });
    assert_eq!(lag["lag"], 31, "the record of the open transaction counts: {lag}");
    for (family, label, least) in [
        ("kafka_topic_log_size_bytes", "topic=\"allowed\"", 1.0),
        ("kafka_partition_transaction_info", "transactional_id=\"allowed-tx\"", 1.0),
        ("topic_last_event_timestamp_seconds", "topic=\"allowed\"", 1.0),
        ("kafka_under_min_isr_partitions", "topic=\"allowed\"", 0.0),
        ("heartbeat_quorum_leader_info", "kafka_cluster", 1.0),
        ("heartbeat_leader", "kafka_cluster", 1.0),
        ("heartbeat_alerts_total", "ending=\"ok\"", 1.0),
        ("heartbeat_coordinator_checks_total", "broker=", 1.0),
        ("heartbeat_transaction_outcomes_total", "outcome=\"committed\"", 1.0),
        ("heartbeat_transaction_outcomes_total", "outcome=\"aborted\"", 1.0),
    ] {
        wait_for(family, PATIENCE, || service.series(family, &[label]).filter(|value| *value >= least));
    }
    drop(open);
    assert_eq!(service.sum("heartbeat_leaderless", &[]), 0.0, "{}", service.log());
    assert_eq!(capabilities_but(&service, "ok"), [""; 0]);
    assert_no_refusal(&service);
    assert_eq!(service.sum("heartbeat_collect_errors_total", &[]), 0.0, "{}", service.log());
    assert_eq!(service.sum("heartbeat_topic_blocked", &[]), 0.0, "{}", service.log());
    assert_eq!(service.sum("heartbeat_cycle_faults_total", &[]), 0.0, "{}", service.log());
    drop(service);
    printed_denials_close_the_forbidden_topic(kafka);
}
