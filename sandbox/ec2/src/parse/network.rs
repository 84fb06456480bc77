//! Calls about networks.

use sandbox_cloud::request::{
    AssociateRouteTable, CreateNatGateway, CreateRoute, CreateRouteTable, CreateSubnet, CreateTagged, CreateVpc, CreateVpcEndpoint,
    DeleteRoute, DeleteVpcEndpoints, DescribeVpcAttribute, GatewayAttachment, ModifySubnetAttribute, ModifyVpcAttribute, OneId,
};
use sandbox_cloud::{ApiError, Request};

use super::lists::by_id;
use crate::form::Form;

fn one_id(form: &Form, name: &str) -> Result<OneId, ApiError> {
    Ok(OneId { id: form.required(name)? })
}

fn tagged(form: &Form) -> Result<CreateTagged, ApiError> {
    Ok(CreateTagged { tag_specifications: form.tag_specifications("")? })
}

pub(super) fn create_vpc(form: &Form) -> Result<Request, ApiError> {
    form.only("InstanceTenancy", &["default"])?;
    form.only("AmazonProvidedIpv6CidrBlock", &["false"])?;
    Ok(Request::CreateVpc(CreateVpc { cidr_block: form.required("CidrBlock")?, tag_specifications: form.tag_specifications("")? }))
}

pub(super) fn delete_vpc(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "VpcId").map(Request::DeleteVpc)
}

pub(super) fn vpcs(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "VpcId").map(Request::DescribeVpcs)
}

pub(super) fn vpc_attribute(form: &Form) -> Result<Request, ApiError> {
    let request = DescribeVpcAttribute { vpc_id: form.required("VpcId")?, attribute: form.required("Attribute")? };
    Ok(Request::DescribeVpcAttribute(request))
}

pub(super) fn modify_vpc(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::ModifyVpcAttribute(ModifyVpcAttribute {
        vpc_id: form.required("VpcId")?,
        dns_support: form.boolean("EnableDnsSupport.Value")?,
        dns_hostnames: form.boolean("EnableDnsHostnames.Value")?,
    }))
}

pub(super) fn create_subnet(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateSubnet(CreateSubnet {
        vpc_id: form.required("VpcId")?,
        cidr_block: form.required("CidrBlock")?,
        availability_zone: form.text("AvailabilityZone"),
        availability_zone_id: form.text("AvailabilityZoneId"),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn delete_subnet(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "SubnetId").map(Request::DeleteSubnet)
}

pub(super) fn subnets(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "SubnetId").map(Request::DescribeSubnets)
}

pub(super) fn modify_subnet(form: &Form) -> Result<Request, ApiError> {
    let subnet_id = form.required("SubnetId")?;
    let public = form.boolean("MapPublicIpOnLaunch.Value")?;
    // What was not understood is told before it is found that too little is left.
    form.refuse_leftovers()?;
    let none = || ApiError::new("InvalidParameterCombination", "The request must name an attribute to change");
    Ok(Request::ModifySubnetAttribute(ModifySubnetAttribute { subnet_id, map_public_ip_on_launch: public.ok_or_else(none)? }))
}

pub(super) fn create_internet_gateway(form: &Form) -> Result<Request, ApiError> {
    tagged(form).map(Request::CreateInternetGateway)
}

pub(super) fn delete_internet_gateway(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "InternetGatewayId").map(Request::DeleteInternetGateway)
}

pub(super) fn internet_gateways(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "InternetGatewayId").map(Request::DescribeInternetGateways)
}

fn attachment(form: &Form) -> Result<GatewayAttachment, ApiError> {
    Ok(GatewayAttachment { internet_gateway_id: form.required("InternetGatewayId")?, vpc_id: form.required("VpcId")? })
}

pub(super) fn attach_internet_gateway(form: &Form) -> Result<Request, ApiError> {
    attachment(form).map(Request::AttachInternetGateway)
}

pub(super) fn detach_internet_gateway(form: &Form) -> Result<Request, ApiError> {
    attachment(form).map(Request::DetachInternetGateway)
}

pub(super) fn create_route_table(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateRouteTable(CreateRouteTable {
        vpc_id: form.required("VpcId")?,
        client_token: form.text("ClientToken"),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn delete_route_table(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "RouteTableId").map(Request::DeleteRouteTable)
}

pub(super) fn route_tables(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "RouteTableId").map(Request::DescribeRouteTables)
}

pub(super) fn create_route(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateRoute(CreateRoute {
        route_table_id: form.required("RouteTableId")?,
        destination_cidr_block: form.required("DestinationCidrBlock")?,
        gateway_id: form.text("GatewayId"),
        nat_gateway_id: form.text("NatGatewayId"),
    }))
}

pub(super) fn delete_route(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteRoute(DeleteRoute {
        route_table_id: form.required("RouteTableId")?,
        destination_cidr_block: form.required("DestinationCidrBlock")?,
    }))
}

pub(super) fn associate_route_table(form: &Form) -> Result<Request, ApiError> {
    let request = AssociateRouteTable { route_table_id: form.required("RouteTableId")?, subnet_id: form.required("SubnetId")? };
    Ok(Request::AssociateRouteTable(request))
}

pub(super) fn disassociate_route_table(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "AssociationId").map(Request::DisassociateRouteTable)
}

pub(super) fn allocate_address(form: &Form) -> Result<Request, ApiError> {
    form.only("Domain", &["vpc"])?;
    tagged(form).map(Request::AllocateAddress)
}

pub(super) fn release_address(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "AllocationId").map(Request::ReleaseAddress)
}

pub(super) fn addresses(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "AllocationId").map(Request::DescribeAddresses)
}

pub(super) fn create_nat_gateway(form: &Form) -> Result<Request, ApiError> {
    form.only("AvailabilityMode", &["zonal"])?;
    Ok(Request::CreateNatGateway(CreateNatGateway {
        subnet_id: form.required("SubnetId")?,
        connectivity_type: form.text("ConnectivityType"),
        allocation_id: form.text("AllocationId"),
        client_token: form.text("ClientToken"),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn delete_nat_gateway(form: &Form) -> Result<Request, ApiError> {
    one_id(form, "NatGatewayId").map(Request::DeleteNatGateway)
}

pub(super) fn nat_gateways(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "NatGatewayId").map(Request::DescribeNatGateways)
}

pub(super) fn create_endpoint(form: &Form) -> Result<Request, ApiError> {
    form.only("IpAddressType", &["ipv4"])?;
    Ok(Request::CreateVpcEndpoint(CreateVpcEndpoint {
        vpc_id: form.required("VpcId")?,
        service_name: form.required("ServiceName")?,
        endpoint_type: form.text("VpcEndpointType"),
        route_table_ids: form.list("RouteTableId"),
        subnet_ids: form.list("SubnetId"),
        security_group_ids: form.list("SecurityGroupId"),
        private_dns_enabled: form.boolean("PrivateDnsEnabled")?,
        client_token: form.text("ClientToken"),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn delete_endpoints(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteVpcEndpoints(DeleteVpcEndpoints { vpc_endpoint_ids: form.list("VpcEndpointId") }))
}

pub(super) fn endpoints(form: &Form) -> Result<Request, ApiError> {
    by_id(form, "VpcEndpointId").map(Request::DescribeVpcEndpoints)
}
