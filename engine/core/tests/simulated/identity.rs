//! IAM and STS.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_core::ports::{self, Caller, Identity, Result, RoleRequest, Tags};
use spawn_model::layout::ROLE_PATH;

use super::door::Door;
use super::{ACCOUNT, State, refusal, tolerate};

const GONE: &[&str] = &["NoSuchEntity"];
const THERE: &[&str] = &["EntityAlreadyExists"];
/// The name of a role's inline policy.
const OWN: &str = "spawn";

/// A role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// Its ARN.
    pub(crate) arn: String,
    /// Who may assume it.
    pub(crate) service: String,
    /// Its permissions boundary.
    pub(crate) boundary: Option<String>,
    /// Its inline policy.
    pub(crate) policy: Option<String>,
    /// The names of inline policies that somebody else gave it.
    pub(crate) others: BTreeSet<String>,
    /// Managed policies that it has too.
    pub(crate) managed: BTreeSet<String>,
    /// Its tags.
    pub(crate) tags: Tags,
    /// When it was made.
    pub(crate) made_at: Timestamp,
}

impl Role {
    /// The names of its inline policies.
    fn inline(&self) -> Vec<String> {
        self.policy.iter().map(|_| OWN.to_owned()).chain(self.others.iter().cloned()).collect()
    }
}

/// An instance profile.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Its ARN.
    pub(crate) arn: String,
    /// Its role.
    pub(crate) role: Option<String>,
    /// Its tags.
    pub(crate) tags: Tags,
}

fn no_such(what: &str, name: &str) -> spawn_model::error::Error {
    refusal("NoSuchEntity", 404, format!("The {what} with name {name} cannot be found."))
}

fn exists(what: &str, name: &str) -> spawn_model::error::Error {
    refusal("EntityAlreadyExists", 409, format!("{what} with name {name} already exists."))
}

impl State {
    fn role(&mut self, name: &str) -> Result<&mut Role> {
        self.roles.get_mut(name).ok_or_else(|| no_such("role", name))
    }

    fn profile(&mut self, name: &str) -> Result<&mut Profile> {
        self.profiles.get_mut(name).ok_or_else(|| no_such("instance profile", name))
    }

    fn role_create(&mut self, request: &RoleRequest, now: Timestamp) -> Result<String> {
        let name = &request.name;
        if self.roles.contains_key(name) {
            return Err(exists("Role", name));
        }
        if request.boundary.as_ref().is_some_and(|arn| !self.policies.contains_key(arn)) {
            return Err(no_such("policy", request.boundary.as_deref().unwrap_or_default()));
        }
        let arn = format!("arn:aws:iam::{ACCOUNT}:role{ROLE_PATH}{name}");
        let (service, boundary, tags) = (request.service.clone(), request.boundary.clone(), request.tags.clone());
        let (policy, others, managed) = (None, BTreeSet::new(), BTreeSet::new());
        self.roles.insert(name.clone(), Role { arn: arn.clone(), service, boundary, policy, others, managed, tags, made_at: now });
        Ok(arn)
    }

    fn role_attach(&mut self, profile: &str, role: &str, now: Timestamp) -> Result<()> {
        self.role(role)?;
        let found = self.profile(profile)?;
        if found.role.is_some() {
            return Err(refusal("LimitExceeded", 409, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
        }
        found.role = Some(role.to_owned());
        self.profiles_due.insert((now + self.profile_delay, profile.to_owned()));
        Ok(())
    }

    fn role_detach(&mut self, profile: &str, role: &str) -> Result<()> {
        let found = self.profile(profile)?;
        if found.role.as_deref() != Some(role) {
            return Err(no_such("role", role));
        }
        found.role = None;
        Ok(())
    }

    fn profile_remove(&mut self, name: &str) -> Result<()> {
        if self.profile(name)?.role.is_some() {
            return Err(refusal("DeleteConflict", 409, "Cannot delete entity, must remove roles from instance profile first."));
        }
        self.profiles.remove(name);
        self.cloud.profile_forgotten(name);
        Ok(())
    }

    fn role_remove(&mut self, name: &str) -> Result<()> {
        let role = self.role(name)?;
        if !role.inline().is_empty() || !role.managed.is_empty() {
            return Err(refusal("DeleteConflict", 409, "Cannot delete entity, must delete policies first."));
        }
        if self.profiles.values().any(|profile| profile.role.as_deref() == Some(name)) {
            return Err(refusal("DeleteConflict", 409, "Cannot delete entity, must remove roles from instance profile first."));
        }
        self.roles.remove(name);
        Ok(())
    }
}

#[async_trait]
impl Identity for Door {
    async fn caller(&self) -> Result<Caller> {
        self.call("sts:GetCallerIdentity", |_, _| Ok(self.who().clone())).await
    }

    async fn role_ensure(&self, role: &RoleRequest) -> Result<String> {
        let created = self.call("iam:CreateRole", |s, now| s.role_create(role, now)).await;
        let arn = match tolerate(created, THERE)? {
            Some(arn) => arn,
            None => self.call("iam:GetRole", |s, _| Ok(s.role(&role.name)?.arn.clone())).await?,
        };
        self.role_policy_put(&role.name, &role.policy).await?;
        for policy in &role.managed {
            self.call("iam:AttachRolePolicy", |s, _| {
                if !s.policies.contains_key(policy) {
                    return Err(no_such("policy", policy));
                }
                s.role(&role.name)?.managed.insert(policy.clone());
                Ok(())
            })
            .await?;
        }
        Ok(arn)
    }

    async fn role_policy(&self, name: &str) -> Result<Option<String>> {
        self.call("iam:GetRolePolicy", |s, _| Ok(s.roles.get(name).and_then(|role| role.policy.clone()))).await
    }

    async fn role(&self, name: &str) -> Result<Option<ports::Role>> {
        let found = tolerate(self.call("iam:GetRole", |s, _| Ok(s.role(name)?.clone())).await, GONE)?;
        let managed = tolerate(self.call("iam:ListAttachedRolePolicies", |s, _| Ok(s.role(name)?.managed.clone())).await, GONE)?;
        let inline = tolerate(self.call("iam:ListRolePolicies", |s, _| Ok(s.role(name)?.inline())).await, GONE)?;
        Ok(found.map(|role| ports::Role {
            service: Some(role.service),
            boundary: role.boundary,
            managed: managed.into_iter().flatten().collect(),
            others: inline.into_iter().flatten().filter(|name| name != OWN).collect(),
        }))
    }

    async fn role_policy_put(&self, name: &str, policy: &str) -> Result<()> {
        self.call("iam:PutRolePolicy", |s, _| {
            s.role(name)?.policy = Some(policy.to_owned());
            Ok(())
        })
        .await
    }

    async fn profile_ensure(&self, name: &str, tags: &Tags) -> Result<()> {
        let created = self.call("iam:CreateInstanceProfile", |s, _| {
            if s.profiles.contains_key(name) {
                return Err(exists("Instance Profile", name));
            }
            let arn = format!("arn:aws:iam::{ACCOUNT}:instance-profile{ROLE_PATH}{name}");
            s.profiles.insert(name.to_owned(), Profile { arn, role: None, tags: tags.clone() });
            Ok(())
        });
        let there = tolerate(created.await, THERE)?.is_none();
        if there && self.call("iam:GetInstanceProfile", |s, _| Ok(s.profile(name)?.role.is_some())).await? {
            return Ok(());
        }
        self.call("iam:AddRoleToInstanceProfile", |s, now| s.role_attach(name, name, now)).await
    }

    async fn role_delete(&self, name: &str) -> Result<()> {
        tolerate(self.call("iam:RemoveRoleFromInstanceProfile", |s, _| s.role_detach(name, name)).await, GONE)?;
        tolerate(self.call("iam:DeleteInstanceProfile", |s, _| s.profile_remove(name)).await, GONE)?;
        let inline = self.call("iam:ListRolePolicies", |s, _| Ok(s.role(name)?.inline())).await;
        for policy in tolerate(inline, GONE)?.into_iter().flatten() {
            let deleted = self.call("iam:DeleteRolePolicy", |s, _| {
                let role = s.role(name)?;
                if policy == OWN {
                    role.policy = None;
                } else {
                    role.others.remove(&policy);
                }
                Ok(())
            });
            tolerate(deleted.await, GONE)?;
        }
        let attached = self.call("iam:ListAttachedRolePolicies", |s, _| Ok(s.role(name)?.managed.clone())).await;
        for policy in tolerate(attached, GONE)?.into_iter().flatten() {
            let detached = self.call("iam:DetachRolePolicy", |s, _| {
                s.role(name)?.managed.remove(&policy);
                Ok(())
            });
            tolerate(detached.await, GONE)?;
        }
        tolerate(self.call("iam:DeleteRole", |s, _| s.role_remove(name)).await, GONE).map(drop)
    }

    async fn roles(&self, name_prefix: &str) -> Result<Vec<String>> {
        self.call("iam:ListRoles", |s, _| Ok(s.roles.keys().filter(|name| name.starts_with(name_prefix)).cloned().collect())).await
    }

    async fn service_role_ensure(&self, service: &str) -> Result<()> {
        let created = self.call("iam:CreateServiceLinkedRole", |s, _| {
            if s.service_roles.insert(service.to_owned()) {
                return Ok(());
            }
            Err(refusal("InvalidInput", 400, "Service role name has been taken in this account, please try a different suffix"))
        });
        match created.await {
            Err(error) if error.code == "InvalidInput" && error.message.contains("has been taken") => Ok(()),
            created => created,
        }
    }

    async fn policy_document(&self, arn: &str) -> Result<Option<String>> {
        if !self.call("iam:GetPolicy", |s, _| Ok(s.policies.contains_key(arn))).await? {
            return Ok(None);
        }
        self.call("iam:GetPolicyVersion", |s, _| Ok(s.policies.get(arn).cloned())).await
    }

    async fn policy_ensure(&self, account: &str, name: &str, document: &str) -> Result<String> {
        let arn = format!("arn:aws:iam::{account}:policy{ROLE_PATH}{name}");
        let created = self.call("iam:CreatePolicy", |s, _| {
            if s.policies.contains_key(&arn) {
                return Err(exists("A policy", name));
            }
            s.policies.insert(arn.clone(), document.to_owned());
            Ok(())
        });
        if tolerate(created.await, THERE)?.is_some() {
            return Ok(arn);
        }
        self.call("iam:GetPolicy", |_, _| Ok(())).await?;
        let known = self.call("iam:GetPolicyVersion", |s, _| Ok(s.policies.get(&arn).cloned())).await?;
        if known.as_deref() != Some(document) {
            self.call("iam:ListPolicyVersions", |_, _| Ok(())).await?;
            self.call("iam:CreatePolicyVersion", |s, _| {
                s.policies.insert(arn.clone(), document.to_owned());
                Ok(())
            })
            .await?;
        }
        Ok(arn)
    }

    async fn policy_delete(&self, arn: &str) -> Result<()> {
        if !self.call("iam:ListPolicyVersions", |s, _| Ok(s.policies.contains_key(arn))).await? {
            return Ok(());
        }
        self.call("iam:DeletePolicy", |s, _| {
            if s.roles.values().any(|role| role.boundary.as_deref() == Some(arn)) {
                return Err(refusal("DeleteConflict", 409, "Cannot delete a policy attached to entities."));
            }
            s.policies.remove(arn);
            Ok(())
        })
        .await
    }
}
