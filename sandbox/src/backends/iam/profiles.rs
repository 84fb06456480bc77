//! Instance profiles.

use crate::callers::random_id;
use crate::form::Form;
use crate::protocol::{Failure, Request};
use crate::times::iso_seconds;
use crate::xml::element;

use super::roles::{check_name, check_path, render, render_tags};
use super::state::{Iam, Profile, ProfileChange, State};
use super::{conflict, exists, paged};

impl Iam {
    pub(super) fn create_profile(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("InstanceProfileName")?;
        check_name("instanceProfileName", &name, 128)?;
        let path = check_path(form.take("Path"))?;
        let mut state = self.lock();
        if state.profiles.contains_key(&name) {
            return Err(exists(format!("Instance Profile {name} already exists.")));
        }
        let profile = Profile {
            id: format!("AIPA{}", random_id(17)),
            arn: format!("arn:aws:iam::{}:instance-profile{path}{name}", self.account),
            path,
            created: request.now,
            usable: self.usable(request.now),
            role: None,
            role_usable: request.now,
            tags: form.tags().into_iter().collect(),
            name: name.clone(),
        };
        state.changes.push(ProfileChange::Known {
            name: name.clone(),
            arn: profile.arn.clone(),
            id: profile.id.clone(),
            at: profile.usable,
        });
        let xml = wrapped(&state, &profile);
        state.profiles.insert(name, profile);
        Ok(xml)
    }

    pub(super) fn get_profile(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("InstanceProfileName")?;
        let mut state = self.lock();
        let profile = state.profile(&name)?.clone();
        Ok(wrapped(&state, &profile))
    }

    pub(super) fn delete_profile(&self, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("InstanceProfileName")?;
        let mut state = self.lock();
        if state.profile(&name)?.role.is_some() {
            return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
        }
        state.profiles.remove(&name);
        state.changes.retain(|change| !matches!(change, ProfileChange::Known { name: known, .. } if *known == name));
        state.changes.push(ProfileChange::Forgotten { name });
        Ok(String::new())
    }

    pub(super) fn list_profiles(&self, form: &mut Form) -> Result<String, Failure> {
        let prefix = form.take("PathPrefix").unwrap_or_else(|| "/".to_owned());
        let state = self.lock();
        let list: Vec<(String, String)> = state
            .profiles
            .values()
            .filter(|profile| profile.path.starts_with(&prefix))
            .map(|profile| (profile.name.clone(), body(&state, profile)))
            .collect();
        paged(form, "InstanceProfiles", &list)
    }

    pub(super) fn list_profiles_for_role(&self, form: &mut Form) -> Result<String, Failure> {
        let role = form.need("RoleName")?;
        let mut state = self.lock();
        state.role(&role)?;
        let list: Vec<(String, String)> = state
            .profiles
            .values()
            .filter(|profile| profile.role.as_ref() == Some(&role))
            .map(|profile| (profile.name.clone(), body(&state, profile)))
            .collect();
        paged(form, "InstanceProfiles", &list)
    }

    pub(super) fn add_role_to_profile(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let (name, role) = (form.need("InstanceProfileName")?, form.need("RoleName")?);
        let usable = self.usable(request.now);
        let mut state = self.lock();
        state.role(&role)?;
        let profile = state.profile(&name)?;
        if profile.role.is_some() {
            return Err(Failure::new(409, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
        }
        profile.role = Some(role);
        profile.role_usable = usable;
        Ok(String::new())
    }

    pub(super) fn remove_role_from_profile(&self, form: &mut Form) -> Result<String, Failure> {
        let (name, role) = (form.need("InstanceProfileName")?, form.need("RoleName")?);
        let mut state = self.lock();
        let profile = state.profile(&name)?;
        if profile.role.as_ref() != Some(&role) {
            return Err(Failure::new(404, "NoSuchEntity", format!("Role {role} in Instance Profile {name} cannot be found.")));
        }
        profile.role = None;
        Ok(String::new())
    }
}

fn wrapped(state: &State, profile: &Profile) -> String {
    format!("<InstanceProfile>{}</InstanceProfile>", body(state, profile))
}

fn body(state: &State, profile: &Profile) -> String {
    let role = profile.role.as_ref().and_then(|name| state.roles.get(name));
    let roles = role.map_or(String::new(), |role| format!("<member>{}</member>", render(role, false)));
    [
        element("Path", &profile.path),
        element("InstanceProfileName", &profile.name),
        element("InstanceProfileId", &profile.id),
        element("Arn", &profile.arn),
        element("CreateDate", &iso_seconds(profile.created)),
        format!("<Roles>{roles}</Roles>"),
        render_tags(&profile.tags),
    ]
    .concat()
}
