//! STS: who am I, and sessions of roles.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::backends::iam::Iam;
use crate::callers::{Caller, Callers};
use crate::form::Form;
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
use crate::times::iso_seconds;
use crate::xml::element;

/// The token service of an account.
#[derive(Debug)]
pub(crate) struct Sts {
    account: String,
    callers: Arc<Callers>,
    iam: Arc<Iam>,
}

impl Sts {
    /// A token service that knows IAM's roles.
    pub(crate) fn new(account: &str, callers: Arc<Callers>, iam: Arc<Iam>) -> Self {
        Self { account: account.to_owned(), callers, iam }
    }

    fn caller_identity(&self, request: &Request) -> String {
        [
            element("Arn", &request.caller.arn(&self.account)),
            element("UserId", &request.caller.user_id()),
            element("Account", &self.account),
        ]
        .concat()
    }

    fn assume_role(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let arn = form.need("RoleArn")?;
        let session = form.need("RoleSessionName")?;
        let seconds = form.take("DurationSeconds").map_or(Ok(3_600), |text| text.parse::<i64>());
        let seconds = seconds
            .ok()
            .filter(|seconds| (900..=43_200).contains(seconds))
            .ok_or_else(|| Failure::new(400, "ValidationError", "DurationSeconds must be between 900 and 43200"))?;
        let denied = || {
            let who = request.caller.arn(&self.account);
            let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}");
            Failure::new(403, "AccessDenied", message)
        };
        let role = self.iam.role_by_arn(&arn).ok_or_else(denied)?;
        let caller = Caller::Role { role: role.name.clone(), role_id: role.id.clone(), session: session.clone() };
        let user = format!("{}{}", element("AssumedRoleId", &caller.user_id()), element("Arn", &caller.arn(&self.account)));
        let credentials = self.callers.mint(caller, jiff::Timestamp::now(), SignedDuration::from_secs(seconds));
        Ok(format!(
            "<Credentials>{}{}{}{}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>",
            element("AccessKeyId", &credentials.access_key_id),
            element("SecretAccessKey", &credentials.secret_access_key),
            element("SessionToken", credentials.session_token.as_deref().unwrap_or_default()),
            element("Expiration", &iso_seconds(credentials.expires.unwrap_or(request.now)))
        ))
    }
}

#[async_trait]
impl Backend for Sts {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let mut form = Form::parse(&request.body);
        let operation = request.operation.as_str();
        let result = match operation {
            "GetCallerIdentity" => self.caller_identity(request),
            "AssumeRole" => self.assume_role(request, &mut form)?,
            other => return Err(Failure::gap(format!("sts {other}"))),
        };
        form.finish(operation)?;
        Ok(Answer::xml(format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{result}</{operation}Result>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{operation}Response>",
            request.id
        )))
    }
}
