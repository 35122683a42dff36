//! Texts that people read alone are whole sentences in Kafka's words: HELP lines, alerts, runbooks, panels, the example
//! configuration.
//!
//! Only words that have no other meaning in these texts are checked, so that a finding is never a false alarm.

use std::fs;

use kafka_heartbeat::catalog;

use super::operations::{dashboards, list, panels, read, root, rules, text};

/// Words that the project does not use in any text for its users, each with the words to use instead.
const AVOIDED: [(&str, &str); 11] = [
    ("anew", "again, from the start, recreated"),
    ("hung", "timed out"),
    ("shunned", "the circuit breaker is open"),
    ("forgiven", "the circuit breaker is closed"),
    ("whoever", "a noun"),
    ("culprit", "suspect"),
    ("hiccup", "stall"),
    ("slept", "stalled"),
    ("behind the end", "beyond the log end"),
    ("behind the log", "beyond the log end"),
    ("furthest behind", "with the largest lag"),
];

/// Words that a HELP line or an alert does not use either. "Behind" once meant both a lag and an offset beyond the log end.
const AVOIDED_ON_THE_PAGER: [(&str, &str); 5] = [
    ("behind", "a lag of, beyond the log end"),
    ("nobody", "no client, no consumer"),
    ("who", "which, that, or a noun"),
    ("gone", "missing, deleted, removed, expired"),
    ("of late", "recently"),
];

/// Beginnings of a sentence that refer to another sentence.
const LEANING: [&str; 12] =
    ["It", "Its", "This", "These", "Those", "They", "Their", "That", "Same", "The same", "Which", "Of these"];

#[test]
fn help_line_read_alone_is_understood() {
    let problems = catalog::all().flat_map(|family| {
        let (name, help) = (family.name, family.help);
        let words = [words(help, &AVOIDED), words(help, &AVOIDED_ON_THE_PAGER), leaning(help)].concat();
        problems(name, words)
    });
    assert_none(problems);
}

#[test]
fn alert_annotations_read_alone_are_understood() {
    let problems = rules().into_iter().filter(|rule| !rule["alert"].is_null()).flat_map(|rule| {
        ["summary", "description"].into_iter().flat_map(move |annotation| {
            let sentences = text(&rule["annotations"][annotation]);
            let words =
                [words(sentences, &AVOIDED), words(sentences, &AVOIDED_ON_THE_PAGER), leaning(sentences)]
                    .concat();
            problems(&format!("{} {annotation}", text(&rule["alert"])), words)
        })
    });
    assert_none(problems);
}

#[test]
fn panel_title_and_description_use_the_words_of_kafka() {
    let problems = dashboards().into_iter().flat_map(|(file, dashboard)| {
        let panels = panels(&dashboard).into_iter().cloned().collect::<Vec<_>>();
        assert!(!list(&dashboard["panels"]).is_empty(), "{file}");
        panels.into_iter().flat_map(move |panel| {
            let (title, description) = (text(&panel["title"]), text(&panel["description"]));
            // A description may refer to its own first sentence.
            let first = description.split_once(". ").map_or(description, |(first, _)| first);
            let words =
                [words(title, &AVOIDED), words(description, &AVOIDED), leaning(title), leaning(first)];
            problems(&format!("{file}: {title}"), words.concat())
        })
    });
    assert_none(problems);
}

#[test]
fn runbook_uses_the_words_of_kafka_and_begins_with_a_whole_sentence() {
    let pages = fs::read_dir(root().join("docs/runbooks")).expect("runbooks").flatten();
    let problems = pages.flat_map(|page| {
        let file = format!("docs/runbooks/{}", page.file_name().to_string_lossy());
        let runbook = read(&file);
        let meaning = runbook.split("\n\n").nth(2).expect("what the alert means").to_owned();
        let words = [words(&runbook, &AVOIDED), leaning(&meaning)].concat();
        problems(&file, words)
    });
    assert_none(problems);
}

#[test]
fn example_configuration_and_documents_use_the_words_of_kafka() {
    let pages = fs::read_dir(root().join("docs")).expect("docs").flatten();
    let pages = pages.map(|page| format!("docs/{}", page.file_name().to_string_lossy()));
    let pages = pages.filter(|page| page.ends_with(".md"));
    let files: Vec<_> = pages.chain(["README.md", "config.example.ini"].map(str::to_owned)).collect();
    assert!(files.len() > 10, "{files:?}");
    assert_none(files.iter().flat_map(|file| problems(file, words(&read(file), &AVOIDED))));
}

#[test]
fn check_of_words_finds_each_word_alone_and_each_leaning_sentence() {
    assert_eq!(
        words("The log was made Anew.", &AVOIDED),
        ["\"anew\" (use: again, from the start, recreated)"]
    );
    assert_eq!(words("behind the end of the log", &AVOIDED).len(), 1);
    assert_eq!(words("unchanged, renewed, whole", &AVOIDED), [""; 0], "parts of words are other words");
    assert_eq!(words("whole or who", &AVOIDED_ON_THE_PAGER).len(), 1);
    assert_eq!(
        leaning("Partitions of a topic. Of these, some. Itself is a word. The samples."),
        ["Of these, some."]
    );
    assert_eq!(leaning("It moves"), ["It moves"]);
    assert_eq!(leaning("Is it so? The same by cause."), ["The same by cause."]);
}

/// The avoided words that a text contains, whatever their case.
fn words(text: &str, avoided: &[(&str, &str)]) -> Vec<String> {
    let text = text.to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |word: &str| {
        text.match_indices(word)
            .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
    };
    let found = avoided.iter().filter(|(word, _)| alone(word));
    found.map(|(word, instead)| format!("\"{word}\" (use: {instead})")).collect()
}

/// The sentences of a text that begin with a word that refers to another sentence.
fn leaning(text: &str) -> Vec<String> {
    let ends = [". ", "? ", "! ", ".\n", "?\n"];
    let mut sentences = vec![text];
    for end in ends {
        sentences = sentences.into_iter().flat_map(|part| part.split_inclusive(end)).collect();
    }
    let leans = |sentence: &str| {
        LEANING.iter().any(|start| {
            sentence.strip_prefix(start).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        })
    };
    sentences.into_iter().map(str::trim).filter(|sentence| leans(sentence)).map(str::to_owned).collect()
}

/// The problems of a text, each with the place of the text.
fn problems(place: &str, found: Vec<String>) -> Vec<String> {
    found.into_iter().map(|problem| format!("{place}: {problem}")).collect()
}

fn assert_none(problems: impl Iterator<Item = String>) {
    let problems: Vec<_> = problems.collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
