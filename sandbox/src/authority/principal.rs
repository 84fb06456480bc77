//! Whose policies count: a caller, with everything that is said of it.

use crate::backends::iam::Iam;
use crate::callers::Caller;
use crate::protocol::Request;

use super::Context;
use super::statements::{Names, Statements};

/// What an account's administrator may do.
const EVERYTHING: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// A caller as policies see it.
pub(super) struct Principal {
    /// What its own policies say.
    pub(super) identity: Statements,
    /// The most that its role may do, if that is limited.
    pub(super) boundary: Option<Statements>,
    /// The most that its session may do, if that is limited.
    pub(super) session: Option<Statements>,
    /// Attached policies whose content the sandbox does not know.
    pub(super) unknown: Vec<String>,
    /// How policies of resources name it.
    pub(super) names: Names,
    /// Condition keys that say who it is.
    pub(super) context: Context,
}

impl Principal {
    /// Looks a caller's policies up.
    pub(super) fn of(caller: &Caller, iam: &Iam, account: &str) -> Self {
        let Some(role) = caller.role() else { return Self::administrator(caller, account) };
        let policies = iam.policies_of_role(role);
        let arn = iam.role_arn(role);
        let mut context = keys(caller, account);
        context.insert("aws:principalarn".to_owned(), arn.iter().cloned().collect());
        for (key, value) in iam.tags_of_role(role).into_iter().chain(caller.session_tags().clone()) {
            context.insert(format!("aws:principaltag/{}", key.to_lowercase()), vec![value]);
        }
        Self {
            identity: Statements::parse(&policies.documents),
            boundary: iam.boundary_of_role(role).map(|document| Statements::parse(&[document])),
            session: caller.session_policies().map(Statements::parse),
            unknown: policies.unknown,
            names: Names { account: account.to_owned(), caller: Some(caller.arn(account)), role: arn, service: None },
            context,
        }
    }

    fn administrator(caller: &Caller, account: &str) -> Self {
        let arn = caller.arn(account);
        let mut context = keys(caller, account);
        context.insert("aws:principalarn".to_owned(), vec![arn.clone()]);
        context.insert("aws:username".to_owned(), arn.rsplit('/').next().map(str::to_owned).into_iter().collect());
        Self {
            identity: Statements::parse(&[EVERYTHING]),
            boundary: None,
            session: None,
            unknown: Vec::new(),
            names: Names { account: account.to_owned(), caller: Some(arn), role: None, service: None },
            context,
        }
    }
}

fn one(key: &str, value: impl Into<String>) -> (String, Vec<String>) {
    (key.to_owned(), vec![value.into()])
}

/// What every caller has.
fn keys(caller: &Caller, account: &str) -> Context {
    let kind = if caller.role().is_some() { "AssumedRole" } else { "User" };
    Context::from([
        one("aws:principalaccount", account),
        one("aws:principalisawsservice", "false"),
        one("aws:principaltype", kind),
        one("aws:userid", caller.user_id()),
        one("aws:viaawsservice", "false"),
    ])
}

/// What every call has, whoever makes it.
pub(super) fn of_every_call(request: &Request, account: &str) -> Context {
    let mut context = Context::from([
        one("aws:currenttime", request.now.to_string()),
        one("aws:epochtime", request.now.as_second().to_string()),
        one("aws:requestedregion", request.region.clone()),
        one("aws:resourceaccount", account),
        // The sandbox has no TLS, and a policy that asks for it is about the network, which is not here.
        one("aws:securetransport", "true"),
        one("aws:sourceip", "127.0.0.1"),
    ]);
    for (header, key) in [("user-agent", "aws:useragent"), ("referer", "aws:referer")] {
        context.extend(request.header(header).map(|value| one(key, value)));
    }
    if let Caller::Instance { id, .. } = &request.caller {
        context.extend([one("ec2:sourceinstancearn", format!("arn:aws:ec2:{}:{account}:instance/{id}", request.region))]);
    }
    context
}
