//! `/mcp`: the answers of the API as tools of the Model Context Protocol, for assistants. Read-only.
//!
//! Revision 2026-07-28 of the protocol, where each request stands alone, and the revisions 2025-11-25 and 2025-06-18, which begin
//! with `initialize`. The transport is Streamable HTTP with JSON answers: no stream, no session, no state. It is written here
//! because a handful of JSON-RPC methods need less code than the official crate `rmcp` needs dependencies: thirteen more, with a
//! calendar and a generator of schemas, for a table of tools that the OpenAPI document already describes.

mod message;
mod methods;
mod revision;
mod tools;
mod transport;

pub(super) use transport::{answer, post_only};
