//! Networks, and where they are.

use jiff::Timestamp;
use serde::Serialize;

use super::{GroupIdentifier, Tags};

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// `vpc-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// Its addresses.
    pub cidr_block: String,
    /// The id of that range.
    pub cidr_association_id: String,
    /// Its DHCP options.
    pub dhcp_options_id: String,
    /// Whether it is the one that calls mean which name none.
    pub is_default: bool,
    /// Whether names are resolved in it.
    pub dns_support: bool,
    /// Whether instances with public addresses have public names.
    pub dns_hostnames: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A part of a network in one zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its network.
    pub vpc_id: String,
    /// Its zone.
    pub availability_zone: String,
    /// Its zone's id.
    pub availability_zone_id: String,
    /// Its addresses.
    pub cidr_block: String,
    /// How many of them are free.
    #[serde(skip)]
    pub available_ip_address_count: u32,
    /// Whether it is the one of its zone that launches mean which name none.
    pub default_for_az: bool,
    /// Whether instances get public addresses unless told otherwise.
    pub map_public_ip_on_launch: bool,
    /// Its tags.
    pub tags: Tags,
}

/// The way from a network to the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InternetGateway {
    /// `igw-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// The network it is attached to.
    pub vpc_id: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What a route is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteDestination {
    /// Addresses, as a prefix.
    Ipv4(String),
    /// The addresses of a service of AWS.
    PrefixList(String),
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// Within the network.
    Local,
    /// To an internet gateway.
    InternetGateway(String),
    /// To a NAT gateway.
    NatGateway(String),
    /// To a gateway endpoint.
    VpcEndpoint(String),
}

impl RouteTarget {
    /// What EC2 calls a gateway; a NAT gateway is told apart.
    pub fn gateway_id(&self) -> Option<&str> {
        match self {
            RouteTarget::Local => Some("local"),
            RouteTarget::InternetGateway(id) | RouteTarget::VpcEndpoint(id) => Some(id),
            RouteTarget::NatGateway(_) => None,
        }
    }

    /// The NAT gateway, if it is one.
    pub fn nat_gateway_id(&self) -> Option<&str> {
        if let RouteTarget::NatGateway(id) = self { Some(id) } else { None }
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// For which addresses.
    pub destination: RouteDestination,
    /// Where it leads.
    pub target: RouteTarget,
    /// Whether the thing it leads to is gone.
    #[serde(skip)]
    pub blackhole: bool,
}

/// Which subnet a route table is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteTableAssociation {
    /// `rtbassoc-…`.
    pub id: String,
    /// The subnet; none means every subnet that has none of its own.
    pub subnet_id: Option<String>,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteTable {
    /// `rtb-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// Its network.
    pub vpc_id: String,
    /// What it is for. The main table of a network has one without a subnet.
    pub associations: Vec<RouteTableAssociation>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its tags.
    pub tags: Tags,
    #[serde(skip)]
    pub(crate) client_token: Option<String>,
}

impl RouteTable {
    /// Whether it is the table of every subnet that has none of its own.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|a| a.subnet_id.is_none())
    }
}

/// A public address that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ElasticAddress {
    /// `eipalloc-…`.
    pub allocation_id: String,
    /// The address.
    pub public_ip: String,
    /// Its tags.
    pub tags: Tags,
}

/// Where a gateway or an endpoint is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Being made.
    Pending,
    /// There.
    Available,
    /// Being deleted.
    Deleting,
    /// Gone; listed for a while.
    Deleted,
}

impl LinkState {
    /// EC2's name for it.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Pending => "pending",
            LinkState::Available => "available",
            LinkState::Deleting => "deleting",
            LinkState::Deleted => "deleted",
        }
    }
}

/// Lets a subnet reach out without being reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NatGateway {
    /// `nat-…`.
    pub id: String,
    /// The network of its subnet.
    pub vpc_id: String,
    /// The subnet it lies in.
    pub subnet_id: String,
    /// Its public address; none if it only reaches other networks.
    pub address: Option<ElasticAddress>,
    /// Its address in its subnet.
    pub private_ip: String,
    /// Its interface.
    pub network_interface_id: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was deleted.
    pub delete_time: Option<Timestamp>,
    /// Where it is in its life, as of the time it was asked for.
    #[serde(skip)]
    pub state: Option<LinkState>,
    /// Its tags.
    pub tags: Tags,
    #[serde(skip)]
    pub(crate) client_token: Option<String>,
}

/// A way to a service of AWS that does not lead through the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VpcEndpoint {
    /// `vpce-…`.
    pub id: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// `Gateway` or `Interface`.
    pub endpoint_type: String,
    /// Its network.
    pub vpc_id: String,
    /// Such as `com.amazonaws.us-east-1.s3`.
    pub service_name: String,
    /// The tables that lead to a gateway endpoint.
    pub route_table_ids: Vec<String>,
    /// Where an interface endpoint has interfaces.
    pub interfaces: Vec<EndpointInterface>,
    /// Who may reach an interface endpoint.
    pub groups: Vec<GroupIdentifier>,
    /// Whether the service's own name leads to an interface endpoint.
    pub private_dns_enabled: bool,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was deleted.
    #[serde(skip)]
    pub delete_time: Option<Timestamp>,
    /// Where it is in its life, as of the time it was asked for.
    #[serde(skip)]
    pub state: Option<LinkState>,
    /// Its tags.
    pub tags: Tags,
    #[serde(skip)]
    pub(crate) client_token: Option<String>,
}

/// An interface of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointInterface {
    /// `eni-…`.
    pub id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// Its address there.
    pub private_ip: String,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Zone {
    /// Such as `us-east-1a`.
    pub name: String,
    /// Such as `use1-az1`.
    pub id: String,
    /// Its region.
    pub region: String,
}

/// A region as DescribeRegions tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionInfo {
    /// Such as `us-east-1`.
    pub name: String,
    /// Its host name.
    pub endpoint: String,
}
