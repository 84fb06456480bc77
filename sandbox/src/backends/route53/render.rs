//! What Route 53 answers, as XML.

use jiff::Timestamp;

use crate::protocol::{Answer, Request};
use crate::times::iso;
use crate::xml::element;

use super::state::{Change, RecordSet, Vpc, Zone};

const XMLNS: &str = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";

/// What an operation answers.
pub(super) fn answer(request: &Request, inside: &str) -> Answer {
    let operation = &request.operation;
    let body = format!("<?xml version=\"1.0\"?>\n<{operation}Response {XMLNS}>{inside}</{operation}Response>");
    Answer::xml(body).header("x-amzn-requestid", request.id.clone())
}

/// The refusal of a batch: all that is wrong with it, once as AWS writes it and once in the list that the API reference tells of.
pub(super) fn invalid_batch(request: &Request, problems: &[String]) -> Answer {
    let code = "InvalidChangeBatch";
    let list: String = problems.iter().map(|problem| element("Message", problem)).collect();
    let body = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse {XMLNS}><Error><Type>Sender</Type>{}{}<Messages>{list}</Messages></Error>{}\
         </ErrorResponse>",
        element("Code", code),
        element("Message", &format!("[{}]", problems.join(", "))),
        element("RequestId", &request.id),
    );
    Answer { status: 400, code: Some(code.to_owned()), ..Answer::xml(body) }
}

/// A zone.
pub(super) fn zone(zone: &Zone) -> String {
    let comment = zone.comment.as_ref().map(|text| element("Comment", text)).unwrap_or_default();
    let parts = [
        element("Id", &format!("/hostedzone/{}", zone.id)),
        element("Name", &zone.name.to_string()),
        element("CallerReference", &zone.reference),
        format!("<Config>{comment}{}</Config>", element("PrivateZone", &zone.is_private().to_string())),
        element("ResourceRecordSetCount", &zone.records.len().to_string()),
    ];
    format!("<HostedZone>{}</HostedZone>", parts.concat())
}

/// The name servers of a public zone.
pub(super) fn delegation_set(zone: &Zone) -> String {
    let servers: String = zone.name_servers().iter().map(|server| element("NameServer", server)).collect();
    format!("<DelegationSet><NameServers>{servers}</NameServers></DelegationSet>")
}

/// A network.
pub(super) fn vpc(vpc: &Vpc) -> String {
    format!("<VPC>{}{}</VPC>", element("VPCRegion", &vpc.region), element("VPCId", &vpc.id))
}

/// A record set.
pub(super) fn record_set(set: &RecordSet) -> String {
    let values: String = set.values.iter().map(|value| format!("<ResourceRecord>{}</ResourceRecord>", element("Value", value))).collect();
    let parts = [element("Name", &set.name.to_string()), element("Type", &set.kind), element("TTL", &set.ttl.to_string())];
    format!("<ResourceRecordSet>{}<ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>", parts.concat())
}

/// How far a change is.
pub(super) fn change_info(id: &str, change: &Change, now: Timestamp) -> String {
    let comment = change.comment.as_ref().map(|text| element("Comment", text)).unwrap_or_default();
    let parts = [
        element("Id", &format!("/change/{id}")),
        element("Status", if change.is_everywhere(now) { "INSYNC" } else { "PENDING" }),
        element("SubmittedAt", &iso(change.submitted)),
    ];
    format!("<ChangeInfo>{}{comment}</ChangeInfo>", parts.concat())
}
