//! HTTP as a browser, a scraper and a supervisor see it: a real server on a loopback port and a plain client.

mod sample;
mod served;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kafka_heartbeat::{
    board::Task,
    export::prometheus::{Format, encode},
    kafka::Capability,
    metrics::render::{self, Exposed},
    monitor,
};
use sample::{HOSTILE, board, config, process, sample};
use serde_json::Value;
use served::{LIMIT, Server, agent, header};

const PATHS: [&str; 30] = [
    "/",
    "/metrics",
    "/livez",
    "/health",
    "/readyz",
    "/ready",
    "/leader",
    "/topics",
    "/api/v1/status",
    "/api/v1/diagnosis",
    "/api/v1/gate",
    "/api/v1/heartbeats",
    "/api/v1/heartbeats?outcome=bad",
    "/api/v1/brokers",
    "/api/v1/durability",
    "/assets/page.css",
    "/assets/page.js",
    "/livez?verbose",
    "/readyz?verbose",
    "/groups",
    "/consumer-groups",
    "/api/v1/groups",
    "/api/v1/topics",
    "/api/v1/cluster",
    "/api/v1/events",
    "/api/v1/history",
    "/api/v1/report",
    "/api/v1/slo",
    "/api/v1/openapi.json",
    "/probe",
];
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PROMETHEUS: &str =
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
#[test]
fn every_client_gets_the_format_that_it_asks_for() {
    let server = Server::start();
    let (html, text, openmetrics) = (
        "text/html; charset=utf-8",
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    let table = [
        ("/", BROWSER, html),
        ("/", "*/*", text),
        ("/", PROMETHEUS, openmetrics),
        ("/", "application/json", text),
        ("/metrics", BROWSER, text),
        ("/metrics", "", text),
        ("/metrics", "text/plain", text),
        ("/metrics", PROMETHEUS, openmetrics),
        ("/metrics", "application/openmetrics-text;version=0.0.1", text),
        ("/api/v1/status", BROWSER, "application/json"),
        ("/leader", "*/*", "application/json"),
        ("/assets/page.css", "text/css", "text/css; charset=utf-8"),
        ("/assets/page.js", "*/*", "text/javascript; charset=utf-8"),
        ("/events", "text/event-stream", "text/event-stream"),
    ];
    for (path, accept, content_type) in table {
        let response = server.get(path, &[("accept", accept)]);
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, "content-type"), content_type, "{path} for {accept:?}");
    }
    let packed = server.get("/metrics", &[("accept-encoding", "gzip")]);
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    let plain = server.text("/metrics", "*/*");
    let packed = packed.into_body().read_to_vec().expect("bytes");
    assert!(packed.len() * 5 < plain.len());
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut unpacked).expect("a good stream");
    // The values change from one answer to the next; names and labels do not.
    let series = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(' ').map_or(line, |(series, _)| series).to_owned()).collect()
    };
    assert_eq!(series(&unpacked), series(&plain));
}

#[test]
fn series_kept_with_gzip_only_are_written_again_for_a_client_without_gzip() {
    let server = Server::of(|all| {
        // A family that is so large that it is kept with gzip only.
        let (snapshot, _) = all[0].collect.snapshot.as_mut().expect("a snapshot");
        let changed = Arc::get_mut(snapshot).expect("the only one");
        for group in changed.groups.values_mut() {
            for lags in group.topics.values_mut() {
                let one = *lags.values().next().expect("a partition");
                lags.extend((10..400).map(|number| (number, one)));
            }
        }
    });
    let lags = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("kafka_consumergroup_"));
        lines.map(str::to_owned).collect()
    };
    let packed = || {
        let packed = server.get("/metrics", &[("accept-encoding", "gzip")]);
        assert_eq!(header(&packed, "content-encoding"), "gzip");
        let packed = packed.into_body().read_to_vec().expect("bytes");
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut unpacked).expect("a good stream");
        lags(&unpacked)
    };
    let (first, plain, last) = (packed(), lags(&server.text("/metrics", "*/*")), packed());
    assert!(first.len() > 1000, "{}", first.len());
    assert!(first == plain && plain == last);
}

#[test]
fn every_answer_forbids_caches_and_content_from_other_hosts() {
    let server = Server::start();
    for path in PATHS.into_iter().chain(["/events", "/nowhere"]) {
        let response = server.get(path, &[]);
        assert!(header(&response, "content-security-policy").starts_with("default-src 'self'"), "{path}");
        assert!(!header(&response, "content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        assert!(["no-store", "no-cache"].contains(&header(&response, "cache-control")), "{path}");
    }
}

#[test]
fn head_answers_like_get_without_a_body() {
    let server = Server::start();
    for path in PATHS {
        let mut head = agent().head(server.url(path)).call().expect("an answer");
        let get = server.get(path, &[]);
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(header(&head, "content-type"), header(&get, "content-type"), "{path}");
        assert_eq!(head.body_mut().read_to_string().expect("nothing"), "", "{path}");
    }
}

#[test]
fn missing_path_lists_the_paths_and_no_path_can_be_written() {
    let server = Server::start();
    let mut missing = server.get("/nowhere", &[("accept", BROWSER)]);
    assert_eq!(missing.status(), 404);
    assert!(header(&missing, "content-type").starts_with("text/plain"));
    let words = missing.body_mut().read_to_string().expect("text");
    for path in PATHS.into_iter().filter(|path| words.contains(path)) {
        assert_ne!(server.get(path, &[]).status(), 404, "{path}");
    }
    assert!(words.contains("/metrics") && words.contains("/api/v1/status"), "{words}");
    for path in PATHS.into_iter().chain(["/events"]) {
        let mut refused = agent().post(server.url(path)).send("x").expect("an answer");
        assert_eq!(refused.status(), 405, "{path}");
        assert_eq!(header(&refused, "allow").replace(", ", ","), "GET,HEAD", "{path}");
        assert!(refused.body_mut().read_to_string().expect("text").contains("GET"), "{path}");
    }
}

#[test]
fn scrape_over_http_has_every_series_that_is_listed_as_exposed() {
    let (config, wall) = (config(), SystemTime::now());
    let readings: Vec<_> = sample(&config, wall).into_iter().map(|readings| board(readings).read()).collect();
    let process = process(wall);
    let exposed = Exposed::to_scrape(&readings, &process, config.compat);
    let mut series = Vec::new();
    render::everything(&exposed, &mut series);
    let scraped = Server::start().text("/metrics", "*/*");
    let families = |text: &str| {
        let names = text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.to_owned()));
        names.collect::<BTreeSet<_>>()
    };
    let listed = encode(&series, &config.labels, Format::Text);
    let listed = families(&String::from_utf8(listed).expect("text"));
    assert!(listed.len() > 50, "{}", listed.len());
    assert_eq!(families(&scraped), listed);
}

#[test]
fn hostile_names_are_escaped_and_complete() {
    let server = Server::start();
    let page = server.text("/", BROWSER);
    assert_eq!(page.matches("<script").count(), 1, "only our own script");
    assert!(page.contains("&#60;script&#62;alert(&#39;é&#39;)"), "the name is there, escaped");
    let line = first_event(&server);
    assert!(!line.contains("<script") && line.contains("&#60;script&#62;"));
    let metrics = server.text("/metrics", "*/*");
    assert!(metrics.contains(r#"host="a\"b\\c\nd<script>alert('é')</script>""#));
    let brokers = server.json("/api/v1/brokers");
    assert_eq!(brokers["clusters"][0]["brokers"][0]["host"], HOSTILE);
    assert_eq!(server.json("/api/v1/status")["clusters"][0]["cluster_id"], HOSTILE);
    assert_eq!(server.json("/topics")["clusters"][0]["cluster_id"], HOSTILE);
    let bad = server.json("/api/v1/heartbeats?outcome=bad&limit=1&cluster=eu");
    assert_eq!(bad["clusters"][0]["bad"][0]["id"], format!("{HOSTILE}-1-0-14"));
    assert_eq!(bad["clusters"][0]["bad"].as_array().map(Vec::len), Some(1));
}

#[test]
fn page_of_a_cluster_with_two_instances_of_the_same_name_shows_the_remedy() {
    let remedy = "with the key instance in section [heartbeat]";
    assert_eq!(
        Server::start().text("/", "text/html").matches(remedy).count(),
        1,
        "only one of the two clusters shows the remedy"
    );
    let alone = Server::of(|readings| Arc::make_mut(&mut readings[0].heartbeat).same_name = None);
    assert!(!alone.text("/", "text/html").contains(remedy));
}

#[test]
fn page_notice_of_a_second_instance_ends_ten_minutes_after_its_last_heartbeat() {
    let notice = |last: Duration, interval: Duration| {
        let server = Server::of(|readings| {
            Arc::make_mut(&mut readings[0].settings).heartbeat.interval = interval;
            Arc::make_mut(&mut readings[0].heartbeat).same_name = Some(SystemTime::now() - last);
        });
        let page = server.text("/", "text/html");
        let begin = page.find("Another instance sends heartbeats")?;
        page[begin..].split_once("</").map(|(notice, _)| notice.to_owned())
    };
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let shown = notice(9 * minute, second).expect("the second instance was seen a short while ago");
    assert!(shown.contains("the last one 9 min "), "{shown}");
    assert!(shown.contains("This notice ends 10 min after the last of these records."), "{shown}");
    assert_eq!(notice(11 * minute, second), None);
    let shown = notice(11 * minute, 5 * minute).expect("heartbeats are rare");
    assert!(shown.contains("This notice ends 15 min after the last of these records."), "{shown}");
    assert_eq!(notice(16 * minute, 5 * minute), None);
}

#[test]
fn page_request_that_timed_out_is_no_missing_permission() {
    let words = "Metadata may leave something out: to see everything it needs Describe on the topics";
    assert!(Server::start().text("/", "text/html").contains(words), "Kafka answers, and hides topics");
    let silent = Server::of(|readings| {
        let (collect, _) = readings[0].collect.snapshot.as_mut().expect("collected");
        let collect = Arc::make_mut(collect);
        (collect.listing, collect.hiding) = (Capability::Unknown, Vec::new());
    });
    let page = silent.text("/", "text/html");
    assert!(!page.contains("may leave something out"), "{page}");
    assert!(page.contains("Fetch is denied: it needs Read on the topics"), "a denial is shown all the same");
}

#[test]
fn api_answers_null_where_a_value_is_not_known() {
    let server = Server::start();
    let status = server.json("/api/v1/status?cluster=us");
    let us = &status["clusters"][0];
    assert_eq!((&us["cluster"], &us["verdict"]), (&Value::from("us"), &Value::from("unknown")));
    for unknown in ["cluster_id", "brokers", "quorum_leader", "metadata_seconds"] {
        assert_eq!(us[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(us["end_to_end"]["1m"], Value::Null);
    assert_eq!(us["topic"]["ready"], Value::Null);
    assert_eq!(server.json("/api/v1/brokers?cluster=us")["clusters"][0]["brokers"], Value::Null);
    let eu = &server.json("/api/v1/status?cluster=eu")["clusters"][0];
    assert_eq!(eu["heartbeats"]["slo_bad_events"], 4);
    assert_eq!(eu["quorum_leader"], 1);
    let brokers = server.json("/api/v1/brokers?cluster=eu");
    let failure = &brokers["clusters"][0]["brokers"][1]["failure"];
    assert_eq!((&failure["stage"], &failure["fault"]), (&Value::from("tcp"), &Value::from("refused")));
    let topics = server.json("/topics?cluster=eu");
    assert_eq!(topics["clusters"][0]["topics"][0]["leaders"], serde_json::json!({ "0": 1, "1": null }));
    let one = serde_json::json!({ "is_leader": true, "leader": null });
    let clusters = serde_json::json!({ "eu": one, "us": one });
    let alone = serde_json::json!({ "is_leader": true, "role": "alone", "clusters": clusters });
    assert_eq!(server.json("/leader"), alone);
    for wrong in ["/api/v1/status?cluster=none", "/api/v1/heartbeats?outcome=late", "/topics?limit=many"] {
        assert_eq!(server.get(wrong, &[]).status(), 400, "{wrong}");
    }
}

#[test]
fn page_and_api_show_every_task_that_runs() {
    let server = Server::of(|readings| {
        readings.truncate(1);
        let settings = Arc::make_mut(&mut readings[0].settings);
        settings.log_dirs.enabled = true;
        settings.transaction_coordinators.enabled = true;
        settings.transaction_probe.enabled = true;
        settings.negative_checks.enabled = true;
        settings.remote_reads.enabled = true;
    });
    let page = server.text("/", BROWSER);
    let (_, table) = page.split_once("Tasks of this service</caption>").expect("the table of tasks");
    let (table, _) = table.split_once("</table>").expect("its end");
    let rows: Vec<_> = table.split("<tr><th scope=\"row\">").skip(1).collect();
    let names: Vec<_> = rows.iter().filter_map(|row| row.split("</th>").next()).collect();
    assert_eq!(names, Task::ALL.map(|task| task.as_str().replace('_', " ")));
    let topic = rows.iter().find(|row| row.starts_with("topic<")).expect("a row");
    assert!(topic.contains(">43<") && topic.contains(">3<") && topic.contains("For "), "{topic}");
    assert!(topic.contains("&#60;script&#62;") && !topic.contains("<script"), "{topic}");
    assert_eq!(rows.iter().filter(|row| row.contains("For ")).count(), 1, "the others do not fail");

    let status = server.json("/api/v1/status");
    let tasks = status["clusters"][0]["tasks"].as_array().expect("a list");
    let names: Vec<_> = tasks.iter().map(|task| task["task"].as_str().expect("a name")).collect();
    assert_eq!(names, Task::ALL.map(Task::as_str));
    let topic = tasks.iter().find(|task| task["task"] == "topic").expect("a task");
    let cycles = serde_json::json!({ "ok": 40, "failed": 2, "timed_out": 1, "panicked": 0 });
    assert_eq!((&topic["cycles"], &topic["failure"]["fault"]), (&cycles, &"timeout".into()));
    assert_eq!(topic["interval_seconds"], 600.0);
    let never = Server::start().json("/api/v1/status?cluster=us");
    let never = &never["clusters"][0]["tasks"][0];
    assert_eq!((&never["succeeded"], &never["failure"]), (&Value::Null, &Value::Null));
}

#[test]
fn leaders_are_not_shown_from_stale_metadata() {
    let fresh = Server::start();
    let old = Server::of(|readings| readings[0].metadata.interval = Duration::ZERO);
    let leader = |server: &Server| {
        let answer = server.json("/api/v1/heartbeats?cluster=eu&limit=1");
        let partition = &answer["clusters"][0]["partitions"][0];
        (partition["leader"].clone(), partition["rack"].clone())
    };
    assert_eq!(leader(&fresh), (Value::from(1), Value::from(HOSTILE)));
    assert_eq!(leader(&old), (Value::Null, Value::Null));
    let page = |server: &Server| server.text("/", BROWSER);
    assert!(page(&fresh).contains("<span class=\"leader\">broker 1"));
    assert!(page(&fresh).contains("<span class=\"leader\">no leader"));
    assert!(page(&fresh).contains("<td>eu-1</td><td class=\"n\">1</td>"));
    for leader in ["broker 1", "no leader"] {
        assert!(!page(&old).contains(&format!("<span class=\"leader\">{leader}")), "{leader}");
    }
    assert!(page(&old).contains("<td>eu-1</td><td class=\"n\">not known</td>"));
}

#[test]
fn health_checks_depend_on_this_service_and_never_on_kafka() {
    let server = Server::start();
    assert_eq!(
        server.get("/livez", &[]).status(),
        200,
        "the service lives although one cluster was never reached"
    );
    let mut ready = server.get("/readyz", &[]);
    assert_eq!(ready.status(), 503, "no cycle of one cluster's tasks has ended yet");
    let words = ready.body_mut().read_to_string().expect("text");
    assert!(words.contains("[-] us/metadata") && !words.contains("eu/"), "{words}");
    let words = server.text("/readyz?verbose", "*/*");
    assert!(words.contains("[+] eu/metadata") && words.contains("[-] us/topic"), "{words}");

    let tried = Server::of(|readings| readings.truncate(1));
    assert_eq!(tried.get("/ready", &[]).status(), 200);
    let listed = |log_dirs: bool| {
        let server = Server::of(|readings| {
            readings.truncate(1);
            let mut settings = (*readings[0].settings).clone();
            settings.log_dirs.enabled = log_dirs;
            settings.transaction_coordinators.enabled = true;
            settings.transaction_probe.enabled = true;
            settings.negative_checks.enabled = true;
            settings.remote_reads.enabled = true;
            readings[0].settings = Arc::new(settings);
        });
        let words = server.text("/readyz?verbose", "*/*");
        let tasks = words.lines().filter_map(|line| line.split_once(" eu/")?.1.split_once(':'));
        tasks.map(|(task, _)| task.to_owned()).collect::<Vec<_>>()
    };
    let every = Task::ALL.map(Task::as_str);
    assert_eq!(listed(true), every);
    let running: Vec<_> = every.into_iter().filter(|task| *task != "log_dirs").collect();
    assert_eq!(listed(false), running, "no check waits for a task that does not run");
    tried.stop.cancel();

    let stopped = Server::of(|readings| {
        let mut heartbeat = (*readings[0].heartbeat).clone();
        heartbeat.at = Instant::now() - LIMIT;
        readings[0].heartbeat = Arc::new(heartbeat);
    });
    let mut dead = stopped.get("/health", &[]);
    assert_eq!(dead.status(), 500);
    assert!(dead.body_mut().read_to_string().expect("text").contains("[-] eu/ledger"));
}

#[test]
fn page_shows_the_transactions_of_the_service_only_if_they_are_run() {
    let page = Server::start().text("/", BROWSER);
    let (_, section) = page.split_once("Transactions of this service").expect("the section");
    let (section, _) = section.split_once("</section>").expect("its end");
    for words in [
        "29 committed, 6 aborted on purpose, 4 failed",
        "timed out in the step commit, ",
        " ago; coordinator 2, leader of the partition 1",
        "2 in a row, the first ",
        "1 so far; the newest in partition 1 at offset 17, read 10 min ",
    ] {
        assert!(section.contains(words), "{words}: {section}");
    }
    assert!(!section.contains("<script"), "the name of the id is hostile");
    assert_eq!(page.matches("Transactions of this service").count(), 2, "the second cluster runs none");
}

#[test]
fn page_shows_what_brokers_accept_although_they_should_refuse_it_only_if_it_is_tried() {
    let page = Server::start().text("/", BROWSER);
    let (_, section) = page.split_once("What the brokers should refuse").expect("the section");
    let (section, _) = section.split_once("</section>").expect("its end");
    for words in [
        "1 attempt accepted",
        "Broker 1 has accepted a session without a login and without a client certificate for 10 min",
        "refused by 0 of 2 brokers, accepted by 1, not known of 1",
        "refused by 2 of 2 brokers",
    ] {
        assert!(section.contains(words), "{words}: {section}");
    }
    assert_eq!(page.matches("What the brokers should refuse").count(), 2, "the second cluster tries nothing");
}

#[test]
fn page_shows_the_reads_from_remote_storage_only_if_there_are_any() {
    let page = Server::start().text("/", BROWSER);
    let (_, section) = page.split_once("Remote storage").expect("the section");
    let (section, _) = section.split_once("</section>").expect("its end");
    for words in [
        "2 partitions; the last read took 130 ms",
        "1 partition; 2 reads in a row failed for 2 min",
        "the last one of partition 1 at offset 17: timeout",
    ] {
        assert!(section.contains(words), "{words}: {section}");
    }
    assert_eq!(page.matches("Remote storage").count(), 1, "the second cluster reads nothing from it");
}

#[test]
fn page_is_small_and_shows_what_is_not_known() {
    let server = Server::start();
    let page = server.text("/", BROWSER);
    let assets = ["/assets/page.css", "/assets/page.js"].map(|path| server.text(path, "*/*").len());
    assert!(page.len() + assets.iter().sum::<usize>() < 100_000, "{} bytes", page.len());
    for outside in ["http://", "https://", "style=", "onclick", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("Kafka is degraded") && page.contains("Not known yet"));
    assert!(page.contains("<noscript>") && page.contains("http-equiv=\"refresh\""));
    for wrong in ["NaN", ">-1<", ">None<", "Some("] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert_eq!(page.matches("<caption").count(), page.matches("<table").count(), "tables have captions");
}

#[test]
fn watched_page_gets_updates_until_the_service_stops() {
    let server = Server::start();
    let mut response = server.get("/events", &[("accept", "text/event-stream")]);
    assert_eq!(header(&response, "x-accel-buffering"), "no");
    let mut events = BufReader::new(response.body_mut().as_reader());
    for _ in 0..2 {
        let event = event(&mut events);
        assert!(event.contains("retry: 2000") && event.contains("data: "), "{event}");
        assert!(event.contains("Kafka is degraded"));
    }
    server.stop.cancel();
    let mut rest = String::new();
    events.read_to_string(&mut rest).expect("the stream ends and does not break");
}

#[test]
fn watched_page_above_the_limit_is_refused_until_another_is_closed() {
    let server = Server::start();
    let mut watchers: Vec<_> = (0..32).map(|_| server.get("/events", &[])).collect();
    assert!(watchers.iter().all(|response| response.status() == 200));
    assert_eq!(server.get("/events", &[]).status(), 503);
    assert_eq!(server.get("/metrics", &[]).status(), 200, "other clients are not disturbed");
    watchers.pop();
    support::wait_for("a free place", LIMIT, || (server.get("/events", &[]).status() == 200).then_some(()));
}

/// Lines up to the empty one.
fn event(events: &mut impl BufRead) -> String {
    let mut event = String::new();
    while !event.ends_with("\n\n") {
        assert_ne!(events.read_line(&mut event).expect("a line"), 0, "the stream ended: {event}");
    }
    event
}

fn first_event(server: &Server) -> String {
    let mut response = server.get("/events", &[]);
    event(&mut BufReader::new(response.body_mut().as_reader()))
}

/// A browser draws the page; the pictures are kept in target/tmp.
#[test]
fn browser_draws_the_page_in_light_and_in_dark() {
    let Some(chromium) = chromium() else {
        println!("no chromium: the page was not drawn");
        return;
    };
    let server = Server::start();
    let pictures = [("light", "1280,1900", 1), ("dark", "1280,1900", 0), ("narrow", "500,2600", 1)];
    let [light, dark, _] = pictures.map(|(name, size, scheme)| {
        let picture = draw(&chromium, &server.url("/"), name, size, scheme);
        // A picture of a blank page compresses to a few kilobytes.
        assert!(picture.len() > 40_000, "{name}: {} bytes are a blank page", picture.len());
        assert!(picture.starts_with(b"\x89PNG"), "{name} is no picture");
        picture
    });
    assert_ne!(light, dark);
}

fn chromium() -> Option<PathBuf> {
    let paths = std::env::split_paths(&std::env::var_os("PATH")?).collect::<Vec<_>>();
    paths.iter().map(|path| path.join("chromium")).find(|path| path.is_file())
}

fn draw(chromium: &Path, url: &str, name: &str, size: &str, scheme: u8) -> Vec<u8> {
    let profile = tempfile::tempdir().expect("a folder");
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}.png"));
    _ = fs::remove_file(&picture);
    let mut browser = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--lang=en"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--window-size={size}"))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(url)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("chromium starts");
    let ended =
        support::try_wait(LIMIT, || browser.try_wait().expect("the state of the process can be read"));
    if ended.is_none() {
        browser.kill().expect("the process can be killed");
        browser.wait().expect("the process has ended");
    }
    assert!(ended.is_some_and(|status| status.success()), "chromium: {ended:?}");
    fs::read(&picture).expect("a picture")
}

#[test]
fn groups_and_topics_have_lists_that_can_be_searched() {
    let server = Server::start();
    let page = |path: &str| {
        let mut answer =
            agent().get(server.url(path)).header("accept", "text/html").call().expect("an answer");
        answer.body_mut().read_to_string().expect("text")
    };
    let groups = page("/groups");
    assert!(groups.contains("&lt;script&#62;") || groups.contains("&#60;script&#62;"), "{groups}");
    assert!(groups.contains("unreadable") && groups.contains("15 records deleted unread"), "{groups}");
    assert!(!groups.contains("<script>alert"));
    let found = page("/groups?search=unread");
    assert!(found.contains("unreadable") && !found.contains("deleted unread,"), "{found}");
    assert!(
        !page("/groups?search=%22%3E%3Cb%3E").contains("\"><b>"),
        "the text that is searched for is escaped, too"
    );
    assert!(page("/topics").contains("never-written"));
    assert!(!page("/topics?page=7").contains("never-written"));
}

#[test]
fn report_has_every_field_and_never_null_for_a_lag() {
    let server = Server::start();
    let report = server.json("/api/v1/report");
    assert!(humantime::parse_rfc3339(report["generated_at"].as_str().expect("a time")).is_ok());
    let rows = report["consumers"].as_array().expect("a list");
    let row = |group: &str| rows.iter().find(|row| row["group_id"] == group).expect("a row").clone();
    let mut lost = row(HOSTILE);
    assert!(humantime::parse_rfc3339(lost["calculated_at"].take().as_str().expect("a time")).is_ok());
    let expected = serde_json::json!({
        "cluster": "eu", "group_id": HOSTILE, "topic": HOSTILE, "lag_seconds": 7200,
        "lag_display": "2 hours", "worst_partition": 1, "status": "offline", "data_resolution": "coarse",
        "partitions_monitored": 4, "calculated_at": null, "method": "clamped", "max_error_seconds": null,
    });
    assert_eq!(lost, expected);
    let near = row("whole");
    assert_eq!((&near["lag_seconds"], &near["lag_display"]), (&5.into(), &"< 1 minute".into()));
    assert_eq!((&near["status"], &near["data_resolution"]), (&"online".into(), &"fine".into()));
    let method = (&near["method"], &near["max_error_seconds"]);
    assert_eq!(method, (&"record".into(), &Value::Null), "the error of the time lag is not known");
    let deleted = row("gone");
    assert_eq!(
        (&deleted["lag_display"], &deleted["worst_partition"]),
        (&"1 hour 1 minute".into(), &2.into())
    );
    // A group whose lag is not known has the lag 0 and the method no_data.
    let unknown = Server::of(|readings| {
        let (snapshot, at) = readings[0].collect.snapshot.take().expect("collected");
        let mut snapshot = monitor::Snapshot::clone(&snapshot);
        snapshot.groups.clear();
        readings[0].collect.snapshot = Some((Arc::new(snapshot), at));
    });
    let rows = unknown.json("/api/v1/report")["consumers"].take();
    let row =
        rows.as_array().and_then(|rows| rows.iter().find(|row| row["group_id"] == "whole")).expect("a row");
    assert_eq!((&row["lag_seconds"], &row["worst_partition"]), (&0.into(), &Value::Null));
    assert_eq!((&row["method"], &row["lag_display"]), (&"no_data".into(), &"< 1 minute".into()));
    let empty = Server::of(|readings| readings.truncate(0));
    assert_eq!(empty.get("/api/v1/report", &[]).status(), 503);
}

#[test]
fn events_are_annotations_with_whole_sentences() {
    let server = Server::start();
    let events = server.json("/api/v1/events");
    let [event] = events.as_array().expect("a list").as_slice() else { panic!("{events}") };
    let at = event["time"].as_u64().expect("milliseconds");
    assert_eq!(event["tags"], serde_json::json!(["kafka-heartbeat", "eu", "topic_created"]));
    let text = event["text"].as_str().expect("words");
    assert_eq!(text, format!("Topic {HOSTILE} was created."));
    let listed =
        |query: String| server.json(&format!("/api/v1/events?{query}")).as_array().expect("a list").len();
    assert_eq!([format!("from={at}"), format!("to={at}"), format!("from={}", at + 1)].map(listed), [1, 1, 0]);
    let queries = ["kind=topic_created", "kind=topic_deleted", "cluster=eu", "cluster=us"];
    assert_eq!(queries.map(|query| listed(query.to_owned())), [1, 0, 1, 0]);
    let page = server.text("/", BROWSER);
    assert!(page.contains("What happened") && page.contains("topic created"), "{page}");
    assert!(page.contains("&#60;/script&#62; was created."), "the sentence of the event: {page}");
    assert!(page.contains("offline, lost") && !page.contains("<script>alert"), "escaped");
}
