//! The service against a real Apache Kafka of three brokers, healthy and with faults.
//!
//! Each time the counts of heartbeats are read, they are checked: scheduled = outcomes + in flight.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Stdio,
    sync::{Arc, LazyLock},
    time::{Duration, Instant, SystemTime},
};

use exposition_parser::parse;
use kafka_heartbeat::{
    config::{Properties, Property},
    export::prometheus::Format,
    kafka::{
        BrokerId, Fault,
        admin::{self, Topics},
        wire,
    },
    probe::{
        heartbeat::record::{Identity, Record},
        topic::CONFIG_KEYS,
    },
};
use support::{
    kafka::{Extras, HEARTBEAT, Kafka, Listener, NOBODY},
    service::{Service, Totals, free_port, program},
    wait_for,
};

#[path = "real/connect.rs"]
mod connect;
#[path = "real/coordinators.rs"]
mod coordinators;
#[path = "real/durability.rs"]
mod durability;
#[expect(dead_code, reason = "each test binary uses a part of what was read")]
mod exposition_parser;
#[path = "real/history.rs"]
mod history;
#[path = "real/mirrors.rs"]
mod mirrors;
#[path = "real/multi_target.rs"]
mod multi_target;
#[path = "real/negative_checks.rs"]
mod negative_checks;
#[path = "real/remote_reads.rs"]
mod remote_reads;
#[path = "real/replicas.rs"]
mod replicas;
#[path = "real/rolling_restart.rs"]
mod rolling_restart;
#[path = "real/schema_registry.rs"]
mod schema_registry;
#[path = "real/slow_broker.rs"]
mod slow_broker;
#[path = "real/stale_metadata.rs"]
mod stale_metadata;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;
#[path = "real/transactions.rs"]
mod transactions;

/// Short intervals, so that a test sees many heartbeats, and a short horizon, so that lost heartbeats end soon.
const FAST: &str = "[heartbeat]\ninterval = 200ms\ndeadline = 4s\nhorizon = 10s\n\
                    [connectivity]\ninterval = 2s\n[metadata]\ninterval = 2s\ntimeout = 2s\n[topic]\ninterval = 5s\ntimeout = 5s\n";

fn plaintext(kafka: &Kafka, topic: &str) -> String {
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    format!("[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n{FAST}")
        .replace("[heartbeat]", &format!("[heartbeat]\ntopic = {topic}"))
}

#[test]
fn heartbeats_are_ok_over_every_kind_of_connection_and_a_dead_cluster_disturbs_none() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let sasl = |name: &str, listener, protocol: &str, mechanism: &str| {
        format!(
            "[cluster:{name}]\nbootstrap.servers = {}\nsecurity.protocol = {protocol}\nsasl.mechanism = {mechanism}\n\
             sasl.username = {}\nsasl.password = {}\nssl.ca.location = {}\nheartbeat.topic = hb-{name}\n",
            kafka.bootstrap(listener),
            HEARTBEAT.user,
            HEARTBEAT.password,
            kafka.ca_pem_path().display(),
        )
    };
    let own = kafka.client_cert_paths();
    let mutual = format!(
        "[cluster:mutual]\nbootstrap.servers = {}\nsecurity.protocol = ssl\nssl.ca.location = {}\n\
         ssl.certificate.location = {}\nssl.key.location = {}\nheartbeat.topic = hb-mutual\n",
        kafka.bootstrap(Listener::MutualTls),
        kafka.ca_pem_path().display(),
        own.certificate.display(),
        own.key.display(),
    );
    let clusters = [
        format!(
            "[cluster:plain]\nbootstrap.servers = {}\nheartbeat.topic = hb-plain\n",
            kafka.bootstrap(Listener::Plaintext)
        ),
        sasl("scram256", Listener::SaslPlaintext, "sasl_plaintext", "SCRAM-SHA-256"),
        sasl("scram512", Listener::SaslSsl, "sasl_ssl", "SCRAM-SHA-512"),
        sasl("saslplain", Listener::SaslSsl, "sasl_ssl", "PLAIN"),
        mutual,
        format!("[cluster:dead]\nbootstrap.servers = {}\n", Kafka::dead_bootstrap()),
    ];
    let service = Service::start(&format!("{FAST}{}", clusters.concat()));
    for name in ["plain", "scram256", "scram512", "saslplain", "mutual"] {
        // Six clusters log in at once: on a slow machine the first metadata may be late.
        let begun = service.wait(name, "good heartbeats", 60, |totals| totals.of("ok") >= 3);
        let totals =
            service.wait(name, "20 good heartbeats", 40, |totals| totals.of("ok") >= begun.of("ok") + 20);
        assert_eq!(totals.bad(), begun.bad(), "{name}: {totals:?}\n{}", service.log());
        // On a slow machine a session may take longer than its 2 s, and a broker that answers late rests for four times as long.
        wait_for(&format!("every broker of {name} to be up"), Duration::from_secs(40), || {
            (service.sum("heartbeat_broker_up", &[&format!("kafka_cluster=\"{name}\"")]) == 3.0).then_some(())
        });
        let label = format!("kafka_cluster=\"{name}\"");
        assert_eq!(service.sum("heartbeat_quorum_leader_info", &[&label]), 1.0, "{name}");
        assert_eq!(service.sum("heartbeat_topic_ready", &[&label]), 1.0, "{name}");
        let stages = |stage: &str| {
            service.sum(
                "heartbeat_broker_connect_duration_seconds_count",
                &[&label, &format!("stage=\"{stage}\"")],
            )
        };
        assert_eq!(stages("tls") > 0.0, ["scram512", "saslplain", "mutual"].contains(&name), "{name}");
        assert_eq!(stages("sasl") > 0.0, name.contains("scram") || name == "saslplain", "{name}");
    }
    let expiry = service.series("heartbeat_broker_certificate_expiry_timestamp_seconds", &["scram512"]);
    assert!(expiry.is_some_and(|expiry| expiry > 1.7e9), "{expiry:?}");
    let dead =
        service.wait("dead", "bad heartbeats of the dead cluster", 20, |totals| totals.of("unsent") >= 5);
    assert_eq!(dead.of("ok"), 0);
    assert_eq!(service.api("/api/v1/status", "dead")["verdict"], "down");
    service.ask_every_path();
    assert_eq!(
        service.series("heartbeat_brokers", &["kafka_cluster=\"dead\""]),
        None,
        "an unknown number of brokers is absent"
    );
    for (format, accept) in
        [(Format::Text, "*/*"), (Format::OpenMetrics, "application/openmetrics-text;version=1.0.0")]
    {
        let (_, _, metrics) = service.request("/metrics", accept).expect("an answer");
        let read = parse(&metrics, format).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(read.labels_of("heartbeat_slo_events_total", "kafka_cluster").len(), 6);
        // Five names for one Kafka, which the older program's series know by its id alone.
        assert_eq!(read.labels_of("heartbeat_cluster_info", "cluster_id").len(), 1);
        assert!(read.only("heartbeat_messages_produced") >= 20.0);
    }
    assert!(!service.log().contains(HEARTBEAT.password));
    let (ended, log) = service.stop();
    assert_eq!(ended.code(), Some(0), "{log}");
}

#[test]
fn connection_error_has_a_name_a_stage_and_a_hint() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let cluster = |name: &str, listener, rest: &str| {
        format!(
            "[cluster:{name}]\nbootstrap.servers = {}\nheartbeat.topic = hb-{name}\n{rest}",
            kafka.bootstrap(listener)
        )
    };
    let scram = |user: &str, password: &str| {
        format!(
            "security.protocol = sasl_plaintext\nsasl.mechanism = SCRAM-SHA-512\nsasl.username = {user}\nsasl.password = {password}\n"
        )
    };
    let untrusted = kafka.untrusted_client_cert_paths();
    let config = [
        FAST.to_owned(),
        cluster("password", Listener::SaslPlaintext, &scram(HEARTBEAT.user, "wrong-secret")),
        cluster("nobody", Listener::SaslPlaintext, &scram(NOBODY.user, NOBODY.password)),
        cluster(
            "ca",
            Listener::MutualTls,
            &format!(
                "security.protocol = ssl\nssl.ca.location = {}\n",
                kafka.untrusted_ca_pem_path().display()
            ),
        ),
        cluster(
            "client",
            Listener::MutualTls,
            &format!(
                "security.protocol = ssl\nssl.ca.location = {}\nssl.certificate.location = {}\nssl.key.location = {}\n",
                kafka.ca_pem_path().display(),
                untrusted.certificate.display(),
                untrusted.key.display(),
            ),
        ),
        cluster("nottls", Listener::Plaintext, "security.protocol = ssl\n"),
        cluster("notplain", Listener::MutualTls, ""),
    ];
    let service = Service::start(&config.concat());
    let reason = |name: &str, fault: &str| {
        let label = format!("kafka_cluster=\"{name}\"");
        wait_for(&format!("{name}: {fault}"), Duration::from_secs(20), || {
            let seen = service.sum(
                "heartbeat_cycle_faults_total",
                &[&label, "task=\"metadata\"", &format!("fault=\"{fault}\"")],
            );
            (seen > 0.0).then_some(())
        });
        service.wait(name, "bad heartbeats", 20, |totals| totals.bad() >= 3);
    };
    reason("password", "authentication");
    reason("ca", "certificate_unknown_ca");
    reason("client", "certificate_refused");
    reason("nottls", "tls");
    reason("notplain", "protocol");
    let denied = service.wait("nobody", "bad heartbeats without permission", 20, |totals| totals.bad() >= 3);
    assert_eq!(denied.of("ok"), 0);
    wait_for("the topic to be blocked by a missing permission", Duration::from_secs(15), || {
        (service.series("heartbeat_topic_blocked", &["nobody", "reason=\"denied\""]) == Some(1.0))
            .then_some(())
    });
    assert_eq!(
        service.series("heartbeat_capability", &["nobody", "DescribeQuorum", "state=\"denied\""]),
        Some(1.0)
    );
    let log = service.log();
    for hint in ["check sasl.mechanism, sasl.username and sasl.password", "set ssl.ca.location to the CA"] {
        assert_eq!(log.matches(hint).count(), 1, "{hint}: {log}");
    }
    assert!(!log.contains("wrong-secret") && !log.contains(NOBODY.password), "no secret in the log");
}

#[test]
fn two_instances_foreign_and_damaged_records_and_added_partitions_disturb_no_heartbeat() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "hb-company";
    let config = plaintext(kafka, topic);
    let one = Service::start(&config.replace("[heartbeat]", "[heartbeat]\ninstance = one"));
    one.wait("k", "the first heartbeats", 30, |totals| totals.of("ok") >= 10);
    let two = Service::start(&config.replace("[heartbeat]", "[heartbeat]\ninstance = two"));
    two.wait("k", "heartbeats of the second instance", 30, |totals| totals.of("ok") >= 10);
    wait_for("each instance to count the records of the other as foreign", Duration::from_secs(10), || {
        let foreign = |service: &Service| service.sum("heartbeat_anomalies_total", &["kind=\"foreign\""]);
        (foreign(&one) > 0.0 && foreign(&two) > 0.0).then_some(())
    });
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    write_records(&bootstrap, topic, &[b"another program", b"kfhb\x01 damaged", b""]);
    wait_for("a corrupt record to be counted", Duration::from_secs(10), || {
        (one.sum("heartbeat_anomalies_total", &["kind=\"corrupt\""]) == 1.0).then_some(())
    });
    let repeated = repeat_records(&bootstrap, topic);
    for (service, name) in [(&one, "one"), (&two, "two")] {
        let instance = Identity::new(name, SystemTime::now()).instance;
        let own = repeated.iter().filter(|record| record.identity.instance == instance).count();
        assert!(own > 0, "of six heartbeats in a row some are of instance {name}");
        let duplicates = || service.sum("heartbeat_anomalies_total", &["kind=\"duplicate\""]);
        wait_for("duplicates to be counted", Duration::from_secs(10), || {
            (duplicates() >= own as f64).then_some(())
        });
        assert_eq!(duplicates(), own as f64, "{name}");
    }
    // One instance restarts. Its earlier records, if any are read, belong to an earlier epoch.
    two.stop();
    let again = Service::start(&config.replace("[heartbeat]", "[heartbeat]\ninstance = two"));
    again.wait("k", "heartbeats after a restart", 30, |totals| totals.of("ok") >= 10);
    kafka.admin("org.apache.kafka.tools.TopicCommand", &["--alter", "--topic", topic, "--partitions", "5"]);
    wait_for("heartbeats on the added partitions", Duration::from_secs(30), || {
        let ok = |partition: &str| {
            one.sum("heartbeat_outcomes_total", &[&format!("partition=\"{partition}\""), "outcome=\"ok\""])
        };
        (ok("3") >= 5.0 && ok("4") >= 5.0).then_some(())
    });
    for service in [&one, &again] {
        let totals = service.totals("k");
        assert_eq!(totals.bad(), 0, "{totals:?}\n{}", service.log());
    }
    // A second instance of the same name: the first recognises its records, and judges none of them.
    let copy = Service::start(&config.replace("[heartbeat]", "[heartbeat]\ninstance = two"));
    wait_for("the copy to be recognised", Duration::from_secs(40), || {
        (again.sum("heartbeat_anomalies_total", &["kind=\"same_name\""]) > 0.0).then_some(())
    });
    wait_for("the remedy in the log", Duration::from_secs(10), || {
        again.log().contains("give each instance a name of its own").then_some(())
    });
    assert_eq!(again.totals("k").bad(), 0, "{}", again.log());
    copy.stop();
}

/// The possible outcomes of a heartbeat whose broker stopped answering, besides ok.
const UNANSWERED: [&str; 4] = ["late", "rejected", "unacked_received", "unacked_missing"];

/// The outcome of heartbeats during a stall of the service, which may happen on a busy machine.
const STALLED: &str = "skipped";

/// The increase of each outcome except `ok` since `before`. Asserts that only allowed outcomes increased.
fn since(before: &Totals, after: &Totals, allowed: &[&str], what: &str) -> BTreeMap<String, u64> {
    let increases = after.outcomes.iter().map(|(name, count)| (name.clone(), count - before.of(name)));
    let increases: BTreeMap<_, _> = increases.filter(|(name, count)| name != "ok" && *count > 0).collect();
    assert!(
        increases.keys().all(|name| allowed.contains(&name.as_str()) || name == STALLED),
        "{what}: {increases:?} include outcomes other than {allowed:?}"
    );
    increases
}

#[test]
fn faults_are_measured_and_nothing_needs_a_restart() {
    let Some(kafka) = Kafka::start(3) else { return };
    let topic = "hb-faults";
    let service = Service::start(&plaintext(&kafka, topic));
    // Waits until the cluster is healthy again. Every heartbeat that was judged bad has a bad outcome or is in flight.
    let settled = |what: &str| {
        let before = service.totals("k");
        let totals = service
            .wait("k", what, 60, |totals| totals.of("ok") >= before.of("ok") + 15 && totals.in_flight < 5);
        assert!(totals.bad() + totals.in_flight >= totals.bad_events, "{what}: {totals:?}");
        totals
    };
    let begun = service.totals("k");
    let well = settled("heartbeats on a healthy cluster");
    since(&begun, &well, &[], "healthy");

    kafka.move_leader(topic, 0, 2);
    let moved = settled("heartbeats after a leader moved");
    since(&well, &moved, &[], "a controlled move of a leader costs no heartbeat");
    wait_for("the new leader to be the label", Duration::from_secs(15), || {
        let labels = ["partition=\"0\"", "broker=\"2\"", "outcome=\"ok\""];
        (service.sum("heartbeat_outcomes_total", &labels) > 0.0).then_some(())
    });

    // A frozen broker keeps its sockets open and answers nothing.
    kafka.broker(2).pause();
    wait_for("the frozen broker to be seen", Duration::from_secs(20), || {
        (service.series("heartbeat_broker_up", &["broker=\"2\""]) == Some(0.0)).then_some(())
    });
    service.wait("k", "bad heartbeats while a leader is frozen", 30, |totals| {
        totals.bad_events > moved.bad_events
    });
    let asked = Instant::now();
    assert!(service.get("/metrics").is_ok() && asked.elapsed() < Duration::from_secs(1), "scrapes go on");
    kafka.broker(2).wait_until_fenced();
    settled("heartbeats over the other brokers");
    kafka.broker(2).resume();
    kafka.broker(2).wait_until_known();
    let woken = settled("heartbeats after the broker woke up");
    let frozen = since(&moved, &woken, &UNANSWERED, "frozen");
    assert!(!frozen.is_empty());

    kafka.broker(3).kill();
    kafka.broker(3).wait_until_fenced();
    settled("heartbeats while a broker is down");
    // The dead broker is still a reason after it left the metadata and after the last bad heartbeat left the window.
    wait_for("a verdict whose only reasons are about the dead broker", Duration::from_secs(60), || {
        let status = service.api("/api/v1/status", "k");
        let reasons = status["reasons"].to_string();
        assert_ne!(status["verdict"], "ok", "two of three brokers are left");
        let named = reasons.contains("missing: broker 3") && reasons.contains("broker 3 is not in sync");
        (status["verdict"] == "degraded" && named && !reasons.contains("were bad")).then_some(())
    });
    kafka.broker(3).restart();
    let returned = settled("heartbeats after the broker is back");
    let killed = since(&woken, &returned, &UNANSWERED, "killed");
    wait_for("every broker to be up again", Duration::from_secs(20), || {
        (service.sum("heartbeat_broker_up", &[]) == 3.0).then_some(())
    });
    wait_for("a good verdict", Duration::from_secs(60), || {
        (service.api("/api/v1/status", "k")["verdict"] == "ok").then_some(())
    });

    kafka.delete_topic(topic);
    settled("heartbeats after the topic was deleted and recreated");
    let recreated = service.wait("k", "the last of the deleted topic", 20, |totals| totals.in_flight < 5);
    // A heartbeat that was acknowledged and deleted before it was read is lost. That can happen at the deletion only.
    let with_loss = [&UNANSWERED[..], &["unsent", "lost"]].concat();
    let deleted = since(&returned, &recreated, &with_loss, "deleted");
    assert!(deleted.get("lost").is_none_or(|lost| *lost <= 15), "{deleted:?}");

    // All brokers stop: bad heartbeats, no exit. Then they return.
    for id in 1..=3 {
        kafka.broker(id).kill();
    }
    let dark = service.totals("k");
    service.wait("k", "bad heartbeats without any broker", 30, |totals| {
        totals.bad_events >= dark.bad_events + 10
    });
    assert_eq!(service.get("/livez").as_deref(), Ok("ok\n"));
    assert_eq!(service.get("/readyz").as_deref(), Ok("ok\n"));
    std::thread::scope(|scope| {
        for id in 1..=3 {
            let broker = kafka.broker(id);
            scope.spawn(move || broker.restart());
        }
    });
    let back = settled("heartbeats after all brokers are back");
    // Heartbeats acknowledged just before the stop may not be readable before their horizon.
    let stopped = since(&recreated, &back, &with_loss, "all brokers stopped");
    assert!(stopped.get("lost").is_none_or(|lost| *lost <= 15), "{stopped:?}");
    println!("frozen {frozen:?}, killed {killed:?}, deleted {deleted:?}, all stopped {stopped:?}");
    let (ended, log) = service.stop();
    assert_eq!(ended.code(), Some(0), "{log}");
}

#[test]
fn service_started_before_kafka_recovers_when_kafka_comes() {
    let Some(kafka) = Kafka::start(1) else { return };
    kafka.broker(1).kill();
    let service = Service::start_promptly(&plaintext(&kafka, "hb-early"));
    let dark = service.wait("k", "bad heartbeats", 30, |totals| totals.of("unsent") >= 5);
    assert_eq!(dark.of("ok"), 0);
    assert_eq!(service.get("/livez").as_deref(), Ok("ok\n"));
    kafka.broker(1).restart();
    service.wait("k", "good heartbeats", 40, |totals| totals.of("ok") >= 10);
    let before = service.totals("k");
    let after = service
        .wait("k", "ten further good heartbeats", 20, |totals| totals.of("ok") >= before.of("ok") + 10);
    assert_eq!(after.of("lost"), 0, "{after:?}");
}

#[test]
fn stalled_prober_skips_heartbeats_and_judges_none_as_bad() {
    let Some(kafka) = Kafka::shared() else { return };
    let service = Service::start(&plaintext(kafka, "hb-stall"));
    let before = service.wait("k", "good heartbeats", 30, |totals| totals.of("ok") >= 10);
    assert_eq!(before.bad(), 0, "{before:?}");
    support::service::signal(service.pid(), "STOP");
    // The pause is longer than the deadline of 4 s, so heartbeats in flight cannot be judged.
    let asleep = Instant::now();
    wait_for("the pause to be over", Duration::from_secs(7), || {
        (asleep.elapsed() > Duration::from_secs(6)).then_some(())
    });
    support::service::signal(service.pid(), "CONT");
    let after = service.wait("k", "skipped slots", 10, |totals| totals.of("skipped") >= 20);
    assert_eq!(service.series("heartbeat_prober_healthy", &[]), Some(0.0));
    assert_eq!(after.bad(), 0, "{after:?}\n{}", service.log());
    service.wait("k", "good heartbeats again", 20, |totals| totals.of("ok") >= before.of("ok") + 20);
}

#[test]
fn probe_and_topic_plan_report_and_exit() {
    let Some(kafka) = Kafka::shared() else { return };
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    let run_with = |settings: &[(&str, &str)], arguments: &[&str]| {
        let mut program = program();
        program.envs(settings.iter().copied()).args(arguments).stdout(Stdio::piped());
        let output = program.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let run = |arguments: &[&str]| run_with(&[], arguments);
    let env = ["-b", bootstrap.as_str()];
    let forbidden = [("KAFKA_HEARTBEAT__TOPIC__CREATE", "false")];
    let (code, plan, errors) = run_with(&forbidden, &[&["topic", "plan"], &env[..]].concat());
    assert_eq!(code, Some(0), "a plan changes nothing, so it succeeds: {plan}{errors}");
    let (code, nothing, errors) = run_with(&forbidden, &[&["topic", "apply"], &env[..]].concat());
    assert_eq!(code, Some(69), "{nothing}{errors}");
    assert!(nothing.contains("held: switched off") && nothing.contains("0 of 1 done"), "{nothing}");
    let (code, plan, errors) = run(&[&["topic", "plan"], &env[..]].concat());
    assert_eq!(code, Some(0), "{errors}");
    assert!(plan.contains("create the topic: 3 partitions, replication factor 3"), "{plan}");
    let (code, done, errors) = run(&[&["topic", "apply"], &env[..]].concat());
    assert_eq!(code, Some(0), "{errors}");
    assert!(done.contains("1 of 1 done"), "{done}");
    let (code, report, errors) = run(&[&["probe", "--count", "3", "--format", "json"], &env[..]].concat());
    let report: serde_json::Value =
        serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}{errors}"));
    assert_eq!((code, &report["clusters"][0]["outcomes"]["ok"]), (Some(0), &9.into()), "{report:#}");
    let (code, report, _) = run(&[&["probe", "--count", "3"], &env[..]].concat());
    assert!(code == Some(0) && report.ends_with("all good\n"), "{report}");
    let dead = Kafka::dead_bootstrap();
    let (code, report, _) = run(&["probe", "--count", "1", "--deadline", "1s", "-b", &dead]);
    assert_eq!(code, Some(69), "{report}");
    assert!(
        report.contains("refused")
            && report.contains("Nothing was sent: no connection to the cluster")
            && !report.contains("p50")
            && report.ends_with("NOT WELL\n"),
        "{report}"
    );
}

#[test]
fn cc_heartbeat_file_runs_and_its_names_are_served_with_their_types() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let file = include_str!("fixtures/cc-heartbeat.ini")
        .replace("pkc-00000.eu-central-1.aws.confluent.example:9092", &kafka.bootstrap(Listener::SaslSsl))
        .replace("AN-API-KEY", HEARTBEAT.user)
        .replace(
            "${CC_SECRET}",
            &format!("{}\nssl.ca.location={}", HEARTBEAT.password, kafka.ca_pem_path().display()),
        )
        .replace("metrics.listener.port=8080", &format!("metrics.listener.port={}", free_port()));
    let service = Service::start(&file);
    service.wait("default", "good heartbeats", 40, |totals| totals.of("ok") >= 6);
    wait_for("every older name", Duration::from_secs(15), || {
        service.series("heartbeat_connection_latency_ms", &["broker=\"3\"", "broker_ip=\"127.0.0.1\""])
    });
    let text = service.get("/").expect("metrics at / for clients that are no browser");
    let counters = [
        "heartbeat_messages_produced",
        "heartbeat_messages_consumed",
        "heartbeat_broker_count",
        "heartbeat_connection_check_count",
    ];
    let gauges = [
        "heartbeat_controller",
        "heartbeat_avg_produce_latency_ms",
        "heartbeat_avg_consume_latency_ms",
        "heartbeat_connection_latency_ms",
    ];
    for (names, kind) in [(counters, "counter"), (gauges, "gauge")] {
        for name in names {
            assert!(text.contains(&format!("\n# TYPE {name} {kind}\n")), "{name}");
            assert!(service.series(name, &["cluster_id=\""]).is_some_and(|value| value > 0.0), "{name}");
        }
    }
    let (_, kind, open) =
        service.request("/metrics", "application/openmetrics-text;version=1.0.0").expect("an answer");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(open.contains("\n# TYPE heartbeat_messages_produced unknown\n") && open.ends_with("# EOF\n"));
    let topics = service.api("/topics", "default");
    assert_eq!(topics["topics"][0]["topic"], "cc-heartbeat");
}

fn producer(bootstrap: &str) -> rdkafka::producer::BaseProducer {
    rdkafka::ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a producer")
}

/// Writes records with these values, which are no heartbeats of the service.
fn write_records(bootstrap: &str, topic: &str, values: &[&[u8]]) {
    use rdkafka::producer::{BaseRecord, Producer};
    let producer = producer(bootstrap);
    for value in values {
        producer
            .send(BaseRecord::<(), _>::to(topic).partition(0).payload(*value))
            .map_err(|(error, _)| error)
            .expect("sent");
    }
    producer.flush(Duration::from_secs(10)).expect("written");
}

/// Reads a few of the latest heartbeats and writes them again, byte for byte.
fn repeat_records(bootstrap: &str, topic: &str) -> Vec<Record> {
    use rdkafka::{
        Message, Offset, TopicPartitionList,
        consumer::{BaseConsumer, Consumer},
    };
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "repeat")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::OffsetTail(1)).expect("an offset");
    consumer.assign(&list).expect("assigned");
    let seen: Vec<Vec<u8>> = (0..6)
        .map(|_| {
            wait_for("a record to repeat", Duration::from_secs(10), || {
                Some(consumer.poll(Duration::from_secs(1))?.ok()?.payload()?.to_vec())
            })
        })
        .collect();
    write_records(bootstrap, topic, &seen.iter().map(Vec::as_slice).collect::<Vec<_>>());
    seen.iter().map(|bytes| Record::decode(bytes).expect("a heartbeat")).collect()
}

/// The leader and the replicas of each partition, once there are partitions.
fn layout(wire: &wire::Cluster, topic: &str) -> Option<BTreeMap<i32, admin::Partition>> {
    let asked = runtime().block_on(admin::metadata(wire, Topics::Named(&[topic]))).ok()?;
    asked.topics.get(topic)?.as_ref().ok().map(|topic| topic.partitions.clone())
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));
    &RUNTIME
}

#[test]
fn topic_with_one_replica_on_one_broker_is_corrected_if_that_is_allowed() {
    let Some(kafka) = Kafka::shared() else { return };
    let (topic, folder) = ("hb-rebalance", tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("config.ini");
    let config = plaintext(kafka, topic).replace("[topic]", "[topic]\nrebalance = true");
    fs::write(&file, &config).expect("a file");
    let property = |value: String| Property { value, place: "test".to_owned() };
    let servers = property(kafka.bootstrap(Listener::Plaintext));
    let settings =
        wire::Client::from_properties("k", &Properties([("bootstrap.servers".to_owned(), servers)].into()));
    let wire = wire::Cluster::new(Arc::new(settings.expect("good settings")), Duration::from_secs(10));
    let configs = BTreeMap::from([("cleanup.policy", "compact".to_owned())]);
    let lonely = [(0, vec![BrokerId(1)]), (1, vec![BrokerId(1)]), (2, vec![BrokerId(1)])].into();
    runtime().block_on(async {
        admin::create_topic(&wire, topic, 3, 1, &configs).await.expect("created");
        // All three partitions on one broker: no other broker leads one.
        admin::reassign(&wire, topic, &lonely).await.expect("moved");
        let found =
            admin::coordinators(&wire, admin::Coordinated::Groups, &["some-group"]).await.expect("an answer");
        let coordinator = found["some-group"].as_ref().map_err(|error| error.fault());
        assert!(
            coordinator.is_ok_and(|broker| (1..=3).contains(&broker.0))
                || coordinator == Err(Fault::NoLeader)
        );
    });
    wait_for("three partitions on one broker", Duration::from_secs(20), || {
        let leaders = layout(&wire, topic)?;
        leaders.values().all(|partition| partition.leader == Some(BrokerId(1))).then_some(())
    });
    let apply = |verb: &str| {
        let done = program().args(["topic", verb, "--config"]).arg(&file).output().expect("the program runs");
        String::from_utf8(done.stdout).expect("UTF-8")
    };
    let plan = apply("plan");
    assert!(
        plan.contains("move partition 2 to brokers 1, ") && plan.contains("set cleanup.policy=delete"),
        "{plan}"
    );
    // Replicas first, then another order, then leaders: each when the one before is done.
    wait_for("nothing to do", Duration::from_secs(60), || {
        apply("apply").contains("nothing to do").then_some(())
    });
    let partitions = layout(&wire, topic).expect("the topic");
    let leaders: BTreeSet<_> = partitions.values().map(|partition| partition.leader).collect();
    assert_eq!(leaders, [1, 2, 3].map(|broker| Some(BrokerId(broker))).into(), "{partitions:?}");
    assert!(partitions.values().all(|partition| partition.isr.len() == 3), "{partitions:?}");
    let configs = runtime().block_on(admin::topic_configs(&wire, topic, &CONFIG_KEYS)).expect("its settings");
    let expected = [("cleanup.policy", "delete"), ("min.insync.replicas", "2")];
    assert!(expected.iter().all(|(key, value)| configs[*key] == *value), "{configs:?}");
    let service = Service::start(&config);
    let totals = service.wait("k", "20 good heartbeats", 30, |totals| totals.of("ok") >= 20);
    assert_eq!(totals.bad(), 0, "{totals:?}");
}
