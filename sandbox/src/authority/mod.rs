//! What a caller may do: IAM's policies, evaluated with their conditions for every call.
//!
//! | module | what it knows |
//! |---|---|
//! | `needs` | which rights a call takes, on which resources, with which condition keys: one file per service |
//! | `principal` | whose policies count: of the role, its boundary, its session |
//! | `statements` | what a policy says of one right: actions, resources, principals |
//! | `conditions`, `keys`, `pattern` | operators, the keys that are known, wildcards and variables |
//! | `verdict` | in which order they count |
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
mod verdict;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::backends::ec2::Ec2;
use crate::backends::iam::Iam;
use crate::backends::s3::S3;
use crate::backends::ssm::Sessions;
use crate::callers::Caller;
use crate::protocol::{Failure, Request};
use crate::refusals;

pub(crate) use needs::Need;
use needs::{Facts, needs};
use principal::{Principal, of_every_call};
use statements::{Decision, Grant, Question, Statements};
use verdict::Said;

/// Condition keys of one call, in lower case; a key may have several values.
pub(crate) type Context = BTreeMap<String, Vec<String>>;

/// Decides by what IAM and the resources' own policies hold.
pub(crate) struct Authority {
    account: String,
    iam: Arc<Iam>,
    ec2: Arc<Ec2>,
    s3: Arc<S3>,
    /// They have an authority themselves.
    sessions: Weak<Sessions>,
}

impl Authority {
    /// Decides for an account.
    pub(crate) fn new(account: &str, iam: Arc<Iam>, ec2: Arc<Ec2>, s3: Arc<S3>, sessions: Weak<Sessions>) -> Self {
        Self { account: account.to_owned(), iam, ec2, s3, sessions }
    }

    /// Refuses a call its caller has no right to; else the rights it took.
    pub(crate) fn check(&self, request: &Request) -> Result<Vec<String>, Failure> {
        // Only buckets and roles have policies of their own.
        if request.caller == Caller::Controller && !matches!(request.service.as_str(), "s3" | "sts") {
            return Ok(Vec::new());
        }
        let sessions = self.sessions.upgrade();
        let facts = Facts { request, account: &self.account, iam: &self.iam, ec2: &self.ec2, sessions: sessions.as_deref() };
        let needs = needs(&facts)?;
        if let Some(need) = needs.first().filter(|_| request.caller == Caller::Anonymous) {
            let because = "because no identity was given";
            return Err(refusals::not_authorized(&request.service, "anonymous", &need.action, need.shown(), because));
        }
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
            Some(_) if need.refusal.is_some() => Err(Failure::new(403, "AccessDenied", need.refusal.clone().unwrap_or_default())),
            Some(because) => Err(refusals::not_authorized(&request.service, &who, &need.action, need.shown(), &because)),
        }
    }

    /// Why a right is refused, in AWS's words; nothing if it is not.
    fn refusal(&self, principal: &Principal, question: Question<'_>) -> Result<Option<String>, Failure> {
        let gap = |what: String| Failure::gap(format!("{what} of an IAM policy"));
        let limit = |statements: &Option<Statements>| statements.as_ref().map_or(Ok(Decision::Allow), |s| s.decide(question)).map_err(gap);
        let resource = self.resource_policy(question);
        let said = Said {
            identity: principal.identity.decide(question).map_err(gap)?,
            resource: match &resource {
                Some(document) => Statements::parse(&[document]).grant(question, &principal.names).map_err(gap)?,
                None => Grant::Nothing,
            },
            boundary: limit(&principal.boundary)?,
            session: limit(&principal.session)?,
            on_role: is_assuming(question),
        };
        match principal.unknown.first().filter(|_| said.lacks_identity()) {
            Some(policy) => Err(Failure::gap(format!("what the policy {policy} allows"))),
            None => Ok(said.refusal(question.action)),
        }
    }

    /// The policy that the resource itself has: a bucket's, or whom a role trusts. A role that is not there trusts nobody.
    fn resource_policy(&self, question: Question<'_>) -> Option<String> {
        if is_assuming(question) {
            return self.iam.role_by_arn(question.resource).map(|role| role.trust);
        }
        let place = question.resource.strip_prefix("arn:aws:s3:::")?;
        self.s3.policy_of(place.split('/').next().unwrap_or_default())
    }
}

fn is_assuming(question: Question<'_>) -> bool {
    matches!(question.action, "sts:AssumeRole" | "sts:TagSession")
}
