//! `/mcp`: the Model Context Protocol as assistants, hostile clients and the official SDK speak it.
//!
//! `.ci/run` puts the path of a Python with the SDK in `API_PYTHON`. Without it the test with the SDK is skipped, except under
//! `CI=true`.

mod sample;
#[expect(dead_code, reason = "each test binary uses a part of the server")]
mod served;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_heartbeat::monitor;
use sample::HOSTILE;
use serde_json::{Value, json};
use served::{LIMIT, Server, agent, header};
use support::{program::tool, service::Service, wait_for};
use ureq::{Body, http::Response};

const STATELESS: &str = "2026-07-28";
const HANDSHAKE: [&str; 2] = ["2025-11-25", "2025-06-18"];

/// The tools with the path whose answer each returns, as docs/api.md lists them.
fn tools() -> Vec<(String, String)> {
    let page = include_str!("../docs/api.md");
    let table = page.split_once("| tool | path |\n").expect("a table").1;
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('`').map(str::to_owned).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].clone(), cells[3].clone())).collect()
}

fn start() -> Server {
    Server::with(|config| config.http.mcp = true, |_| {})
}

fn post(server: &Server, headers: &[(&str, &str)], body: &[u8]) -> Response<Body> {
    let mut request = agent().post(server.url("/mcp"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send(body).expect("an answer")
}

fn read(mut response: Response<Body>) -> (u16, Value) {
    let body = response.body_mut().with_config().limit(64 << 20).read_to_string().expect("text");
    assert_eq!(header(&response, "content-type"), "application/json", "{body}");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "mcp-session-id"), "");
    (response.status().as_u16(), serde_json::from_str(&body).expect("JSON"))
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// The answer to a request of the revision that begins with `initialize`.
fn asked(server: &Server, method: &str, params: Value) -> (u16, Value) {
    let body = json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params }).to_string();
    let accept = ("accept", "application/json, text/event-stream");
    read(post(server, &[JSON, accept, ("mcp-protocol-version", HANDSHAKE[0])], body.as_bytes()))
}

/// The answer to a request of the revision in which each request stands alone.
fn asked_alone(server: &Server, method: &str, mut params: Value) -> (u16, Value) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
    let headers = [JSON, ("mcp-protocol-version", STATELESS), ("mcp-method", method), ("mcp-name", &name)];
    read(post(server, &headers, body.as_bytes()))
}

/// The text of the result of a tool, and whether the result is an error.
fn called(server: &Server, name: &str, arguments: Value) -> (String, bool) {
    let (status, answer) = asked(server, "tools/call", json!({ "name": name, "arguments": arguments }));
    let result = &answer["result"];
    assert_eq!((status, result["content"][0]["type"].as_str()), (200, Some("text")), "{answer}");
    let text = result["content"][0]["text"].as_str().expect("text").to_owned();
    (text, result["isError"].as_bool().expect("a boolean"))
}

#[test]
fn endpoint_is_not_there_unless_it_is_switched_on() {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    assert_eq!(post(&Server::start(), &[JSON], body).status(), 404);
    let server = start();
    for method in ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"] {
        let request = ureq::http::Request::builder().method(method).uri(server.url("/mcp"));
        let refused = agent().run(request.body(()).expect("a request")).expect("an answer");
        assert_eq!((refused.status().as_u16(), header(&refused, "allow")), (405, "POST"), "{method}");
    }
}

#[test]
fn client_of_an_older_revision_initializes_lists_and_calls() {
    let server = start();
    for version in HANDSHAKE {
        let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string();
        let (status, answer) = read(post(&server, &[JSON], body.as_bytes()));
        assert_eq!((status, &answer["id"]), (200, &json!(0)));
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "kafka-heartbeat");
        assert_eq!(answer["result"]["capabilities"], json!({ "tools": {} }));
    }
    for other in ["2024-11-05", "2025-03-26", "2999-01-01", "x"] {
        let (_, answer) = asked(&server, "initialize", json!({ "protocolVersion": other }));
        assert_eq!(answer["result"]["protocolVersion"], HANDSHAKE[0], "the newest one is offered");
    }
    let (_, answer) = asked(&server, "initialize", json!({}));
    assert_eq!(answer["error"]["code"], -32602);
    let initialized = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let mut accepted = post(&server, &[JSON, ("mcp-protocol-version", HANDSHAKE[0])], initialized);
    assert_eq!(
        (accepted.status().as_u16(), accepted.body_mut().read_to_string().expect("text").as_str()),
        (202, "")
    );
    assert_eq!(
        asked(&server, "ping", json!({})),
        (200, json!({ "jsonrpc": "2.0", "id": "a", "result": {} }))
    );
    let (_, listed) = asked(&server, "tools/list", json!({}));
    let names: Vec<_> =
        listed["result"]["tools"].as_array().expect("a list").iter().map(|tool| &tool["name"]).collect();
    assert_eq!(
        names,
        tools().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "docs/api.md lists the tools"
    );
    assert_eq!(
        listed["result"].as_object().map(|result| result.len()),
        Some(1),
        "only what this revision knows"
    );
    let (status, answer) = asked(&server, "server/discover", json!({}));
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32601)));
}

#[test]
fn client_of_the_newest_revision_discovers_lists_and_calls() {
    let server = start();
    let (status, answer) = asked_alone(&server, "server/discover", json!({}));
    let result = &answer["result"];
    assert_eq!((status, &result["resultType"]), (200, &json!("complete")), "{answer}");
    assert_eq!(result["supportedVersions"], json!([STATELESS, HANDSHAKE[0], HANDSHAKE[1]]));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "kafka-heartbeat");
    assert!(result["ttlMs"].as_u64() > Some(0) && result["cacheScope"] == "public", "{result}");
    let (_, listed) = asked_alone(&server, "tools/list", json!({}));
    for tool in listed["result"]["tools"].as_array().expect("a list") {
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
        let schema = &tool["inputSchema"];
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{schema}");
        assert_eq!(schema["additionalProperties"], false);
    }
    let arguments = json!({ "cluster": "us", "fields": "clusters.cluster,clusters.verdict" });
    let (_, answer) = asked_alone(&server, "tools/call", json!({ "name": "status", "arguments": arguments }));
    assert_eq!(
        answer["result"]["content"][0]["text"],
        r#"{"clusters":[{"cluster":"us","verdict":"unknown"}]}"#
    );
    for (method, status, code) in
        [("ping", 404, -32601), ("initialize", 404, -32601), ("resources/list", 404, -32601)]
    {
        let (found, answer) = asked_alone(&server, method, json!({}));
        assert_eq!(
            (found, &answer["error"]["code"], &answer["id"]),
            (status, &json!(code), &json!(7)),
            "{method}"
        );
    }
}

#[test]
fn every_tool_returns_what_its_path_answers() {
    let server = start();
    // What differs from one answer to the next.
    let steady = |text: &str| {
        let mut value: Value = serde_json::from_str(text).expect("JSON");
        if let Some(object) = value.as_object_mut() {
            object.remove("generated_at");
        }
        let clusters = value.get_mut("clusters").and_then(Value::as_array_mut);
        for cluster in clusters.into_iter().flatten().filter_map(Value::as_object_mut) {
            for changing in ["end_to_end", "produce", "measured_seconds", "until", "summary"] {
                cluster.remove(changing);
            }
        }
        value
    };
    for (name, path) in tools() {
        let (text, is_error) = called(&server, &name, json!({}));
        assert!(!is_error, "{name}: {text}");
        let mut direct = server.get(&path, &[]);
        let direct = direct.body_mut().read_to_string().expect("text");
        assert_eq!(steady(&text), steady(&direct), "{name}");
    }
    let (text, _) =
        called(&server, "groups", json!({ "group": "whole", "fields": "clusters.groups.members" }));
    assert!(text.contains("\"members\":"), "{text}");
}

#[test]
fn wrong_arguments_are_results_that_say_what_is_right() {
    let server = start();
    for (tool, arguments, wanted) in [
        ("status", json!({ "cluster": "nothing" }), "cluster: no cluster of this name is configured"),
        ("status", json!({ "fields": "clusters.nothing" }), "the fields are: brokers, capabilities"),
        ("groups", json!({ "limit": "5" }), "limit: expected a value of the type integer"),
        ("groups", json!({ "limit": -1 }), "limit: invalid digit"),
        ("groups", json!({ "limits": 1 }), "the arguments are: search, group, cluster, limit, fields"),
        ("history", json!({ "step": "1s" }), "step: write whole minutes"),
        ("slo", json!({ "month": "2026-13" }), "month: expected a year and a month"),
        ("gate", json!({ "format": "text" }), "no argument \"format\""),
        ("heartbeats", json!({ "outcome": ["bad"] }), "outcome: expected a value of the type string"),
        ("status", json!({ "cluster": "x".repeat(60_000) }), "cluster: no cluster"),
    ] {
        let (text, is_error) = called(&server, tool, arguments);
        assert!(is_error && text.contains(wanted), "{tool}: {text}");
    }
    for params in [
        json!({}),
        json!({ "name": "nothing" }),
        json!({ "name": 7 }),
        json!({ "name": "status", "arguments": [] }),
    ] {
        let (status, answer) = asked(&server, "tools/call", params);
        assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32602)), "{answer}");
    }
}

#[test]
fn hostile_names_are_data_in_the_answer_of_a_tool() {
    let server = start();
    let (text, _) = called(&server, "status", json!({ "cluster": "eu", "fields": "clusters.cluster_id" }));
    let answer: Value = serde_json::from_str(&text).expect("JSON in JSON");
    assert_eq!(answer, json!({ "clusters": [{ "cluster_id": HOSTILE }] }));
    assert!(!text.contains('\n'), "control characters are escaped");
}

#[test]
fn long_answer_of_a_tool_is_an_error_that_names_the_remedy() {
    let server = Server::with(
        |config| config.http.mcp = true,
        |readings| {
            let (snapshot, at) = readings[0].collect.snapshot.take().expect("collected");
            let mut snapshot = monitor::Snapshot::clone(&snapshot);
            let group = snapshot.groups.values().next().expect("a group").clone();
            snapshot.groups.extend((0..5000).map(|number| (format!("group-{number}").into(), group.clone())));
            readings[0].collect.snapshot = Some((Arc::new(snapshot), at));
        },
    );
    let (text, is_error) = called(&server, "groups", json!({}));
    assert!(is_error && text.contains("more than 1048576 bytes") && text.contains("`limit`"), "{text}");
    let (text, is_error) = called(&server, "groups", json!({ "fields": "clusters.groups.group" }));
    assert!(!is_error && text.contains("group-4999"), "a part of the same answer fits");
}

#[test]
fn web_sites_may_not_ask() {
    let server = start();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let ask = |origin: &str| {
        let headers = [JSON, ("mcp-protocol-version", HANDSHAKE[0]), ("origin", origin)];
        read(post(&server, &headers, body)).0
    };
    for origin in ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:1"] {
        assert_eq!(ask(origin), 200, "{origin}");
    }
    for origin in ["null", "https://e.example", "http://localhost.e.example", "http://e.example:8080"] {
        assert_eq!(ask(origin), 403, "{origin}");
    }
    // A name of the attacker that leads to this machine: the browser sends it as the origin and as the host.
    let rebound =
        [JSON, ("mcp-protocol-version", HANDSHAKE[0]), ("origin", "http://e.example"), ("host", "e.example")];
    assert_eq!(read(post(&server, &rebound, body)).0, 403);
}

#[test]
fn malformed_messages_are_refused_with_the_codes_of_json_rpc() {
    let server = start();
    let version = ("mcp-protocol-version", HANDSHAKE[0]);
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let nested = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}{}}}"#,
        r#"{"a":"#.repeat(200),
        "}".repeat(200)
    );
    let batch = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#;
    let table: [(&[u8], u16, i64); 8] = [
        (b"", 400, -32700),
        (b"hello", 400, -32700),
        (b"\xff\xff", 400, -32700),
        (deep.as_bytes(), 400, -32700),
        (nested.as_bytes(), 400, -32700),
        (batch, 400, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 400, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#, 200, -32601),
    ];
    for (body, status, code) in table {
        let (found, answer) = read(post(&server, &[JSON, version], body));
        let text = String::from_utf8_lossy(body).chars().take(60).collect::<String>();
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{text}");
    }
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for kind in
        ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
    {
        assert_eq!(read(post(&server, &[("content-type", kind), version], ping)).0, 415, "{kind}");
    }
    assert_eq!(
        read(post(&server, &[("content-type", "Application/JSON; charset=utf-8"), version], ping)).0,
        200
    );
    assert_eq!(read(post(&server, &[JSON, version, ("accept", "text/event-stream")], ping)).0, 406);
    for wrong in ["2025-03-26", "2024-11-05", "2999-01-01", "x"] {
        let (status, answer) = read(post(&server, &[JSON, ("mcp-protocol-version", wrong)], ping));
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32022)), "{wrong}");
        assert_eq!(answer["error"]["data"]["requested"], wrong);
        assert_eq!(answer["error"]["data"]["supported"][0], STATELESS);
    }
    let (status, answer) = read(post(&server, &[JSON], ping));
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32020)), "without a version");
}

/// Sends a request and a part of its body. Returns the beginning of the answer.
fn raw(address: &str, length: usize, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the head is sent");
    // The server may close before it has read everything.
    _ = stream.write_all(body);
    let mut answer = [0; 4096];
    match stream.read(&mut answer) {
        Ok(length) => String::from_utf8_lossy(&answer[..length]).into_owned(),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => "reset".to_owned(),
        Err(error) => panic!("no answer: {error}"),
    }
}

#[test]
fn large_and_slow_bodies_end_and_the_service_goes_on() {
    let service = Service::start("[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\nmcp = true\n");
    let address = service.address();
    let large = vec![b'['; 10 << 20];
    let answer = raw(address, large.len(), &large);
    assert!(answer.starts_with("HTTP/1.1 413") || answer == "reset", "{answer}");
    // The limit counts bytes that have arrived, so that a wrong length does not matter either.
    let answer = raw(address, 10 << 20, &large[..100_000]);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let begun = Instant::now();
    let answer = raw(address, 100, b"{\"jsonrpc\"");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!((Duration::from_secs(9)..LIMIT).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert!(raw(address, ping.len(), ping).starts_with("HTTP/1.1 200"));
    wait_for("the service to answer", LIMIT, || service.get("/livez").ok());
    service.stop();
}

#[test]
fn login_is_needed_as_for_every_other_path() {
    let settings = "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\nmcp = true\nbearer.token = t0ken\n";
    let service = Service::start_guarded(settings);
    let ask = |authorization: Option<&str>| {
        let mut request = agent().post(format!("http://{}/mcp", service.address())).header(JSON.0, JSON.1);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let body =
            br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
        request.send(&body[..]).expect("an answer").status().as_u16()
    };
    assert_eq!([ask(None), ask(Some("Bearer x")), ask(Some("Bearer t0ken"))], [401, 401, 200]);
    service.stop();
}

#[test]
fn official_sdk_lists_every_tool_and_calls_it() {
    let Some(python) = tool("API_PYTHON") else { return };
    let server = start();
    for (mode, version) in [("auto", STATELESS), (STATELESS, STATELESS), ("legacy", HANDSHAKE[0])] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp/client.py");
        let output =
            Command::new(&python).args([script, &server.url("/mcp"), mode]).output().expect("Python runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
        assert_eq!(found["version"], version, "{mode}");
        let calls = found["calls"].as_object().expect("calls");
        assert_eq!(calls.len(), tools().len(), "{mode}");
        for (name, call) in calls {
            let text = call["text"].as_str().expect("text");
            assert!(
                call["error"] == false && serde_json::from_str::<Value>(text).is_ok(),
                "{mode} {name}: {text}"
            );
        }
        let wrong = &found["wrong"];
        assert_eq!([&wrong["field"]["error"], &wrong["argument"]["error"]], [true, true], "{wrong}");
        assert_eq!(wrong["tool"]["code"], -32602, "{wrong}");
    }
}
