//! IAM.

use crate::form::Form;
use crate::protocol::Failure;

use super::{Facts, Need, listed, listed_tags};

/// Operations on roles whose policies may ask for the role's own boundary.
const LIMITED: [&str; 5] = ["PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "DeleteRolePermissionsBoundary"];

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let form = Form::parse(&facts.request.body);
    let operation = facts.request.operation.as_str();
    let tags = listed_tags(&form, "Tags.member");
    let mut need = subject(facts, &form).giving(&tags);
    let removed = listed(&form, "TagKeys.member");
    if !removed.is_empty() {
        need.context.insert("aws:tagkeys".to_owned(), removed);
    }
    need = need
        .with_some("iam:PermissionsBoundary", form.peek("PermissionsBoundary"))
        .with_some("iam:AWSServiceName", form.peek("AWSServiceName"));
    if operation.ends_with("tachRolePolicy") {
        need = need.with_some("iam:PolicyARN", form.peek("PolicyArn"));
    }
    if LIMITED.contains(&operation) {
        let role = form.peek("RoleName").and_then(|name| facts.iam.role(name));
        need = need.with_some("iam:PermissionsBoundary", role.and_then(|role| role.boundary));
    }
    let mut needs = vec![need];
    // Giving tags to something new is a right of its own.
    let tagging = match operation {
        "CreateRole" => Some("iam:TagRole"),
        "CreateInstanceProfile" => Some("iam:TagInstanceProfile"),
        "CreatePolicy" => Some("iam:TagPolicy"),
        _ => None,
    };
    if let Some(action) = tagging.filter(|_| !tags.is_empty()) {
        needs.push(Need::new(action, needs[0].resource.clone()).giving(&tags));
    }
    if operation == "AddRoleToInstanceProfile" {
        let role = form.peek("RoleName").unwrap_or_default();
        let arn = facts.iam.role_arn(role).unwrap_or_else(|| unknown(facts, "role", role));
        needs.push(Need::pass_role(&arn, "ec2.amazonaws.com", None));
    }
    Ok(needs)
}

/// The right on what the operation is about.
fn subject(facts: &Facts<'_>, form: &Form) -> Need {
    let operation = facts.request.operation.as_str();
    let path = form.peek("Path").unwrap_or("/");
    let made = |kind: &str, name: &str| facts.need(format!("arn:aws:iam::{}:{kind}{path}{name}", facts.account));
    match operation {
        // What is listed is a path, whatever lies under it.
        "ListRoles" | "ListInstanceProfiles" => {
            let kind = if operation == "ListRoles" { "role" } else { "instance-profile" };
            return facts.need(format!("arn:aws:iam::{}:{kind}{}", facts.account, form.peek("PathPrefix").unwrap_or("/")));
        }
        "CreateServiceLinkedRole" => {
            let service = form.peek("AWSServiceName").unwrap_or_default();
            return facts.need(format!("arn:aws:iam::{}:role/aws-service-role/{service}/*", facts.account));
        }
        _ => {}
    }
    if let Some(name) = form.peek("InstanceProfileName") {
        return match (operation, facts.iam.profile(name)) {
            ("CreateInstanceProfile", _) => made("instance-profile", name),
            (_, Some(profile)) => called(facts.need(profile.arn).on_tagged("iam", &profile.tags), format!("instance profile {name}")),
            (_, None) => called(facts.need(unknown(facts, "instance-profile", name)), format!("instance profile {name}")),
        };
    }
    if let Some(name) = form.peek("RoleName") {
        return match (operation, facts.iam.role(name)) {
            ("CreateRole", _) => made("role", name),
            (_, Some(role)) => called(facts.need(role.arn).on_tagged("iam", &role.tags), format!("role {name}")),
            (_, None) => called(facts.need(unknown(facts, "role", name)), format!("role {name}")),
        };
    }
    match (form.peek("PolicyArn"), form.peek("PolicyName")) {
        (Some(arn), _) => called(facts.need(arn), format!("policy {arn}")),
        (None, Some(name)) => made("policy", name),
        (None, None) => facts.need("*"),
    }
}

fn called(need: Need, name: String) -> Need {
    Need { called: Some(name), ..need }
}

/// The path belongs to the ARN, and IAM knows it only of what is there.
fn unknown(facts: &Facts<'_>, kind: &str, name: &str) -> String {
    format!("arn:aws:iam::{}:{kind}/{name}", facts.account)
}
