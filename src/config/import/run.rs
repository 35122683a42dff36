//! From the file of an older program to the text of a configuration of this one.

use super::{
    super::error::{Errors, Problem},
    cc_heartbeat, freshness_exporter, klag_exporter, monitoring_solution,
    output::Output,
    time_lag_monitor,
    tool::Tool,
};

/// A configuration that was written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The text of the configuration. It may hold secrets.
    pub text: String,
    /// What a person has to know: what was not imported, with its place, and what to do next. It holds no secret.
    pub notes: Vec<String>,
}

/// Reads a file of an older program; `file` is its name, for places. Without `from` the program is recognised by the text.
///
/// # Errors
/// Everything that is wrong with the file, with places.
pub fn import(file: &str, text: &str, from: Option<Tool>) -> Result<Imported, Errors> {
    let tool = from.map_or_else(|| Tool::detect(text), Ok).map_err(|message| {
        let mut errors = Errors::default();
        errors.add(Problem { place: file.to_owned(), message });
        errors
    })?;
    let mut output = Output::new(file);
    match tool {
        Tool::CcHeartbeat => cc_heartbeat::read(text, &mut output),
        Tool::KlagExporter => klag_exporter::read(text, &mut output),
        Tool::TimeLagMonitor => time_lag_monitor::read(text, &mut output),
        Tool::TopicFreshnessExporter => freshness_exporter::read(text, &mut output),
        Tool::MonitoringSolution => monitoring_solution::read(text, &mut output),
    }
    let head = format!("Imported by kafka-heartbeat from a configuration of {}.", tool.name());
    let (text, notes) = output.finish(&head)?;
    Ok(Imported { text, notes })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use proptest::prelude::*;

    use super::*;

    /// A file of each program, with every kind of value.
    const SAMPLES: [&str; 6] = [
        include_str!("../../../tests/fixtures/cc-heartbeat.ini"),
        include_str!("../../../tests/fixtures/import/klag-exporter-clusters.toml"),
        include_str!("../../../tests/fixtures/import/klag-exporter.toml"),
        include_str!("../../../tests/fixtures/import/time-lag-monitor.yaml"),
        include_str!("../../../tests/fixtures/import/topic-freshness-exporter.env"),
        include_str!("../../../tests/fixtures/import/monitoring-solution.yml"),
    ];

    /// Whether the text is one that our own parser takes.
    fn is_ini(text: &str) -> bool {
        super::super::super::ini::parse(text).bad_lines.is_empty()
    }

    proptest! {
        #[test]
        fn any_text_is_imported_or_refused_without_a_panic(text in "(\\PC|\n){0,80}", tool in 0..5_usize) {
            if let Ok(imported) = import("x", &text, Some(Tool::value_variants()[tool])) {
                prop_assert!(is_ini(&imported.text), "{}", imported.text);
            }
        }

        #[test]
        fn damaged_file_gives_a_configuration_that_can_be_parsed_or_an_error(
            sample in 0..SAMPLES.len(),
            from in 0.0..1.0_f64,
            number in 0..40_usize,
            with in "[ =:\\[\\]\"'$\\{\\}\\\\#\n0-9a]{0,4}",
        ) {
            let characters: Vec<char> = SAMPLES[sample].chars().collect();
            let from = (from * characters.len() as f64) as usize;
            let end = characters.len().min(from + number);
            let damaged = characters[..from].iter().collect::<String>() + &with + &characters[end..].iter().collect::<String>();
            if let Ok(imported) = import("x", &damaged, None) {
                prop_assert!(is_ini(&imported.text), "{}", imported.text);
            }
        }
    }
}
