//! Dashboards and alerts name only metrics that the service exposes, and are complete.
//!
//! A renamed family would break a dashboard silently; here it breaks a test. Promtool checks whether a query can be parsed:
//! one test writes the queries of all dashboards into a rule file for promtool.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use kafka_heartbeat::{
    catalog::{self, Kind},
    config::{self, FlagSetting, Sources},
    diagnosis,
    evaluate::judge::{Kind as Odd, Progress, Status},
    kafka::{CredentialKind, Fault},
    probe::{
        durability::{Loss, Unchecked},
        heartbeat::{Anomaly, Outcome},
        topic::Blocked,
        transaction_probe,
    },
    slo,
};
use operations::{
    SUBJECTS, dashboards, expressions, list, panels, queries, read, root, rules, rules_of, text, yaml,
};
use serde_json::{Value, json};

#[path = "contract/chart.rs"]
mod chart;
#[path = "contract/language.rs"]
mod language;
#[path = "support/operations.rs"]
mod operations;
#[path = "contract/places.rs"]
mod places;
#[path = "contract/suspects.rs"]
mod suspects;

#[test]
fn dashboards_name_only_known_metrics() {
    let mut families = known_families();
    families.extend(rules().iter().filter_map(|rule| rule["record"].as_str()).map(str::to_owned));
    for (file, dashboard) in dashboards() {
        for expr in expressions(&dashboard) {
            assert_known(&expr, &families, &file);
        }
    }
}

#[test]
fn alerts_name_only_known_metrics() {
    let rules = rules();
    let mut families = known_families();
    families.insert("up".into()); // Prometheus adds it to every target
    families.insert("ALERTS".into()); // Prometheus adds it for every alert that is pending or firing
    families.extend(rules.iter().filter_map(|rule| rule["record"].as_str()).map(str::to_owned));
    // The families of the JMX exporter of brokers.
    let jvm = ["jvm_memory_used_bytes", "jvm_memory_max_bytes", "jvm_gc_collection_seconds_sum"];
    families.extend(jvm.map(str::to_owned));
    assert!(rules.len() > 100, "the rules were not found: {}", rules.len());
    for rule in &rules {
        assert_known(text(&rule["expr"]), &families, text(&rule["alert"]));
    }
}

#[test]
fn label_with_known_values_is_compared_with_one_of_them() {
    let known = [
        (
            "outcome",
            [
                Outcome::ALL.map(Outcome::as_str).as_slice(),
                &transaction_probe::Outcome::ALL.map(transaction_probe::Outcome::as_str),
            ]
            .concat(),
        ),
        (
            "kind",
            [
                Anomaly::ALL.map(Anomaly::as_str).as_slice(),
                &Odd::ALL.map(Odd::as_str),
                &CredentialKind::ALL.map(CredentialKind::as_str),
                &diagnosis::Kind::ALL.map(diagnosis::Kind::as_str),
            ]
            .concat(),
        ),
        ("verdict", Progress::ALL.map(Progress::as_str).to_vec()),
        ("status", Status::ALL.map(Status::as_str).to_vec()),
        (
            "reason",
            [
                Blocked::ALL.map(Blocked::as_str).as_slice(),
                &Loss::ALL.map(Loss::as_str),
                &Unchecked::ALL.map(Unchecked::as_str),
            ]
            .concat(),
        ),
        ("result", [["ok"].as_slice(), &Fault::ALL.map(Fault::as_str)].concat()),
    ];
    let files = SUBJECTS.iter().flat_map(|subject| {
        [format!("prometheus/rules/{subject}.yml"), format!("prometheus/tests/{subject}.test.yml")]
    });
    let files = files.map(|file| read(&file));
    let queries = dashboards().into_iter().flat_map(|(_, dashboard)| expressions(&dashboard));
    let texts: Vec<_> = files.into_iter().chain(queries).collect();
    for (label, values) in known {
        let named: Vec<_> = texts.iter().flat_map(|text| compared_with(label, text)).collect();
        assert!(!named.is_empty(), "{label}");
        for value in named {
            assert!(values.contains(&value), "{label} is never {value}");
        }
    }
}

#[test]
fn every_alert_has_a_severity_a_summary_and_a_first_step() {
    for rule in rules().iter().filter(|rule| !rule["alert"].is_null()) {
        let name = text(&rule["alert"]);
        assert!(name.starts_with("Kafka") || name == "TopicMetricExporterDown", "{name}");
        assert!(["critical", "warning", "info"].contains(&text(&rule["labels"]["severity"])), "{name}");
        assert!(!text(&rule["annotations"]["summary"]).is_empty(), "{name}");
        assert!(text(&rule["annotations"]["description"]).contains("First: "), "{name}");
        let page = format!("docs/runbooks/{name}.md");
        assert_eq!(text(&rule["annotations"]["runbook_url"]), page, "{name}");
        let words = read(&page);
        assert!(words.starts_with(&format!("# {name}\n")), "{page}");
        for heading in ["\n## What to check first\n", "\n## What to do\n"] {
            assert!(words.contains(heading), "{page} lacks {heading}");
        }
        assert!(
            words.contains(text(&rule["labels"]["severity"])),
            "{page} does not name the severity of its alert"
        );
    }
}

#[test]
fn every_runbook_belongs_to_an_alert() {
    let rules = rules();
    let names: BTreeSet<_> = rules.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    for page in fs::read_dir(root().join("docs/runbooks")).expect("pages").flatten() {
        let file = page.file_name().into_string().expect("UTF-8");
        assert!(names.contains(file.trim_end_matches(".md")), "{file} belongs to no alert");
    }
}

/// Every alert has a case in which it is silent, then fires with its severity, then ends. Without data only the alerts on
/// missing data fire. Each case lists all alerts that fire, so an alert that is not listed is silent.
#[test]
fn every_alert_is_silent_fires_and_ends_in_a_case() {
    for subject in SUBJECTS {
        let tests = yaml(&format!("prometheus/tests/{subject}.test.yml"));
        let cases = list(&tests["tests"]);
        let moments = |case: &Value| -> Vec<BTreeSet<(String, String)>> {
            list(&case["promql_expr_test"])
                .iter()
                .map(|moment| {
                    assert!(text(&moment["expr"]).starts_with("count by (alertname, severity) (ALERTS{"));
                    list(&moment["exp_samples"]).iter().map(|sample| fired(text(&sample["labels"]))).collect()
                })
                .collect()
        };
        let without = cases.iter().find(|case| case["input_series"].is_null()).expect("a case without data");
        let asking: BTreeSet<_> = moments(without).into_iter().flatten().collect();
        let asks = |name: &str| name.ends_with("Absent") || name.ends_with("NotMeasured");
        assert!(asking.iter().all(|(name, _)| asks(name)), "{subject}: {asking:?}");
        for rule in rules_of(subject).iter().filter(|rule| !rule["alert"].is_null()) {
            let alert = (text(&rule["alert"]).to_owned(), text(&rule["labels"]["severity"]).to_owned());
            let whole = cases.iter().any(|case| moments_of(case, &alert).is_some());
            assert!(whole, "{subject}: no case in which {alert:?} is silent, fires and ends");
        }
    }
}

#[test]
fn list_of_alerts_is_generated_from_rules_and_cases() {
    let mut page = "# Alerts\n\n\
        This table is generated from [the alert rules](../prometheus/rules) and [their test cases](../prometheus/tests), which \
        promtool runs. In the test case an alert is silent at the first moment, fires at the second and has ended at the third. \
        Alerts on missing data fire without any data; all other alerts are silent then.\n\n\
        | Alert | Severity | Summary | After | Silent, fires, ended | Without data |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for subject in SUBJECTS {
        let tests = yaml(&format!("prometheus/tests/{subject}.test.yml"));
        for rule in rules_of(subject).iter().filter(|rule| !rule["alert"].is_null()) {
            let alert = (text(&rule["alert"]).to_owned(), text(&rule["labels"]["severity"]).to_owned());
            let cases = list(&tests["tests"]);
            let moments: Vec<String> =
                cases.iter().find_map(|case| moments_of(case, &alert)).expect("a case").into();
            let without = cases.iter().filter(|case| case["input_series"].is_null());
            let asks =
                without.flat_map(|case| list(&case["promql_expr_test"])).any(|moment| fires(moment, &alert));
            let (name, severity) = alert;
            let after = rule["for"].as_str().unwrap_or("at once");
            let (summary, asks) =
                (text(&rule["annotations"]["summary"]), if asks { "fires" } else { "silent" });
            // A label that only some series have is left out.
            let summary = match (summary.find("{{ with"), summary.find("{{ end }}")) {
                (Some(from), Some(to)) => {
                    format!("{}{}", &summary[..from], &summary[to + "{{ end }}".len()..])
                }
                _ => summary.to_owned(),
            };
            let summary = summary.replace("{{ $labels.", "{").replace(" | humanizeDuration", "");
            let summary = summary.replace("{{ $value", "{value").replace(" }}", "}");
            let moments = moments.join(", ");
            writeln!(
                page,
                "| [{name}](runbooks/{name}.md) | {severity} | {summary} | {after} | {moments} | {asks} |"
            )
            .expect("a string takes everything");
        }
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join("docs/alerts.md"), &page).expect("written");
    }
    assert!(
        read("docs/alerts.md") == page,
        "docs/alerts.md is stale: BLESS=1 cargo test --test contract writes it again"
    );
}

/// The moments of a case at which an alert is silent, fires and has ended; absent if the case lacks one of them.
fn moments_of(case: &Value, alert: &(String, String)) -> Option<[String; 3]> {
    let moments = list(&case["promql_expr_test"]);
    let first = moments.iter().position(|moment| fires(moment, alert)).filter(|first| *first > 0)?;
    let over = first + moments[first..].iter().position(|moment| !fires(moment, alert))?;
    Some([first - 1, first, over].map(|at| text(&moments[at]["eval_time"]).to_owned()))
}

/// Whether an alert is among those that fire at a moment of a case.
fn fires(moment: &Value, alert: &(String, String)) -> bool {
    list(&moment["exp_samples"]).iter().any(|sample| fired(text(&sample["labels"])) == *alert)
}

/// The name and the severity of an alert from `{alertname="A",severity="s"}`.
fn fired(labels: &str) -> (String, String) {
    let mut values = labels.split('"').skip(1).step_by(2).map(str::to_owned);
    (values.next().expect("a name"), values.next().expect("a severity"))
}

#[test]
fn slo_rules_in_the_repository_are_those_that_the_program_writes() {
    let sources = Sources { bootstrap: Some("localhost:9092".to_owned()), ..Sources::default() };
    let config = config::load(&sources).expect("the defaults");
    let files = [
        ("prometheus/rules/slo.yml", slo::Format::Prometheus),
        ("prometheus/slo/sloth.yml", slo::Format::Sloth),
        ("prometheus/slo/pyrra.yml", slo::Format::Pyrra),
        ("prometheus/slo/openslo.yml", slo::Format::Openslo),
    ];
    for (file, format) in files {
        let rules = slo::rules(&config, None, format).expect("rules");
        if std::env::var_os("BLESS").is_some() {
            fs::write(root().join(file), &rules).expect("written");
        }
        assert_eq!(read(file), rules, "{file} is stale: BLESS=1 cargo test --test contract writes it again");
    }
}

#[test]
fn objective_that_cannot_be_measured_is_refused_with_the_reason() {
    let rules = |settings: &[(&'static str, &'static str, &str)], objective| {
        let settings = settings.iter().map(|(section, key, value)| FlagSetting {
            section,
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            flag: "test",
        });
        let sources = Sources {
            bootstrap: Some("localhost:9092".to_owned()),
            settings: settings.collect(),
            ..Sources::default()
        };
        let config = config::load(&sources).map_err(|errors| errors.to_string())?;
        slo::rules(&config, objective, slo::Format::Prometheus)
    };
    let words = |settings: &[_]| rules(settings, None).expect_err("refused");
    assert!(words(&[("slo", "availability", "100")]).contains("100 leaves no error budget"));
    assert!(words(&[("slo", "lag", "a lot")]).contains("expected a number of percent below 100"));
    assert!(words(&[("slo", "latency.limit", "11s")]).contains("11s is above the deadline of default, 10s"));
    let unknown = words(&[("slo", "latency.limit", "700ms")]);
    assert!(
        unknown.contains("700ms is the bound of no bucket: add it to [heartbeat] objectives"),
        "{unknown}"
    );
    let nothing: Vec<_> = ["availability", "latency", "produce", "connectivity", "freshness", "lag"]
        .map(|key| ("slo", key, ""))
        .into();
    assert!(words(&nothing).contains("promises nothing"));
    let one = rules(&nothing, Some(99.99)).expect("one objective");
    assert!(one.contains("> 14.4 * 0.0001\n") && !one.contains("end-to-end-latency"), "{one}");
    let half = rules(&[("slo", "latency.limit", "500ms")], None).expect("an objective");
    assert!(half.contains(r#"le=~"0\\.5""#), "the bound is escaped for a regular expression");
    let off = rules(&[("lag", "enabled", "false")], None).expect("rules");
    assert!(
        !off.contains("kafka_consumergroup") && off.contains("kafka_topic:fresh:bool"),
        "objectives of a disabled task are left out"
    );
}

#[test]
fn dashboards_are_provisioned_whole_and_cannot_drift() {
    for (file, dashboard) in dashboards() {
        assert_eq!(dashboard["editable"], json!(false), "{file}");
        assert_eq!(dashboard["id"], Value::Null, "{file}");
        assert!(text(&dashboard["uid"]).starts_with("kafka-heartbeat"), "{file}");
        assert!(dashboard.get("__inputs").is_none(), "{file}");
        let mut places = BTreeSet::new();
        for panel in list(&dashboard["panels"]) {
            assert!(places.insert(panel["gridPos"].to_string()), "{file}: two panels in one place");
        }
    }
}

#[test]
fn dashboards_have_the_variables_that_people_expect() {
    for (file, dashboard) in dashboards() {
        let variables = list(&dashboard["templating"]["list"]);
        let names: Vec<_> = variables.iter().map(|variable| text(&variable["name"])).collect();
        assert_eq!(names[..3], ["datasource", "job", "instance"], "{file}");
        let of_series =
            ["kafka_cluster", "cluster_name", "broker", "topic", "partition", "group", "sloth_slo"];
        assert!(names[3..].iter().all(|name| of_series.contains(name)), "{file}: {names:?}");
        assert_eq!(variables[0]["label"], json!("Data source"), "{file}");
        for variable in &variables[1..] {
            assert_eq!(variable["datasource"]["uid"], json!("$datasource"), "{file}");
            assert_eq!(variable["multi"], json!(true), "{file}");
            assert_eq!(variable["allValue"], json!(".+"), "{file}");
            assert_eq!(variable["refresh"], json!(2), "{file}: a variable follows the time range");
            assert!(text(&variable["label"]).starts_with(char::is_uppercase), "{file}");
        }
    }
}

#[test]
fn dashboards_lead_to_one_another_and_have_titles_of_their_own() {
    let mut titles = BTreeSet::new();
    for (file, dashboard) in dashboards() {
        assert!(
            titles.insert(text(&dashboard["title"]).to_owned()),
            "{file}: another dashboard has the same title"
        );
        let tagged = |value: &Value| list(value).contains(&json!("kafka-heartbeat"));
        assert!(tagged(&dashboard["tags"]), "{file}");
        assert!(
            list(&dashboard["links"]).iter().any(|link| tagged(&link["tags"])),
            "{file} has no link to other dashboards"
        );
    }
    for title in ["Topic Pipeline Freshness", "Kafka heartbeat (legacy names)"] {
        assert!(titles.contains(title), "{titles:?}");
    }
}

#[test]
fn every_panel_has_a_description() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let title = text(&panel["title"]);
            assert!(!title.is_empty(), "{file}");
            assert!(!text(&panel["description"]).is_empty(), "{file}: {title}");
            assert!(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{file}: {title}");
            assert_eq!(panel["datasource"]["uid"], json!("$datasource"), "{file}: {title}");
            assert!(!list(&panel["targets"]).is_empty(), "{file}: {title}");
        }
    }
}

#[test]
fn every_query_of_a_panel_is_filtered_and_rated_as_it_should() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in list(&panel["targets"]) {
                let problems = query_problems(text(&target["expr"]));
                assert!(problems.is_empty(), "{file}: {}: {problems:?}", panel["title"]);
            }
        }
    }
}

#[test]
fn checks_of_dashboards_and_alerts_can_fail() {
    let families = BTreeSet::from(["heartbeat_brokers".to_owned(), "heartbeat_x_seconds".to_owned()]);
    assert_eq!(unknown("sum by (broker) (heartbeat_borkers{a=\"b\"})", &families), ["heartbeat_borkers"]);
    assert_eq!(unknown("rate(heartbeat_x_seconds_bucket[5m]) > 1e-3", &families), [""; 0]);
    assert_eq!(unknown("heartbeat_brokers offset 10m unless on (job) up == 2", &families), ["up"]);
    let named = "min(a:b:c{x=\"heartbeat_y{[\"}) or label_replace(z, \"a\", \"$1\", \"b\", \"(.*)\")";
    assert_eq!(metric_names(named), BTreeSet::from(["a:b:c", "z"].map(str::to_owned)));
    assert_eq!(query_problems("rate(heartbeat_x_total{job=\"a\"}[5m])").len(), 3);
    assert_eq!(query_problems("sum(heartbeat_x_total{job=~\"$job\", instance=~\"$instance\"})").len(), 1);
}

#[test]
fn files_of_compose_prometheus_and_grafana_parse() {
    for file in [
        "docker-compose.yml",
        "prometheus/prometheus.yml",
        "alertmanager/alertmanager.yml",
        "grafana/provisioning/datasources/prometheus.yml",
        "grafana/provisioning/dashboards/default.yml",
    ] {
        assert!(yaml(file).is_object(), "{file}");
    }
}

#[test]
fn compose_mounts_only_what_exists() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().expect("compose has services");
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = text(volume).split(':').next().expect("a split has a first part");
            if source.starts_with("./") {
                assert!(root().join(source).exists(), "{name} mounts {source}");
            }
        }
    }
}

#[test]
fn compose_names_images_by_version_and_services_that_exist() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().expect("compose has services");
    // The keys below `<<` are shared by all brokers.
    let of = |service: &Value, key: &str| {
        let own = &service[key];
        if own.is_null() { service["<<"][key].clone() } else { own.clone() }
    };
    for (name, service) in services.iter().filter(|(_, service)| service["build"].is_null()) {
        let image = of(service, "image");
        let image = text(&image);
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag.contains('.')), "{name}: {image:?}");
    }
    for (name, service) in services {
        for other in service["depends_on"].as_object().into_iter().flatten() {
            let checked = of(services.get(other.0).expect("a service"), "healthcheck");
            // The image of this project has a health check of its own.
            assert!(
                checked.is_object() || other.0 == "kafka-heartbeat",
                "{name} waits for the health of {}",
                other.0
            );
        }
    }
    let profiles = services.values().flat_map(|service| list(&service["profiles"])).map(text);
    assert_eq!(profiles.collect::<BTreeSet<_>>(), BTreeSet::from(["otel", "ui"]));
}

#[test]
fn image_is_built_from_files_that_exist_and_gets_its_revision() {
    for line in read(".dockerignore").lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(root().join(line).exists(), "{line}");
    }
    let variable = "KAFKA_HEARTBEAT_REVISION";
    assert!(read("src/process/build.rs").contains(&format!("option_env!(\"{variable}\")")));
    let dockerfile = read("Dockerfile");
    let stages: Vec<_> = dockerfile.split("\nFROM ").skip(1).collect();
    // An argument is known only in the stage that declares it.
    assert!(stages.iter().all(|stage| stage.contains("\nARG REVISION=")), "{stages:?}");
    assert!(stages[0].contains(&format!("{variable}=\"$REVISION\" cargo auditable build")), "{}", stages[0]);
}

/// Writes all queries into a rule file that promtool can check, with the variables filled in.
#[test]
fn queries_are_written_down_for_promtool() {
    let rules: Vec<_> = dashboards()
        .iter()
        .flat_map(|(_, dashboard)| queries(dashboard))
        .enumerate()
        .map(|(number, expr)| json!({ "record": format!("query:{number}"), "expr": expr }))
        .collect();
    assert!(rules.len() > 15, "the queries were not found: {}", rules.len());
    let file = json!({ "groups": [{ "name": "dashboards", "rules": rules }] });
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard-queries.yml"), file.to_string())
        .expect("the target folder can be written");
}

/// The name of every family.
fn known_families() -> BTreeSet<String> {
    let names: BTreeSet<_> = catalog::all().map(|family| family.name.to_owned()).collect();
    assert!(names.len() > 20, "the catalog's names were not found, only {names:?}");
    names
}

fn assert_known(expr: &str, families: &BTreeSet<String>, file: &str) {
    let unknown = unknown(expr, families);
    assert!(unknown.is_empty(), "{file} names {unknown:?}, which are not in the catalog: {expr}");
}

fn unknown(expr: &str, families: &BTreeSet<String>) -> Vec<String> {
    let is_known = |name: &String| {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        families.contains(name) || family.is_some_and(|family| families.contains(family))
    };
    metric_names(expr).into_iter().filter(|name| !is_known(name)).collect()
}

/// The metrics that an expression names: words that are no function, keyword, label, string or number.
fn metric_names(expr: &str) -> BTreeSet<String> {
    const KEYWORDS: [&str; 10] =
        ["and", "or", "unless", "offset", "bool", "inf", "nan", "group_left", "group_right", "atan2"];
    const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '$';
    let mut names = BTreeSet::new();
    let mut rest = expr;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '"' | '\'' => after_string(rest),
            '{' => after(rest, '}'),
            '[' => after(rest, ']'),
            _ if is_word(first) => {
                let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
                let next = rest[word.len()..].trim_start();
                if LABEL_LISTS.contains(&word) && next.starts_with('(') {
                    after(next, ')')
                } else {
                    let is_name = first.is_ascii_alphabetic() || first == '_';
                    let is_function =
                        ["(", "by ", "by(", "without"].iter().any(|call| next.starts_with(call));
                    if is_name && !is_function && !KEYWORDS.contains(&word) {
                        names.insert(word.to_owned());
                    }
                    &rest[word.len()..]
                }
            }
            _ => &rest[first.len_utf8()..],
        };
        rest = skipped;
    }
    names
}

/// The values that a label is compared with, each branch of a pattern on its own.
fn compared_with<'a>(label: &str, text: &'a str) -> Vec<&'a str> {
    let operators = ["=\"", "!=\"", "=~\"", "!~\""];
    let behind = text.split(label).skip(1);
    let values = behind.filter_map(|rest| operators.iter().find_map(|operator| rest.strip_prefix(operator)));
    values.filter_map(|rest| rest.split('"').next()).flat_map(|values| values.split('|')).collect()
}

/// The text after the closing character; characters within strings do not count.
fn after(text: &str, close: char) -> &str {
    let mut rest = &text[1..];
    loop {
        match rest.chars().next() {
            None => return "",
            Some('"' | '\'') => rest = after_string(rest),
            Some(c) if c == close => return &rest[1..],
            Some(c) => rest = &rest[c.len_utf8()..],
        }
    }
}

fn after_string(text: &str) -> &str {
    let quote = text.chars().next().expect("called at a quote");
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The problems of a query of a panel: fixed windows, counters without a rate, selectors without a filter.
fn query_problems(expr: &str) -> Vec<&'static str> {
    let mut problems = Vec::new();
    // A recorded series covers all instances, and its name contains colons.
    let selectors = expr.match_indices('{').filter(|(at, _)| {
        let name = expr[..*at].rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next();
        !name.is_some_and(|name| name.contains(':'))
    });
    let selectors = selectors.count();
    if expr.matches("job=~\"$job\"").count() != selectors {
        problems.push("a selector without job=~\"$job\"");
    }
    if expr.matches("instance=~\"$instance\"").count() != selectors {
        problems.push("a selector without instance=~\"$instance\"");
    }
    let windows = expr.split('[').skip(1);
    if windows
        .clone()
        .any(|window| !window.starts_with("$__rate_interval]") && !window.starts_with("$__range]"))
    {
        problems.push("a fixed window");
    }
    let counters = expr.matches("_total{").count();
    if counters > expr.matches("rate(").count() + expr.matches("increase(").count() {
        problems.push("a counter without rate or increase");
    }
    problems
}

#[test]
fn page_of_metrics_equals_the_output_of_the_program() {
    let printed = kafka_heartbeat::export::reference::markdown();
    let hint = "run `cargo run -- metrics > docs/metrics.md`";
    assert!(read("docs/metrics.md") == printed, "docs/metrics.md differs from the declared metrics: {hint}");
}

#[test]
fn older_names_are_computed_from_current_names_or_listed_as_without_a_rule() {
    let rules: Value = serde_norway::from_str(&read("prometheus/compat.yml")).expect("YAML");
    let rules: Vec<&Value> = rules["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
        .collect();
    let recorded: BTreeSet<_> = rules.iter().map(|rule| text(&rule["record"]).to_owned()).collect();
    let legacy: BTreeSet<_> = catalog::compat::all().map(|family| family.name).collect();
    let families: BTreeSet<_> =
        known_families().into_iter().filter(|name| !legacy.contains(&**name)).collect();
    for rule in &rules {
        assert_known(text(&rule["expr"]), &families, "compat.yml");
    }
    let mut without = BTreeSet::new();
    for family in catalog::compat::all() {
        let suffixes: &[&str] =
            if family.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        if !suffixes.iter().all(|suffix| recorded.contains(&format!("{}{suffix}", family.name))) {
            without.insert(family.name);
        }
    }
    // Families whose value is the id of a broker, and families that are not exposed for single partitions.
    let expected = [
        "heartbeat_controller",
        "kafka_consumergroup_members",
        "kafka_topic_partition_in_sync_replica",
        "kafka_topic_partition_leader",
        "kafka_topic_partition_leader_is_preferred",
        "kafka_topic_partition_replicas",
        "kafka_topic_partition_under_replicated_partition",
    ];
    assert_eq!(without, BTreeSet::from(expected));
    for family in catalog::compat::all() {
        let instead =
            family.help.trim_start_matches("Compatibility. Use ").split('.').next().expect("a name");
        assert!(families.contains(instead), "{}: {instead}", family.name);
    }
}
