//! What IAM keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::protocol::Failure;

use super::no_such;
use super::policies::aws_document;

/// IAM of one account.
#[derive(Debug)]
pub(crate) struct Iam {
    pub(super) account: String,
    pub(super) started: Timestamp,
    pub(super) delay: SignedDuration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) profiles: BTreeMap<String, Profile>,
    /// By ARN.
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) changes: Vec<ProfileChange>,
}

/// A role.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// Name.
    pub(crate) name: String,
    /// Unique id, `AROA…`.
    pub(crate) id: String,
    /// Path, with slashes at both ends.
    pub(crate) path: String,
    /// ARN.
    pub(crate) arn: String,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// When the rest of AWS knows it.
    pub(crate) usable: Timestamp,
    /// Who may assume it: a policy document.
    pub(crate) trust: String,
    /// Description.
    pub(crate) description: String,
    /// Longest session, in seconds.
    pub(crate) max_session: u32,
    /// ARN of the permissions boundary.
    pub(crate) boundary: Option<String>,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// Inline policies by name.
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of attached policies.
    pub(crate) attached: BTreeSet<String>,
}

/// An instance profile.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// Name.
    pub(crate) name: String,
    /// Unique id, `AIPA…`.
    pub(crate) id: String,
    /// Path.
    pub(crate) path: String,
    /// ARN.
    pub(crate) arn: String,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// When EC2 knows it.
    pub(crate) usable: Timestamp,
    /// Name of its role.
    pub(crate) role: Option<String>,
    /// When machines get the role's credentials.
    pub(crate) role_usable: Timestamp,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) path: String,
    pub(super) created: Timestamp,
    pub(super) description: String,
    pub(super) tags: BTreeMap<String, String>,
    /// Number and document.
    pub(super) versions: BTreeMap<u32, (String, Timestamp)>,
    pub(super) default: u32,
    pub(super) next: u32,
}

impl Policy {
    /// The document that counts.
    pub(super) fn document(&self) -> &str {
        &self.versions[&self.default].0
    }
}

/// The policies of a role.
#[derive(Debug, Clone, Default)]
pub(crate) struct RolePolicies {
    /// Their documents.
    pub(crate) documents: Vec<String>,
    /// ARNs of those whose documents are not known.
    pub(crate) unknown: Vec<String>,
}

/// What EC2 is told about instance profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProfileChange {
    /// The profile can be used from this time on.
    Known {
        /// Name.
        name: String,
        /// ARN.
        arn: String,
        /// Unique id.
        id: String,
        /// From when.
        at: Timestamp,
    },
    /// The profile is gone.
    Forgotten {
        /// Name.
        name: String,
    },
}

/// Everything IAM keeps, for comparisons.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct IamSnapshot {
    /// Roles by name: path, tags, names of inline policies, attached policies, boundary.
    pub(crate) roles: BTreeMap<String, serde_json::Value>,
    /// Instance profiles by name: path and role.
    pub(crate) instance_profiles: BTreeMap<String, serde_json::Value>,
    /// Customer-managed policies: ARNs with their default document.
    pub(crate) policies: BTreeMap<String, String>,
}

impl Iam {
    /// An empty IAM; what is made in it is usable `delay` later.
    pub(crate) fn new(account: &str, started: Timestamp, delay: SignedDuration) -> Self {
        Self { account: account.to_owned(), started, delay, state: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// When something made now is usable.
    pub(super) fn usable(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.delay).unwrap_or(Timestamp::MAX)
    }

    /// A role by its name.
    pub(crate) fn role(&self, name: &str) -> Option<Role> {
        self.lock().roles.get(name).cloned()
    }

    /// An instance profile by its name.
    pub(crate) fn profile(&self, name: &str) -> Option<Profile> {
        self.lock().profiles.get(name).cloned()
    }

    /// A role by its ARN.
    pub(crate) fn role_by_arn(&self, arn: &str) -> Option<Role> {
        self.lock().roles.values().find(|role| role.arn == arn).cloned()
    }

    /// The role whose credentials a machine with this profile (name or ARN) gets at `now`.
    pub(crate) fn role_of_profile(&self, profile: &str, now: Timestamp) -> Option<Role> {
        let state = self.lock();
        let profile = state.profiles.values().find(|candidate| candidate.name == profile || candidate.arn == profile)?;
        if profile.usable > now || profile.role_usable > now {
            return None;
        }
        state.roles.get(profile.role.as_ref()?).filter(|role| role.usable <= now).cloned()
    }

    /// The name of the role in a profile, usable or not.
    pub(crate) fn role_name_of_profile(&self, arn: &str) -> Option<String> {
        self.lock().profiles.values().find(|profile| profile.arn == arn)?.role.clone()
    }

    /// The ARN of a role.
    pub(crate) fn role_arn(&self, name: &str) -> Option<String> {
        self.lock().roles.get(name).map(|role| role.arn.clone())
    }

    /// The tags of a role.
    pub(crate) fn tags_of_role(&self, name: &str) -> BTreeMap<String, String> {
        self.lock().roles.get(name).map(|role| role.tags.clone()).unwrap_or_default()
    }

    /// The document of a role's permissions boundary; one that is gone allows nothing.
    pub(crate) fn boundary_of_role(&self, name: &str) -> Option<String> {
        let state = self.lock();
        let arn = state.roles.get(name)?.boundary.as_ref()?;
        Some(state.document(arn).unwrap_or_default())
    }

    /// The policies that a role is allowed by: inline and attached.
    pub(crate) fn policies_of_role(&self, name: &str) -> RolePolicies {
        let state = self.lock();
        let Some(role) = state.roles.get(name) else { return RolePolicies::default() };
        let mut policies = RolePolicies { documents: role.inline.values().cloned().collect(), unknown: Vec::new() };
        for arn in &role.attached {
            match state.document(arn) {
                Some(document) => policies.documents.push(document),
                None => policies.unknown.push(arn.clone()),
            }
        }
        policies
    }

    /// The document of a managed policy, if it is there and known.
    pub(crate) fn document_of_policy(&self, arn: &str) -> Option<String> {
        self.lock().document(arn)
    }

    /// What EC2 must be told about profiles and has not been told; the driver takes it.
    pub(crate) fn take_changes(&self, now: Timestamp) -> Vec<ProfileChange> {
        let mut state = self.lock();
        let (due, later) = std::mem::take(&mut state.changes)
            .into_iter()
            .partition(|change| !matches!(change, ProfileChange::Known { at, .. } if *at > now));
        state.changes = later;
        due
    }

    /// When the next change is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let state = self.lock();
        state
            .changes
            .iter()
            .map(|change| match change {
                ProfileChange::Known { at, .. } => *at,
                ProfileChange::Forgotten { .. } => Timestamp::MIN,
            })
            .min()
    }

    /// Everything there is.
    pub(crate) fn snapshot(&self) -> IamSnapshot {
        let state = self.lock();
        let role = |role: &Role| {
            serde_json::json!({
                "path": role.path, "tags": role.tags, "boundary": role.boundary, "trust": role.trust,
                "inline": role.inline, "attached": role.attached,
            })
        };
        let profile = |profile: &Profile| serde_json::json!({"path": profile.path, "role": profile.role, "tags": profile.tags});
        IamSnapshot {
            roles: state.roles.iter().map(|(name, entry)| (name.clone(), role(entry))).collect(),
            instance_profiles: state.profiles.iter().map(|(name, entry)| (name.clone(), profile(entry))).collect(),
            policies: state.policies.iter().map(|(arn, policy)| (arn.clone(), policy.document().to_owned())).collect(),
        }
    }
}

impl State {
    pub(super) fn role(&mut self, name: &str) -> Result<&mut Role, Failure> {
        self.roles.get_mut(name).ok_or_else(|| no_such("role", name))
    }

    /// The document of a managed policy, of the account's own or of AWS's.
    fn document(&self, arn: &str) -> Option<String> {
        self.policies.get(arn).map(|policy| policy.document().to_owned()).or_else(|| aws_document(arn))
    }

    pub(super) fn policy(&mut self, arn: &str) -> Result<&mut Policy, Failure> {
        self.policies.get_mut(arn).ok_or_else(|| no_such("policy", arn))
    }

    pub(super) fn profile(&mut self, name: &str) -> Result<&mut Profile, Failure> {
        self.profiles.get_mut(name).ok_or_else(|| no_such("instance profile", name))
    }
}
