//! Which operation and which function a path means.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::json::validation;
use crate::protocol::{Failure, Request};

/// The pattern of AWS's own message, for whoever compares.
const NAME_PATTERN: &str =
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";

/// The version that changes.
pub(super) const LATEST: &str = "$LATEST";

/// A function as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name.
    pub(super) name: String,
    /// The version, if one is named.
    pub(super) qualifier: Option<String>,
}

fn parts(path: &str) -> Vec<String> {
    path.trim_matches('/').split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

/// The operation of a request.
pub(super) fn operation(request: &Request) -> String {
    let parts = parts(&request.path);
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = &request.method;
    let operation = match (words.as_slice(), method) {
        (["2015-03-31", "functions"], &Method::POST) => "CreateFunction",
        (["2015-03-31", "functions"], &Method::GET) => "ListFunctions",
        (["2015-03-31", "functions", _], &Method::GET) => "GetFunction",
        (["2015-03-31", "functions", _], &Method::DELETE) => "DeleteFunction",
        (["2015-03-31", "functions", _, "configuration"], &Method::GET) => "GetFunctionConfiguration",
        (["2015-03-31", "functions", _, "configuration"], &Method::PUT) => "UpdateFunctionConfiguration",
        (["2015-03-31", "functions", _, "code"], &Method::PUT) => "UpdateFunctionCode",
        (["2015-03-31", "functions", _, "versions"], &Method::POST) => "PublishVersion",
        (["2015-03-31", "functions", _, "versions"], &Method::GET) => "ListVersionsByFunction",
        (["2015-03-31", "functions", _, "invocations"], &Method::POST) => "Invoke",
        (["2015-03-31", "functions", _, "policy"], &Method::POST) => "AddPermission",
        (["2015-03-31", "functions", _, "policy"], &Method::GET) => "GetPolicy",
        (["2015-03-31", "functions", _, "policy", _], &Method::DELETE) => "RemovePermission",
        (["2017-10-31", "functions", _, "concurrency"], &Method::PUT) => "PutFunctionConcurrency",
        (["2017-10-31", "functions", _, "concurrency"], &Method::DELETE) => "DeleteFunctionConcurrency",
        (["2019-09-30", "functions", _, "concurrency"], &Method::GET) => "GetFunctionConcurrency",
        (["2019-09-25", "functions", _, "event-invoke-config"], &Method::PUT) => "PutFunctionEventInvokeConfig",
        (["2019-09-25", "functions", _, "event-invoke-config"], &Method::GET) => "GetFunctionEventInvokeConfig",
        (["2019-09-25", "functions", _, "event-invoke-config"], &Method::DELETE) => "DeleteFunctionEventInvokeConfig",
        (["2017-03-31", "tags", _], &Method::GET) => "ListTags",
        (["2017-03-31", "tags", _], &Method::POST) => "TagResource",
        (["2017-03-31", "tags", _], &Method::DELETE) => "UntagResource",
        _ => return format!("{method} {}", request.path),
    };
    operation.to_owned()
}

/// The function in a request's path.
pub(super) fn place(request: &Request, account: &str) -> Result<Place, Failure> {
    let parts = parts(&request.path);
    let mut place = parse(parts.get(2).map_or("", String::as_str), account, &request.region)?;
    match (&place.qualifier, request.query("Qualifier")) {
        (Some(own), Some(asked)) if own != asked => {
            return Err(super::invalid("The derived qualifier from the function name does not match the specified qualifier."));
        }
        (None, Some(asked)) => place.qualifier = Some(asked.to_owned()),
        _ => {}
    }
    Ok(place)
}

/// The last part of a path.
pub(super) fn last(request: &Request) -> String {
    parts(&request.path).pop().unwrap_or_default()
}

/// A name, a partial ARN, or an ARN, with or without a version.
pub(super) fn parse(text: &str, account: &str, region: &str) -> Result<Place, Failure> {
    let bad = || {
        validation(format!(
            "1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: {NAME_PATTERN}"
        ))
    };
    let words: Vec<&str> = text.split(':').collect();
    let (owner, rest) = match words.as_slice() {
        ["arn", "aws", "lambda", place, owner, "function", rest @ ..] => {
            if *place != region {
                return Err(super::not_found(format!("Functions from '{place}' are not reachable in this region ('{region}')")));
            }
            (*owner, rest)
        }
        [owner, "function", rest @ ..] => (*owner, rest),
        rest => (account, rest),
    };
    let (name, qualifier) = match rest {
        [name] => (*name, None),
        [name, qualifier] => (*name, Some(*qualifier)),
        _ => return Err(bad()),
    };
    let fit = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !fit(name) || name.len() > 64 || !qualifier.is_none_or(|version| version == LATEST || fit(version)) {
        return Err(bad());
    }
    if owner != account {
        return Err(Failure::gap("functions of other accounts"));
    }
    Ok(Place { name: name.to_owned(), qualifier: qualifier.map(str::to_owned) })
}

/// The ARN of a function, or of one version of it.
pub(super) fn arn(region: &str, account: &str, name: &str, qualifier: Option<&str>) -> String {
    let version = qualifier.map(|version| format!(":{version}")).unwrap_or_default();
    format!("arn:aws:lambda:{region}:{account}:function:{name}{version}")
}

/// The ARN a request is about, as policies name it; `*` if it is about no function in particular.
pub(crate) fn function_arn(request: &Request, account: &str) -> String {
    let named = match request.operation.as_str() {
        "CreateFunction" => {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
            parse(body["FunctionName"].as_str().unwrap_or_default(), account, &request.region)
        }
        "ListFunctions" => return "*".to_owned(),
        _ => place(request, account),
    };
    // What cannot be read is refused later, in Lambda's own words.
    named.map_or_else(|_| "*".to_owned(), |place| arn(&request.region, account, &place.name, place.qualifier.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns() {
        let account = "123456789012";
        for (text, expected) in [
            ("f", Some(("f", None))),
            ("f:1", Some(("f", Some("1")))),
            ("f:$LATEST", Some(("f", Some("$LATEST")))),
            ("123456789012:function:f", Some(("f", None))),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", Some(("f", None))),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:live", Some(("f", Some("live")))),
            ("arn:aws:lambda:us-west-2:123456789012:function:f", None),
            ("a b", None),
            ("", None),
            ("f:", None),
            ("f:1:2", None),
        ] {
            let got = parse(text, account, "us-east-1").ok().map(|place| (place.name, place.qualifier));
            assert_eq!(got, expected.map(|(name, version)| (name.to_owned(), version.map(str::to_owned))), "{text}");
        }
    }
}
