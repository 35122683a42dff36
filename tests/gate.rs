//! `kafka-heartbeat gate`: against services that are open, closed, silent, hostile or not there, and `/api/v1/gate` itself.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use clap::Parser;
use kafka_heartbeat::{cli::Cli, gate::Condition};
use serde_json::Value;
use support::{
    certs::Authority,
    kafka::free_port,
    operations::read,
    service::{Service, program},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const OPEN: &str = r#"{"open":true,"clusters":[{"cluster":"k","open":true,"reasons":[],"seconds_left":0.0,
    "not_checked":[{"condition":"quorum","sentence":"The quorum is not checked.","last_seen_seconds_ago":null}]}]}"#;
const CLOSED: &str = r#"{"open":false,"clusters":[{"cluster":"k","open":false,"not_checked":[],"seconds_left":null,
    "reasons":[{"condition":"brokers","sentence":"Broker 3 is\u001b[2J missing.","last_seen_seconds_ago":null}]}]}"#;
const SOON: &str = r#"{"open":false,"clusters":[{"cluster":"k","open":false,"not_checked":[],"seconds_left":42.0,
    "reasons":[{"condition":"brokers","sentence":"Broker 3 was missing.","last_seen_seconds_ago":3.0}]}]}"#;

/// A service that gives these answers one after the other, and the last one again and again. Returns its address.
fn scripted(answers: Vec<String>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let mut answers = answers.into_iter().peekable();
        let mut answer = String::new();
        for stream in listener.incoming() {
            answer = answers.next().unwrap_or(answer);
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            // The end of a connection of a client that did not wait is no failure.
            _ = stream.read(&mut request);
            _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Runs the command with these arguments. Returns its exit code, standard output and standard error.
fn gate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        program().arg("gate").args(arguments).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn gate_command_waits_until_the_gate_is_open_and_writes_a_line_for_each_change() {
    let closed = http("503 Service Unavailable", CLOSED);
    let bad_gateway = http("502 Bad Gateway", "<html>");
    let soon = http("503 Service Unavailable", SOON);
    let url = scripted(vec![bad_gateway, closed.clone(), closed, soon, http("200 OK", OPEN)]);
    let (code, output, progress) = gate(&["--url", &url, "--timeout", "1m"]);
    assert_eq!(code, Some(0), "{output}{progress}");
    assert_eq!(output, "The gate is open.\nk, not checked: The quorum is not checked.\n");
    let lines: Vec<&str> = progress.lines().filter_map(|line| Some(line.split_once(" s: ")?.1)).collect();
    assert_eq!(
        lines,
        [
            &format!("{url} answers 502 Bad Gateway: <html>"),
            "closed by brokers: k: Broker 3 is\\u{1b}[2J missing.",
            "everything is good now; the gate opens in 42 s if that lasts",
        ]
    );
}

#[test]
fn gate_command_ends_with_69_when_the_time_is_over() {
    let not_there = format!("http://127.0.0.1:{}", free_port());
    let huge = scripted(vec![http(
        "200 OK",
        &format!("{{\"open\":true,\"clusters\":[],\"x\":\"{}\"}}", "x".repeat(3 << 20)),
    )]);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).expect("a port");
    let silent = format!("http://{}", silent.local_addr().expect("an address"));
    let table = [
        (scripted(vec![http("503 Service Unavailable", CLOSED)]), "k: Broker 3 is\\u{1b}[2J missing."),
        (not_there, "no answer from http://127.0.0.1:"),
        (silent, "no answer from http://127.0.0.1:"),
        (huge, "is longer than 1 MiB"),
        (scripted(vec![http("200 OK", "{}")]), "answers 200 OK, but not as a gate does"),
        (scripted(vec![http("200 OK", CLOSED)]), "answers 200 OK, but not as a gate does"),
        (scripted(vec![http("302 Found", "")]), "answers 302 Found"),
        (scripted(vec!["SSH-2.0-x\r\n".to_owned()]), "no answer from http://127.0.0.1:"),
    ];
    for (url, words) in table {
        let (code, output, progress) = gate(&["--url", &url, "--timeout", "0s"]);
        assert_eq!(code, Some(69), "{url}: {output}{progress}");
        assert!(output.contains(words), "{words}: {output}");
    }
    let url = scripted(vec![http("503 Service Unavailable", CLOSED)]);
    let (_, output, _) = gate(&["--url", &url, "--timeout", "0s", "--format", "json"]);
    let output: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(output["clusters"][0]["reasons"][0]["condition"], "brokers");
}

#[test]
fn question_that_cannot_be_answered_ends_the_gate_command_at_once() {
    let refused = |status, words: &str| scripted(vec![http(status, words)]);
    let table = [
        (refused("400 Bad Request", "cluster: no cluster"), "400 Bad Request: cluster: no cluster"),
        (refused("401 Unauthorized", "this path needs a token"), "this path needs a token"),
        ("ftp://127.0.0.1".to_owned(), "expected http://HOST:PORT"),
        ("http://ann:hush@127.0.0.1".to_owned(), "a login is taken from the configuration"),
        ("nowhere".to_owned(), "expected http://HOST:PORT"),
    ];
    for (url, words) in table {
        let (code, output, errors) = gate(&["--url", &url]);
        assert_eq!((code, output.as_str()), (Some(78), ""), "{url}: {errors}");
        assert!(errors.contains(words) && !errors.contains("hush"), "{errors}");
    }
    for arguments in [["--for", "0s"], ["--for", "5"], ["--timeout", "x"], ["--for", "25h"]] {
        assert_eq!(gate(&arguments).0, Some(2), "{arguments:?}");
    }
    assert_eq!(gate(&["--config", "/nowhere/config.ini"]).0, Some(78));
}

#[test]
fn gate_command_finds_a_guarded_service_by_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Authority::new("servers");
    let own = servers.server(Duration::from_secs(3600)).write(folder.path(), "server");
    let config = |listen: &str, token: &str, certificate: &std::path::Path| {
        format!(
            "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[http]\nlisten = {listen}\nbearer.token = {token}\n\
             tls.certificate = {}\ntls.key = {}\n",
            certificate.display(),
            own.key.display()
        )
    };
    let service = Service::start_guarded(&config("127.0.0.1:1", "t0ken", &own.certificate));
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    };
    let right = file("right.ini", &config(service.address(), "t0ken", &own.certificate));
    let (code, output, errors) = gate(&["--config", &right, "--timeout", "0s"]);
    assert_eq!(code, Some(69), "{output}{errors}");
    assert!(output.contains("k: The cluster does not send its metadata: "), "{output}{errors}");
    assert!(output.contains("k: No heartbeat has been judged yet."), "{output}");
    let wrong = file("wrong.ini", &config(service.address(), "an0ther", &own.certificate));
    let (code, _, errors) = gate(&["--config", &wrong]);
    assert_eq!(code, Some(78), "{errors}");
    assert!(errors.contains("401") && !errors.contains("an0ther"), "{errors}");
    // The token is not sent to another program on the port of the service.
    let other = Authority::new("others").server(Duration::from_secs(3600)).write(folder.path(), "other");
    let stranger = file("stranger.ini", &config(service.address(), "t0ken", &other.certificate));
    let (code, output, errors) = gate(&["--config", &stranger, "--timeout", "0s"]);
    assert_eq!(code, Some(69), "{output}{errors}");
    assert!(output.contains("no answer from https://") && output.contains("certificate"), "{output}");
    assert!(!service.log().contains("t0ken"));
}

#[test]
fn closed_gate_answers_503_with_its_reasons_as_json_and_as_text() {
    let config = "[cluster:k]\nbootstrap.servers = 127.0.0.1:1\n[cluster:l]\nbootstrap.servers = 127.0.0.1:1\n\
                  [metadata]\ninterval = 1s\ntimeout = 1s\n";
    let service = Service::start(config);
    let ask = |path: &str, accept: &str| service.request(path, accept).expect("an answer");
    let (status, kind, body) = ask("/api/v1/gate?for=1h", "*/*");
    assert_eq!((status, kind.as_str()), (503, "application/json"), "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&answer["open"], &answer["for_seconds"]), (&false.into(), &3600.0.into()));
    assert_eq!(answer["clusters"].as_array().map(Vec::len), Some(2));
    let conditions: Vec<_> = answer["clusters"][0]["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|reason| &reason["condition"])
        .collect();
    for condition in ["measuring", "metadata", "heartbeats", "coordinators"] {
        assert!(conditions.contains(&&condition.into()), "{body}");
    }
    let words = "for only";
    for (path, accept) in [("/api/v1/gate", "text/plain"), ("/api/v1/gate?format=text&cluster=l", "*/*")] {
        let (status, kind, body) = ask(path, accept);
        assert_eq!((status, kind.as_str()), (503, "text/plain; charset=utf-8"), "{body}");
        assert!(body.starts_with("The gate is closed.\n") && body.contains(words), "{body}");
        assert_eq!(body.contains("\nk: "), !path.contains("cluster=l"), "{body}");
        assert!(body.contains("\nl, not checked: "), "{body}");
    }
    for (query, words) in [
        ("for=5", "for: expected a duration with its unit"),
        ("for=0s", "from 1s to 24h"),
        ("for=25h", "from 1s to 24h"),
        ("for=", "for example 5m"),
        ("format=xml", "format: expected json or text"),
        ("cluster=nope", "no cluster of this name"),
    ] {
        let (status, _, body) = ask(&format!("/api/v1/gate?{query}"), "*/*");
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body.contains(words), "{body}");
    }
    wait_for("a gate whose service has measured for a second", Duration::from_secs(20), || {
        (!ask("/api/v1/gate?for=1s&format=text", "*/*").2.contains("for only")).then_some(())
    });
}

/// The fenced blocks of a language in docs/gate.md.
fn blocks(language: &str) -> Vec<String> {
    let page = read("docs/gate.md");
    let blocks = page.split("\n```").skip(1).step_by(2);
    let blocks: Vec<String> = blocks
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned))
        .collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

#[test]
fn scripts_of_the_page_are_understood_by_a_shell_and_by_the_program() {
    let mut commands = 0;
    for block in blocks("sh") {
        let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().expect("a shell");
        shell.stdin.take().expect("a pipe").write_all(block.as_bytes()).expect("the shell reads");
        assert!(shell.wait().expect("the shell ends").success(), "{block}");
        for line in block.lines().map(str::trim).filter(|line| line.starts_with("kafka-heartbeat ")) {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
            commands += 1;
        }
    }
    assert!(commands >= 5, "{commands} commands were found");
}

#[test]
fn yaml_of_the_page_is_read_and_asks_the_gate() {
    let documents = blocks("yaml").into_iter().flat_map(|block| {
        let documents = block.split("\n---\n").map(serde_norway::from_str::<Value>);
        documents.collect::<Result<Vec<_>, _>>().unwrap_or_else(|error| panic!("{error}: {block}"))
    });
    let documents: Vec<Value> = documents.collect();
    let [playbook, analysis, rollout] = &documents[..] else { panic!("{} documents", documents.len()) };
    let (play, metric) = (&playbook[0], &analysis["spec"]["metrics"][0]);
    assert_eq!((&play["serial"], &play["any_errors_fatal"]), (&1.into(), &true.into()));
    for url in [&play["tasks"][0]["ansible.builtin.uri"]["url"], &metric["provider"]["web"]["url"]] {
        assert!(url.as_str().is_some_and(|url| url.ends_with("/api/v1/gate?for=5m")), "{url}");
    }
    let name = &analysis["metadata"]["name"];
    assert_eq!(
        &rollout["spec"]["strategy"]["canary"]["steps"][0]["analysis"]["templates"][0]["templateName"],
        name
    );
}

#[test]
fn every_condition_has_a_row_in_the_page_in_the_order_of_the_answer() {
    let page = read("docs/gate.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| condition |")).skip(2);
    let rows = rows.map_while(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()));
    assert!(rows.eq(Condition::ALL.iter().map(|condition| condition.as_str())));
}
