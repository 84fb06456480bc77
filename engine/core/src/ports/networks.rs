//! EC2's networks, as far as machines are launched into them.

use async_trait::async_trait;
use spawn_model::network::{DefaultRoute, EndpointKind, NetworkSpec};

use super::{Result, Tags};

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its network.
    pub vpc_id: String,
    /// Its availability zone.
    pub zone: String,
    /// Whether instances get public addresses unless told otherwise.
    pub public_addresses: bool,
}

impl Subnet {
    /// Whether instances of a fleet get public addresses there.
    #[must_use]
    pub fn is_public(&self, network: &NetworkSpec) -> bool {
        network.public_address.unwrap_or(self.public_addresses)
    }
}

/// A security group that somebody else made.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its network.
    pub vpc_id: String,
}

/// A security group of somebody's own.
#[derive(Clone, Debug, PartialEq)]
pub struct TaggedGroup {
    /// `sg-…`.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
}

/// The ways out of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaysOut {
    /// Its route tables.
    pub route_tables: Vec<RouteTable>,
    /// Its endpoints that are at work.
    pub endpoints: Vec<Endpoint>,
}

/// A route table.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteTable {
    /// `rtb-…`.
    pub id: String,
    /// Whether it is the table of every subnet that has none of its own.
    pub is_main: bool,
    /// The subnets it is the table of.
    pub subnets: Vec<String>,
    /// Where packets go that no other route takes.
    pub default_route: DefaultRoute,
}

/// An endpoint of a service in a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The service, such as `s3` or `logs`.
    pub service: String,
    /// How it leads there. Of interface endpoints only those count that have the service's own name.
    pub kind: EndpointKind,
    /// The route tables that lead to a gateway endpoint.
    pub route_tables: Vec<String>,
}

/// EC2's networks. Nothing here changes one.
#[async_trait]
pub trait Networks: Send + Sync {
    /// `DescribeSubnets`: those of the default network, by zone.
    async fn default_subnets(&self) -> Result<Vec<Subnet>>;
    /// `DescribeSubnets` by id, in the order of the ids. One that does not exist is [`spawn_model::error::Class::NotFound`].
    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>>;
    /// `DescribeSecurityGroups` by id. One that does not exist is [`spawn_model::error::Class::NotFound`].
    async fn security_groups(&self, ids: &[String]) -> Result<Vec<SecurityGroup>>;
    /// `DescribeSecurityGroups` by network and tag; one call a page of 1,000.
    async fn groups_tagged(&self, vpc_id: &str, tags: &Tags) -> Result<Vec<TaggedGroup>>;
    /// `DescribeRouteTables` and `DescribeVpcEndpoints` of a network.
    async fn ways_out(&self, vpc_id: &str) -> Result<WaysOut>;
}
