//! What a limited lifetime of sessions costs the heartbeats.
//!
//! Rounds take turns on one real broker: the service without a login, and the service with SCRAM at a listener whose sessions
//! end (`connections.max.reauth.ms`). Both send 64 bytes to three partitions ten times a second. A heartbeat that is bad or
//! skipped ends the bench.
//!
//! `cargo bench --bench sessions -- [PAIRS] [SECONDS] [LIFETIME]`; the lifetime is in seconds.

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::time::Duration;

use measure::{median, number, quantile};
use rounds::{Round, WARM_UP};
use support::kafka::{Extras, HEARTBEAT, Kafka, Listener};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[path = "measure/rounds.rs"]
mod rounds;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "made for tests")]
mod support;

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let (pairs, time) = (number(&arguments, 0, 2), Duration::from_secs(number(&arguments, 1, 90)));
    let lifetime: u64 = number(&arguments, 2, 60);
    let properties = format!("connections.max.reauth.ms={}\n", lifetime * 1000);
    let Some(kafka) = Kafka::start_single(&Extras { properties, ..Extras::default() }) else { return };
    let open = format!("bootstrap.servers = {}\n", kafka.bootstrap(Listener::Plaintext));
    let limited = format!(
        "bootstrap.servers = {}\nsecurity.protocol = SASL_PLAINTEXT\nsasl.mechanism = SCRAM-SHA-256\n\
         sasl.username = {}\nsasl.password = {}\n",
        kafka.bootstrap(Listener::SaslPlaintext),
        HEARTBEAT.user,
        HEARTBEAT.password,
    );
    let [open, limited] = [(open, "bench-open"), (limited, "bench-limited")].map(|(kafka, topic)| {
        format!("[kafka]\nname = k\n{kafka}[heartbeat]\ntopic = {topic}\ninterval = 100ms\n[topic]\npartitions = 3\n")
    });
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for config in [&open, &limited] {
        rounds::create(config);
    }
    for pair in 1..=pairs {
        for (config, name, rounds) in
            [(&open, "no login          ", &mut without), (&limited, "sessions that end", &mut with)]
        {
            let round = rounds::service(config, WARM_UP, time, |_| {});
            round.print(&format!("{pair} {name}"));
            rounds.push(round);
        }
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let of = |rounds: &[Round]| {
            median(&rounds.iter().map(|round| quantile(&round.latencies, share)).collect::<Vec<_>>())
        };
        println!(
            "{name}: no login {:.2} ms, sessions of {lifetime} s {:.2} ms, ratio {:.2}",
            of(&without),
            of(&with),
            of(&with) / of(&without)
        );
    }
}
