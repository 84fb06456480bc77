//! Customer-managed policies, and the few of AWS's own that are known.

use std::collections::BTreeMap;

use serde_json::json;

use crate::callers::random_id;
use crate::form::Form;
use crate::protocol::{Failure, Request};
use crate::times::iso_seconds;
use crate::xml::element;

use super::roles::{check_name, check_path, encoded, render_tags};
use super::state::{Iam, Policy, State};
use super::{conflict, exists, no_such, paged};

/// The AWS-managed policy that allows everything.
const ADMINISTRATOR: &str = "AdministratorAccess";
/// Characters of a managed policy, white space not counted.
const MOST: usize = 6_144;
/// Versions of a policy.
const MOST_VERSIONS: usize = 5;
/// What the agent of Systems Manager needs.
const MANAGED_INSTANCE: &str = "AmazonSSMManagedInstanceCore";
/// AWS-managed policies that may be attached. What they allow is a gap, but for the first two.
const AWS_MANAGED: [&str; 6] = [
    ADMINISTRATOR,
    MANAGED_INSTANCE,
    "AmazonS3ReadOnlyAccess",
    "CloudWatchAgentServerPolicy",
    "ReadOnlyAccess",
    "service-role/AmazonSSMAutomationRole",
];

/// What the policy for the agent of Systems Manager allows, by service.
const AGENT_SSM: &str = "DescribeAssociation GetDeployablePatchSnapshotForInstance GetDocument DescribeDocument GetManifest GetParameter \
     GetParameters ListAssociations ListInstanceAssociations PutInventory PutComplianceItems PutConfigurePackageResult \
     UpdateAssociationStatus UpdateInstanceAssociationStatus UpdateInstanceInformation";
const AGENT_SESSIONS: &str = "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel";
const AGENT_COMMANDS: &str = "AcknowledgeMessage DeleteMessage FailMessage GetEndpoint GetMessages SendReply";

impl Iam {
    pub(super) fn create_policy(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let (name, document) = (form.need("PolicyName")?, form.need("PolicyDocument")?);
        check_name("policyName", &name, 128)?;
        check_size(&document)?;
        let path = check_path(form.take("Path"))?;
        let arn = format!("arn:aws:iam::{}:policy{path}{name}", self.account);
        let mut state = self.lock();
        if state.policies.values().any(|policy| policy.name == name) {
            return Err(exists(format!("A policy called {name} already exists. Duplicate names are not allowed.")));
        }
        let policy = Policy {
            id: format!("ANPA{}", random_id(17)),
            name,
            path,
            created: request.now,
            description: form.take("Description").unwrap_or_default(),
            tags: form.tags().into_iter().collect(),
            versions: BTreeMap::from([(1, (document, request.now))]),
            default: 1,
            next: 2,
        };
        state.policies.insert(arn.clone(), policy);
        Ok(format!("<Policy>{}</Policy>", render(&state, &arn)?))
    }

    pub(super) fn get_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let arn = form.need("PolicyArn")?;
        Ok(format!("<Policy>{}</Policy>", render(&self.lock(), &arn)?))
    }

    pub(super) fn get_policy_version(&self, form: &mut Form) -> Result<String, Failure> {
        let (arn, version) = (form.need("PolicyArn")?, form.need("VersionId")?);
        let state = self.lock();
        let policy = own(&state, &arn)?;
        let number = number(&arn, &version)?;
        let (document, created) = policy.versions.get(&number).ok_or_else(|| no_version(&arn, &version))?;
        let xml = render_version(number, policy.default, *created);
        Ok(format!("<PolicyVersion>{}{xml}</PolicyVersion>", element("Document", &encoded(document))))
    }

    pub(super) fn list_policy_versions(&self, form: &mut Form) -> Result<String, Failure> {
        let arn = form.need("PolicyArn")?;
        let state = self.lock();
        let policy = own(&state, &arn)?;
        let list: Vec<(String, String)> = policy
            .versions
            .iter()
            .map(|(number, (_, created))| (format!("{number:06}"), render_version(*number, policy.default, *created)))
            .collect();
        paged(form, "Versions", &list)
    }

    pub(super) fn create_policy_version(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let (arn, document) = (form.need("PolicyArn")?, form.need("PolicyDocument")?);
        check_size(&document)?;
        let mut state = self.lock();
        let policy = state.policy(&arn)?;
        if policy.versions.len() >= MOST_VERSIONS {
            return Err(Failure::new(
                409,
                "LimitExceeded",
                format!(
                    "A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new version, you must delete an \
                     existing version."
                ),
            ));
        }
        let number = policy.next;
        policy.next += 1;
        policy.versions.insert(number, (document, request.now));
        if form.take("SetAsDefault").as_deref() == Some("true") {
            policy.default = number;
        }
        Ok(format!("<PolicyVersion>{}</PolicyVersion>", render_version(number, policy.default, request.now)))
    }

    pub(super) fn delete_policy_version(&self, form: &mut Form) -> Result<String, Failure> {
        let (arn, version) = (form.need("PolicyArn")?, form.need("VersionId")?);
        let mut state = self.lock();
        let policy = state.policy(&arn)?;
        let number = number(&arn, &version)?;
        if number == policy.default {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number).ok_or_else(|| no_version(&arn, &version))?;
        Ok(String::new())
    }

    pub(super) fn delete_policy(&self, form: &mut Form) -> Result<String, Failure> {
        let arn = form.need("PolicyArn")?;
        let mut state = self.lock();
        let policy = own(&state, &arn)?;
        if policy.versions.len() > 1 {
            return Err(conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        if uses(&state, &arn) > 0 {
            return Err(conflict("Cannot delete a policy attached to entities."));
        }
        state.policies.remove(&arn);
        Ok(String::new())
    }

    pub(super) fn list_policies(&self, form: &mut Form) -> Result<String, Failure> {
        let prefix = form.take("PathPrefix").unwrap_or_else(|| "/".to_owned());
        let attached = form.take("OnlyAttached").as_deref() == Some("true");
        match form.take("Scope").as_deref() {
            Some("Local") => {}
            other => return Err(Failure::gap(format!("Scope {} of iam ListPolicies", other.unwrap_or("All")))),
        }
        let state = self.lock();
        let mut list = Vec::new();
        for (arn, policy) in &state.policies {
            if policy.path.starts_with(&prefix) && (!attached || uses(&state, arn) > 0) {
                list.push((arn.clone(), render(&state, arn)?));
            }
        }
        paged(form, "Policies", &list)
    }
}

/// The document of one of AWS's own policies, if it is known.
pub(super) fn aws_document(arn: &str) -> Option<String> {
    let name = arn.strip_prefix("arn:aws:iam::aws:policy/")?;
    let actions: Vec<String> = match name {
        ADMINISTRATOR => vec!["*".to_owned()],
        MANAGED_INSTANCE => {
            let of = |service: &'static str, names: &str| names.split(' ').map(move |name| format!("{service}:{name}")).collect::<Vec<_>>();
            [of("ssm", AGENT_SSM), of("ssmmessages", AGENT_SESSIONS), of("ec2messages", AGENT_COMMANDS)].concat()
        }
        _ => return None,
    };
    let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
    Some(json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
}

/// Checks that a policy exists and may be attached.
pub(super) fn managed(state: &State, arn: &str) -> Result<(), Failure> {
    if let Some(name) = arn.strip_prefix("arn:aws:iam::aws:policy/") {
        return if AWS_MANAGED.contains(&name) { Ok(()) } else { Err(Failure::gap(format!("AWS-managed policy {name}"))) };
    }
    own(state, arn).map(|_| ())
}

fn own<'a>(state: &'a State, arn: &str) -> Result<&'a Policy, Failure> {
    state.policies.get(arn).ok_or_else(|| no_such("policy", arn))
}

fn number(arn: &str, version: &str) -> Result<u32, Failure> {
    version.strip_prefix('v').and_then(|text| text.parse().ok()).ok_or_else(|| no_version(arn, version))
}

fn no_version(arn: &str, version: &str) -> Failure {
    Failure::new(404, "NoSuchEntity", format!("Policy {arn} version {version} does not exist or is not attachable."))
}

/// How many roles have it attached.
fn uses(state: &State, arn: &str) -> usize {
    state.roles.values().filter(|role| role.attached.contains(arn)).count()
}

fn render(state: &State, arn: &str) -> Result<String, Failure> {
    let policy = own(state, arn)?;
    let boundaries = state.roles.values().filter(|role| role.boundary.as_deref() == Some(arn)).count();
    let updated = policy.versions[&policy.default].1;
    Ok([
        element("PolicyName", &policy.name),
        element("PolicyId", &policy.id),
        element("Arn", arn),
        element("Path", &policy.path),
        element("DefaultVersionId", &format!("v{}", policy.default)),
        element("AttachmentCount", &uses(state, arn).to_string()),
        element("PermissionsBoundaryUsageCount", &boundaries.to_string()),
        element("IsAttachable", "true"),
        element("Description", &policy.description),
        element("CreateDate", &iso_seconds(policy.created)),
        element("UpdateDate", &iso_seconds(updated)),
        render_tags(&policy.tags),
    ]
    .concat())
}

fn render_version(number: u32, default: u32, created: jiff::Timestamp) -> String {
    [
        element("VersionId", &format!("v{number}")),
        element("IsDefaultVersion", if number == default { "true" } else { "false" }),
        element("CreateDate", &iso_seconds(created)),
    ]
    .concat()
}

fn check_size(document: &str) -> Result<(), Failure> {
    check_document(document)?;
    if document.chars().filter(|c| !c.is_whitespace()).count() > MOST {
        return Err(Failure::new(409, "LimitExceeded", format!("Cannot exceed quota for PolicySize: {MOST}")));
    }
    Ok(())
}

/// A policy document must be JSON with statements that say what they do.
pub(crate) fn check_document(document: &str) -> Result<(), Failure> {
    let bad = |why: &str| Failure::new(400, "MalformedPolicyDocument", why.to_owned());
    let json: serde_json::Value = serde_json::from_str(document).map_err(|_| bad("This policy contains invalid Json"))?;
    let statements = match &json["Statement"] {
        serde_json::Value::Array(list) if !list.is_empty() => list.clone(),
        statement @ serde_json::Value::Object(_) => vec![statement.clone()],
        _ => return Err(bad("Syntax errors in policy.")),
    };
    for statement in &statements {
        let effect = statement["Effect"].as_str();
        let acts = statement.get("Action").or_else(|| statement.get("NotAction")).is_some();
        if !matches!(effect, Some("Allow" | "Deny")) || !acts {
            return Err(bad("Syntax errors in policy."));
        }
    }
    Ok(())
}
