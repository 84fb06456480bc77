//! Route 53. Its resources lie in no region and belong to no account, as their ARNs have it.

use crate::backends::route53::{normalized, resource};
use crate::protocol::Failure;
use crate::xml::Node;

use super::{Facts, Need};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let need = facts.need(resource(facts.request));
    let document = || Node::parse(&facts.request.body).unwrap_or_default();
    match facts.request.operation.as_str() {
        "ChangeResourceRecordSets" => Ok(vec![changing(need, &document())]),
        "CreateHostedZone" | "AssociateVPCWithHostedZone" | "DisassociateVPCFromHostedZone" => Ok(on_network(need, &document())),
        "DeleteHostedZone" | "GetChange" | "GetHostedZone" | "ListHostedZones" | "ListHostedZonesByName" | "ListResourceRecordSets" => {
            Ok(vec![need])
        }
        _ => Err(facts.gap()),
    }
}

/// With what is changed: each key has a value for every change of the batch.
fn changing(mut need: Need, document: &Node) -> Need {
    let (mut names, mut types, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    let changes = document.child("ChangeBatch").and_then(|batch| batch.child("Changes"));
    for change in changes.into_iter().flat_map(|list| list.all("Change")) {
        actions.extend(change.text_of("Action").map(str::to_owned));
        let set = change.child("ResourceRecordSet");
        names.extend(set.and_then(|set| set.text_of("Name")).map(normalized));
        types.extend(set.and_then(|set| set.text_of("Type")).map(str::to_owned));
    }
    for (key, values) in [("normalizedrecordnames", names), ("recordtypes", types), ("actions", actions)] {
        need.context.insert(format!("route53:changeresourcerecordsets{key}"), values);
    }
    need
}

/// Who names a network must be allowed to see networks, too.
fn on_network(need: Need, document: &Node) -> Vec<Need> {
    let Some(vpc) = document.child("VPC") else { return vec![need] };
    let text = |name: &str| vpc.text_of(name).unwrap_or_default();
    let region = text("VPCRegion");
    let named = need.with("route53:VPCs", format!("VPCId={},VPCRegion={region}", text("VPCId")));
    vec![named, Need::new("ec2:DescribeVpcs", "*").with("ec2:Region", region)]
}
