//! Which operation and what a path means, and what of a request is known at all.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::protocol::{Failure, Request};

/// Header fields of AWS's own that a request may have.
const HEADERS: [&str; 4] = ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-user-agent"];

/// Operations that come with a document.
const WITH_DOCUMENT: [&str; 4] =
    ["AssociateVPCWithHostedZone", "ChangeResourceRecordSets", "CreateHostedZone", "DisassociateVPCFromHostedZone"];

fn parts(request: &Request) -> Vec<String> {
    request.path.trim_matches('/').split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

/// The operation of a request.
pub(super) fn operation(request: &Request) -> String {
    let parts = parts(request);
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = &request.method;
    let operation = match (words.as_slice(), method) {
        (["2013-04-01", "hostedzone"], &Method::POST) => "CreateHostedZone",
        (["2013-04-01", "hostedzone"], &Method::GET) => "ListHostedZones",
        (["2013-04-01", "hostedzonesbyname"], &Method::GET) => "ListHostedZonesByName",
        (["2013-04-01", "hostedzone", _], &Method::GET) => "GetHostedZone",
        (["2013-04-01", "hostedzone", _], &Method::DELETE) => "DeleteHostedZone",
        (["2013-04-01", "hostedzone", _, "rrset"], &Method::POST) => "ChangeResourceRecordSets",
        (["2013-04-01", "hostedzone", _, "rrset"], &Method::GET) => "ListResourceRecordSets",
        (["2013-04-01", "hostedzone", _, "associatevpc"], &Method::POST) => "AssociateVPCWithHostedZone",
        (["2013-04-01", "hostedzone", _, "disassociatevpc"], &Method::POST) => "DisassociateVPCFromHostedZone",
        (["2013-04-01", "change", _], &Method::GET) => "GetChange",
        _ => return format!("{method} {}", request.path),
    };
    operation.to_owned()
}

/// The id of the zone or the change in a request's path.
pub(super) fn id(request: &Request) -> String {
    parts(request).into_iter().nth(2).unwrap_or_default()
}

/// The ARN a request is about, as policies name it; `*` if it is about nothing in particular.
pub(crate) fn resource(request: &Request) -> String {
    match parts(request).as_slice() {
        [_, kind, id, ..] if kind == "hostedzone" || kind == "change" => format!("arn:aws:route53:::{kind}/{id}"),
        _ => "*".to_owned(),
    }
}

/// Query parameters of an operation.
fn parameters(operation: &str) -> &'static [&'static str] {
    match operation {
        "ListHostedZones" => &["marker", "maxitems"],
        "ListHostedZonesByName" => &["dnsname", "hostedzoneid", "maxitems"],
        "ListResourceRecordSets" => &["name", "type", "maxitems"],
        _ => &[],
    }
}

/// Refuses what no backend would look at.
///
/// # Errors
/// A gap that names it.
pub(super) fn refuse_unknown(request: &Request) -> Result<(), Failure> {
    let operation = request.operation.as_str();
    let gap = |what: String| Err(Failure::gap(format!("{what} of route53 {operation}")));
    let mut headers = request.headers.keys().map(http::HeaderName::as_str);
    if let Some(header) = headers.find(|name| name.starts_with("x-amz-") && !HEADERS.contains(name)) {
        return gap(format!("header {header}"));
    }
    let is_signing = |name: &str| name.starts_with("X-Amz-");
    let mut names = request.query.iter().map(|(name, _)| name.as_str());
    if let Some(name) = names.find(|name| !is_signing(name) && !parameters(operation).contains(name)) {
        return gap(format!("query parameter {name}"));
    }
    if !request.body.is_empty() && !WITH_DOCUMENT.contains(&operation) {
        return gap("the body".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callers::Caller;

    fn request(method: Method, path: &str) -> Request {
        let own = Request::own("route53", "us-east-1", Caller::Controller, bytes::Bytes::new(), None, jiff::Timestamp::UNIX_EPOCH);
        Request { method, path: path.to_owned(), ..own }
    }

    #[test]
    fn paths_are_operations_on_resources() {
        let zone = "arn:aws:route53:::hostedzone/Z1";
        for (method, path, name, arn) in [
            (Method::POST, "/2013-04-01/hostedzone", "CreateHostedZone", "*"),
            (Method::GET, "/2013-04-01/hostedzone", "ListHostedZones", "*"),
            (Method::GET, "/2013-04-01/hostedzonesbyname", "ListHostedZonesByName", "*"),
            (Method::GET, "/2013-04-01/hostedzone/Z1", "GetHostedZone", zone),
            (Method::DELETE, "/2013-04-01/hostedzone/Z1", "DeleteHostedZone", zone),
            // Some clients end this one with a slash.
            (Method::POST, "/2013-04-01/hostedzone/Z1/rrset/", "ChangeResourceRecordSets", zone),
            (Method::GET, "/2013-04-01/hostedzone/Z1/rrset", "ListResourceRecordSets", zone),
            (Method::POST, "/2013-04-01/hostedzone/Z1/associatevpc", "AssociateVPCWithHostedZone", zone),
            (Method::POST, "/2013-04-01/hostedzone/Z1/disassociatevpc", "DisassociateVPCFromHostedZone", zone),
            (Method::GET, "/2013-04-01/change/C1", "GetChange", "arn:aws:route53:::change/C1"),
            (Method::POST, "/2013-04-01/hostedzone/Z1", "POST /2013-04-01/hostedzone/Z1", zone),
            (Method::GET, "/2013-04-01/healthcheck", "GET /2013-04-01/healthcheck", "*"),
        ] {
            let request = request(method, path);
            assert_eq!((operation(&request).as_str(), resource(&request).as_str()), (name, arn), "{path}");
        }
    }

    #[test]
    fn what_is_not_looked_at_is_a_gap() {
        type Change = fn(&mut Request);
        let asked = |change: Change| {
            let mut request = request(Method::GET, "/2013-04-01/hostedzone");
            request.operation = operation(&request);
            change(&mut request);
            refuse_unknown(&request).err().and_then(|failure| failure.gap)
        };
        assert_eq!(asked(|request| request.query.push(("maxitems".to_owned(), "1".to_owned()))), None);
        let cases: [(Change, &str); 3] = [
            (
                |request| request.query.push(("hostedzonetype".to_owned(), String::new())),
                "query parameter hostedzonetype of route53 ListHostedZones",
            ),
            (|request| request.body = bytes::Bytes::from_static(b"<A/>"), "the body of route53 ListHostedZones"),
            (
                |request| drop(request.headers.insert("x-amz-weather", http::HeaderValue::from_static("fine"))),
                "header x-amz-weather of route53 ListHostedZones",
            ),
        ];
        for (change, gap) in cases {
            assert_eq!(asked(change).as_deref(), Some(gap));
        }
    }
}
