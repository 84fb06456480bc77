//! What there is to read of the XML that some services answer with.

use crate::failure::Failure;
use crate::http::Answer;

/// What a service refused `what` with.
pub(crate) fn refusal(what: &str, answer: &Answer) -> Failure {
    let text = String::from_utf8_lossy(&answer.body);
    let element = |name| elements(&text, name).next().unwrap_or_default();
    Failure::answered(what, answer.status, element("Code"), element("Message"))
}

/// The text of each element called `name`. None of the answers that are read nests anything of the same name.
pub(crate) fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let end = start + rest.get(start..)?.find(&close)?;
        let text = rest.get(start..end)?;
        rest = rest.get(end + close.len()..)?;
        Some(text)
    })
}
