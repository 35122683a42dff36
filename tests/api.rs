//! The JSON API as its OpenAPI document describes it: paths, parameters, every field of every answer, and `?fields=`.
//!
//! `.ci/run` puts the path of a Python with a validator of OpenAPI in `API_PYTHON`. Without it one test is skipped, except under
//! `CI=true`.

#[expect(dead_code, reason = "each test binary uses a part of the scripted broker")]
#[path = "support/fake.rs"]
mod fake;
mod sample;
mod served;
#[path = "report/simulated.rs"]
#[expect(dead_code, reason = "the reports are for another test")]
mod simulated;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use fake::{Fake, Manners, Reply, metadata};
use kafka_heartbeat::{
    availability::{Incident, Resolution},
    collect::{freshness, time_lag::Method, topology::Change},
    diagnosis::{Confidence, Kind},
    evaluate::judge::{self, Progress, Status},
    gate::Condition,
    ha::Role,
    kafka::{
        Capability, CredentialKind, Fault, Stage,
        admin::{GroupKind, GroupState},
    },
    probe::{
        durability::{Loss, Unchecked},
        heartbeat::Outcome,
        topic::Blocked,
    },
    report::Month,
    store::{Kept, Store},
    task::Ending,
    verdict::State,
};
use kafka_protocol::{messages::MetadataRequest, protocol::StrBytes};
use sample::HOSTILE;
use serde_json::{Value, json};
use served::{LIMIT, Server, agent, header};
use support::{
    api::{DOCUMENT, fields, problems, resolved, violations},
    port,
    service::Service,
    wait_for,
};
use tokio::task;

/// The paths of the API, each with queries that lead to every form of its answer.
const QUESTIONS: [&str; 34] = [
    "status",
    "status?cluster=eu",
    "diagnosis",
    "gate",
    "gate?for=1s&cluster=us",
    "gate?format=text",
    "heartbeats",
    "heartbeats?limit=2",
    "heartbeats?outcome=bad",
    "heartbeats?outcome=bad&limit=1",
    "durability",
    "durability?limit=0",
    "brokers",
    "groups",
    "groups?group=whole",
    "groups?group=nothing",
    "groups?search=w&limit=1",
    "topics",
    "topics?limit=1",
    "cluster",
    "events",
    "events?from=0&to=1",
    "history",
    "report",
    "slo",
    "openapi.json",
    // Errors.
    "status?cluster=nothing",
    "groups?limit=x",
    "groups?limit=1&limit=2",
    "gate?for=never",
    "heartbeats?outcome=good",
    "history?from=x",
    "history?step=1s",
    "slo?month=13",
];

/// The beginnings of fields that neither the sample nor the simulated month has a value for. Tests with an identity provider, with
/// traces and with an open gate have them, and compare their answers with the document as well.
const ELSEWHERE: [&str; 7] = [
    "/api/v1/gate clusters[].not_checked[].last_seen_seconds_ago",
    "/api/v1/gate clusters[].reasons[].last_seen_seconds_ago",
    "/api/v1/gate clusters[].seconds_left",
    "/api/v1/heartbeats clusters[].bad[].trace_id",
    "/api/v1/report consumers[].max_error_seconds",
    "/api/v1/status clusters[].credential",
    "/api/v1/status clusters[].file_credentials[]",
];

fn paths() -> BTreeSet<String> {
    DOCUMENT["paths"].as_object().expect("paths").keys().cloned().collect()
}

/// The schema of the answer of a path.
fn schema(path: &str) -> &'static Value {
    &DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
}

#[test]
fn every_path_of_the_router_is_in_the_document_and_every_path_of_the_document_is_in_the_router() {
    let router = fs::read_to_string("src/http/router.rs").expect("the router");
    let routes = router.split(".route(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    let routes: BTreeSet<_> = routes.filter(|path| path.starts_with("/api/")).map(str::to_owned).collect();
    assert_eq!(routes, paths());
    let asked = QUESTIONS.iter().map(|question| question.split('?').next().expect("a path"));
    let asked: BTreeSet<_> = asked.map(|path| format!("/api/v1/{path}")).collect();
    assert_eq!(asked, paths(), "the tests below ask for every path");
}

#[test]
fn every_answer_and_every_error_is_as_the_document_describes() {
    let servers = [
        Server::start(),
        // Nothing was collected.
        Server::of(|readings| drop(readings.remove(0))),
    ];
    for server in &servers {
        for question in QUESTIONS {
            server.text(&format!("/api/v1/{question}"), "*/*");
        }
        for path in paths() {
            let mut refused = agent().post(server.url(&path)).send("x").expect("an answer");
            let text = refused.body_mut().read_to_string().expect("text");
            let found = problems(&path, false, 405, header(&refused, "content-type"), &text);
            assert!(refused.status() == 405 && found.is_empty(), "{path}: {found:?}");
        }
    }
    let empty = Server::of(Vec::clear);
    empty.text("/api/v1/report", "*/*");
    assert_eq!(empty.get("/api/v1/report", &[]).status(), 503);
}

#[test]
fn answer_that_the_document_does_not_describe_is_found() {
    let answer = |cluster: Value| json!({ "generated_at": "2026-11-01T00:00:00Z", "clusters": [cluster] });
    let found = |cluster: Value| violations(schema("/api/v1/diagnosis"), false, &answer(cluster)).join("\n");
    let good = json!({ "cluster": "eu", "suspects": [], "unexplained": null });
    assert_eq!(found(good.clone()), "");
    let mut missing = good.clone();
    missing.as_object_mut().expect("an object").remove("suspects");
    assert!(found(missing.clone()).contains("\"suspects\" is a required property"), "{}", found(missing));
    let mut unknown = good.clone();
    unknown["blame"] = "nobody".into();
    assert!(found(unknown.clone()).contains("'blame' was unexpected"), "{}", found(unknown));
    let mut wrong = good.clone();
    wrong["cluster"] = 7.into();
    assert!(found(wrong).contains("/clusters/0/cluster"));
    let mut late = answer(good);
    late["generated_at"] = "yesterday".into();
    assert!(violations(schema("/api/v1/diagnosis"), false, &late).join("").contains("date-time"));
    let other = |path: &str, status, kind| problems(path, false, status, kind, "{}");
    assert_eq!(other("/api/v1/x", 200, "application/json"), ["no path /api/v1/x"]);
    assert_eq!(other("/api/v1/status", 201, "application/json"), ["no status 201"]);
    assert_eq!(other("/api/v1/status", 200, "text/html"), ["no content type \"text/html\""]);
}

/// Notes the path of every field that has a value other than null, as [`fields`] writes paths.
fn note(value: &Value, path: &str, known: &BTreeMap<String, String>, seen: &mut BTreeSet<String>) {
    if !value.is_null() {
        seen.insert(path.to_owned());
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| note(item, &format!("{path}[]"), known, seen)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let join =
                    |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                let named = [join(name), join(&format!("{name}?")), join("*")];
                let path = named.iter().find(|path| known.contains_key(*path)).unwrap_or(&named[0]);
                note(field, path, known, seen);
            }
        }
        _ => {}
    }
}

/// The fields of the answer of a path, with their types.
fn described(path: &str) -> BTreeMap<String, String> {
    let types = |types: BTreeSet<String>| types.into_iter().collect::<Vec<_>>().join(" or ");
    fields(schema(path)).into_iter().map(|(field, kinds)| (field, types(kinds))).collect()
}

#[test]
fn every_field_of_the_document_is_in_an_answer_with_a_value() {
    let month = Month::parse("2026-11").expect("a month");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("history.db");
    let days = simulated::days(month, 7, simulated::first);
    let kept = Kept {
        intervals: days.iter().map(|(begin, day)| day.row(Resolution::Day, *begin)).collect(),
        incidents: simulated::incidents(month).iter().map(Incident::row).collect(),
    };
    let store = Store::open(&file).expect("a new file");
    store.write_availability("k", &kept, &[], 9, 0).expect("written");
    drop(store);
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[history]\npath = {}\n[slo]\navailability = 99.9\n\
         latency = 99\nlatency.limit = 1s\nproduce = 99.95\n",
        file.display()
    ));
    let server = Server::start();
    let (from, to) = (1000 * month.begin(), 1000 * month.end());
    let history = format!("/api/v1/history?from={from}&to={to}&step=1d");
    let mut answers: Vec<(String, Value)> = Vec::new();
    for question in [history.as_str(), "/api/v1/slo?month=2026-11"] {
        let body = service.get(question).expect("an answer");
        answers.push((question.to_owned(), serde_json::from_str(&body).expect("JSON")));
    }
    for question in QUESTIONS.iter().filter(|question| !question.contains("format=text")) {
        let question = format!("/api/v1/{question}");
        let answer = server.json(&question);
        answers.push((question, answer));
    }
    let mut lacking = Vec::new();
    for path in paths().into_iter().filter(|path| !path.ends_with("openapi.json")) {
        let known = described(&path);
        let mut seen = BTreeSet::new();
        for (_, answer) in answers.iter().filter(|(question, _)| question.split('?').next() == Some(&*path)) {
            if answer.get("error").is_none() {
                note(answer, "", &known, &mut seen);
            }
        }
        lacking.extend(
            known.into_keys().filter(|field| !seen.contains(field)).map(|field| format!("{path} {field}")),
        );
    }
    lacking.retain(|field| !ELSEWHERE.iter().any(|begin| field.starts_with(begin)));
    assert!(lacking.is_empty(), "the document describes fields that no answer has: {lacking:#?}");
    service.stop();
}

#[test]
fn fields_and_their_types_are_those_of_the_golden_file() {
    let mut now = String::from(
        "# The fields of each answer with their types: written with BLESS=1 cargo test --test api. A line that disappears or changes breaks\n\
         # the promise of docs/endpoints.md. `[]` is an element of a list, `*` any name, `?` a field that may be absent.\n",
    );
    for path in paths() {
        now.push_str(&format!("\n{path}\n"));
        for (field, kinds) in described(&path).into_iter().filter(|(field, _)| !field.is_empty()) {
            now.push_str(&format!("  {field}: {kinds}\n"));
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/api-fields.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &now).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&file).expect("the golden file");
    for (now, golden) in now.lines().zip(golden.lines()) {
        assert_eq!(now, golden, "the fields of the API have changed");
    }
    assert_eq!(now.len(), golden.len(), "the fields of the API have changed");
}

#[test]
fn every_list_of_values_in_the_document_is_the_list_of_the_code() {
    fn labels<T: Copy, const N: usize>(all: [T; N], label: fn(T) -> &'static str) -> Vec<Value> {
        all.into_iter().map(|one| label(one).into()).collect()
    }
    let lists = [
        ("Verdict", labels(State::ALL, State::as_str)),
        ("ClusterStatus/properties/role", labels(Role::ALL, Role::as_str)),
        ("Outcome", labels(Outcome::ALL, Outcome::as_str)),
        ("Fault", labels(Fault::ALL, Fault::as_str)),
        ("Stage", labels(Stage::ALL, Stage::as_str)),
        ("SuspectKind", labels(Kind::ALL, Kind::as_str)),
        ("Confidence", labels(Confidence::ALL, Confidence::as_str)),
        ("Progress", labels(Progress::ALL, Progress::as_str)),
        ("Capability/properties/state", labels(Capability::ALL, Capability::as_str)),
        ("Credential/properties/kind", labels(CredentialKind::ALL, CredentialKind::as_str)),
        ("HeartbeatTopic/properties/blocked/items", labels(Blocked::ALL, Blocked::as_str)),
        ("Reason/properties/condition", labels(Condition::ALL, Condition::as_str)),
        ("LostRecord/properties/reason", labels(Loss::ALL, Loss::as_str)),
        ("LossCounts/propertyNames", labels(Loss::ALL, Loss::as_str)),
        ("TimeLag/properties/method", labels(Method::ALL, Method::as_str)),
        ("GroupTopicStatus/properties/status", labels(Status::ALL, Status::as_str)),
        ("Consumer/properties/status", labels(Status::ALL, Status::as_str)),
        ("Group/properties/state", labels(GroupState::ALL, GroupState::as_str)),
        ("Group/properties/type", labels(GroupKind::ALL, GroupKind::as_str)),
        ("Topic/properties/state", labels(freshness::State::ALL, freshness::State::as_str)),
        ("Topic/properties/rate_anomaly", labels(judge::Kind::ALL, judge::Kind::as_str)),
    ];
    for (schema, labels) in lists {
        let listed = &DOCUMENT.pointer(&format!("/components/schemas/{schema}")).expect("a schema")["enum"];
        let listed: Vec<_> =
            listed.as_array().expect(schema).iter().filter(|one| !one.is_null()).cloned().collect();
        assert_eq!(listed, labels, "{schema}");
    }
    let objects = [
        ("Task/properties/cycles", labels(Ending::ALL, Ending::as_str)),
        ("ClusterDurability/properties/lost", labels(Loss::ALL, Loss::as_str)),
        ("ClusterDurability/properties/unchecked", labels(Unchecked::ALL, Unchecked::as_str)),
        ("ClusterPartitions/properties/changes", labels(Change::ALL, Change::as_str)),
    ];
    for (schema, labels) in objects {
        let required =
            &DOCUMENT.pointer(&format!("/components/schemas/{schema}")).expect("a schema")["required"];
        assert_eq!(required.as_array(), Some(&labels), "{schema}");
    }
}

/// Every schema of an object below a value, with its place.
fn objects(value: &'static Value, place: String, found: &mut Vec<(String, &'static Value)>) {
    if let Some(keys) = value.as_object() {
        let kinds = keys.get("type");
        if kinds.is_some_and(|kinds| kinds == "object" || kinds == &json!(["object", "null"])) {
            found.push((place.clone(), value));
        }
        keys.iter().for_each(|(key, value)| objects(value, format!("{place}/{key}"), found));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        objects(item, format!("{place}/{index}"), found);
    }
}

#[test]
fn every_object_of_the_document_is_closed_and_every_named_schema_is_described_and_used() {
    let mut found = Vec::new();
    let schemas = &DOCUMENT["components"]["schemas"];
    objects(schemas, String::new(), &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for (place, object) in found {
        let others = &object["additionalProperties"];
        let is_map = others.is_object() && object.get("properties").is_none();
        assert!(is_map || others == false, "{place} takes fields that it does not describe");
    }
    let text = DOCUMENT.to_string();
    for (name, schema) in schemas.as_object().expect("schemas") {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name} is not used");
        assert!(schema["description"].is_string(), "{name} has no description");
    }
    for name in DOCUMENT["components"]["parameters"].as_object().expect("parameters").keys() {
        assert!(text.contains(&format!("\"#/components/parameters/{name}\"")), "{name} is not used");
    }
}

#[test]
fn document_is_served_and_every_path_takes_fields() {
    let server = Server::start();
    assert_eq!(server.json("/api/v1/openapi.json"), *DOCUMENT);
    for path in paths() {
        let parameters = DOCUMENT["paths"][&path]["get"]["parameters"].as_array().expect("a list");
        let names: Vec<_> = parameters.iter().map(|parameter| &resolved(parameter)["name"]).collect();
        assert_eq!(names.last(), Some(&&Value::from("fields")), "{path}");
        let refused = server.json(&format!("{path}?fields=nothing"));
        let error = refused["error"].as_str().expect("an error");
        assert!(
            error.starts_with("fields: there is no field \"nothing\" at this place; the fields are: "),
            "{error}"
        );
    }
}

#[test]
fn every_field_of_the_document_can_be_asked_for_alone() {
    let server = Server::start();
    for path in paths().into_iter().filter(|path| !path.ends_with("openapi.json")) {
        let query = if path.ends_with("groups") { "group=whole&" } else { "" };
        for field in described(&path).into_keys().filter(|field| !field.is_empty() && !field.ends_with("[]"))
        {
            let named = field.replace(['?', ' '], "").replace("[]", "").replace('*', "ok");
            let named = named.trim_start_matches('.');
            let question = format!("{path}?{query}fields={named}");
            let mut response = server.get(&question, &[]);
            let text = response.body_mut().read_to_string().expect("text");
            // The name `ok` is no name of a stage.
            let is_possible = response.status() != 400 || field.contains('*');
            assert!(is_possible, "{question}: {text}");
        }
    }
}

#[test]
fn fields_are_selected_beside_other_parameters_in_every_kind_of_answer() {
    let server = Server::start();
    let status =
        server.json("/api/v1/status?cluster=eu&fields=clusters.cluster,clusters.heartbeats.in_flight");
    let in_flight = server.json("/api/v1/status?cluster=eu")["clusters"][0]["heartbeats"]["in_flight"].take();
    assert_eq!(
        status,
        json!({ "clusters": [{ "cluster": "eu", "heartbeats": { "in_flight": in_flight } }] })
    );
    let events = server.json("/api/v1/events?fields=kind,cluster");
    assert_eq!(events, json!([{ "kind": "topic_created", "cluster": "eu" }]));
    // The gate is closed, and its answer is no error.
    let mut gate = server.get("/api/v1/gate?fields=open", &[]);
    assert_eq!(
        (gate.status().as_u16(), gate.body_mut().read_to_string().expect("text")),
        (503, "{\"open\":false}".into())
    );
    let text = server.text("/api/v1/gate?format=text&fields=open", "*/*");
    assert!(text.starts_with("The gate is closed."), "text has no fields: {text}");
    // An error is complete, and not selected from.
    let refused = server.json("/api/v1/status?cluster=nothing&fields=clusters.cluster");
    assert_eq!(refused, json!({ "error": "cluster: no cluster of this name is configured" }));
    let unknown = server.json("/api/v1/brokers?cluster=us&fields=clusters.brokers.host");
    assert_eq!(
        unknown,
        json!({ "clusters": [{ "brokers": null }] }),
        "what is not known is null, and no error"
    );
    let document = server.json("/api/v1/openapi.json?fields=components.schemas.Error");
    assert_eq!(document["components"]["schemas"]["Error"], DOCUMENT["components"]["schemas"]["Error"]);
    assert_eq!(document.as_object().map(|object| object.len()), Some(1));
    for path in ["/api/v1/status?fields=clusters.verdict", "/api/v1/status?fields=x"] {
        let mut head = agent().head(server.url(path)).call().expect("an answer");
        let get = server.get(path, &[]);
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(header(&head, "content-type"), header(&get, "content-type"), "{path}");
        assert_eq!(head.body_mut().read_to_string().expect("nothing"), "", "{path}");
    }
}

#[test]
fn hostile_lists_of_fields_are_refused_with_400_at_once() {
    let server = Server::start();
    let long = "clusters.".repeat(2000);
    let many = vec!["clusters"; 1000].join(",");
    for list in [
        "",
        ",",
        ".",
        "clusters..verdict",
        "%00",
        "%3Cscript%3E",
        "clusters%FF",
        long.as_str(),
        many.as_str(),
    ] {
        let path = format!("/api/v1/status?fields={list}");
        let mut refused = server.get(&path, &[]);
        let text = refused.body_mut().read_to_string().expect("text");
        assert_eq!(refused.status(), 400, "{text}");
        assert_eq!(header(&refused, "content-type"), "application/json", "{text}");
        assert!(text.len() < 4000, "{}", text.len());
    }
}

#[test]
fn document_keeps_the_rules_of_openapi() {
    let Some(python) = support::program::tool("API_PYTHON") else { return };
    let file = "src/http/api/openapi.json";
    let output =
        Command::new(python).args(["-m", "openapi_spec_validator", file]).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_about_a_broker_that_closes_connections_are_as_the_document_describes() {
    let (first, sick) = (Fake::start().await, Fake::with(Manners::Curt, None).await);
    let mut brokers = metadata(&[&first, &sick], "", &[]);
    brokers.cluster_id = Some(StrBytes::from_static_str(HOSTILE));
    brokers.brokers[1].rack = Some(StrBytes::from_static_str(HOSTILE));
    first.on(move |_: MetadataRequest, _| Reply::Answer(brokers.clone()));
    task::block_in_place(|| {
        let service = Service::start(&format!(
            "[kafka]\nname = k\nbootstrap.servers = {}\n[metadata]\ninterval = 1s\ntimeout = 1s\n\
             [connectivity]\ninterval = 1s\ntimeout = 1s\n",
            first.address
        ));
        wait_for("a session that failed", LIMIT, || {
            let brokers = service.api("/api/v1/brokers", "k")["brokers"].take();
            brokers.as_array()?.iter().any(|broker| broker["failure"].is_object()).then_some(())
        });
        service.ask_every_path();
        assert_eq!(service.api("/api/v1/status", "k")["cluster_id"], HOSTILE);
        service.stop();
    });
}

/// A demo; dropping it kills it.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        self.0.kill().expect("a process of ours");
        self.0.wait().expect("the process has ended");
    }
}

#[test]
fn demo_answers_as_the_document_describes() {
    let listen = format!("127.0.0.1:{}", port::free_port());
    let mut program = support::service::program();
    program.args(["demo", "--faults", "--listen", &listen]).stdout(Stdio::null()).stderr(Stdio::null());
    let _demo = Demo(program.spawn().expect("the demo starts"));
    let ask = |path: &str| -> Option<(u16, String, String)> {
        let mut answer = agent().get(format!("http://{listen}{path}")).call().ok()?;
        let kind = header(&answer, "content-type").to_owned();
        Some((answer.status().as_u16(), kind, answer.body_mut().read_to_string().ok()?))
    };
    let group = wait_for("the groups of the demo", LIMIT, || {
        let answer: Value = serde_json::from_str(&ask("/api/v1/groups?limit=1")?.2).ok()?;
        Some(answer["clusters"][0]["groups"][0]["group"].as_str()?.to_owned())
    });
    let questions = QUESTIONS.into_iter().map(str::to_owned).chain([format!("groups?group={group}")]);
    for path in questions.map(|question| format!("/api/v1/{question}")) {
        let (status, kind, body) = ask(&path).expect("an answer");
        support::api::check(&path, status, &kind, &body);
    }
}
