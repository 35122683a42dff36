//! The configuration that is written, and what is left out of it.

use super::{
    super::{
        error::{Errors, Problem},
        file::escaped,
        ini,
        known::{EXAMPLE, Known},
        secret,
    },
    item::{Item, Value},
};
use crate::text;

/// Parts of names that may belong to secrets of programs that this one does not know.
const SECRET_WORDS: [&str; 7] = ["auth", "cookie", "credential", "key", "pass", "pwd", "token"];

/// The sections that are written, and what is reported.
pub(super) struct Output<'a> {
    /// The name of the file that is read, for places.
    file: &'a str,
    sections: Vec<Section>,
    left_out: Vec<LeftOut>,
    notes: Vec<String>,
    /// What is wrong with the file.
    errors: Errors,
}

struct Section {
    name: String,
    lines: Vec<Line>,
}

enum Line {
    Comment(String),
    Entry { key: String, value: String },
}

/// A value that has no equivalent here.
struct LeftOut {
    place: String,
    /// `not imported: KEY = VALUE (why)`. A value that may be a secret is `***`.
    words: String,
}

impl<'a> Output<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        let (sections, left_out, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { file, sections, left_out, notes, errors: Errors::default() }
    }

    /// Writes a key with a value that no other file has.
    pub(super) fn set(&mut self, section: &str, key: &str, value: &str) {
        self.line(section, Line::Entry { key: key.to_owned(), value: value.to_owned() });
    }

    /// Writes a comment before the next key of a section.
    pub(super) fn comment(&mut self, section: &str, words: &str) {
        self.line(section, Line::Comment(words.to_owned()));
    }

    /// Writes a key with a value that a person has written; `value` has the form of our files. If our files cannot hold the value, it
    /// is left out.
    pub(super) fn put(&mut self, section: &str, key: &str, value: &str, item: &Item) {
        let bad_key = key.trim() != key || key.is_empty() || key.starts_with([';', '#', '[']);
        let bad_key = bad_key || key.contains('=') || key.contains(char::is_control);
        if bad_key {
            self.leave_out(item, "a configuration file cannot hold this key");
        } else if value.contains(char::is_control) || value.trim() != value {
            let why = "a value cannot have line breaks, or blanks around it: write it to a file of its own, as KEY.file if it is a secret";
            self.leave_out(item, why);
        } else if let Some(set) = self.get(section, key) {
            if set != value {
                self.leave_out(item, &format!("[{section}] {key} is already set"));
            }
        } else {
            if secret::is_secret(key) && !value.is_empty() && !is_variable(value) {
                self.notes.push(format!(
                    "[{section}] {key} is a secret in the output: keep the output private, or write the secret to a file and set {key}.file"
                ));
            }
            self.set(section, key, value);
        }
    }

    /// The same as [`put`](Self::put) with a plain text, in which nothing is a variable.
    pub(super) fn put_plain(&mut self, section: &str, key: &str, value: &str, item: &Item) {
        self.put(section, key, &escaped(value), item);
    }

    /// Whether a key is already written.
    pub(super) fn has(&self, section: &str, key: &str) -> bool {
        self.get(section, key).is_some()
    }

    /// The value of a key that is already written.
    fn get(&self, section: &str, key: &str) -> Option<&str> {
        let lines = self.sections.iter().filter(|known| known.name == section).flat_map(|known| &known.lines);
        lines.into_iter().find_map(|line| match line {
            Line::Entry { key: known, value } if known == key => Some(value.as_str()),
            _ => None,
        })
    }

    /// Reports a value that has no equivalent here.
    pub(super) fn leave_out(&mut self, item: &Item, why: &str) {
        let entry = format!("{} = {}", text::escaped(&item.key()), text::escaped(&shown(item)));
        let words = format!("not imported: {} ({why})", entry.trim_end());
        self.left_out.push(LeftOut { place: self.place(item.line), words });
    }

    /// Adds a sentence for the person who imports.
    pub(super) fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    /// Reports a value of another form than the older program takes.
    pub(super) fn expected(&mut self, item: &Item, what: &str) {
        self.wrong(item.line, &format!("{}: expected {what}, found {:?}", item.key(), shown(item)));
    }

    /// Reports what is wrong in a line of the file.
    pub(super) fn wrong(&mut self, line: Option<usize>, message: &str) {
        self.errors.add(Problem { place: self.place(line), message: message.to_owned() });
    }

    /// The text of the configuration, and a sentence for each thing that a person has to know.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub(super) fn finish(mut self, head: &str) -> Result<(String, Vec<String>), Errors> {
        std::mem::take(&mut self.errors).or(())?;
        let known = Known::from_example(&ini::parse(EXAMPLE));
        let order = |name: &str| known.sections().position(|known| known == name).unwrap_or(usize::MAX);
        self.sections.sort_by_key(|section| order(&section.name));
        let mut text = format!("; {head}\n");
        for Section { name, lines } in &self.sections {
            text += &format!("\n[{name}]\n");
            for line in lines {
                text += &match line {
                    Line::Comment(words) => format!("; {words}\n"),
                    Line::Entry { key, value } => format!("{}\n", format!("{key} = {value}").trim_end()),
                };
            }
        }
        if !self.left_out.is_empty() {
            text.push('\n');
        }
        let mut words = Vec::new();
        for LeftOut { place, words: left_out } in self.left_out {
            text += &format!("; {left_out}\n");
            words.push(format!("{place}: {left_out}"));
        }
        words.extend(self.notes);
        Ok((text, words))
    }

    fn line(&mut self, section: &str, line: Line) {
        match self.sections.iter_mut().find(|known| known.name == section) {
            Some(known) => known.lines.push(line),
            None => self.sections.push(Section { name: section.to_owned(), lines: vec![line] }),
        }
    }

    fn place(&self, line: Option<usize>) -> String {
        line.map_or_else(|| self.file.to_owned(), |line| format!("{}:{line}", self.file))
    }
}

/// Whether a value is a variable and nothing else.
fn is_variable(value: &str) -> bool {
    let name = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(['$', '{', '}', ':']))
}

/// The value as it may be printed. The names of other programs do not show for certain what is a secret, so rather too much is
/// masked.
fn shown(item: &Item) -> String {
    let (key, written) = (item.key().to_lowercase(), item.written());
    let by_name = secret::is_secret(&key) || SECRET_WORDS.iter().any(|word| key.contains(word));
    // A text such as user:password@host.
    let by_value = written.contains('@') && !written.contains("://");
    if !written.is_empty() && (by_name || by_value) {
        secret::REDACTED.to_owned()
    } else {
        secret::shown(&key, &written)
    }
}

impl Output<'_> {
    /// A text; `None` if the value is something else, which is reported.
    pub(super) fn text_of<'b>(&mut self, item: &'b Item) -> Option<&'b str> {
        match &item.value {
            Value::Text(text) => Some(text),
            _ => {
                self.expected(item, "a text");
                None
            }
        }
    }

    /// A value with its variables in the form of our files. If our files have no form for it, the value is left out.
    pub(super) fn form_of(&mut self, item: &Item, form: Option<String>) -> Option<String> {
        if form.is_none() {
            self.leave_out(
                item,
                "a configuration file cannot compute a value, or hold a $ before a variable: write the value itself",
            );
        }
        form
    }

    /// A whole number that is not below `least`, in or without quotes; `None` if the value is something else, which is reported.
    pub(super) fn number_of(&mut self, item: &Item, least: u32) -> Option<u32> {
        let number = match &item.value {
            Value::Text(text) | Value::Plain(text) => {
                text.trim().parse().ok().filter(|number| *number >= least)
            }
            Value::List(_) | Value::Empty => None,
        };
        if number.is_none() {
            self.expected(item, &format!("a whole number of at least {least}"));
        }
        number
    }

    /// A number of a port; `None` if the value is something else, which is reported.
    pub(super) fn port_of(&mut self, item: &Item) -> Option<u16> {
        let port = item.written().trim().parse().ok().filter(|port| *port > 0);
        if port.is_none() {
            self.expected(item, "a port from 1 to 65535");
        }
        port
    }

    /// `true` or `false`; `None` if the value is something else, which is reported.
    pub(super) fn switch_of(&mut self, item: &Item) -> Option<bool> {
        let switch = match &item.value {
            Value::Plain(text) => text.parse().ok(),
            _ => None,
        };
        if switch.is_none() {
            self.expected(item, "true or false");
        }
        switch
    }

    /// A list of texts; `None` if the value is something else, which is reported.
    pub(super) fn list_of<'b>(&mut self, item: &'b Item) -> Option<&'b [String]> {
        match &item.value {
            Value::List(list) => Some(list),
            Value::Empty => Some(&[]),
            _ => {
                self.expected(item, "a list of texts");
                None
            }
        }
    }

    /// Says that the older program sends no heartbeats, and switches them off, so that the service needs no more permissions.
    pub(super) fn without_heartbeats(&mut self, program: &str) {
        self.explain_heartbeats(program);
        self.set("heartbeat", "enabled", "false");
    }

    /// Says that the older program sends no heartbeats.
    pub(super) fn explain_heartbeats(&mut self, program: &str) {
        let words = format!(
            "{program} sends no heartbeats. With true, the service also measures whether records arrive, and needs a topic for it."
        );
        self.comment("heartbeat", &words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_that_a_file_cannot_hold_is_left_out_and_a_secret_is_not_shown() {
        let mut output = Output::new("old.toml");
        let item = |key: &str, value: &str| Item::text(7, &[key], value);
        for (key, value) in [
            ("ssl.key.pem", "one\ntwo"),
            (" x", "1"),
            ("a\u{1b}b", "1"),
            ("client.id", " blank"),
            ("ssl.ca.pem", "a\nb"),
        ] {
            output.put_plain("kafka", key, value, &item(key, value));
        }
        output.put_plain("kafka", "sasl.password", "hu${sh}", &item("sasl_password", "hu${sh}"));
        output.put_plain("kafka", "sasl.password", "again", &item("sasl_password", "again"));
        output.leave_out(&item("API_KEY", "hush"), "not known");
        output.leave_out(&item("url", "https://me:hush@h/?q=hush"), "not known");
        output.leave_out(&item("dsn", "me:hush@h"), "not known");
        let (text, words) = output.finish("Head.").expect("nothing is wrong");
        assert!(
            text.starts_with("; Head.\n\n[kafka]\nsasl.password = hu$${sh}\n\n; not imported: "),
            "{text}"
        );
        assert!(
            text.contains("; not imported: client.id =  blank (a value cannot have line breaks"),
            "{text}"
        );
        assert!(text.contains("; not imported: ssl.key.pem = *** ("), "{text}");
        assert!(
            text.contains("; not imported: sasl_password = *** ([kafka] sasl.password is already set)"),
            "{text}"
        );
        assert!(text.contains("; not imported: API_KEY = *** (not known)"), "{text}");
        assert!(text.contains("; not imported: url = https://***@h/?*** (not known)"), "{text}");
        assert!(text.contains("; not imported: dsn = *** (not known)"), "{text}");
        let words = words.join("\n");
        assert!(words.starts_with("old.toml:7: not imported: ssl.key.pem = *** ("), "{words}");
        assert!(!words.contains("hu${") && !words.contains("hush") && !words.contains("again"), "{words}");
        assert!(!text.contains("hush"), "{text}");
    }

    #[test]
    fn secret_in_the_output_is_reported_unless_it_is_a_variable() {
        let mut output = Output::new("old.toml");
        output.put("kafka", "sasl.password", "${PASSWORD}", &Item::text(1, &["p"], "${PASSWORD}"));
        output.put("kafka", "ssl.key.password", "hush", &Item::text(2, &["p"], "hush"));
        assert!(!is_variable("$${x}") && !is_variable("${x:-hush}") && !is_variable("a${x}"));
        let (_, words) = output.finish("Head.").expect("nothing is wrong");
        let expected = "[kafka] ssl.key.password is a secret in the output: keep the output private, or write the secret to a file and \
                        set ssl.key.password.file";
        assert_eq!(words, [expected]);
    }

    #[test]
    fn sections_have_the_order_of_the_example() {
        let mut output = Output::new("x");
        for section in ["http", "cluster:b", "kafka"] {
            output.set(section, "k", "");
        }
        let (text, _) = output.finish("Head.").expect("nothing is wrong");
        assert_eq!(text, "; Head.\n\n[kafka]\nk =\n\n[http]\nk =\n\n[cluster:b]\nk =\n");
    }
}
