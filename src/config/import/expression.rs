//! Regular expressions for `groups.include` and the like, which must match a whole name.

use regex::Regex;

/// The characters that mean something in a regular expression.
const SPECIAL: &str = r"\.+*?()|[]{}^$";

/// An expression that matches each of these names and no other one.
pub(super) fn of_names(names: &[String]) -> String {
    let escaped = |name: &String| {
        let mut escaped = String::new();
        for c in name.chars() {
            if SPECIAL.contains(c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    };
    names.iter().map(escaped).collect::<Vec<_>>().join("|")
}

/// An expression that matches a whole name if one of these expressions matches a part of the name.
///
/// # Errors
/// The expression that cannot be used.
pub(super) fn of_parts(expressions: &[String]) -> Result<String, String> {
    let whole = expressions.iter().map(|expression| {
        if Regex::new(expression).is_err() {
            return Err(expression.clone());
        }
        Ok(whole(expression))
    });
    Ok(whole.collect::<Result<Vec<_>, _>>()?.join("|"))
}

/// An expression that matches a whole name where the given one matches a part of it.
fn whole(expression: &str) -> String {
    // Alternatives and flags must not reach beyond the expression, and a repeated ^ is no beginning.
    let repeats = expression.strip_prefix('^').is_some_and(|rest| rest.starts_with(['*', '+', '?', '{']));
    if expression.contains('|') || expression.contains("(?") || repeats {
        return format!(".*(?:{expression}).*");
    }
    let (begin, rest) = match expression.strip_prefix('^') {
        Some(rest) => ("", rest),
        None if expression.starts_with(".*") => ("", expression),
        None => (".*", expression),
    };
    let (rest, end) = match rest.strip_suffix('$') {
        Some(rest) if !ends_with_escape(rest) => (rest, ""),
        _ if rest.strip_suffix(".*").is_some_and(|before| !ends_with_escape(before)) => (rest, ""),
        _ => (rest, ".*"),
    };
    format!("{begin}{rest}{end}")
}

/// Whether a text ends with a backslash that changes the meaning of the next character.
fn ends_with_escape(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn as_loaded(expression: &str) -> Regex {
        Regex::new(&format!("(?s)^(?:{expression})$")).expect("an expression")
    }

    #[test]
    fn names_are_matched_literally() {
        let names = ["a.b", "c|d", "e-f", "${x}"].map(str::to_owned);
        let expression = of_names(&names);
        assert_eq!(expression, r"a\.b|c\|d|e-f|\$\{x\}");
        let loaded = as_loaded(&expression);
        assert!(names.iter().all(|name| loaded.is_match(name)));
        assert!(!["axb", "c", "d", "xe-f"].into_iter().any(|name| loaded.is_match(name)));
    }

    #[test]
    fn simple_expressions_stay_readable() {
        let table = [
            (".*", ".*"),
            ("^my-group.*", "my-group.*"),
            ("^exact$", "exact"),
            ("__.*", ".*__.*"),
            ("team", ".*team.*"),
            (r"price\$", r".*price\$.*"),
            (r"dots\.*", r".*dots\.*.*"),
            ("a|^b", ".*(?:a|^b).*"),
            ("(?i)x", ".*(?:(?i)x).*"),
            ("", ".*.*"),
        ];
        for (part, expected) in table {
            assert_eq!(of_parts(&[part.to_owned()]), Ok(expected.to_owned()), "{part}");
        }
        assert_eq!(of_parts(&["^a".to_owned(), "b$".to_owned()]), Ok("a.*|.*b".to_owned()));
        assert_eq!(of_parts(&["a".to_owned(), "(".to_owned()]), Err("(".to_owned()));
    }

    proptest! {
        #[test]
        fn whole_expression_matches_where_the_part_matches(
            expression in r"(\^|)[ab.*\\$|]{0,6}(\$|)",
            name in "[ab.$*]{0,6}",
        ) {
            if let Ok(part) = Regex::new(&expression) {
                let whole = of_parts(std::slice::from_ref(&expression)).expect("it can be compiled");
                prop_assert_eq!(as_loaded(&whole).is_match(&name), part.is_match(&name), "{} {}", expression, whole);
            }
        }
    }
}
