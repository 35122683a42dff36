//! The report as Markdown, as GitHub and GitLab read it.

use super::{
    document::{Block, Strip, Table},
    merge::Report,
    sections::{sections, title},
};

/// The report as Markdown. It ends with an end of line.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n", escaped(&title(report)));
    for block in sections(report) {
        text.push('\n');
        text.push_str(&written(&block));
    }
    text
}

fn written(block: &Block) -> String {
    match block {
        Block::Heading { level, text } => format!("{} {}\n", "#".repeat(*level), escaped(text)),
        Block::Paragraph(sentences) => format!("{}\n", escaped(sentences)),
        Block::List(items) => items.iter().map(|item| format!("- {}\n", escaped(item))).collect(),
        Block::Table(table) => of_table(table),
        Block::Strip(Strip { words, .. }) => format!("{}\n", escaped(words)),
    }
}

fn of_table(Table { header, rows, .. }: &Table) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = row(header.iter().map(|column| escaped(column.name)).collect());
    text += &format!(
        "|{}\n",
        header.iter().map(|column| if column.is_number { "---:|" } else { "---|" }).collect::<String>()
    );
    rows.iter().for_each(|cells| text += &row(cells.iter().map(|text| cell(text)).collect()));
    text
}

/// A cell of a table. An address is code, so that it can be copied and is still no link.
fn cell(text: &str) -> String {
    let is_address = |c: char| c.is_ascii_alphanumeric() || "-._~:/?[]@!+,;=%".contains(c);
    if text.chars().all(is_address)
        && (0..text.len()).any(|place| is_link_without(&text[..place], &text[place..]))
    {
        return format!("`{text}`");
    }
    escaped(text)
}

/// A text that Markdown shows as it is: no part of it is markup, a link, a mention, a cell or HTML.
///
/// GitHub and GitLab make links of bare addresses and mentions of `@team`, in a part of their programs that no longer sees a backslash.
/// An empty comment parts the text there, and is not shown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (place, c) in text.char_indices() {
        if is_link_without(&text[..place], &text[place..]) {
            escaped.push_str("<!-- -->");
        }
        if "\\`*_[]<>|#~&$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() { ' ' } else { c });
    }
    escaped
}

/// Whether there may be a link or a mention unless something parts the text here: `http:` and `//host`, `www` and `.host`, `@` and
/// `team` or the host of a mail address.
fn is_link_without(before: &str, after: &str) -> bool {
    let ends = |end: &str| {
        let begin = before.len().checked_sub(end.len()).and_then(|place| before.get(place..));
        begin.is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    (ends(":") && after.starts_with("//")) || (ends("www") && after.starts_with('.')) || ends("@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_name_is_shown_as_it_is() {
        let hostile = "a|b `c` [d](e) <script>*f*\n# g & ~h~ $i$ \\";
        let shown = r"a\|b \`c\` \[d\](e) \<script\>\*f\* \# g \& \~h\~ \$i\$ \\";
        assert_eq!(escaped(hostile), shown);
    }

    #[test]
    fn bare_address_or_mention_in_a_name_is_no_link() {
        for (hostile, shown) in [
            ("[d](http://evil.com)", r"\[d\](http:<!-- -->//evil.com)"),
            ("see HTTPS://evil.com/a_b", r"see HTTPS:<!-- -->//evil.com/a\_b"),
            ("see www.evil.com", "see www<!-- -->.evil.com"),
            ("é WWW.evil.com", "é WWW<!-- -->.evil.com"),
            ("ask @team/all or a@evil.com", "ask @<!-- -->team/all or a@<!-- -->evil.com"),
            ("12:30 // c:/d @", "12:30 // c:/d @"),
        ] {
            assert_eq!(escaped(hostile), shown);
        }
        assert_eq!(cell("https://heartbeat-a.example:8443"), "`https://heartbeat-a.example:8443`");
        assert_eq!(cell("@team"), "`@team`");
        assert_eq!(cell("http://a`b|c"), r"http:<!-- -->//a\`b\|c");
        assert_eq!((cell("orders"), cell("99.9 %"), cell("")), ("orders".into(), "99.9 %".into(), "".into()));
    }
}
