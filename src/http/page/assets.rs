//! The style sheet and the script of the page.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// The style sheet.
pub(in crate::http) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../templates/page.css"))
        .into_response()
}

/// The script.
pub(in crate::http) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../templates/page.js"))
        .into_response()
}
