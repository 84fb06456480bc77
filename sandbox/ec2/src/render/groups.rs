//! Security groups and their rules.

use sandbox_cloud::model::{IpPermission, PermissionTarget, SecurityGroup, SecurityGroupRule};
use sandbox_cloud::reply::Revoked;

use super::{group as as_group, ipv4, ipv6, tags};
use crate::xml::Xml;

pub(super) fn created(xml: &mut Xml, group: &SecurityGroup) {
    xml.leaf("return", true);
    xml.leaf("groupId", &group.id);
    xml.leaf("securityGroupArn", &group.arn);
    tags(xml, &group.tags);
}

pub(super) fn group(xml: &mut Xml, group: &SecurityGroup) {
    let owner = group.arn.split(':').nth(4).unwrap_or_default();
    xml.leaf("ownerId", owner);
    xml.leaf("groupId", &group.id);
    xml.leaf("groupName", &group.name);
    xml.leaf("groupDescription", &group.description);
    xml.leaf("vpcId", &group.vpc_id);
    xml.leaf("securityGroupArn", &group.arn);
    for (name, egress) in [("ipPermissions", false), ("ipPermissionsEgress", true)] {
        xml.list(name, joined(&group.rules, egress), |xml, p| permission(xml, &p));
    }
    tags(xml, &group.tags);
}

/// Rules with the same protocol and ports are one permission with several sources.
fn joined(rules: &[SecurityGroupRule], egress: bool) -> Vec<IpPermission> {
    let mut permissions: Vec<IpPermission> = Vec::new();
    for rule in rules.iter().filter(|r| r.egress == egress) {
        let target = PermissionTarget { target: rule.target.clone(), description: rule.description.clone() };
        let same = |p: &&mut IpPermission| (&p.protocol, p.from_port, p.to_port) == (&rule.protocol, rule.from_port, rule.to_port);
        match permissions.iter_mut().find(same) {
            Some(permission) => permission.targets.push(target),
            None => permissions.push(IpPermission {
                protocol: rule.protocol.clone(),
                from_port: rule.from_port,
                to_port: rule.to_port,
                targets: vec![target],
            }),
        }
    }
    permissions
}

fn permission(xml: &mut Xml, permission: &IpPermission) {
    xml.leaf("ipProtocol", &permission.protocol);
    xml.maybe("fromPort", permission.from_port);
    xml.maybe("toPort", permission.to_port);
    let targets = &permission.targets;
    let described = |xml: &mut Xml, t: &PermissionTarget| xml.maybe("description", t.description.as_ref());
    xml.list("groups", targets.iter().filter_map(|t| Some((t, as_group(&t.target)?))), |xml, (t, (id, user))| {
        xml.leaf("userId", user);
        xml.leaf("groupId", id);
        described(xml, t);
    });
    xml.list("ipRanges", targets.iter().filter_map(|t| Some((t, ipv4(&t.target)?))), |xml, (t, block)| {
        xml.leaf("cidrIp", block);
        described(xml, t);
    });
    xml.list("ipv6Ranges", targets.iter().filter_map(|t| Some((t, ipv6(&t.target)?))), |xml, (t, block)| {
        xml.leaf("cidrIpv6", block);
        described(xml, t);
    });
    xml.list("prefixListIds", std::iter::empty::<()>(), |_, ()| {});
}

pub(super) fn rule(xml: &mut Xml, rule: &SecurityGroupRule) {
    xml.leaf("securityGroupRuleId", &rule.id);
    xml.leaf("groupId", &rule.group_id);
    xml.leaf("groupOwnerId", &rule.owner_id);
    what_it_says(xml, rule);
    if let Some((group_id, user_id)) = as_group(&rule.target) {
        xml.element("referencedGroupInfo", |xml| {
            xml.leaf("groupId", group_id);
            xml.leaf("userId", user_id);
        });
    }
    tags(xml, &rule.tags);
}

fn what_it_says(xml: &mut Xml, rule: &SecurityGroupRule) {
    xml.leaf("isEgress", rule.egress);
    xml.leaf("ipProtocol", &rule.protocol);
    // A rule without ports has the number for "any" here, though a permission has no element for it.
    xml.leaf("fromPort", rule.from_port.unwrap_or(-1));
    xml.leaf("toPort", rule.to_port.unwrap_or(-1));
    xml.maybe("cidrIpv4", ipv4(&rule.target));
    xml.maybe("cidrIpv6", ipv6(&rule.target));
    xml.maybe("description", rule.description.as_ref());
}

pub(super) fn revoked(xml: &mut Xml, revoked: &Revoked) {
    xml.leaf("return", true);
    xml.list("revokedSecurityGroupRuleSet", &revoked.rules, |xml, rule| {
        xml.leaf("securityGroupRuleId", &rule.id);
        xml.leaf("groupId", &rule.group_id);
        what_it_says(xml, rule);
        xml.maybe("referencedGroupId", as_group(&rule.target).map(|(id, _)| id));
    });
    if !revoked.unknown.is_empty() {
        xml.list("unknownIpPermissionSet", &revoked.unknown, permission);
    }
}
