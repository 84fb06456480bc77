//! Systems Manager automations: documents are read, and their steps carried out one by one.
//!
//! A step makes the call that it names and no other: `aws:executeAwsApi` follows no page tokens, exactly as the real one does not.

mod api;
mod parse;
mod query;
mod run;
mod selector;
mod template;

pub(crate) use api::RouterApi;
pub(crate) use parse::{Document, ParseError};
pub(crate) use run::run;
