//! Every operation but launching and tagging: which parameters name resources, and what is made.

use crate::form::Form;
use crate::protocol::Failure;

use super::{Need, Place, ids, tags_in};

/// Operations on what is there, with the parameters that name it.
const ON: [(&str, &[&str]); 44] = [
    ("AssociateRouteTable", &["RouteTableId", "SubnetId"]),
    ("AttachInternetGateway", &["InternetGatewayId", "VpcId"]),
    ("AuthorizeSecurityGroupEgress", &["GroupId"]),
    ("AuthorizeSecurityGroupIngress", &["GroupId"]),
    ("CancelSpotInstanceRequests", &["SpotInstanceRequestId"]),
    ("CreateLaunchTemplateVersion", &["LaunchTemplateId", "LaunchTemplateName"]),
    ("CreateNatGateway", &["SubnetId", "AllocationId"]),
    ("CreateRoute", &["RouteTableId"]),
    ("CreateRouteTable", &["VpcId"]),
    ("CreateSecurityGroup", &["VpcId"]),
    ("CreateSnapshot", &["VolumeId"]),
    ("CreateSubnet", &["VpcId"]),
    ("CreateVpcEndpoint", &["VpcId", "RouteTableId", "SubnetId", "SecurityGroupId"]),
    ("DeleteInternetGateway", &["InternetGatewayId"]),
    ("DeleteKeyPair", &["KeyName", "KeyPairId"]),
    ("DeleteLaunchTemplate", &["LaunchTemplateId", "LaunchTemplateName"]),
    ("DeleteNatGateway", &["NatGatewayId"]),
    ("DeletePlacementGroup", &["GroupName"]),
    ("DeleteRoute", &["RouteTableId"]),
    ("DeleteRouteTable", &["RouteTableId"]),
    ("DeleteSecurityGroup", &["GroupId"]),
    ("DeleteSnapshot", &["SnapshotId"]),
    ("DeleteSubnet", &["SubnetId"]),
    ("DeleteVolume", &["VolumeId"]),
    ("DeleteVpc", &["VpcId"]),
    ("DeleteVpcEndpoints", &["VpcEndpointId"]),
    ("DescribeInstanceAttribute", &["InstanceId"]),
    ("DescribeVpcAttribute", &["VpcId"]),
    ("DetachInternetGateway", &["InternetGatewayId", "VpcId"]),
    ("ModifyInstanceAttribute", &["InstanceId"]),
    ("ModifyLaunchTemplate", &["LaunchTemplateId", "LaunchTemplateName"]),
    ("ModifySubnetAttribute", &["SubnetId"]),
    ("ModifyVolume", &["VolumeId"]),
    ("ModifyVpcAttribute", &["VpcId"]),
    ("RebootInstances", &["InstanceId"]),
    ("ReleaseAddress", &["AllocationId"]),
    ("RevokeSecurityGroupEgress", &["GroupId"]),
    ("RevokeSecurityGroupIngress", &["GroupId"]),
    ("StartInstances", &["InstanceId"]),
    ("StopInstances", &["InstanceId"]),
    ("TerminateInstances", &["InstanceId"]),
    ("AllocateAddress", &[]),
    ("CreateInternetGateway", &[]),
    ("CreateVpc", &[]),
];

/// What operations make.
const MADE: [(&str, &str); 14] = [
    ("AllocateAddress", "elastic-ip"),
    ("CreateInternetGateway", "internet-gateway"),
    ("CreateLaunchTemplate", "launch-template"),
    ("CreateNatGateway", "natgateway"),
    ("CreatePlacementGroup", "placement-group"),
    ("CreateRouteTable", "route-table"),
    ("CreateSecurityGroup", "security-group"),
    ("CreateSnapshot", "snapshot"),
    ("CreateSubnet", "subnet"),
    ("CreateVpc", "vpc"),
    ("CreateVpcEndpoint", "vpc-endpoint"),
    ("ImportKeyPair", "key-pair"),
    ("AuthorizeSecurityGroupEgress", "security-group-rule"),
    ("AuthorizeSecurityGroupIngress", "security-group-rule"),
];

pub(super) fn needs(place: &Place<'_>, form: &Form) -> Result<Vec<Need>, Failure> {
    let operation = place.facts.request.operation.as_str();
    let on = ON.iter().find(|(name, _)| *name == operation);
    let made = MADE.iter().find(|(name, _)| *name == operation);
    if on.is_none() && made.is_none() {
        let describes = operation.starts_with("Describe");
        return if describes { Ok(vec![place.on_nothing(operation)]) } else { Err(place.facts.gap()) };
    }
    // A call that names nothing does nothing, and is told so by EC2 itself.
    let mut needs = on.map(|(_, parameters)| named(place, form, parameters)).unwrap_or_default();
    if let Some((_, kind)) = made {
        let tags = tags_in(form);
        // A rule is asked about only where it is given tags.
        if *kind != "security-group-rule" || !tags.is_empty() {
            needs.push(made_of(place, form, operation, kind).giving(&tags));
        }
        needs.extend(place.tagging(operation, kind, &tags));
    }
    Ok(needs)
}

fn named(place: &Place<'_>, form: &Form, parameters: &[&str]) -> Vec<Need> {
    let operation = place.facts.request.operation.as_str();
    let mut found: Vec<String> = parameters.iter().flat_map(|parameter| ids(form, parameter)).collect();
    if matches!(operation, "DeleteKeyPair" | "DeletePlacementGroup") {
        found.iter_mut().for_each(|name| *name = place.cloud.id_of_name(place.region(), name).unwrap_or_else(|| name.clone()));
    }
    if parameters == ["LaunchTemplateId", "LaunchTemplateName"] {
        found.iter_mut().for_each(|name| *name = place.cloud.launch_template_id(place.region(), name).unwrap_or_else(|| name.clone()));
    }
    // A group may be named, and what names no network means the default one.
    if operation.contains("SecurityGroup") && parameters == ["GroupId"] && found.is_empty() {
        let name = form.peek("GroupName").unwrap_or_default();
        found.push(place.cloud.group_id(place.region(), None, name).unwrap_or_else(|| "sg-unknown".to_owned()));
    }
    if operation == "CreateSecurityGroup" && found.is_empty() {
        found.extend(place.cloud.default_vpc_id(place.region()));
    }
    found.iter().map(|id| place.on(operation, id)).collect()
}

/// The right to make something; what has a name of the caller's choice is known by it.
fn made_of(place: &Place<'_>, form: &Form, operation: &str, kind: &str) -> Need {
    let need = place.made(operation, kind, &Default::default());
    let name = match operation {
        "CreatePlacementGroup" => form.peek("GroupName"),
        "ImportKeyPair" => form.peek("KeyName"),
        _ => None,
    };
    match name {
        Some(name) => Need { resource: place.arn(kind, name), ..need },
        None => need,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_simulated_operation_is_thought_through() {
        // The last one is about a table that only EC2 can name: a gap, for callers that are not allowed everything.
        let apart = ["RunInstances", "CreateTags", "DeleteTags", "DisassociateRouteTable"];
        for operation in sandbox_cloud::request::OPERATIONS {
            let known = operation.starts_with("Describe")
                || apart.contains(operation)
                || ON.iter().any(|(name, _)| name == operation)
                || MADE.iter().any(|(name, _)| name == operation);
            assert!(known, "{operation}");
        }
    }
}
