//! Roles and their inline and attached policies.

use percent_encoding::utf8_percent_encode;

use crate::callers::random_id;
use crate::form::Form;
use crate::protocol::{Failure, Request};
use crate::sigv4::STRICT;
use crate::times::iso_seconds;
use crate::xml::element;

use super::policies::{check_document, managed};
use super::state::{Iam, Role};
use super::{conflict, exists, no_such, paged};

/// Roles an account has by default.
const MOST_ROLES: usize = 1_000;
/// Characters of all inline policies of a role together, white space not counted.
const MOST_INLINE: usize = 10_240;
/// Policies attached to a role by default.
const MOST_ATTACHED: usize = 10;

impl Iam {
    pub(super) fn create_role(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        let trust = form.need("AssumeRolePolicyDocument")?;
        check_name("roleName", &name, 64)?;
        check_document(&trust)?;
        let path = check_path(form.take("Path"))?;
        let max_session = form.take("MaxSessionDuration").map_or(Some(3_600), |text| text.parse().ok());
        let max_session = max_session
            .filter(|seconds| (3_600..=43_200).contains(seconds))
            .ok_or_else(|| Failure::new(400, "ValidationError", "MaxSessionDuration must be between 3600 and 43200"))?;
        let boundary = form.take("PermissionsBoundary");
        let mut state = self.lock();
        if let Some(arn) = &boundary {
            managed(&state, arn)
                .map_err(|_| Failure::new(404, "NoSuchEntity", format!("Scope ARN: {arn} does not exist or is not attachable.")))?;
        }
        if state.roles.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(exists(format!("Role with name {name} already exists.")));
        }
        if state.roles.len() >= MOST_ROLES {
            return Err(Failure::new(409, "LimitExceeded", format!("Cannot exceed quota for RolesPerAccount: {MOST_ROLES}")));
        }
        let role = Role {
            id: format!("AROA{}", random_id(17)),
            arn: format!("arn:aws:iam::{}:role{path}{name}", self.account),
            path,
            created: request.now,
            usable: self.usable(request.now),
            trust,
            description: form.take("Description").unwrap_or_default(),
            max_session,
            boundary,
            tags: form.tags().into_iter().collect(),
            inline: Default::default(),
            attached: Default::default(),
            name: name.clone(),
        };
        let xml = format!("<Role>{}</Role>", render(&role, true));
        state.roles.insert(name, role);
        Ok(xml)
    }

    pub(super) fn get_role(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        Ok(format!("<Role>{}</Role>", render(self.lock().role(&name)?, true)))
    }

    pub(super) fn delete_role(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        let mut state = self.lock();
        let role = state.role(&name)?;
        if !role.inline.is_empty() {
            return Err(conflict("Cannot delete entity, must delete policies first."));
        }
        if !role.attached.is_empty() {
            return Err(conflict("Cannot delete entity, must detach all policies first."));
        }
        if state.profiles.values().any(|profile| profile.role.as_deref() == Some(name.as_str())) {
            return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
        }
        state.roles.remove(&name);
        Ok(String::new())
    }

    pub(super) fn list_roles(&self, form: &mut Form) -> Result<String, Failure> {
        let prefix = form.take("PathPrefix").unwrap_or_else(|| "/".to_owned());
        let state = self.lock();
        let roles: Vec<(String, String)> = state
            .roles
            .values()
            .filter(|role| role.path.starts_with(&prefix))
            .map(|role| (role.name.clone(), render(role, false)))
            .collect();
        paged(form, "Roles", &roles)
    }

    pub(super) fn update_assume_role_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let document = form.need("PolicyDocument")?;
        check_document(&document)?;
        self.lock().role(&form.need("RoleName")?)?.trust = document;
        Ok(String::new())
    }

    pub(super) fn tag_role(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        self.lock().role(&name)?.tags.extend(form.tags());
        Ok(String::new())
    }

    pub(super) fn untag_role(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        let keys = form.list("TagKeys");
        self.lock().role(&name)?.tags.retain(|key, _| !keys.contains(key));
        Ok(String::new())
    }

    pub(super) fn list_role_tags(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        let mut state = self.lock();
        let tags: Vec<(String, String)> = state.role(&name)?.tags.iter().map(|(key, value)| (key.clone(), tag(key, value))).collect();
        paged(form, "Tags", &tags)
    }

    pub(super) fn put_boundary(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        let arn = form.need("PermissionsBoundary")?;
        let mut state = self.lock();
        managed(&state, &arn)?;
        state.role(&name)?.boundary = Some(arn);
        Ok(String::new())
    }

    pub(super) fn delete_boundary(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("RoleName")?;
        let mut state = self.lock();
        let role = state.role(&name)?;
        role.boundary
            .take()
            .ok_or_else(|| Failure::new(404, "NoSuchEntity", format!("Role {name} does not have a permissions boundary.")))?;
        Ok(String::new())
    }

    pub(super) fn create_service_linked_role(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let service = form.need("AWSServiceName")?;
        if form.take("CustomSuffix").is_some() {
            return Err(Failure::gap("CustomSuffix of iam CreateServiceLinkedRole"));
        }
        let name = match service.as_str() {
            "autoscaling.amazonaws.com" => "AWSServiceRoleForAutoScaling",
            "ec2fleet.amazonaws.com" => "AWSServiceRoleForEC2Fleet",
            "spot.amazonaws.com" => "AWSServiceRoleForEC2Spot",
            "spotfleet.amazonaws.com" => "AWSServiceRoleForEC2SpotFleet",
            other => return Err(Failure::gap(format!("the service-linked role of {other}"))),
        };
        let mut state = self.lock();
        if state.roles.contains_key(name) {
            return Err(Failure::new(
                400,
                "InvalidInput",
                format!("Service role name {name} has been taken in this account, please try a different suffix."),
            ));
        }
        let path = format!("/aws-service-role/{service}/");
        let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}]});
        let role = Role {
            id: format!("AROA{}", random_id(17)),
            arn: format!("arn:aws:iam::{}:role{path}{name}", self.account),
            path,
            created: request.now,
            usable: self.usable(request.now),
            trust: trust.to_string(),
            description: form.take("Description").unwrap_or_default(),
            max_session: 3_600,
            boundary: None,
            tags: Default::default(),
            inline: Default::default(),
            attached: Default::default(),
            name: name.to_owned(),
        };
        let xml = format!("<Role>{}</Role>", render(&role, true));
        state.roles.insert(name.to_owned(), role);
        Ok(xml)
    }

    pub(super) fn put_role_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let (role, name, document) = (form.need("RoleName")?, form.need("PolicyName")?, form.need("PolicyDocument")?);
        check_name("policyName", &name, 128)?;
        check_document(&document)?;
        let mut state = self.lock();
        let entry = state.role(&role)?;
        let weight = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        let others: usize = entry.inline.iter().filter(|(known, _)| **known != name).map(|(_, text)| weight(text)).sum();
        if others + weight(&document) > MOST_INLINE {
            let message = format!("Maximum policy size of {MOST_INLINE} bytes exceeded for role {role}");
            return Err(Failure::new(409, "LimitExceeded", message));
        }
        entry.inline.insert(name, document);
        Ok(String::new())
    }

    pub(super) fn get_role_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let (role, name) = (form.need("RoleName")?, form.need("PolicyName")?);
        let mut state = self.lock();
        let document = state.role(&role)?.inline.get(&name).cloned().ok_or_else(|| no_such_inline(&name))?;
        Ok([element("RoleName", &role), element("PolicyName", &name), element("PolicyDocument", &encoded(&document))].concat())
    }

    pub(super) fn list_role_policies(&self, form: &mut Form) -> Result<String, Failure> {
        let role = form.need("RoleName")?;
        let mut state = self.lock();
        let names: Vec<(String, String)> = state.role(&role)?.inline.keys().map(|name| (name.clone(), crate::xml::escape(name))).collect();
        paged(form, "PolicyNames", &names)
    }

    pub(super) fn delete_role_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let (role, name) = (form.need("RoleName")?, form.need("PolicyName")?);
        self.lock().role(&role)?.inline.remove(&name).ok_or_else(|| no_such_inline(&name))?;
        Ok(String::new())
    }

    pub(super) fn attach_role_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let (role, arn) = (form.need("RoleName")?, form.need("PolicyArn")?);
        let mut state = self.lock();
        managed(&state, &arn)?;
        let entry = state.role(&role)?;
        if entry.attached.len() >= MOST_ATTACHED && !entry.attached.contains(&arn) {
            let message = format!("Cannot exceed quota for PoliciesPerRole: {MOST_ATTACHED}");
            return Err(Failure::new(409, "LimitExceeded", message));
        }
        entry.attached.insert(arn);
        Ok(String::new())
    }

    pub(super) fn detach_role_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let (role, arn) = (form.need("RoleName")?, form.need("PolicyArn")?);
        let mut state = self.lock();
        if !state.role(&role)?.attached.remove(&arn) {
            return Err(Failure::new(404, "NoSuchEntity", format!("Policy {arn} was not found.")));
        }
        Ok(String::new())
    }

    pub(super) fn list_attached(&self, form: &mut Form) -> Result<String, Failure> {
        let role = form.need("RoleName")?;
        let prefix = form.take("PathPrefix").unwrap_or_else(|| "/".to_owned());
        let mut state = self.lock();
        let list: Vec<(String, String)> = state
            .role(&role)?
            .attached
            .iter()
            .filter(|arn| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(&prefix)))
            .map(|arn| {
                let name = arn.rsplit('/').next().unwrap_or_default();
                (arn.clone(), element("PolicyName", name) + &element("PolicyArn", arn))
            })
            .collect();
        paged(form, "AttachedPolicies", &list)
    }
}

fn no_such_inline(name: &str) -> Failure {
    no_such("role policy", name)
}

/// A role's XML. Lists leave out what only `GetRole` shows.
pub(super) fn render(role: &Role, whole: bool) -> String {
    let mut xml = [
        element("Path", &role.path),
        element("RoleName", &role.name),
        element("RoleId", &role.id),
        element("Arn", &role.arn),
        element("CreateDate", &iso_seconds(role.created)),
        element("AssumeRolePolicyDocument", &encoded(&role.trust)),
        element("MaxSessionDuration", &role.max_session.to_string()),
    ]
    .concat();
    if !role.description.is_empty() {
        xml.push_str(&element("Description", &role.description));
    }
    if whole {
        if let Some(arn) = &role.boundary {
            xml.push_str(&format!(
                "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>{}</PermissionsBoundary>",
                element("PermissionsBoundaryArn", arn)
            ));
        }
        xml.push_str(&render_tags(&role.tags));
    }
    xml
}

/// The `Tags` element, if there are any.
pub(super) fn render_tags(tags: &std::collections::BTreeMap<String, String>) -> String {
    if tags.is_empty() {
        return String::new();
    }
    let members: String = tags.iter().map(|(key, value)| format!("<member>{}</member>", tag(key, value))).collect();
    format!("<Tags>{members}</Tags>")
}

fn tag(key: &str, value: &str) -> String {
    element("Key", key) + &element("Value", value)
}

/// IAM returns documents percent-encoded.
pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, STRICT).to_string()
}

pub(super) fn check_name(member: &str, name: &str, most: usize) -> Result<(), Failure> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || name.len() > most || !name.chars().all(valid) {
        return Err(Failure::new(
            400,
            "ValidationError",
            format!(
                "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: \
                 +=,.@_- and have at most {most} characters"
            ),
        ));
    }
    Ok(())
}

pub(super) fn check_path(path: Option<String>) -> Result<String, Failure> {
    let path = path.unwrap_or_else(|| "/".to_owned());
    if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && path.is_ascii() {
        Ok(path)
    } else {
        Err(Failure::new(
            400,
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ))
    }
}
