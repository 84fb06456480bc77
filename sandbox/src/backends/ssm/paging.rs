//! Lists in pages, as every operation of Systems Manager has them.

use serde_json::{Value, json};

use crate::json::{page, validation};
use crate::protocol::Failure;

/// A page of a list whose items have keys of their own, under the list's name.
pub(super) fn paged(
    list: &str,
    items: &[(String, Value)],
    token: Option<&str>,
    asked: Option<usize>,
    most: usize,
) -> Result<Value, Failure> {
    let size = asked.unwrap_or(most);
    if !(1..=most).contains(&size) {
        return Err(validation(format!("MaxResults must be between 1 and {most}, but is {size}")));
    }
    let bad = || Failure::new(400, "InvalidNextToken", "The specified token isn't valid.");
    let (page, next) = page(items, |item| item.0.clone(), token, size, bad)?;
    let mut answer = json!({list: page.iter().map(|item| item.1.clone()).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}
