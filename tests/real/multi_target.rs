//! `/probe` against every kind of listener of a real Kafka.

use super::*;

/// What a probe found.
fn probe(service: &Service, target: &str, module: &str) -> exposition_parser::Exposition {
    let path = format!("/probe?target={target}&module={module}");
    let body = service.get(&path).unwrap_or_else(|error| panic!("{module}: {error}"));
    parse(&body, Format::Text).expect("the text format")
}

#[test]
fn probe_checks_every_kind_of_listener_and_names_the_stage_that_fails() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let module = |name: &str, keys: &str| {
        format!("[module:{name}]\ntargets = (127\\.0\\.0\\.1|localhost):\\d+\nbrokers = all\n{keys}")
    };
    let ca = format!("ssl.ca.location = {}\n", kafka.ca_pem_path().display());
    let login = |protocol: &str, mechanism: &str, password: &str| {
        format!(
            "security.protocol = {protocol}\nsasl.mechanism = {mechanism}\nsasl.username = {}\nsasl.password = {password}\n{ca}",
            HEARTBEAT.user
        )
    };
    let own = kafka.client_cert_paths();
    let mutual = format!(
        "security.protocol = ssl\n{ca}ssl.certificate.location = {}\nssl.key.location = {}\n",
        own.certificate.display(),
        own.key.display()
    );
    let good = [
        ("plain", Listener::Plaintext, String::new(), 4),
        ("scram", Listener::SaslPlaintext, login("sasl_plaintext", "SCRAM-SHA-256", HEARTBEAT.password), 5),
        ("saslssl", Listener::SaslSsl, login("sasl_ssl", "PLAIN", HEARTBEAT.password), 6),
        ("mutual", Listener::MutualTls, mutual, 5),
    ];
    let bad = [
        (
            "wrong",
            Listener::SaslSsl,
            login("sasl_ssl", "PLAIN", "not-the-password"),
            "sasl",
            "authentication",
        ),
        ("nottls", Listener::Plaintext, format!("security.protocol = ssl\n{ca}"), "tls", "tls"),
        ("nocert", Listener::MutualTls, format!("security.protocol = ssl\n{ca}"), "", "certificate_refused"),
    ];
    let modules: String = good.iter().map(|(name, _, keys, _)| module(name, keys)).collect();
    let modules: String =
        bad.iter().fold(modules, |modules, (name, _, keys, ..)| modules + &module(name, keys));
    let service =
        Service::start(&format!("[kafka]\nbootstrap.servers = {}\n{modules}", Kafka::dead_bootstrap()));
    let target = |listener| kafka.bootstrap(listener).split(',').next().expect("a broker").to_owned();
    for (name, listener, _, stages) in &good {
        let found = probe(&service, &target(*listener), name);
        assert_eq!(found.only("probe_success"), 1.0, "{name}: {:?}", found.samples());
        assert_eq!(found.only("probe_kafka_brokers"), 3.0, "{name}");
        assert_eq!(found.labels_of("probe_stage_duration_seconds", "stage").len(), *stages, "{name}");
        let brokers = found.labels_of("probe_broker_success", "broker_id");
        assert_eq!(brokers, ["1", "2", "3"].map(str::to_owned).into(), "{name}");
        let expires = found.families().any(|family| family == "probe_ssl_earliest_cert_expiry");
        assert_eq!(expires, ["saslssl", "mutual"].contains(name), "{name}");
    }
    for (name, listener, _, stage, fault) in &bad {
        let found = probe(&service, &target(*listener), name);
        assert_eq!(found.only("probe_success"), 0.0, "{name}: {:?}", found.samples());
        assert_eq!(found.labels_of("probe_failed_stage", "fault"), [(*fault).to_owned()].into(), "{name}");
        let stages = found.labels_of("probe_failed_stage", "stage");
        assert!(stage.is_empty() || stages == [(*stage).to_owned()].into(), "{name}: {stages:?}");
    }
    let (_, log) = service.stop();
    assert!(!log.contains("not-the-password") && !log.contains(HEARTBEAT.password), "{log}");
}
