//! What a caller may do: IAM's policies, evaluated with their conditions for every call of a role.
//!
//! The controller may do everything. Policies of resources (of buckets, for example) are kept but not evaluated.

mod call;
mod conditions;
mod evaluate;
mod trust;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backends::ec2::Ec2;
use crate::backends::iam::Iam;
use crate::callers::Caller;
use crate::protocol::{Failure, Request};
use crate::refusals;

use call::{Needs, needs};
pub(crate) use evaluate::{Decision, Statements};
pub(crate) use trust::trusts;

/// Condition keys of one call, in lower case; a key may have several values.
pub(crate) type Context = BTreeMap<String, Vec<String>>;

/// Decides by what IAM holds.
pub(crate) struct Authority {
    account: String,
    iam: Arc<Iam>,
    ec2: Arc<Ec2>,
}

/// One right that a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Such as `s3:GetObject`.
    pub(crate) action: String,
    /// ARN, or `*`.
    pub(crate) resource: String,
    /// Keys that come with this resource.
    pub(crate) context: Context,
}

impl Authority {
    /// Decides for an account.
    pub(crate) fn new(account: &str, iam: Arc<Iam>, ec2: Arc<Ec2>) -> Self {
        Self { account: account.to_owned(), iam, ec2 }
    }

    /// Refuses a call its caller has no right to.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Failure> {
        let Some(role) = role_of(&request.caller) else { return Ok(()) };
        let tags = |instance: &str| self.ec2.with(request.now, |cloud, _| cloud.machine(instance).map(|machine| machine.tags));
        let needs = match needs(request, &self.account, &tags)? {
            Needs::Nothing => return Ok(()),
            Needs::All(needs) => needs,
        };
        for need in needs {
            self.check_one(request, role, &need)?;
        }
        Ok(())
    }

    /// Whether a caller may hand a role to a service.
    pub(crate) fn check_pass_role(&self, request: &Request, arn: &str, service: &str) -> Result<(), Failure> {
        let Some(role) = role_of(&request.caller) else { return Ok(()) };
        let context = Context::from([("iam:passedtoservice".to_owned(), vec![service.to_owned()])]);
        let need = Need { action: "iam:PassRole".to_owned(), resource: arn.to_owned(), context };
        self.check_one(request, role, &need)
    }

    /// What S3 says of an absent key depends on whether the caller might list the bucket.
    pub(crate) fn may_list(&self, request: &Request) -> bool {
        let Some(role) = role_of(&request.caller) else { return true };
        let (bucket, key) = crate::backends::s3::place(request);
        let need = Need {
            action: "s3:ListBucket".to_owned(),
            resource: format!("arn:aws:s3:::{}", bucket.unwrap_or_default()),
            context: Context::from([("s3:prefix".to_owned(), vec![key.unwrap_or_default()])]),
        };
        self.check_one(request, role, &need).is_ok()
    }

    fn check_one(&self, request: &Request, role: &str, need: &Need) -> Result<(), Failure> {
        let mut context = self.global(request, role);
        context.extend(need.context.clone());
        let gap = |what: String| Failure::gap(format!("{what} of an IAM policy of role {role}"));
        let identity = self.iam.documents_of_role(role);
        let decision = Statements::parse(&identity).decide(&need.action, &need.resource, &context).map_err(gap)?;
        let kind = request.service.as_str();
        let because = match decision {
            Decision::Allow => match self.iam.boundary_of_role(role) {
                None => return Ok(()),
                Some(boundary) => match Statements::parse(&[boundary]).decide(&need.action, &need.resource, &context).map_err(gap)? {
                    Decision::Allow => return Ok(()),
                    Decision::Deny => "with an explicit deny in a permissions boundary".to_owned(),
                    Decision::Nothing => format!("because no permissions boundary allows the {} action", need.action),
                },
            },
            Decision::Deny => "with an explicit deny in an identity-based policy".to_owned(),
            Decision::Nothing => format!("because no identity-based policy allows the {} action", need.action),
        };
        Err(refusals::not_authorized(kind, &request.caller.arn(&self.account), &need.action, &need.resource, &because))
    }

    /// Keys that every call has.
    fn global(&self, request: &Request, role: &str) -> Context {
        let one = |key: &str, value: String| (key.to_owned(), vec![value]);
        let mut context = Context::from([
            one("aws:currenttime", request.now.to_string()),
            one("aws:epochtime", request.now.as_second().to_string()),
            one("aws:principalaccount", self.account.clone()),
            one("aws:principalarn", self.iam.role_arn(role).unwrap_or_default()),
            one("aws:principaltype", "AssumedRole".to_owned()),
            one("aws:requestedregion", request.region.clone()),
            one("aws:resourceaccount", self.account.clone()),
            // The sandbox has no TLS, and a policy that asks for it is about the network, which is not here.
            one("aws:securetransport", "true".to_owned()),
            one("aws:sourceip", "127.0.0.1".to_owned()),
            one("aws:userid", request.caller.user_id()),
        ]);
        for (key, value) in self.iam.tags_of_role(role) {
            context.insert(format!("aws:principaltag/{}", key.to_lowercase()), vec![value]);
        }
        if let Caller::Instance { id, .. } = &request.caller {
            let arn = format!("arn:aws:ec2:{}:{}:instance/{id}", request.region, self.account);
            context.insert("ec2:sourceinstancearn".to_owned(), vec![arn]);
        }
        context
    }
}

/// The role a caller acts as; the controller is no role.
fn role_of(caller: &Caller) -> Option<&str> {
    match caller {
        Caller::Controller => None,
        Caller::Instance { role, .. }
        | Caller::Role { role, .. }
        | Caller::Function { role, .. }
        | Caller::FunctionLog { role, .. }
        | Caller::Scheduler { role }
        | Caller::Automation { role, .. } => Some(role),
    }
}
