//! IAM: roles, instance profiles and policies of one account.
//!
//! What is new is usable only after a delay, because IAM is eventually consistent and clients must cope.

mod policies;
mod profiles;
mod roles;
mod state;

use async_trait::async_trait;

use crate::form::Form;
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
use crate::xml::element;
pub(crate) use policies::check_document;
pub(crate) use state::{Iam, ProfileChange, Role};

impl Iam {
    fn result(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        match request.operation.as_str() {
            "CreateRole" => self.create_role(request, form),
            "GetRole" => self.get_role(form),
            "DeleteRole" => self.delete_role(form),
            "ListRoles" => self.list_roles(form),
            "UpdateAssumeRolePolicy" => self.update_assume_role_policy(form),
            "TagRole" => self.tag_role(form),
            "UntagRole" => self.untag_role(form),
            "ListRoleTags" => self.list_role_tags(form),
            "PutRolePermissionsBoundary" => self.put_boundary(form),
            "DeleteRolePermissionsBoundary" => self.delete_boundary(form),
            "CreateServiceLinkedRole" => self.create_service_linked_role(request, form),
            "PutRolePolicy" => self.put_role_policy(form),
            "GetRolePolicy" => self.get_role_policy(form),
            "ListRolePolicies" => self.list_role_policies(form),
            "DeleteRolePolicy" => self.delete_role_policy(form),
            "AttachRolePolicy" => self.attach_role_policy(form),
            "DetachRolePolicy" => self.detach_role_policy(form),
            "ListAttachedRolePolicies" => self.list_attached(form),
            "CreateInstanceProfile" => self.create_profile(request, form),
            "GetInstanceProfile" => self.get_profile(form),
            "DeleteInstanceProfile" => self.delete_profile(form),
            "ListInstanceProfiles" => self.list_profiles(form),
            "ListInstanceProfilesForRole" => self.list_profiles_for_role(form),
            "AddRoleToInstanceProfile" => self.add_role_to_profile(request, form),
            "RemoveRoleFromInstanceProfile" => self.remove_role_from_profile(form),
            "CreatePolicy" => self.create_policy(request, form),
            "GetPolicy" => self.get_policy(form),
            "GetPolicyVersion" => self.get_policy_version(form),
            "ListPolicyVersions" => self.list_policy_versions(form),
            "CreatePolicyVersion" => self.create_policy_version(request, form),
            "DeletePolicyVersion" => self.delete_policy_version(form),
            "DeletePolicy" => self.delete_policy(form),
            "ListPolicies" => self.list_policies(form),
            "GetUser" => self.get_user(request, form),
            other => Err(Failure::gap(format!("iam {other}"))),
        }
    }

    fn get_user(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let own = matches!(request.caller, crate::callers::Caller::Controller);
        match form.take("UserName").as_deref() {
            Some("controller") => {}
            Some(name) => return Err(no_such("user", name)),
            None if own => {}
            None => {
                return Err(Failure::new(400, "ValidationError", "Must specify userName when calling with non-User credentials"));
            }
        }
        let caller = crate::callers::Caller::Controller;
        Ok(format!(
            "<User>{}{}{}{}{}</User>",
            element("Path", "/"),
            element("UserName", "controller"),
            element("UserId", &caller.user_id()),
            element("Arn", &caller.arn(&self.account)),
            element("CreateDate", &crate::times::iso_seconds(self.started))
        ))
    }
}

#[async_trait]
impl Backend for Iam {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let mut form = Form::parse(&request.body);
        // Parameters are looked at before anything changes: a gap must not leave half a change behind.
        known_parameters(&request.operation, &form)?;
        let operation = request.operation.as_str();
        let result = self.result(request, &mut form)?;
        let result = if result.is_empty() { String::new() } else { format!("<{operation}Result>{result}</{operation}Result>") };
        Ok(Answer::xml(format!(
            "<{operation}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">{result}<ResponseMetadata>\
             <RequestId>{}</RequestId></ResponseMetadata></{operation}Response>",
            request.id
        )))
    }
}

const PARAMETERS: [&str; 24] = [
    "AWSServiceName",
    "AssumeRolePolicyDocument",
    "CustomSuffix",
    "Description",
    "InstanceProfileName",
    "Marker",
    "MaxItems",
    "MaxSessionDuration",
    "OnlyAttached",
    "Path",
    "PathPrefix",
    "PermissionsBoundary",
    "PolicyArn",
    "PolicyDocument",
    "PolicyName",
    "PolicyUsageFilter",
    "RoleName",
    "Scope",
    "SetAsDefault",
    "TagKeys.member",
    "Tags.member",
    "UserName",
    "VersionId",
    "Version",
];

fn known_parameters(operation: &str, form: &Form) -> Result<(), Failure> {
    let unknown = form.names().find(|name| {
        let stem = name.split(".member.").next().unwrap_or(name);
        !PARAMETERS.iter().any(|known| known.trim_end_matches(".member") == stem)
    });
    match unknown {
        Some(name) => Err(Failure::gap(format!("parameter {name} of iam {operation}"))),
        None => Ok(()),
    }
}

pub(super) fn no_such(kind: &str, name: &str) -> Failure {
    let message = match kind {
        "role" => format!("The role with name {name} cannot be found."),
        "user" => format!("The user with name {name} cannot be found."),
        "instance profile" => format!("Instance Profile {name} cannot be found."),
        "policy" => format!("Policy {name} does not exist or is not attachable."),
        other => format!("The {other} with name {name} cannot be found."),
    };
    Failure::new(404, "NoSuchEntity", message)
}

pub(super) fn exists(message: String) -> Failure {
    Failure::new(409, "EntityAlreadyExists", message)
}

pub(super) fn conflict(message: &str) -> Failure {
    Failure::new(409, "DeleteConflict", message)
}

/// One page of a list that is sorted by name: the members' XML, and what follows.
pub(super) fn paged(form: &mut Form, list: &str, items: &[(String, String)]) -> Result<String, Failure> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let most = form.take("MaxItems").map_or(Some(100), |text| text.parse::<usize>().ok().filter(|n| (1..=1_000).contains(n)));
    let most = most.ok_or_else(|| Failure::new(400, "ValidationError", "MaxItems must be between 1 and 1000"))?;
    let after = match form.take("Marker") {
        None => None,
        Some(marker) => {
            let bytes = engine.decode(&marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(bytes.ok_or_else(|| Failure::new(400, "ValidationError", format!("Invalid Marker: {marker}")))?)
        }
    };
    let rest: Vec<&(String, String)> = items.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)).collect();
    let members: String = rest.iter().take(most).map(|(_, xml)| format!("<member>{xml}</member>")).collect();
    let more = match rest.get(most.wrapping_sub(1)) {
        Some((last, _)) if rest.len() > most => {
            format!("<IsTruncated>true</IsTruncated>{}", element("Marker", &engine.encode(last)))
        }
        _ => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    Ok(format!("<{list}>{members}</{list}>{more}"))
}
