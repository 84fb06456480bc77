//! A batch of changes, as a request asks for it.

use crate::protocol::{Failure, Request};
use crate::xml::Node;

use super::invalid_input;
use super::read::Fields;
use super::values::{TYPES, check_of};

/// The longest that others may be told to keep a record, in seconds (RFC 2181).
const TTL_MAX: u32 = 2_147_483_647;

/// What becomes of a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It is made, and must not be there.
    Create,
    /// It goes, and must be there as it is named.
    Delete,
    /// It is made or replaced.
    Upsert,
}

/// One change. The type is understood; name and values have not been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// What becomes of it.
    pub(super) action: Action,
    /// The record set's name.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: String,
    /// Seconds that others may keep it.
    pub(super) ttl: u32,
    /// Its values.
    pub(super) values: Vec<String>,
}

impl Action {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "CREATE" => Ok(Self::Create),
            "DELETE" => Ok(Self::Delete),
            "UPSERT" => Ok(Self::Upsert),
            other => Err(not_one_of(other, &["CREATE", "DELETE", "UPSERT"])),
        }
    }
}

/// Reads a request's changes and what its author says of them.
///
/// # Errors
/// `InvalidInput` for what AWS would not read either; a gap for what records of only one kind have, such as alias targets and weights, and
/// for types that are not understood here.
pub(super) fn read(request: &Request) -> Result<(Vec<Change>, Option<String>), Failure> {
    let mut document = Fields::document(request)?;
    let mut batch = document.need_part("ChangeBatch")?;
    document.finish()?;
    let comment = batch.comment()?;
    let mut list = batch.need_part("Changes")?;
    batch.finish()?;
    let changes: Vec<Change> = list.all("Change").into_iter().map(change).collect::<Result<_, _>>()?;
    list.finish()?;
    if changes.is_empty() { Err(invalid_input("Invalid XML ; element 'Changes' is empty")) } else { Ok((changes, comment)) }
}

fn change(node: Node) -> Result<Change, Failure> {
    let mut fields = Fields::of(node)?;
    let action = fields.need("Action")?;
    let mut set = fields.need_part("ResourceRecordSet")?;
    fields.finish()?;
    let (name, kind) = (set.need("Name")?, set.need("Type")?);
    let (ttl, records) = (set.text("TTL")?, set.part("ResourceRecords")?);
    set.finish()?;
    check_kind(&kind)?;
    let (Some(ttl), Some(records)) = (ttl, records) else {
        return Err(invalid_input(format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but \
             found none in Change with [Action={action}, Name={name}, Type={kind}, SetIdentifier=null]"
        )));
    };
    Ok(Change { action: Action::parse(&action)?, name, kind, ttl: seconds(&ttl)?, values: values(records)? })
}

/// Refuses types that AWS does not have, and those that are not understood here.
fn check_kind(kind: &str) -> Result<(), Failure> {
    if !TYPES.contains(&kind) {
        return Err(not_one_of(kind, &TYPES));
    }
    check_of(kind).map(|_| ()).ok_or_else(|| Failure::gap(format!("route53 records of the type {kind}")))
}

fn seconds(text: &str) -> Result<u32, Failure> {
    let ttl = text.parse::<u32>().ok().filter(|ttl| *ttl <= TTL_MAX);
    ttl.ok_or_else(|| invalid_input(format!("Invalid XML ; '{text}' is no TTL")))
}

fn values(mut records: Fields) -> Result<Vec<String>, Failure> {
    let value = |node: Node| {
        let mut record = Fields::of(node)?;
        let value = record.need("Value")?;
        record.finish().map(|()| value)
    };
    let values: Vec<String> = records.all("ResourceRecord").into_iter().map(value).collect::<Result<_, _>>()?;
    records.finish()?;
    if values.is_empty() { Err(invalid_input("Invalid XML ; element 'ResourceRecords' is empty")) } else { Ok(values) }
}

fn not_one_of(text: &str, known: &[&str]) -> Failure {
    invalid_input(format!(
        "Invalid XML ; cvc-enumeration-valid: Value '{text}' is not facet-valid with respect to enumeration '[{}]'. It must be a value \
         from the enumeration.",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callers::Caller;

    fn asked(changes: &str) -> Result<(Vec<Change>, Option<String>), Failure> {
        let body = format!(
            "<ChangeResourceRecordSetsRequest><ChangeBatch><Comment>c</Comment><Changes>{changes}</Changes></ChangeBatch>\
             </ChangeResourceRecordSetsRequest>"
        );
        let own = Request::own("route53", "us-east-1", Caller::Controller, body.into(), None, jiff::Timestamp::UNIX_EPOCH);
        read(&Request { operation: "ChangeResourceRecordSets".to_owned(), ..own })
    }

    fn one(action: &str, kind: &str, more: &str) -> String {
        format!("<Change><Action>{action}</Action><ResourceRecordSet><Name>a</Name><Type>{kind}</Type>{more}</ResourceRecordSet></Change>")
    }

    const RECORDS: &str = "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>1</Value></ResourceRecord></ResourceRecords>";

    #[test]
    fn changes_are_read_in_order() {
        let (changes, comment) = asked(&[one("DELETE", "A", RECORDS), one("CREATE", "TXT", RECORDS)].concat()).unwrap();
        let actions: Vec<(Action, &str)> = changes.iter().map(|change| (change.action, change.kind.as_str())).collect();
        assert_eq!(actions, [(Action::Delete, "A"), (Action::Create, "TXT")]);
        assert_eq!((changes[0].ttl, changes[0].values.as_slice(), comment.as_deref()), (60, &["1".to_owned()][..], Some("c")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let alias = "<AliasTarget><HostedZoneId>Z</HostedZoneId></AliasTarget>";
        for (changes, code, what) in [
            (String::new(), "InvalidInput", "'Changes' is empty"),
            (one("REPLACE", "A", RECORDS), "InvalidInput", "'REPLACE' is not facet-valid"),
            (one("CREATE", "WKS", RECORDS), "InvalidInput", "'WKS' is not facet-valid"),
            (one("CREATE", "A", ""), "InvalidInput", "found none in Change with [Action=CREATE, Name=a, Type=A, SetIdentifier=null]"),
            (one("CREATE", "A", &RECORDS.replace("<TTL>60</TTL>", "")), "InvalidInput", "found none in Change"),
            (one("CREATE", "A", &RECORDS.replace("60", "-1")), "InvalidInput", "'-1' is no TTL"),
            (one("CREATE", "A", &RECORDS.replace("60", "2147483648")), "InvalidInput", "'2147483648' is no TTL"),
            (one("CREATE", "A", "<TTL>60</TTL><ResourceRecords/>"), "InvalidInput", "'ResourceRecords' is empty"),
            (one("CREATE", "MX", RECORDS), "NotImplemented", "records of the type MX"),
            (one("CREATE", "SOA", RECORDS), "NotImplemented", "records of the type SOA"),
            (one("CREATE", "A", alias), "NotImplemented", "element AliasTarget of ResourceRecordSet"),
            (one("CREATE", "A", &format!("<SetIdentifier>1</SetIdentifier>{RECORDS}")), "NotImplemented", "element SetIdentifier"),
            (one("CREATE", "A", &format!("<Weight>1</Weight>{RECORDS}")), "NotImplemented", "element Weight"),
            (one("CREATE", "A", &format!("{RECORDS}<HealthCheckId>1</HealthCheckId>")), "NotImplemented", "element HealthCheckId"),
        ] {
            let failure = asked(&changes).unwrap_err();
            assert!(failure.code == code && failure.message.contains(what), "{changes}: {failure:?}");
        }
    }
}
