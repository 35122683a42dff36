//! `kafka-heartbeat report`: golden files of a simulated month, and the command with files and services that run, are hostile or
//! are not there.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use kafka_heartbeat::{
    availability::{Incident, Interval, Resolution},
    latency::Exponential,
    report::{Format, Month, Report},
    store::{IncidentRow, IntervalRow, Kept, Store},
};
use serde_json::Value;
use support::{
    kafka::free_port,
    service::{Service, program},
};

#[path = "report/simulated.rs"]
mod simulated;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// A month that has ended whenever this test runs.
const ENDED: &str = "2026-10";

fn month(text: &str) -> Month {
    Month::parse(text).expect("a month")
}

/// Compares a report with its golden file, or writes the file: `BLESS=1 cargo test --test report`.
fn compare(report: &Report, format: Format, name: &str) {
    let text = format.write(report).expect("written");
    let version = format!("kafka-heartbeat {}", env!("CARGO_PKG_VERSION"));
    let text = text.replace(&version, "kafka-heartbeat VERSION");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).expect("a golden file");
    assert!(text == golden, "{name} is stale: BLESS=1 cargo test --test report writes it again");
}

#[test]
fn report_of_a_simulated_month_is_that_of_the_golden_files() {
    let report = simulated::report(month("2026-11"));
    for (format, name) in [(Format::Md, "month.md"), (Format::Csv, "month.csv"), (Format::Html, "month.html")]
    {
        compare(&report, format, name);
    }
}

#[test]
fn hostile_names_are_shown_as_they_are_in_every_format() {
    let report = simulated::hostile(month("2026-11"));
    for (format, name) in [
        (Format::Md, "hostile.md"),
        (Format::Csv, "hostile.csv"),
        (Format::Html, "hostile.html"),
        (Format::Json, "hostile.json"),
    ] {
        compare(&report, format, name);
        let text = format.write(&report).expect("written");
        if format != Format::Json {
            assert!(!text.contains('\u{202e}') && !text.contains("\n="), "{text}");
        }
        // Markdown shows what follows a backslash as it is, and a table in CSV has no markup.
        // A bare address is a link in Markdown.
        assert!(format != Format::Md || !text.contains("(http://") && !text.contains("| https://"), "{text}");
        let is_markup = text.replace("\\<", "").contains("<script");
        assert!(!is_markup || format == Format::Csv || format == Format::Json, "{text}");
    }
}

#[test]
fn months_with_a_leap_second_and_with_daylight_saving_have_days_of_86400_seconds() {
    let quiet = |_| simulated::Seen { measured: true, bad: 0, unacknowledged: false };
    for text in ["2016-12", "2026-03"] {
        let month = month(text);
        let days = simulated::days(month, 5, quiet);
        assert_eq!(days.len(), 31);
        let facts = kafka_heartbeat::report::ClusterMonth::new(
            kafka_heartbeat::report::Source { cluster: "k".to_owned(), ..Default::default() },
            month,
            month.end(),
            days,
            &[],
        );
        let summary = facts.summary();
        assert_eq!((summary.seconds, summary.coverage_percent), (31 * 86_400, Some(100.0)));
        assert_eq!(summary.judged, 31 * 86_400 * 3);
    }
}

/// Writes the history file of an instance that watched these clusters in this month.
fn history(path: &Path, month: Month, clusters: &[&str], seed: u64, seen: fn(i64) -> simulated::Seen) {
    let store = Store::open(path).expect("a new file");
    let row = |(begin, interval): &(i64, Interval)| -> IntervalRow { interval.row(Resolution::Day, *begin) };
    let incidents: Vec<IncidentRow> = simulated::incidents(month).iter().map(Incident::row).collect();
    for (cluster, number) in clusters.iter().zip(0..) {
        let intervals = simulated::days(month, seed + number, seen).iter().map(row).collect();
        let kept = Kept { intervals, incidents: incidents.clone() };
        store.write_availability(cluster, &kept, &[], 9, 0).expect("written");
    }
}

/// Runs the command. Returns its exit code, standard output and standard error.
fn report(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program().arg("report").args(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn words(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn command_makes_a_report_of_files_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, output] = ["a.db", "b.db", "report.html"].map(|name| folder.path().join(name));
    history(&a, month(ENDED), &["orders", "payments", "audit"], 10, simulated::first);
    history(&b, month(ENDED), &["orders"], 20, simulated::second);
    let before = fs::read(&a).expect("bytes");
    let begun = Instant::now();
    let (code, text, errors) = report(&["--month", ENDED, "--file", words(&a), "--format", "json"]);
    let took = begun.elapsed();
    eprintln!("a report of three clusters took {took:?}");
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    // The debug build needs a part of this; the limit is for the release build.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["has_ended"], true);
    let names: Vec<_> =
        json["clusters"].as_array().expect("clusters").iter().map(|one| &one["cluster"]).collect();
    assert_eq!(names, ["audit", "orders", "payments"]);
    let summary = &json["clusters"][1]["vantage_points"][0]["summary"];
    assert_eq!(summary["judged"], (31 * 1440 - 90) * 180);
    assert_eq!(summary["bad"], 318 + 60);
    let both = ["--month", ENDED, "--file", words(&a), "--file", words(&b), "--cluster", "orders"];
    let (code, text, errors) = report(&both);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("All vantage points together: ") && text.contains("b.db"), "{text}");
    assert!(!text.contains("payments"), "{text}");
    let to_file = [&both[..], &["--format", "html", "--output", words(&output)]].concat();
    assert_eq!(report(&to_file), (Some(0), String::new(), String::new()));
    assert!(fs::read_to_string(&output).expect("a file").starts_with("<!doctype html>"));
    assert_eq!(fs::read(&a).expect("bytes"), before);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3, "no file is left beside them");
}

#[test]
fn command_that_cannot_read_a_source_says_why_and_makes_no_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, copy, text] = ["a.db", "b.db", "copy.db", "text.db"].map(|name| folder.path().join(name));
    history(&a, month(ENDED), &["orders"], 10, simulated::first);
    history(&b, month(ENDED), &["payments"], 20, simulated::first);
    fs::copy(&a, &copy).expect("copied");
    fs::write(&text, "no database at all".repeat(400)).expect("a file");
    let [first, other, second, text] = [words(&a), words(&b), words(&copy), words(&text)];
    let of_other = &format!("--cluster: {other} knows no cluster of the name \"orders\"");
    for (arguments, code, wanted) in [
        (&["--file", text][..], 69, "this is no history file"),
        (&["--file", "/nowhere/history.db"][..], 69, "No such file"),
        (&["--file", first, "--file", second][..], 78, "hold the same measurements of cluster orders"),
        (&["--file", first, "--file", other, "--cluster", "orders"][..], 69, of_other),
        (&["--url", "http://ann:hush@127.0.0.1"][..], 78, "a login is taken from the configuration"),
        (&["--config", "/nowhere/config.ini"][..], 78, "/nowhere/config.ini"),
    ] {
        let (found, output, errors) = report(&[&["--month", ENDED], arguments].concat());
        assert_eq!((found, output.as_str()), (Some(code), ""), "{errors}");
        assert!(errors.contains(wanted) && !errors.contains("hush"), "{errors}");
    }
    assert_eq!(report(&["--month", "2026-13"]).0, Some(2));
    let configuration = folder.path().join("config.ini");
    fs::write(&configuration, "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[slo]\navailability = 99,9\n")
        .expect("a file");
    let (code, output, errors) =
        report(&["--month", ENDED, "--file", first, "--config", words(&configuration)]);
    assert_eq!((code, output.as_str()), (Some(78), ""), "{errors}");
    assert!(errors.contains("[slo] availability: expected a number of percent below 100"), "{errors}");
    let (code, _, errors) = report(&["--month", "9999-12", "--file", first]);
    assert_eq!(code, Some(78), "{errors}");
    assert!(errors.contains("9999-12 has not begun"), "{errors}");
}

#[test]
fn file_that_cannot_be_true_makes_no_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let month = month(ENDED);
    let written = |name: &str, begin: i64, change: fn(&mut Interval)| {
        let path = folder.path().join(name);
        let mut interval = simulated::days(month, 5, simulated::first).swap_remove(0).1;
        change(&mut interval);
        let kept = Kept { intervals: vec![interval.row(Resolution::Day, begin)], incidents: Vec::new() };
        let store = Store::open(&path).expect("a new file");
        store.write_availability("orders", &kept, &[], 9, 0).expect("written");
        path
    };
    let count = |interval: &mut Interval| {
        for counts in interval.partitions.values_mut() {
            counts.end_to_end = Exponential::new(0, -140, vec![u64::MAX - 7]);
        }
    };
    let unacknowledged = |interval: &mut Interval| {
        for counts in interval.partitions.values_mut() {
            counts.unacknowledged = u64::MAX;
        }
    };
    for (path, wanted) in [
        (written("count.db", month.begin(), count), "a count is too large"),
        (
            written("unacknowledged.db", month.begin(), unacknowledged),
            "a heartbeat without acknowledgement is not bad",
        ),
        (written("noon.db", month.begin() + 43_200, |_| ()), "a day is outside of the month"),
    ] {
        let (code, text, errors) = report(&["--month", ENDED, "--file", words(&path)]);
        assert_eq!((code, text.as_str()), (Some(69), ""), "{errors}");
        let wanted =
            format!("{}: what the file holds of cluster orders cannot be true: {wanted}", words(&path));
        assert!(errors.contains(&wanted), "{wanted}: {errors}");
    }
}

/// A service that gives the same answer to everybody. Returns its address.
fn scripted(status: &str, body: &str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // The end of a connection of a client that did not wait is no failure.
            _ = stream.read(&mut [0; 4096]);
            _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn answer_of_a_hostile_service_makes_no_report() {
    let hostile = Format::Json.write(&simulated::hostile(month(ENDED))).expect("written");
    let hostile: Value = serde_json::from_str(&hostile).expect("JSON");
    let mut lie = serde_json::json!({ "clusters": [hostile["clusters"][0]["vantage_points"][0]] });
    let truth = scripted("200 OK", &lie.to_string());
    let (code, text, errors) = report(&["--month", ENDED, "--url", &truth, "--format", "csv"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("2026-10-01"), "{text}");
    lie["clusters"][0]["days"][0]["bad"] = 1_000_000.into();
    let not_there = format!("http://127.0.0.1:{}", free_port());
    for (url, wanted) in [
        (scripted("200 OK", &lie.to_string()), "cannot be true: more heartbeats are bad than were judged"),
        (scripted("200 OK", "{\"clusters\":[{}]}"), "not as /api/v1/slo does: missing field"),
        (scripted("200 OK", "<html>"), "not as /api/v1/slo does"),
        (scripted("200 OK", &"[".repeat(40 << 20)), "is longer than 32 MiB"),
        (scripted("200 OK", &format!("{{\"clusters\":{}", "[".repeat(1 << 20))), "not as /api/v1/slo does"),
        (
            scripted("503 Service Unavailable", "the \u{1b}[2Jdisk"),
            "answers 503 Service Unavailable: the \\u{1b}[2Jdisk",
        ),
        (scripted("302 Found", ""), "answers 302 Found"),
        (not_there, "no answer from http://127.0.0.1:"),
    ] {
        let (code, text, errors) = report(&["--month", ENDED, "--url", &url]);
        assert_eq!((code, text.as_str()), (Some(69), ""), "{errors}");
        assert!(errors.contains(wanted), "{wanted}: {errors}");
    }
}

#[test]
fn file_of_a_running_service_is_locked_and_the_service_itself_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history.db");
    history(&path, month(ENDED), &["k"], 10, simulated::first);
    let settings = |listen: &str| {
        format!(
            "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[heartbeat]\ninstance = here\n[history]\npath = {}\n\
             [slo]\navailability = 99.5\n[http]\nlisten = {listen}\n",
            path.display()
        )
    };
    let service = Service::start(&settings("127.0.0.1:1"));
    let (code, text, errors) = report(&["--month", ENDED, "--file", words(&path)]);
    assert_eq!((code, text.as_str()), (Some(69), ""), "{errors}");
    assert!(errors.contains("a running service has locked the file: ask the service with --url"), "{errors}");
    let url = format!("http://{}", service.address());
    let (code, by_url, errors) = report(&["--month", ENDED, "--url", &url]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(by_url.contains("The objective of 99.5 % was met") && by_url.contains("| here |"), "{by_url}");
    let file = folder.path().join("config.ini");
    fs::write(&file, settings(service.address())).expect("a file");
    let (code, by_configuration, errors) = report(&["--month", ENDED, "--config", words(&file)]);
    assert_eq!(code, Some(0), "{errors}");
    let numbers = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("| 2026-")).map(str::to_owned).collect()
    };
    assert_eq!(numbers(&by_configuration), numbers(&by_url));
    // The same instance, as a file and as a service.
    let status = service.request("/api/v1/slo?month=9999-01", "*/*").expect("an answer");
    assert_eq!(status.0, 400, "{}", status.2);
    assert_eq!(service.request("/api/v1/slo?month=x", "*/*").expect("an answer").0, 400);
    assert_eq!(service.request("/api/v1/slo?cluster=x", "*/*").expect("an answer").0, 400);
    assert_eq!(service.request("/api/v1/slo", "*/*").expect("an answer").0, 200);
    drop(service);
    // The service was killed, and has left its log of changes beside the file.
    let (code, by_file, errors) = report(&["--month", ENDED, "--config", words(&file)]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(numbers(&by_file), numbers(&by_url));
}
