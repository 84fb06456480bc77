//! Security groups and their rules.

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::identity::{is_well_formed, stable_id};
use crate::model::{GroupIdentifier, IpPermission, PermissionTarget, RuleTarget, SecurityGroup, SecurityGroupRule, Tags};
use crate::network::vpcs;
use crate::reply::Revoked;
use crate::request::{AuthorizeRules, CreateSecurityGroup, DeleteSecurityGroup, RevokeRules};
use crate::tags;

pub(crate) mod describe;
mod rules;

/// Rules of one direction in one group.
const RULE_LIMIT: usize = 60;

/// The group every network begins with: its members reach each other and everything outside.
pub(crate) fn default_group(account: &str, region: &str, vpc_id: &str) -> SecurityGroup {
    let id = stable_id("sg", &[account, region, vpc_id]);
    let inside = RuleTarget::Group { group_id: id.clone(), user_id: account.to_owned() };
    let rule = |name: &str, egress: bool, target: RuleTarget| SecurityGroupRule {
        id: stable_id("sgr", &[account, region, vpc_id, name]),
        group_id: id.clone(),
        owner_id: account.to_owned(),
        egress,
        protocol: "-1".to_owned(),
        from_port: None,
        to_port: None,
        target,
        description: None,
        tags: Tags::new(),
    };
    SecurityGroup {
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        vpc_id: vpc_id.to_owned(),
        arn: format!("arn:aws:ec2:{region}:{account}:security-group/{id}"),
        rules: vec![rule("in", false, inside), rule("out", true, RuleTarget::Ipv4("0.0.0.0/0".to_owned()))],
        tags: Tags::new(),
        id,
    }
}

fn unknown(id: &str) -> ApiError {
    if is_well_formed(id, "sg") {
        ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
    } else {
        ApiError::new("InvalidGroupId.Malformed", format!("Invalid id: \"{id}\" (expecting \"sg-...\")"))
    }
}

/// The group with this id.
pub(crate) fn by_id<'a>(region: &'a Region, id: &str) -> Result<&'a SecurityGroup, ApiError> {
    region.groups.get(id).ok_or_else(|| unknown(id))
}

/// The group of the default network with this name.
pub(crate) fn by_name<'a>(region: &'a Region, name: &str) -> Result<&'a SecurityGroup, ApiError> {
    let vpc = &region.network.needed_default_vpc()?.id;
    region.groups.values().find(|g| g.vpc_id == *vpc && g.name == name).ok_or_else(|| unknown_name(name, vpc))
}

fn unknown_name(name: &str, vpc: &str) -> ApiError {
    ApiError::new("InvalidGroup.NotFound", format!("The security group '{name}' does not exist in default VPC '{vpc}'"))
}

/// The group that a network began with.
pub(crate) fn default_of(region: &Region, vpc_id: &str) -> Result<GroupIdentifier, ApiError> {
    let found = region.groups.values().find(|g| g.vpc_id == vpc_id && g.name == "default");
    found.map(|g| GroupIdentifier { id: g.id.clone(), name: g.name.clone() }).ok_or_else(|| vpcs::unknown(vpc_id))
}

fn named<'a>(region: &'a Region, id: &Option<String>, name: &Option<String>) -> Result<&'a SecurityGroup, ApiError> {
    match (id, name) {
        (Some(id), None) => by_id(region, id),
        (None, Some(name)) => by_name(region, name),
        (Some(_), Some(_)) => Err(ApiError::combination("The parameter groupName cannot be used with the parameter groupId")),
        (None, None) => Err(ApiError::missing("groupName or groupId")),
    }
}

pub(crate) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateSecurityGroup) -> Result<SecurityGroup, ApiError> {
    check_text("groupName", &request.group_name)?;
    check_text("groupDescription", &request.description)?;
    let name = &request.group_name;
    if name.starts_with("sg-") {
        return Err(ApiError::value(format!(
            "Value ({name}) for parameter groupName is invalid. Group names may not be in the format sg-*."
        )));
    }
    if name == "default" {
        return Err(ApiError::new("InvalidGroup.Reserved", "Cannot use reserved security group name: default"));
    }
    let here = cloud.region(region);
    let vpc_id = match &request.vpc_id {
        Some(id) if !here.network.vpcs.contains_key(id) => return Err(vpcs::unknown(id)),
        Some(id) => id.clone(),
        None => here.network.needed_default_vpc()?.id.clone(),
    };
    if here.groups.values().any(|g| g.vpc_id == vpc_id && g.name == *name) {
        return Err(ApiError::new("InvalidGroup.Duplicate", format!("The security group '{name}' already exists for VPC '{vpc_id}'")));
    }
    let tags = tags::specified(&request.tag_specifications, "security-group")?;
    let account = cloud.config.account_id.clone();
    let id = cloud.generator.id("sg");
    let open = SecurityGroupRule {
        id: cloud.generator.id("sgr"),
        group_id: id.clone(),
        owner_id: account.clone(),
        egress: true,
        protocol: "-1".to_owned(),
        from_port: None,
        to_port: None,
        target: RuleTarget::Ipv4("0.0.0.0/0".to_owned()),
        description: None,
        tags: Tags::new(),
    };
    let group = SecurityGroup {
        name: name.clone(),
        description: request.description.clone(),
        vpc_id,
        arn: format!("arn:aws:ec2:{region}:{account}:security-group/{id}"),
        rules: vec![open],
        tags,
        id: id.clone(),
    };
    cloud.region_mut(region).groups.insert(now, id, group.clone());
    Ok(group)
}

fn check_text(parameter: &str, text: &str) -> Result<(), ApiError> {
    if text.is_empty() {
        return Err(ApiError::missing(parameter));
    }
    if text.chars().count() > 255 {
        return Err(ApiError::value(format!("Value ({text}) for parameter {parameter} is invalid. Character limit is 255.")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if !text.chars().all(allowed) {
        return Err(ApiError::value(format!(
            "Value ({text}) for parameter {parameter} is invalid. Valid characters are a-z, A-Z, 0-9, spaces, and \
             ._-:/()#,@[]+=&;{{}}!$*"
        )));
    }
    Ok(())
}

fn unknown_rule(id: &str) -> ApiError {
    ApiError::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}

pub(crate) fn authorize(
    cloud: &mut Cloud,
    now: Timestamp,
    region: &str,
    request: &AuthorizeRules,
    egress: bool,
) -> Result<Vec<SecurityGroupRule>, ApiError> {
    let here = cloud.region(region);
    let group = named(here, &request.group_id, &request.group_name)?.clone();
    let tags = tags::specified(&request.tag_specifications, "security-group-rule")?;
    let account = cloud.config.account_id.clone();
    let permissions = rules::normalized(&request.permissions, &account)?;
    let mut added: Vec<SecurityGroupRule> = Vec::new();
    for permission in &permissions {
        for target in &permission.targets {
            if let RuleTarget::Group { group_id, .. } = &target.target {
                by_id(here, group_id)?;
            }
            let rule = new_rule(&group, egress, permission, target, &account, &tags);
            if group.rules.iter().chain(&added).any(|r| rules::same(r, &rule)) {
                let words = rules::words(&rule);
                return Err(ApiError::new("InvalidPermission.Duplicate", format!("the specified rule \"{words}\" already exists")));
            }
            added.push(rule);
        }
    }
    if group.rules.iter().filter(|r| r.egress == egress).count() + added.len() > RULE_LIMIT {
        return Err(ApiError::new(
            "RulesPerSecurityGroupLimitExceeded",
            "The maximum number of rules per security group has been reached.",
        ));
    }
    for rule in &mut added {
        rule.id = cloud.generator.id("sgr");
    }
    cloud.region_mut(region).groups.change(now, &group.id, |g| g.rules.extend(added.iter().cloned()));
    Ok(added)
}

fn new_rule(
    group: &SecurityGroup,
    egress: bool,
    permission: &IpPermission,
    target: &PermissionTarget,
    account: &str,
    tags: &Tags,
) -> SecurityGroupRule {
    SecurityGroupRule {
        // Drawn once every rule of the call has been accepted.
        id: String::new(),
        group_id: group.id.clone(),
        owner_id: account.to_owned(),
        egress,
        protocol: permission.protocol.clone(),
        from_port: permission.from_port,
        to_port: permission.to_port,
        target: target.target.clone(),
        description: target.description.clone(),
        tags: tags.clone(),
    }
}

pub(crate) fn revoke(region: &mut Region, now: Timestamp, request: &RevokeRules, egress: bool) -> Result<Revoked, ApiError> {
    let group = named(region, &request.group_id, &request.group_name)?.clone();
    if !request.rule_ids.is_empty() && !request.permissions.is_empty() {
        return Err(ApiError::combination("The parameter securityGroupRuleIds cannot be used with the parameter ipPermissions"));
    }
    let mut removed: Vec<SecurityGroupRule> = Vec::new();
    for id in &request.rule_ids {
        let rule = group.rules.iter().find(|r| r.id == *id && r.egress == egress).ok_or_else(|| unknown_rule(id))?;
        removed.push(rule.clone());
    }
    let owner = group.rules.first().map(|r| r.owner_id.clone()).unwrap_or_default();
    let mut unknown: Vec<IpPermission> = Vec::new();
    let permissions = if request.rule_ids.is_empty() { rules::normalized(&request.permissions, &owner)? } else { Vec::new() };
    for permission in &permissions {
        for target in &permission.targets {
            let wanted = new_rule(&group, egress, permission, target, &owner, &Tags::new());
            match group.rules.iter().find(|r| rules::same(r, &wanted)) {
                Some(rule) => removed.push(rule.clone()),
                // In the default network EC2 tells what was not there and calls it a success.
                None => unknown.push(IpPermission { targets: vec![target.clone()], ..permission.clone() }),
            }
        }
    }
    region.groups.change(now, &group.id, |g| g.rules.retain(|r| !removed.iter().any(|gone| gone.id == r.id)));
    Ok(Revoked { rules: removed, unknown })
}

pub(crate) fn delete(cloud: &mut Cloud, now: Timestamp, region: &str, request: &DeleteSecurityGroup) -> Result<String, ApiError> {
    let here = cloud.region(region);
    let group = named(here, &request.group_id, &request.group_name)?;
    let (id, name) = (group.id.clone(), &group.name);
    if name == "default" {
        return Err(ApiError::new("CannotDelete", format!("the specified group: \"{id}\" name: \"{name}\" cannot be deleted by a user")));
    }
    let used = here.instances.values().any(|i| i.groups.iter().any(|g| g.id == id))
        || here.network.live_endpoints(&cloud.config, now).any(|e| e.groups.iter().any(|g| g.id == id));
    let referenced = here
        .groups
        .values()
        .filter(|g| g.id != id)
        .any(|g| g.rules.iter().any(|r| matches!(&r.target, RuleTarget::Group { group_id, .. } if *group_id == id)));
    if used || referenced {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    cloud.region_mut(region).groups.remove(now, &id);
    Ok(id)
}
