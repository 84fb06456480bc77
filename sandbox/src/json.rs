//! JSON requests, read strictly: a member nobody knows is a gap.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use crate::protocol::{Failure, Request};

/// Reads a request's body. The type should `deny_unknown_fields`.
///
/// # Errors
/// A gap for an unknown member, a validation error for the rest.
pub(crate) fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
            Some(field) => Failure::gap(format!("member {field} of {} {}", request.service, request.operation)),
            None => validation(text),
        }
    })
}

/// The JSON services' validation error.
pub(crate) fn validation(message: impl Into<String>) -> Failure {
    Failure::new(400, "ValidationException", message)
}

/// A page: what is behind the token, at most `most`, and the token of the next page.
///
/// # Errors
/// `bad_token` when the token is not one of ours.
pub(crate) fn page<'a, T>(
    items: &'a [T],
    key: impl Fn(&T) -> String,
    token: Option<&str>,
    most: usize,
    bad_token: impl Fn() -> Failure,
) -> Result<(&'a [T], Option<String>), Failure> {
    let start = match token {
        None => 0,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
            let last = String::from_utf8(bytes).map_err(|_| bad_token())?;
            items.partition_point(|item| key(item) <= last)
        }
    };
    let end = items.len().min(start.saturating_add(most));
    let slice = &items[start..end];
    let next = match slice.last() {
        Some(last) if end < items.len() => Some(URL_SAFE_NO_PAD.encode(key(last))),
        _ => None,
    };
    Ok((slice, next))
}
