//! The description of the API as OpenAPI 3.1, and a page of it for people.
//!
//! Each handler says what it takes and answers, and each structure of an answer describes itself. Here the parts become
//! one document: what all questions have in common is added once. A test compares it with the routes and with real
//! answers.
//!
//! Deliberately not here: scripts. The page is made by the server.

mod document;
mod html;
mod http;
mod page;
#[cfg(test)]
mod tests;

pub(crate) use http::described;
