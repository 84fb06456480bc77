//! What a caller may do: IAM's policies, evaluated with their conditions for every call.
//!
//! | module | what it knows |
//! |---|---|
//! | `needs` | which rights a call takes, on which resources, with which condition keys: one file per service |
//! | `principal` | whose policies count: of the role, its boundary, its session |
//! | `statements` | what a policy says of one right: actions, resources, principals |
//! | `conditions`, `keys`, `pattern` | operators, the keys that are known, wildcards and variables |
//! | `trust` | which service may assume a role |
//!
//! The controller is the account's administrator: all is allowed to it but what the policy of a bucket or a role withholds.

mod conditions;
#[cfg(test)]
mod conditions_tests;
mod keys;
mod needs;
mod pattern;
mod principal;
mod statements;
pub(crate) mod trust;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backends::ec2::Ec2;
use crate::backends::iam::Iam;
use crate::backends::s3::S3;
use crate::callers::Caller;
use crate::protocol::{Failure, Request};
use crate::refusals;

pub(crate) use needs::Need;
use needs::{Facts, needs};
use principal::{Principal, of_every_call};
use statements::{Decision, Grant, Question, Statements};

/// Condition keys of one call, in lower case; a key may have several values.
pub(crate) type Context = BTreeMap<String, Vec<String>>;

/// Decides by what IAM and the resources' own policies hold.
pub(crate) struct Authority {
    account: String,
    iam: Arc<Iam>,
    ec2: Arc<Ec2>,
    s3: Arc<S3>,
}

/// The policy of a resource.
struct ResourcePolicy {
    document: String,
    /// Whether it alone can open the resource: nobody assumes a role that does not say so.
    must_allow: bool,
}

impl Authority {
    /// Decides for an account.
    pub(crate) fn new(account: &str, iam: Arc<Iam>, ec2: Arc<Ec2>, s3: Arc<S3>) -> Self {
        Self { account: account.to_owned(), iam, ec2, s3 }
    }

    /// Refuses a call its caller has no right to; else the rights it took.
    pub(crate) fn check(&self, request: &Request) -> Result<Vec<String>, Failure> {
        // Only buckets and roles have policies of their own.
        if request.caller == Caller::Controller && !matches!(request.service.as_str(), "s3" | "sts") {
            return Ok(Vec::new());
        }
        let needs = needs(&Facts { request, account: &self.account, iam: &self.iam, ec2: &self.ec2 })?;
        let principal = Principal::of(&request.caller, &self.iam, &self.account);
        let mut rights: Vec<String> = Vec::new();
        for need in needs {
            self.check_one(request, &principal, &need)?;
            if !rights.contains(&need.action) {
                rights.push(need.action);
            }
        }
        Ok(rights)
    }

    /// Refuses a right that only the backend knows to be needed.
    pub(crate) fn check_need(&self, request: &Request, need: &Need) -> Result<(), Failure> {
        if request.caller == Caller::Controller {
            return Ok(());
        }
        self.check_one(request, &Principal::of(&request.caller, &self.iam, &self.account), need)
    }

    /// Refuses to tell that a key is absent to who may not list the bucket.
    pub(crate) fn check_list(&self, request: &Request) -> Result<(), Failure> {
        let (bucket, key) = crate::backends::s3::place(request);
        let mut need = Need::new("s3:ListBucket", format!("arn:aws:s3:::{}", bucket.unwrap_or_default()));
        need.context.insert("s3:prefix".to_owned(), vec![key.unwrap_or_default()]);
        self.check_need(request, &need)
    }

    fn check_one(&self, request: &Request, principal: &Principal, need: &Need) -> Result<(), Failure> {
        let mut context = of_every_call(request, &self.account);
        context.extend(principal.context.clone());
        context.extend(need.context.clone());
        let question = Question { action: &need.action, resource: &need.resource, context: &context };
        let who = request.caller.arn(&self.account);
        match self.refusal(principal, question)? {
            None => Ok(()),
            Some(because) => Err(refusals::not_authorized(&request.service, &who, &need.action, need.shown(), &because)),
        }
    }

    /// Why a right is refused, in AWS's words; nothing if it is not.
    ///
    /// Any denial is one. Else a resource's own policy may allow by itself, as far as role and session are not limited; else the
    /// identity's policies must, and boundary and session as well.
    fn refusal(&self, principal: &Principal, question: Question<'_>) -> Result<Option<String>, Failure> {
        let gap = |what: String| Failure::gap(format!("{what} of an IAM policy"));
        let action = question.action;
        let resource = self.resource_policy(question);
        let kind = if resource.as_ref().is_some_and(|policy| policy.must_allow) { "role trust policy" } else { "resource-based policy" };
        let grant = match &resource {
            Some(policy) => Statements::parse(&[&policy.document]).grant(question, &principal.names).map_err(gap)?,
            None => Grant::Nothing,
        };
        let identity = principal.identity.decide(question).map_err(gap)?;
        let decide = |statements: &Option<Statements>| statements.as_ref().map_or(Ok(Decision::Allow), |s| s.decide(question));
        let limits = [
            ("a permissions boundary", "permissions boundary", decide(&principal.boundary).map_err(gap)?),
            ("a session policy", "session policy", decide(&principal.session).map_err(gap)?),
        ];
        if identity == Decision::Deny {
            return Ok(Some("with an explicit deny in an identity-based policy".to_owned()));
        }
        if grant == Grant::Deny {
            let article = if kind.starts_with("role") { "the" } else { "a" };
            return Ok(Some(format!("with an explicit deny in {article} {kind}")));
        }
        if let Some((policy, ..)) = limits.iter().find(|(.., decision)| *decision == Decision::Deny) {
            return Ok(Some(format!("with an explicit deny in {policy}")));
        }
        let must_allow = resource.is_some_and(|policy| policy.must_allow);
        if must_allow && grant == Grant::Nothing {
            return Ok(Some(format!("because no {kind} allows the {action} action")));
        }
        if grant == Grant::Caller {
            return Ok(None);
        }
        if identity == Decision::Nothing && grant != Grant::Role {
            if let Some(policy) = principal.unknown.first() {
                return Err(Failure::gap(format!("what the policy {policy} allows")));
            }
            return Ok(Some(format!("because no identity-based policy allows the {action} action")));
        }
        let limited = limits.iter().find(|(.., decision)| *decision == Decision::Nothing);
        Ok(limited.map(|(_, policy, _)| format!("because no {policy} allows the {action} action")))
    }

    fn resource_policy(&self, question: Question<'_>) -> Option<ResourcePolicy> {
        if let Some(place) = question.resource.strip_prefix("arn:aws:s3:::") {
            let bucket = place.split('/').next().unwrap_or_default();
            return self.s3.policy_of(bucket).map(|document| ResourcePolicy { document, must_allow: false });
        }
        if matches!(question.action, "sts:AssumeRole" | "sts:TagSession") {
            let role = self.iam.role_by_arn(question.resource);
            // A role that is not there trusts nobody.
            return Some(ResourcePolicy { document: role.map(|role| role.trust).unwrap_or_default(), must_allow: true });
        }
        None
    }
}
