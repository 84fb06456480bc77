//! A form into a request.

mod groups;
mod instances;
mod launch;
mod launching;
mod lists;
mod network;
mod spot;
mod templates;
mod volumes;

use sandbox_cloud::{ApiError, Request};

use crate::API_VERSION;
use crate::form::Form;

type Parser = fn(&Form) -> Result<Request, ApiError>;

/// Every operation that is spoken.
const OPERATIONS: &[(&str, Parser)] = &[
    ("AllocateAddress", network::allocate_address),
    ("AssociateRouteTable", network::associate_route_table),
    ("AttachInternetGateway", network::attach_internet_gateway),
    ("AuthorizeSecurityGroupEgress", groups::authorize_egress),
    ("AuthorizeSecurityGroupIngress", groups::authorize_ingress),
    ("CancelSpotInstanceRequests", spot::cancel_requests),
    ("CreateInternetGateway", network::create_internet_gateway),
    ("CreateLaunchTemplate", templates::create),
    ("CreateLaunchTemplateVersion", templates::create_version),
    ("CreateNatGateway", network::create_nat_gateway),
    ("CreatePlacementGroup", launching::create_placement_group),
    ("CreateRoute", network::create_route),
    ("CreateRouteTable", network::create_route_table),
    ("CreateSecurityGroup", groups::create),
    ("CreateSnapshot", volumes::create_snapshot),
    ("CreateSubnet", network::create_subnet),
    ("CreateTags", lists::create_tags),
    ("CreateVpc", network::create_vpc),
    ("CreateVpcEndpoint", network::create_endpoint),
    ("DeleteInternetGateway", network::delete_internet_gateway),
    ("DeleteKeyPair", launching::delete_key_pair),
    ("DeleteLaunchTemplate", templates::delete),
    ("DeleteNatGateway", network::delete_nat_gateway),
    ("DeletePlacementGroup", launching::delete_placement_group),
    ("DeleteRoute", network::delete_route),
    ("DeleteRouteTable", network::delete_route_table),
    ("DeleteSecurityGroup", groups::delete),
    ("DeleteSnapshot", volumes::delete_snapshot),
    ("DeleteSubnet", network::delete_subnet),
    ("DeleteTags", lists::delete_tags),
    ("DeleteVolume", volumes::delete_volume),
    ("DeleteVpc", network::delete_vpc),
    ("DeleteVpcEndpoints", network::delete_endpoints),
    ("DescribeAccountAttributes", lists::account_attributes),
    ("DescribeAddresses", network::addresses),
    ("DescribeAvailabilityZones", lists::availability_zones),
    ("DescribeImages", lists::images),
    ("DescribeInstanceAttribute", instances::describe_attribute),
    ("DescribeInstanceStatus", instances::describe_status),
    ("DescribeInstanceTypeOfferings", lists::instance_type_offerings),
    ("DescribeInstanceTypes", lists::instance_types),
    ("DescribeInstances", instances::describe),
    ("DescribeInternetGateways", network::internet_gateways),
    ("DescribeKeyPairs", launching::key_pairs),
    ("DescribeLaunchTemplateVersions", templates::describe_versions),
    ("DescribeLaunchTemplates", templates::describe),
    ("DescribeNatGateways", network::nat_gateways),
    ("DescribePlacementGroups", launching::placement_groups),
    ("DescribeRegions", lists::regions),
    ("DescribeRouteTables", network::route_tables),
    ("DescribeSecurityGroupRules", groups::describe_rules),
    ("DescribeSecurityGroups", groups::describe),
    ("DescribeSnapshots", volumes::snapshots),
    ("DescribeSpotInstanceRequests", spot::describe_requests),
    ("DescribeSpotPriceHistory", spot::price_history),
    ("DescribeSubnets", network::subnets),
    ("DescribeTags", lists::describe_tags),
    ("DescribeVolumes", volumes::volumes),
    ("DescribeVolumesModifications", volumes::modifications),
    ("DescribeVpcAttribute", network::vpc_attribute),
    ("DescribeVpcEndpoints", network::endpoints),
    ("DescribeVpcs", network::vpcs),
    ("DetachInternetGateway", network::detach_internet_gateway),
    ("DisassociateRouteTable", network::disassociate_route_table),
    ("ImportKeyPair", launching::import_key_pair),
    ("ModifyInstanceAttribute", instances::modify_attribute),
    ("ModifyLaunchTemplate", templates::modify),
    ("ModifySubnetAttribute", network::modify_subnet),
    ("ModifyVolume", volumes::modify_volume),
    ("ModifyVpcAttribute", network::modify_vpc),
    ("RebootInstances", instances::reboot),
    ("ReleaseAddress", network::release_address),
    ("RevokeSecurityGroupEgress", groups::revoke_egress),
    ("RevokeSecurityGroupIngress", groups::revoke_ingress),
    ("RunInstances", launch::run),
    ("StartInstances", instances::start),
    ("StopInstances", instances::stop),
    ("TerminateInstances", instances::terminate),
];

/// Reads the request of an operation, all of it. One that is only to be tried is refused as such.
pub(crate) fn parse(operation: &str, form: &Form) -> Result<Request, ApiError> {
    let (request, dry_run) = parse_tried(operation, form)?;
    match request {
        // A launch is checked in full before it answers.
        Request::RunInstances(mut launch) => {
            launch.dry_run = dry_run;
            Ok(Request::RunInstances(launch))
        }
        _ if dry_run => Err(ApiError::dry_run()),
        request => Ok(request),
    }
}

/// The same, and whether it is only to be tried.
pub(crate) fn parse_tried(operation: &str, form: &Form) -> Result<(Request, bool), ApiError> {
    if operation.is_empty() {
        return Err(ApiError::new("MissingAction", "The request is missing an action."));
    }
    let Some((_, parser)) = OPERATIONS.iter().find(|(name, _)| *name == operation) else {
        return Err(ApiError::gap("UnsupportedOperation", format!("The action {operation} is not simulated")));
    };
    let version = form.required("Version")?;
    if version != API_VERSION {
        return Err(ApiError::gap("NoSuchVersion", format!("The requested version ({version}) of service AmazonEC2 does not exist")));
    }
    let dry_run = form.boolean("DryRun")?.unwrap_or(false);
    let request = parser(form)?;
    form.refuse_leftovers()?;
    Ok((request, dry_run))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_simulated_operation_is_spoken() {
        let spoken: Vec<&str> = super::OPERATIONS.iter().map(|(name, _)| *name).collect();
        assert_eq!(spoken, sandbox_cloud::request::OPERATIONS);
    }
}
