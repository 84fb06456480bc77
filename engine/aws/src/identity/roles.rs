//! Roles and the instance profiles that carry them.

use futures::try_join;
use spawn_core::ports::{Result, Role, RoleRequest, Tags};
use spawn_model::error::{Class, Error};
use spawn_model::layout::ROLE_PATH;

use super::policies::decoded;
use super::trust::{needs_account, trust_policy, trusted};
use super::{GONE, Iam, iam_tags, unexpected};
use crate::endpoint::Call;
use crate::error::Tolerate;

const CREATE: Call = Call::once("iam", "CreateRole");
const GET: Call = Call::repeatable("iam", "GetRole");
const LIST: Call = Call::repeatable("iam", "ListRoles");
const DELETE: Call = Call::repeatable("iam", "DeleteRole");
const GET_POLICY: Call = Call::repeatable("iam", "GetRolePolicy");
const PUT_POLICY: Call = Call::repeatable("iam", "PutRolePolicy");
const LIST_POLICIES: Call = Call::repeatable("iam", "ListRolePolicies");
const DELETE_POLICY: Call = Call::repeatable("iam", "DeleteRolePolicy");
const ATTACH: Call = Call::repeatable("iam", "AttachRolePolicy");
const LIST_ATTACHED: Call = Call::repeatable("iam", "ListAttachedRolePolicies");
const DETACH: Call = Call::repeatable("iam", "DetachRolePolicy");
const CREATE_SERVICE_ROLE: Call = Call::repeatable("iam", "CreateServiceLinkedRole");
const CREATE_PROFILE: Call = Call::once("iam", "CreateInstanceProfile");
const GET_PROFILE: Call = Call::repeatable("iam", "GetInstanceProfile");
const ADD_ROLE: Call = Call::repeatable("iam", "AddRoleToInstanceProfile");
const REMOVE_ROLE: Call = Call::repeatable("iam", "RemoveRoleFromInstanceProfile");
const DELETE_PROFILE: Call = Call::repeatable("iam", "DeleteInstanceProfile");

/// The name of a role's one inline policy.
const POLICY_NAME: &str = "spawn";

impl Iam {
    pub(super) async fn role_make(&self, role: &RoleRequest) -> Result<String> {
        let account = if needs_account(&role.service) { Some(self.account.id().await?) } else { None };
        let create = self
            .client
            .create_role()
            .path(ROLE_PATH)
            .role_name(&role.name)
            .assume_role_policy_document(trust_policy(&role.service, account))
            .set_permissions_boundary(role.boundary.clone())
            .set_tags(Some(iam_tags(&role.tags)?).filter(|tags| !tags.is_empty()));
        let created = self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["EntityAlreadyExists"])?;
        let arn = match created {
            Some(answer) => answer.role.ok_or_else(|| unexpected(CREATE, "a role"))?.arn,
            None => self.role_arn(&role.name).await?,
        };
        self.put_policy(&role.name, &role.policy).await?;
        for policy in &role.managed {
            let attach = self.client.attach_role_policy().role_name(&role.name).policy_arn(policy);
            self.endpoint.call(ATTACH, || attach.clone().send()).await?;
        }
        Ok(arn)
    }

    pub(super) async fn get_policy(&self, role: &str) -> Result<Option<String>> {
        let get = self.client.get_role_policy().role_name(role).policy_name(POLICY_NAME);
        let answer = self.endpoint.call(GET_POLICY, || get.clone().send()).await.tolerate(GONE)?;
        Ok(answer.map(|answer| decoded(&answer.policy_document)))
    }

    pub(super) async fn role_found(&self, name: &str) -> Result<Option<Role>> {
        let get = self.client.get_role().role_name(name);
        let attached = self.client.list_attached_role_policies().role_name(name);
        let inline = self.client.list_role_policies().role_name(name);
        let (found, attached, inline) = try_join!(
            async { self.endpoint.call(GET, || get.clone().send()).await.tolerate(GONE) },
            async { self.endpoint.call(LIST_ATTACHED, || attached.clone().send()).await.tolerate(GONE) },
            async { self.endpoint.call(LIST_POLICIES, || inline.clone().send()).await.tolerate(GONE) },
        )?;
        let Some(role) = found.and_then(|answer| answer.role) else { return Ok(None) };
        let account = role.arn.split(':').nth(4).unwrap_or_default();
        let document = role.assume_role_policy_document.as_deref().map(decoded);
        let boundary = role.permissions_boundary.as_ref().and_then(|boundary| boundary.permissions_boundary_arn());
        let managed = attached.iter().flat_map(|answer| answer.attached_policies()).filter_map(|policy| policy.policy_arn());
        let others = inline.iter().flat_map(|answer| answer.policy_names()).filter(|name| *name != POLICY_NAME);
        Ok(Some(Role {
            service: document.and_then(|document| trusted(&document, account)),
            boundary: boundary.map(str::to_owned),
            managed: managed.map(str::to_owned).collect(),
            others: others.cloned().collect(),
        }))
    }

    pub(super) async fn put_policy(&self, role: &str, policy: &str) -> Result<()> {
        let put = self.client.put_role_policy().role_name(role).policy_name(POLICY_NAME).policy_document(policy);
        self.endpoint.call(PUT_POLICY, || put.clone().send()).await.map(drop)
    }

    /// The ARN of a role that is there already, if it is one of ours.
    async fn role_arn(&self, name: &str) -> Result<String> {
        let get = self.client.get_role().role_name(name);
        let role = self.endpoint.call(GET, || get.clone().send()).await?.role.ok_or_else(|| unexpected(GET, "a role"))?;
        if role.path != ROLE_PATH {
            return Err(not_ours("role", name, &role.path));
        }
        Ok(role.arn)
    }

    /// That the role is there already has no code of its own.
    pub(super) async fn service_role_make(&self, service: &str) -> Result<()> {
        let create = self.client.create_service_linked_role().aws_service_name(service);
        match self.endpoint.call(CREATE_SERVICE_ROLE, || create.clone().send()).await {
            Err(error) if error.code == "InvalidInput" && error.message.contains("has been taken") => Ok(()),
            created => created.map(drop),
        }
    }

    pub(super) async fn profile_make(&self, name: &str, tags: &Tags) -> Result<()> {
        let create = self
            .client
            .create_instance_profile()
            .path(ROLE_PATH)
            .instance_profile_name(name)
            .set_tags(Some(iam_tags(tags)?).filter(|tags| !tags.is_empty()));
        let created = self.endpoint.call(CREATE_PROFILE, || create.clone().send()).await.tolerate(&["EntityAlreadyExists"])?;
        if created.is_none() && self.profile_has_role(name).await? {
            return Ok(());
        }
        let add = self.client.add_role_to_instance_profile().instance_profile_name(name).role_name(name);
        // A profile holds one role: a repeated call finds it full.
        let added = self.endpoint.call(ADD_ROLE, || add.clone().send()).await.tolerate(&["EntityAlreadyExists", "LimitExceeded"])?;
        if added.is_none() && !self.profile_has_role(name).await? {
            return Err(Error::new(Class::Conflict, "LimitExceeded", format!("the instance profile {name} lost its role"), "Try again"));
        }
        Ok(())
    }

    /// Whether a profile carries the role of its name.
    async fn profile_has_role(&self, name: &str) -> Result<bool> {
        let get = self.client.get_instance_profile().instance_profile_name(name);
        let answer = self.endpoint.call(GET_PROFILE, || get.clone().send()).await?;
        let profile = answer.instance_profile.ok_or_else(|| unexpected(GET_PROFILE, "a profile"))?;
        if profile.path != ROLE_PATH {
            return Err(not_ours("instance profile", name, &profile.path));
        }
        match profile.roles().first() {
            None => Ok(false),
            Some(role) if role.role_name() == name => Ok(true),
            Some(role) => {
                let message = format!("the instance profile {name} carries another role, {}", role.role_name());
                Err(Error::new(Class::Conflict, "ProfileTaken", message, "Delete the profile, or see who made it"))
            }
        }
    }

    pub(super) async fn role_remove(&self, name: &str) -> Result<()> {
        let remove = self.client.remove_role_from_instance_profile().instance_profile_name(name).role_name(name);
        self.endpoint.call(REMOVE_ROLE, || remove.clone().send()).await.tolerate(GONE)?;
        let delete = self.client.delete_instance_profile().instance_profile_name(name);
        self.endpoint.call(DELETE_PROFILE, || delete.clone().send()).await.tolerate(GONE)?;
        self.role_policies_remove(name).await?;
        let delete = self.client.delete_role().role_name(name);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(GONE)?;
        Ok(())
    }

    /// Takes everything from a role that would keep it from being deleted. A role has at most 20 policies of either kind: one page.
    async fn role_policies_remove(&self, name: &str) -> Result<()> {
        let list = self.client.list_role_policies().role_name(name);
        let inline = self.endpoint.call(LIST_POLICIES, || list.clone().send()).await.tolerate(GONE)?;
        for policy in inline.iter().flat_map(|answer| answer.policy_names()) {
            let delete = self.client.delete_role_policy().role_name(name).policy_name(policy);
            self.endpoint.call(DELETE_POLICY, || delete.clone().send()).await.tolerate(GONE)?;
        }
        let list = self.client.list_attached_role_policies().role_name(name);
        let attached = self.endpoint.call(LIST_ATTACHED, || list.clone().send()).await.tolerate(GONE)?;
        for arn in attached.iter().flat_map(|answer| answer.attached_policies()).filter_map(|policy| policy.policy_arn()) {
            let detach = self.client.detach_role_policy().role_name(name).policy_arn(arn);
            self.endpoint.call(DETACH, || detach.clone().send()).await.tolerate(GONE)?;
        }
        Ok(())
    }

    pub(super) async fn role_names(&self, name_prefix: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut marker = None;
        loop {
            let list = self.client.list_roles().path_prefix(ROLE_PATH).set_marker(marker.take());
            let page = self.endpoint.call(LIST, || list.clone().send()).await?;
            names.extend(page.roles().iter().map(|role| role.role_name()).filter(|name| name.starts_with(name_prefix)).map(str::to_owned));
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(names);
            }
        }
    }
}

fn not_ours(what: &str, name: &str, path: &str) -> Error {
    let message = format!("the {what} {name} is there already, under the path {path}, and is not one of spawn's");
    Error::new(Class::Conflict, "EntityAlreadyExists", message, format!("Delete or rename the {what}"))
}
