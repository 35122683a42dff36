//! What a real Kafka refuses, and what it accepts once its protection is switched off.

use super::*;

/// A service at a listener that tries what should be refused, and sends no heartbeats.
fn config(bootstrap: &str, keys: &str, checks: &str) -> String {
    format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n{keys}[heartbeat]\nenabled = false\n\
         [negative_checks]\nenabled = true\ninterval = 5s\ntimeout = 5s\n{checks}"
    )
}

fn login(kafka: &Kafka, user: &str, password: &str) -> String {
    format!(
        "security.protocol = sasl_ssl\nsasl.mechanism = SCRAM-SHA-256\nsasl.username = {user}\nsasl.password = {password}\n\
         ssl.ca.location = {}\n",
        kafka.ca_pem_path().display()
    )
}

/// The number of brokers that answered a check in this way at last: 0 is refused, 1 is accepted.
fn brokers(service: &Service, check: &str, accepted: f64) -> usize {
    let read = parse(&service.get("/metrics").unwrap_or_default(), Format::Text).expect("the text format");
    let of = read.samples().iter().filter(|((name, labels), _)| {
        name == "heartbeat_negative_check_accepted"
            && labels.iter().any(|(label, found)| label == "check" && found == check)
    });
    of.filter(|(_, value)| **value == accepted).count()
}

fn wait_for_answers(service: &Service, check: &str, accepted: f64, expected: usize) {
    let what = format!("{expected} brokers to answer the check {check} with {accepted}");
    wait_for(&what, Duration::from_secs(60), || {
        (brokers(service, check, accepted) == expected).then_some(())
    });
}

#[test]
fn brokers_refuse_strangers_and_the_forbidden_topic_of_a_principal_that_may_do_everything_is_an_incident() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    kafka.create_topic("payments", 1);
    let checks = "forbidden.topics = payments\n";
    let bootstrap = kafka.bootstrap(Listener::SaslSsl);
    let weak = Service::start(&config(&bootstrap, &login(kafka, NOBODY.user, NOBODY.password), checks));
    let strong =
        Service::start(&config(&bootstrap, &login(kafka, HEARTBEAT.user, HEARTBEAT.password), checks));
    for check in ["anonymous", "wrong_password", "plaintext", "forbidden_topic"] {
        wait_for_answers(&weak, check, 0.0, 3);
    }
    for check in ["anonymous", "wrong_password", "plaintext"] {
        wait_for_answers(&strong, check, 0.0, 3);
    }
    wait_for_answers(&strong, "forbidden_topic", 1.0, 3);
    let event = wait_for("the event", Duration::from_secs(10), || {
        let events = strong.get("/api/v1/events?kind=forbidden_access").expect("events");
        events.contains("payments").then_some(events)
    });
    assert!(event.contains("accepts what it should refuse: the use of topic payments"), "{event}");
    let page = strong.request("/", "text/html").expect("the page").2;
    assert!(page.contains("3 attempts accepted"), "{page}");
    assert_eq!(weak.sum("heartbeat_negative_checks_total", &["answer=\"accepted\""]), 0.0);
    for service in [&weak, &strong] {
        assert!(!service.log().contains("heartbeat-secret"), "{}", service.log());
    }
}

#[test]
fn listener_that_no_longer_asks_for_client_certificates_is_an_incident_until_it_asks_again() {
    let Some(kafka) = Kafka::start_single(&Extras::default()) else { return };
    let own = kafka.client_cert_paths();
    let keys = format!(
        "security.protocol = ssl\nssl.ca.location = {}\nssl.certificate.location = {}\nssl.key.location = {}\n",
        kafka.ca_pem_path().display(),
        own.certificate.display(),
        own.key.display(),
    );
    let service = Service::start(&config(&kafka.bootstrap(Listener::MutualTls), &keys, ""));
    wait_for_answers(&service, "anonymous", 0.0, 1);
    wait_for_answers(&service, "plaintext", 0.0, 1);
    assert_eq!(service.sum("heartbeat_negative_checks_total", &["check=\"wrong_password\""]), 0.0);
    let restart_with = |client_auth: &str| {
        let broker = kafka.broker(1);
        broker.stop();
        broker.set(&format!("listener.name.mutual_tls.ssl.client.auth={client_auth}"));
        broker.restart();
    };
    restart_with("none");
    wait_for_answers(&service, "anonymous", 1.0, 1);
    restart_with("required");
    // While the broker is away, its answers are not known.
    wait_for_answers(&service, "anonymous", 0.0, 1);
    wait_for("the line that the broker refuses again", Duration::from_secs(10), || {
        service.log().contains("the broker refuses again what it had accepted").then_some(())
    });
    assert_eq!(brokers(&service, "plaintext", 0.0), 1);
}
