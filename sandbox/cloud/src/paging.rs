//! Long answers in parts.
//!
//! A token names the last item of a part by its sort key, so that what comes and goes between two calls neither repeats
//! nor hides what stays.

use crate::error::ApiError;
use crate::reply::Listing;
use crate::request::Page;

/// The limits of MaxResults.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) least: i64,
    pub(crate) most: i64,
    /// The size of a part when the caller does not say; none is everything.
    pub(crate) default: Option<usize>,
}

/// The limits most operations have.
pub(crate) const USUAL: Limits = Limits { least: 5, most: 1000, default: None };

/// Cuts the wanted part out of all items. `key` must be unique and must not change while an item exists.
pub(crate) fn cut<T>(mut items: Vec<T>, page: &Page, limits: Limits, key: impl Fn(&T) -> String) -> Result<Listing<T>, ApiError> {
    let size = size(page, limits)?;
    let mut keyed: Vec<(String, T)> = items.drain(..).map(|item| (key(&item), item)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(token) = &page.next_token {
        let after = decode(token)?;
        keyed.retain(|(k, _)| *k > after);
    }
    let mut next_token = None;
    if let Some(size) = size
        && keyed.len() > size
    {
        keyed.truncate(size);
        next_token = keyed.last().map(|(k, _)| encode(k));
    }
    Ok(Listing { items: keyed.into_iter().map(|(_, item)| item).collect(), next_token })
}

fn size(page: &Page, limits: Limits) -> Result<Option<usize>, ApiError> {
    let Some(asked) = page.max_results else { return Ok(limits.default) };
    let refuse = |than: &str, bound: i64| {
        ApiError::value(format!("Value ( {asked} ) for parameter maxResults is invalid. Expecting a value {than} than {bound}."))
    };
    if asked < limits.least {
        return Err(refuse("greater", limits.least));
    }
    if asked > limits.most {
        return Err(refuse("less", limits.most));
    }
    Ok(usize::try_from(asked).ok())
}

/// Opaque on purpose: a caller must not build tokens.
fn encode(key: &str) -> String {
    key.bytes().map(|b| format!("{:02x}", b ^ 0x5a)).collect()
}

fn decode(token: &str) -> Result<String, ApiError> {
    let bytes: Option<Vec<u8>> = token
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().filter(|p| p.len() == 2).and_then(|p| u8::from_str_radix(p, 16).ok()))
        .map(|byte| byte.map(|b| b ^ 0x5a))
        .collect();
    bytes
        .filter(|b| !b.is_empty())
        .and_then(|b| String::from_utf8(b).ok())
        .ok_or_else(|| ApiError::new("InvalidNextToken", "The specified NextToken is not valid."))
}
