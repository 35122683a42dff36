//! A file of environment variables, as a shell, Docker and systemd read it: `NAME=VALUE` on each line.

use super::variables::of_shell;

/// A variable of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) line: usize,
    pub(super) name: String,
    /// The value as it is written, without quotes.
    pub(super) written: String,
    /// The value in the form of our files; `None` if they have no form for it.
    pub(super) value: Option<String>,
}

/// The variables in the order of the file, and the lines that cannot be read. An empty line and a comment are neither.
pub(super) fn variables(text: &str) -> (Vec<Variable>, Vec<usize>) {
    let (mut variables, mut bad_lines) = (Vec::new(), Vec::new());
    for (index, content) in text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate() {
        let line = index + 1;
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let content = content.strip_prefix("export ").unwrap_or(content).trim_start();
        let named = content.split_once('=').map(|(name, value)| (name.trim_end(), value.trim()));
        let legal = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        };
        match named.filter(|(name, _)| legal(name)) {
            Some((name, raw)) => {
                let (written, is_literal) = unquoted(raw);
                let value =
                    if is_literal { Some(super::super::file::escaped(written)) } else { of_shell(written) };
                variables.push(Variable { line, name: name.to_owned(), written: written.to_owned(), value });
            }
            None => bad_lines.push(line),
        }
    }
    (variables, bad_lines)
}

/// A value without its quotes, and whether a shell would replace nothing in it. Without quotes, a comment may follow.
fn unquoted(raw: &str) -> (&str, bool) {
    for quote in ['\'', '"'] {
        if let Some((inner, rest)) = raw.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            let rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('#') {
                return (inner, quote == '\'');
            }
        }
    }
    let value = raw.split_once(" #").map_or(raw, |(value, _)| value);
    (value.trim_end(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_variables_are_understood() {
        let text = "\u{feff}# head\n\nA=1\nexport B = 'x ${y}' # note\nC=\"$D\"\nE=a#b # note\nF=\nnonsense\n=x\nG='it''s'\nH=$(date)\n";
        let (variables, bad_lines) = variables(text);
        let seen: Vec<_> = variables
            .iter()
            .map(|variable| (variable.line, variable.name.as_str(), variable.value.as_deref()))
            .collect();
        let expected = [
            (3, "A", Some("1")),
            (4, "B", Some("x $${y}")),
            (5, "C", Some("${D}")),
            (6, "E", Some("a#b")),
            (7, "F", Some("")),
            (10, "G", Some("'it''s'")),
            (11, "H", None),
        ];
        assert_eq!(seen, expected);
        assert_eq!(bad_lines, [8, 9]);
    }
}
