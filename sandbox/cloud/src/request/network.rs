//! Calls about networks.

use super::TagSpecification;

/// A call about one thing, such as its deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneId {
    /// The thing.
    pub id: String,
}

/// Makes a thing that needs nothing but tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTagged {
    /// Its tags.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Makes a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateVpc {
    /// Its addresses: a block from /16 to /28.
    pub cidr_block: String,
    /// Tags, of `vpc`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Reads one attribute of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeVpcAttribute {
    /// The network.
    pub vpc_id: String,
    /// `enableDnsSupport` or `enableDnsHostnames`.
    pub attribute: String,
}

/// Changes one attribute of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyVpcAttribute {
    /// The network.
    pub vpc_id: String,
    /// Whether names are resolved in it.
    pub dns_support: Option<bool>,
    /// Whether instances with public addresses have public names.
    pub dns_hostnames: Option<bool>,
}

/// Makes a subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateSubnet {
    /// The network.
    pub vpc_id: String,
    /// Its addresses: a block of the network, from /16 to /28.
    pub cidr_block: String,
    /// The zone by name; none means EC2 chooses.
    pub availability_zone: Option<String>,
    /// The zone by id.
    pub availability_zone_id: Option<String>,
    /// Tags, of `subnet`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Changes one attribute of a subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifySubnetAttribute {
    /// The subnet.
    pub subnet_id: String,
    /// Whether instances get public addresses unless told otherwise.
    pub map_public_ip_on_launch: bool,
}

/// Attaches an internet gateway to a network, or detaches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayAttachment {
    /// The gateway.
    pub internet_gateway_id: String,
    /// The network.
    pub vpc_id: String,
}

/// Makes a route table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateRouteTable {
    /// The network.
    pub vpc_id: String,
    /// Makes repetition safe.
    pub client_token: Option<String>,
    /// Tags, of `route-table`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Adds a route to a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateRoute {
    /// The table.
    pub route_table_id: String,
    /// For which addresses.
    pub destination_cidr_block: String,
    /// To an internet gateway.
    pub gateway_id: Option<String>,
    /// To a NAT gateway.
    pub nat_gateway_id: Option<String>,
}

/// Takes a route from a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteRoute {
    /// The table.
    pub route_table_id: String,
    /// For which addresses.
    pub destination_cidr_block: String,
}

/// Makes a table the one of a subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssociateRouteTable {
    /// The table.
    pub route_table_id: String,
    /// The subnet.
    pub subnet_id: String,
}

/// Makes a NAT gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateNatGateway {
    /// Where it lies.
    pub subnet_id: String,
    /// `public` (the default) or `private`.
    pub connectivity_type: Option<String>,
    /// The address of a public one.
    pub allocation_id: Option<String>,
    /// Makes repetition safe.
    pub client_token: Option<String>,
    /// Tags, of `natgateway`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Makes an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateVpcEndpoint {
    /// The network.
    pub vpc_id: String,
    /// Such as `com.amazonaws.us-east-1.s3`.
    pub service_name: String,
    /// `Gateway` (the default) or `Interface`.
    pub endpoint_type: Option<String>,
    /// The tables that lead to a gateway endpoint.
    pub route_table_ids: Vec<String>,
    /// Where an interface endpoint has interfaces: at most one subnet of each zone.
    pub subnet_ids: Vec<String>,
    /// Who may reach an interface endpoint; none means the default group.
    pub security_group_ids: Vec<String>,
    /// Whether the service's own name leads to an interface endpoint; it does unless told otherwise.
    pub private_dns_enabled: Option<bool>,
    /// Makes repetition safe.
    pub client_token: Option<String>,
    /// Tags, of `vpc-endpoint`.
    pub tag_specifications: Vec<TagSpecification>,
}

/// Deletes endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteVpcEndpoints {
    /// The endpoints. An unknown one is told in the answer; the others are deleted.
    pub vpc_endpoint_ids: Vec<String>,
}
