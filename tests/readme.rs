//! The README and the pages in `docs` agree with the code: names, commands, endpoints, exit codes, files.
//!
//! Names and values are compared with the code, in both directions where there is a list. No test can check whether a
//! sentence is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, Parser};
use kafka_heartbeat::{
    catalog,
    cli::Cli,
    config::{Sources, load},
    exit::Exit,
    probe::heartbeat::{Anomaly, Outcome},
};

/// The pages that are written by hand and describe the program.
const PAGES: [&str; 13] = [
    "docs/outcomes.md",
    "docs/lag.md",
    "docs/commands.md",
    "docs/configuration.md",
    "docs/endpoints.md",
    "docs/api.md",
    "docs/multi-target.md",
    "docs/permissions.md",
    "docs/failures.md",
    "docs/deployment.md",
    "docs/testing.md",
    "docs/architecture.md",
    "docs/contributing.md",
];

#[test]
fn every_outcome_has_a_row_and_every_row_is_an_outcome() {
    let named: BTreeSet<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str().to_owned()).collect();
    assert_eq!(first_cells("outcome"), named);
}

#[test]
fn outcome_is_documented_as_bad_if_the_code_counts_it_as_bad() {
    for outcome in Outcome::ALL {
        let row = rows("outcome").into_iter().find(|row| row[0] == format!("`{}`", outcome.as_str()));
        let counts = row.expect("a row").pop().expect("a last cell");
        assert_eq!(counts.starts_with("bad"), outcome.is_bad(), "{}: {counts}", outcome.as_str());
    }
}

#[test]
fn every_anomaly_has_a_row_and_every_row_is_an_anomaly() {
    let named: BTreeSet<_> = Anomaly::ALL.iter().map(|anomaly| anomaly.as_str().to_owned()).collect();
    assert_eq!(first_cells("anomaly"), named);
}

#[test]
fn every_exit_code_has_a_row_and_every_row_is_an_exit_code() {
    let source = read("src/exit.rs");
    let (_, list) = source.split_once("pub enum Exit {").expect("the exit codes are in exit.rs");
    let (list, _) = list.split_once("\n}").expect("the list ends");
    let mut codes: BTreeSet<String> = list
        .lines()
        .filter_map(|line| Some(line.trim().strip_suffix(',')?.split_once(" = ")?.1.to_owned()))
        .collect();
    for exit in [Exit::Ok, Exit::Unavailable, Exit::Internal, Exit::Port, Exit::Config] {
        assert!(codes.contains(&(exit as u8).to_string()), "{exit:?} was not found in {codes:?}");
    }
    let usage = Cli::try_parse_from(["kafka-heartbeat", "--no-such-flag"]).expect_err("wrong usage");
    codes.insert(usage.exit_code().to_string());
    let documented: BTreeSet<_> = rows("exit code").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, codes);
}

#[test]
fn every_endpoint_has_a_row_and_every_row_is_an_endpoint() {
    let routes: BTreeSet<_> = read("src/http/router.rs")
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    assert!(routes.len() > 10, "the routes were not found: {routes:?}");
    assert_eq!(first_cells("path"), routes);
}

#[test]
fn every_command_has_a_row_and_every_row_is_a_command() {
    let mut commands = BTreeSet::new();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let inner: Vec<_> =
            command.get_subcommands().map(|inner| format!("{name} {}", inner.get_name())).collect();
        commands.extend(if inner.is_empty() { vec![name.to_owned()] } else { inner });
    }
    assert_eq!(first_cells("command"), commands);
}

#[test]
fn every_command_line_is_understood() {
    let lines = fences("sh").concat();
    let ours: Vec<_> = lines.lines().filter(|line| line.starts_with("kafka-heartbeat ")).collect();
    assert!(ours.len() >= 4, "{ours:?}");
    for line in ours {
        assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
    for line in ["cargo run --release -- demo", "cargo test"] {
        assert!(lines.lines().any(|found| found == line), "the two commands come first: {line}");
    }
}

#[test]
fn every_flag_exists() {
    let all = Cli::command();
    let mut known = flags(&all);
    known.extend(["release", "bench", "test", "features", "target"].map(str::to_owned)); // of cargo and docker
    let pages = pages();
    let named: BTreeSet<_> = pages
        .split(|c: char| c.is_whitespace() || c == '`' || c == '(' || c == ')')
        .filter_map(|word| word.strip_prefix("--"))
        .map(|flag| flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned())
        .filter(|flag| !flag.is_empty())
        .collect();
    assert!(named.contains("faults"), "{named:?}");
    assert!(named.is_subset(&known), "unknown: {:?}", named.difference(&known));
}

#[test]
fn every_metric_exists() {
    let known: BTreeSet<_> = catalog::all().map(|family| family.name.to_owned()).collect();
    let named: BTreeSet<_> = code().into_iter().filter(|code| code.starts_with("heartbeat_")).collect();
    assert!(named.len() > 5, "{named:?}");
    assert!(named.is_subset(&known), "unknown: {:?}", named.difference(&known));
}

#[test]
fn configuration_is_valid_and_its_keys_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, secret) = (folder.path().join("config.ini"), folder.path().join("secret"));
    fs::write(&secret, "hush\n").expect("a file");
    for fence in fences("ini") {
        let text = fence.replace("/run/secrets/kafka", &secret.display().to_string());
        fs::write(&file, text).expect("a file");
        let env = BTreeMap::from([("KAFKA_KEY".to_owned(), "key".to_owned())]);
        let loaded = load(&Sources { file: Some(file.clone()), env, ..Sources::default() });
        let config = loaded.unwrap_or_else(|errors| panic!("{errors}"));
        let kafka = &config.clusters[0].kafka;
        let has_key = kafka.get("sasl.kerberos.keytab") == Some("/run/secrets/heartbeat.keytab");
        assert!(has_key || kafka.get("sasl.password") == Some("hush"), "{fence}");
    }
    let example = read("config.example.ini");
    for code in code().into_iter().filter(|code| code.starts_with('[')) {
        let (section, key) = code[1..].split_once(']').expect("a section ends with ]");
        let (_, rest) = example
            .split_once(&format!("[{section}]\n"))
            .or_else(|| example.split_once(&format!("; [{}", section.replace("NAME", "eu"))))
            .or_else(|| example.split_once(&format!("; [{}", section.replace("NAME", "internal"))))
            .or_else(|| example.split_once(&format!("; [{}", section.replace("NAME", "dr"))))
            .unwrap_or_else(|| panic!("no section [{section}]"));
        let keys = rest.split("\n[").next().expect("a split has a first part");
        let key = key.trim();
        assert!(key.is_empty() || keys.contains(&format!("\n{key} =")), "no key {key} in [{section}]");
    }
}

#[test]
fn defaults_in_the_documents_are_those_of_the_example() {
    let example = read("config.example.ini");
    let pages = pages();
    for (key, documented, default) in
        [("interval", "1 s", "1s"), ("horizon", "2 m", "2m"), ("deadline", "10 s", "10s")]
    {
        assert!(pages.contains(&format!("`{key}` ({documented})")), "{key}");
        assert!(example.contains(&format!("\n{key} = {default}\n")), "{key}");
    }
}

#[test]
fn every_configuration_of_the_platforms_can_be_used() {
    let text = fs::read_to_string(root().join("docs/platforms.md")).expect("the page");
    let folder = tempfile::tempdir().expect("a folder");
    let blocks: Vec<_> = text.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 6, "a platform each, and Confluent Cloud and MSK in two ways");
    for (number, block) in blocks.into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.ini"));
        fs::write(&file, block).expect("a file");
        let secrets = ["SASL_PASSWORD", "API_KEY", "API_SECRET", "CLIENT_SECRET"];
        let env = secrets.map(|name| (name.to_owned(), "secret".to_owned()));
        let loaded = load(&Sources { file: Some(file), env: env.into(), ..Sources::default() });
        let cluster = loaded.unwrap_or_else(|errors| panic!("{block}\n{errors}")).clusters.remove(0);
        let secrets = ["sasl.password", "sasl.oauthbearer.client.secret"];
        let without = cluster.kafka.get("sasl.mechanism") == Some("AWS_MSK_IAM");
        let secret = secrets.into_iter().any(|key| cluster.kafka.get(key) == Some("secret"));
        assert!(secret != without, "{block}");
    }
}

#[test]
fn every_link_and_every_path_leads_to_a_file() {
    let mut number = 0;
    for page in PAGES.iter().chain(&["README.md", "docs/migration.md", "docs/platforms.md", "docs/alerts.md"])
    {
        let text = read(page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let folder = root().join(page).parent().expect("a page is in a folder").to_owned();
        for link in links.filter(|link| !link.contains("://")) {
            number += 1;
            let path = link.split('#').next().expect("a split has a first part");
            assert!(folder.join(path).exists(), "{page}: {link}");
        }
    }
    assert!(number > 100, "{number} links were found");
    for path in code().into_iter().filter(|code| code.starts_with("src/") || code.starts_with("tests/")) {
        assert!(root().join(&path).exists(), "{path}");
    }
}

#[test]
fn readme_is_short_and_links_every_page() {
    let readme = readme();
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    for entry in fs::read_dir(root().join("docs")).expect("the folder").map(|entry| entry.expect("an entry"))
    {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        assert!(readme.contains(&format!("](docs/{name}")), "the README does not link docs/{name}");
    }
    for page in PAGES {
        let first = read(page).lines().nth(2).expect("a third line").to_owned();
        assert!(first.starts_with("This page is for "), "{page}: {first}");
    }
}

#[test]
fn requirements_in_the_readme_are_those_of_the_manifest_and_the_tests() {
    let (readme, manifest) = (readme(), read("Cargo.toml"));
    let (_, rest) = manifest.split_once("rust-version = \"").expect("a minimum version");
    let version = rest.split('"').next().expect("a split has a first part");
    assert!(readme.contains(&format!("Rust {version} or later")), "{version}");
    let install = read("tests/support/kafka/install.rs");
    let (_, rest) = install.split_once("const VERSION: &str = \"").expect("a version of Kafka");
    let version = rest.split('"').next().expect("a split has a first part");
    assert!(readme.contains(&format!("Apache Kafka {version}")), "{version}");
}

/// Long flags of a command and of those in it.
fn flags(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(flags)).collect()
}

/// The rows of the table with this first heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let pages = pages();
    let mut lines = pages.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    assert!(lines.next().is_some(), "no table with the heading {heading}");
    let body = lines.skip(1).take_while(|line| line.starts_with('|'));
    body.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The text in backticks in the first cell of each row of a table.
fn first_cells(heading: &str) -> BTreeSet<String> {
    rows(heading).iter().flat_map(|row| in_backticks(&row[0])).collect()
}

/// Every text in backticks outside fenced blocks.
fn code() -> Vec<String> {
    let pages = pages();
    let prose: Vec<_> = pages.split("```").step_by(2).collect();
    in_backticks(&prose.concat())
}

fn in_backticks(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The fenced blocks of a language.
fn fences(language: &str) -> Vec<String> {
    let readme = readme();
    let blocks = readme.split("```").skip(1).step_by(2);
    let blocks: Vec<_> = blocks
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned))
        .collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

fn readme() -> String {
    read("README.md")
}

/// The README, followed by the pages that are not generated.
fn pages() -> String {
    PAGES.iter().fold(readme(), |text, page| text + "\n" + &read(page))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
