//! How the query of a request is read.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
    response::Response,
};
use serde::de::DeserializeOwned;

use super::answer::bad_request;

/// What a request asks for in its query. A query that cannot be read is answered with 400 and the reason, as JSON.
pub(in crate::http) struct Asked<Q>(pub(in crate::http) Q);

impl<Q: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<Q> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|refused| {
            let text = refused.body_text();
            bad_request(text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text))
        })
    }
}
