//! `?fields=`: the fields that an answer should have, for every path of the API.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{Query, Request},
    http::{Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use serde_json::Value;

use super::{
    answer::bad_request,
    document::{self, Level},
};
use crate::http::offload::render;

/// The most characters and the most paths of a request: more than all fields of an answer need.
const MOST_CHARACTERS: usize = 2000;
const MOST_PATHS: usize = 100;

/// The fields that are wanted at one place of an answer.
#[derive(Debug, Default, PartialEq)]
struct Fields {
    /// Whether everything below this place is wanted.
    all: bool,
    /// The fields that are wanted, and what of them.
    below: BTreeMap<String, Fields>,
}

/// Leaves the fields in an answer that the request asks for. Answers with 400 if the API does not have one of them, whether or not
/// it is known now.
pub(in crate::http) async fn select(request: Request, next: Next) -> Response {
    let fields = match Fields::wanted(request.uri()) {
        Ok(Some(fields)) => fields,
        Ok(None) => return next.run(request).await,
        Err(text) => return bad_request(&text),
    };
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return parts.status.into_response() };
    let bytes = body.to_bytes();
    let is_success = parts.status.is_success();
    let selected = render(move || {
        // A body that is not JSON is the empty one of an answer to HEAD.
        let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else { return bytes.to_vec() };
        let is_error = !is_success && answer.get("error").is_some();
        if is_error { bytes.to_vec() } else { fields.of(answer).to_string().into_bytes() }
    });
    match selected.await {
        Ok(bytes) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(failed) => failed,
    }
}

impl Fields {
    /// The fields that a request asks for. `None` if it asks for all of them.
    ///
    /// # Errors
    /// What is wrong with the parameter, in words.
    fn wanted(uri: &Uri) -> Result<Option<Self>, String> {
        let Some(schema) = document::answer(uri.path()) else { return Ok(None) };
        // A query that cannot be read is refused where the other parameters are read.
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let given = query.map(|Query(pairs)| pairs).unwrap_or_default();
        let lists: Vec<_> =
            given.into_iter().filter(|(name, _)| name == "fields").map(|(_, list)| list).collect();
        if lists.is_empty() {
            return Ok(None);
        }
        Self::parse(&lists.join(","), &Level::of(&[schema])).map(Some)
    }

    fn parse(list: &str, level: &Level) -> Result<Self, String> {
        if list.chars().count() > MOST_CHARACTERS {
            return Err(format!("fields: at most {MOST_CHARACTERS} characters are read"));
        }
        let paths: Vec<_> = list.split(',').map(str::trim).collect();
        if paths.len() > MOST_PATHS {
            return Err(format!("fields: at most {MOST_PATHS} paths are read, found {}", paths.len()));
        }
        let mut fields = Self::default();
        for path in paths {
            check(path, level)?;
            fields.add(path);
        }
        Ok(fields)
    }

    fn add(&mut self, path: &str) {
        let mut place = self;
        for name in path.split('.') {
            place = place.below.entry(name.to_owned()).or_default();
        }
        place.all = true;
    }

    /// An answer with these fields only.
    fn of(&self, answer: Value) -> Value {
        match answer {
            _ if self.all => answer,
            Value::Array(items) => items.into_iter().map(|item| self.of(item)).collect(),
            Value::Object(fields) => {
                let kept = fields.into_iter().filter_map(|(name, value)| {
                    let below = self.below.get(&name)?;
                    Some((name, below.of(value)))
                });
                Value::Object(kept.collect())
            }
            other => other,
        }
    }
}

/// Checks that the API has a field, level by level.
fn check(path: &str, level: &Level) -> Result<(), String> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(schemas) = level.field(name) else {
        let names = level.names();
        return Err(if names.is_empty() {
            format!("fields: there is no field {name:?}: nothing is below this place")
        } else {
            format!("fields: there is no field {name:?} at this place; the fields are: {names}")
        });
    };
    match rest {
        // Nothing is known of what is below a field without a schema.
        Some(_) if schemas.is_empty() => Ok(()),
        Some(rest) => check(rest, &Level::of(&schemas)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(query: &str) -> Result<Option<Fields>, String> {
        Fields::wanted(&format!("/api/v1/{query}").parse().expect("a URI"))
    }

    fn selected(query: &str, answer: Value) -> Value {
        wanted(query).expect("known fields").expect("a selection").of(answer)
    }

    #[test]
    fn fields_of_objects_in_lists_are_selected_and_null_stays_null() {
        let answer = json!({ "generated_at": "x", "clusters": [
            { "cluster": "eu", "verdict": "ok", "brokers": 3, "heartbeats": { "scheduled": 1, "in_flight": 2 } },
            { "cluster": "us", "verdict": "down", "brokers": null, "heartbeats": null },
        ]});
        let list = "clusters.cluster,clusters.brokers,clusters.heartbeats.in_flight";
        let expected = json!({ "clusters": [
            { "cluster": "eu", "brokers": 3, "heartbeats": { "in_flight": 2 } },
            { "cluster": "us", "brokers": null, "heartbeats": null },
        ]});
        assert_eq!(selected(&format!("status?fields={list}"), answer.clone()), expected);
        let twice = list.replacen(',', "&cluster=eu&fields=", 1);
        assert_eq!(
            selected(&format!("status?fields={twice}"), answer.clone()),
            expected,
            "two lists are one"
        );
        let whole = selected("status?fields=clusters.heartbeats.in_flight,%20clusters", answer.clone());
        assert_eq!(whole["clusters"], answer["clusters"], "a whole object contains its parts");
    }

    #[test]
    fn request_without_fields_or_for_another_path_selects_nothing() {
        assert_eq!(wanted("status?cluster=eu"), Ok(None));
        assert_eq!(wanted("nothing?fields=x"), Ok(None));
    }

    #[test]
    fn field_that_the_api_does_not_have_is_refused_with_the_fields_of_its_level() {
        let refused = |query: &str| wanted(query).expect_err("no such field");
        let text = refused("status?fields=clusters.verdict,clusters.heartbeats.schedule");
        assert!(
            text.contains("no field \"schedule\"") && text.contains("in_flight, outcomes, scheduled"),
            "{text}"
        );
        let text = refused("status?fields=clusters.verdict.state");
        assert!(text.contains("no field \"state\": nothing is below"), "{text}");
        let text = refused("status?fields=");
        assert!(text.contains("no field \"\"") && text.contains("clusters, generated_at"), "{text}");
        assert!(
            refused("events?fields=clusters").contains("kind, subject"),
            "a list at the top is passed through"
        );
        assert!(wanted("status?fields=clusters.heartbeats.outcomes.early").is_err());
        assert!(wanted("history?fields=clusters.intervals.partitions.17.bad").is_ok());
    }

    #[test]
    fn long_and_numerous_fields_are_refused() {
        let many = vec!["clusters"; MOST_PATHS + 1].join(",");
        assert!(
            wanted(&format!("status?fields={many}")).expect_err("too many").contains("at most 100 paths")
        );
        let long = "x".repeat(MOST_CHARACTERS + 1);
        assert!(wanted(&format!("status?fields={long}")).expect_err("too long").contains("2000 characters"));
        let deep = "clusters.".repeat(200);
        assert!(
            wanted(&format!("status?fields={deep}")).is_err(),
            "deep paths end at the first unknown field"
        );
    }
}
