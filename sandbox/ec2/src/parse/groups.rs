//! Calls about security groups.

use sandbox_cloud::model::{IpPermission, PermissionTarget, RuleTarget};
use sandbox_cloud::request::{AuthorizeRules, CreateSecurityGroup, DeleteSecurityGroup, DescribeById, DescribeSecurityGroups, RevokeRules};
use sandbox_cloud::{ApiError, Request};

use crate::form::Form;

pub(super) fn create(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::CreateSecurityGroup(CreateSecurityGroup {
        group_name: form.required("GroupName")?,
        description: form.required("GroupDescription")?,
        vpc_id: form.text("VpcId"),
        tag_specifications: form.tag_specifications("")?,
    }))
}

pub(super) fn describe(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeSecurityGroups(DescribeSecurityGroups {
        group_ids: form.list("GroupId"),
        group_names: form.list("GroupName"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn describe_rules(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DescribeSecurityGroupRules(DescribeById {
        ids: form.list("SecurityGroupRuleId"),
        filters: form.filters()?,
        page: form.page()?,
    }))
}

pub(super) fn delete(form: &Form) -> Result<Request, ApiError> {
    Ok(Request::DeleteSecurityGroup(DeleteSecurityGroup { group_id: form.text("GroupId"), group_name: form.text("GroupName") }))
}

pub(super) fn authorize_ingress(form: &Form) -> Result<Request, ApiError> {
    authorize(form).map(Request::AuthorizeSecurityGroupIngress)
}

pub(super) fn authorize_egress(form: &Form) -> Result<Request, ApiError> {
    authorize(form).map(Request::AuthorizeSecurityGroupEgress)
}

pub(super) fn revoke_ingress(form: &Form) -> Result<Request, ApiError> {
    revoke(form).map(Request::RevokeSecurityGroupIngress)
}

pub(super) fn revoke_egress(form: &Form) -> Result<Request, ApiError> {
    revoke(form).map(Request::RevokeSecurityGroupEgress)
}

fn authorize(form: &Form) -> Result<AuthorizeRules, ApiError> {
    Ok(AuthorizeRules {
        group_id: form.text("GroupId"),
        group_name: form.text("GroupName"),
        permissions: permissions(form)?,
        tag_specifications: form.tag_specifications("")?,
    })
}

fn revoke(form: &Form) -> Result<RevokeRules, ApiError> {
    Ok(RevokeRules {
        group_id: form.text("GroupId"),
        group_name: form.text("GroupName"),
        permissions: permissions(form)?,
        rule_ids: form.list("SecurityGroupRuleId"),
    })
}

/// `IpPermissions.N`, or the older form with one rule in parameters of its own.
fn permissions(form: &Form) -> Result<Vec<IpPermission>, ApiError> {
    let mut permissions = form.items("IpPermissions").iter().map(|item| permission(form, item)).collect::<Result<Vec<_>, ApiError>>()?;
    if let Some(block) = form.text("CidrIp") {
        if !permissions.is_empty() {
            return Err(ApiError::new(
                "InvalidParameterCombination",
                "The parameter ipPermissions cannot be used with the parameter cidrIp",
            ));
        }
        permissions.push(IpPermission {
            protocol: form.required("IpProtocol")?,
            from_port: form.integer("FromPort")?,
            to_port: form.integer("ToPort")?,
            targets: vec![PermissionTarget { target: RuleTarget::Ipv4(block), description: None }],
        });
    }
    Ok(permissions)
}

fn permission(form: &Form, item: &str) -> Result<IpPermission, ApiError> {
    let mut targets = Vec::new();
    for range in form.items(&format!("{item}.IpRanges")) {
        let block = form.required(&format!("{range}.CidrIp"))?;
        targets.push(target(form, &range, RuleTarget::Ipv4(block)));
    }
    for range in form.items(&format!("{item}.Ipv6Ranges")) {
        let block = form.required(&format!("{range}.CidrIpv6"))?;
        targets.push(target(form, &range, RuleTarget::Ipv6(block)));
    }
    for group in form.items(&format!("{item}.Groups")) {
        let group_id = form.required(&format!("{group}.GroupId"))?;
        let user_id = form.text(&format!("{group}.UserId")).unwrap_or_default();
        targets.push(target(form, &group, RuleTarget::Group { group_id, user_id }));
    }
    Ok(IpPermission {
        protocol: form.required(&format!("{item}.IpProtocol"))?,
        from_port: form.integer(&format!("{item}.FromPort"))?,
        to_port: form.integer(&format!("{item}.ToPort"))?,
        targets,
    })
}

fn target(form: &Form, item: &str, target: RuleTarget) -> PermissionTarget {
    PermissionTarget { target, description: form.text(&format!("{item}.Description")) }
}
