//! STS: who am I, and sessions of roles. Who may assume which role is the authority's to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use jiff::SignedDuration;

use crate::backends::iam::{Iam, Role, check_document};
use crate::callers::{Caller, Callers, Credentials, RoleSession};
use crate::form::Form;
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
use crate::times::iso_seconds;
use crate::xml::element;

/// Characters of the policy of a session, and of the policies it names.
const POLICY_CHARACTERS: usize = 2_048;
/// Managed policies that a session may name.
const POLICIES: usize = 10;
/// Tags of a session.
const TAGS: usize = 50;
/// The longest session of somebody who is one already.
const CHAINED_SECONDS: u32 = 3_600;

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
        let name = session_name(form.need("RoleSessionName")?)?;
        // That it is there, and who may have it, was decided before.
        let role = self.iam.role_by_arn(&arn).filter(|role| role.usable <= request.now).ok_or_else(|| self.denied(request, &arn))?;
        let seconds = duration(form, &role, &request.caller)?;
        let policies = self.session_policies(form)?;
        let (tags, transitive) = tags(form, &request.caller)?;
        // The role's trust policy asked for it, or did not.
        form.take("ExternalId");
        // Nobody gets credentials on terms that are not known.
        form.clone().finish("AssumeRole")?;
        let session = RoleSession { role: role.name, role_id: role.id, name, policies, tags, transitive };
        let caller = Caller::Role(Arc::new(session));
        let user = format!("{}{}", element("AssumedRoleId", &caller.user_id()), element("Arn", &caller.arn(&self.account)));
        let minted = self.callers.mint(caller, jiff::Timestamp::now(), SignedDuration::from_secs(i64::from(seconds)));
        Ok(format!("{}<AssumedRoleUser>{user}</AssumedRoleUser>", credentials(&minted)))
    }

    fn denied(&self, request: &Request, arn: &str) -> Failure {
        let who = request.caller.arn(&self.account);
        Failure::new(403, "AccessDenied", format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}"))
    }

    /// The policies that limit a session: one that comes with the call, and managed ones.
    fn session_policies(&self, form: &mut Form) -> Result<Option<Vec<String>>, Failure> {
        let mut policies: Vec<String> = form.take("Policy").into_iter().collect();
        policies.iter().try_for_each(|document| check_document(document))?;
        let arns: Vec<String> = (1..).map_while(|n| form.take(&format!("PolicyArns.member.{n}.arn"))).collect();
        if arns.len() > POLICIES {
            return Err(invalid(format!("Cannot exceed quota for PolicyArns: {POLICIES}")));
        }
        let characters: usize = policies.iter().chain(&arns).map(|text| text.chars().count()).sum();
        if characters > POLICY_CHARACTERS {
            let message = format!("The session policies have {characters} characters, and {POLICY_CHARACTERS} are allowed");
            return Err(Failure::new(400, "PackedPolicyTooLarge", message));
        }
        for arn in &arns {
            match self.iam.document_of_policy(arn) {
                Some(document) => policies.push(document),
                None if arn.starts_with("arn:aws:iam::aws:policy/") => return Err(Failure::gap(format!("what the policy {arn} allows"))),
                None => return Err(Failure::new(400, "MalformedPolicyDocument", format!("The policy {arn} does not exist"))),
            }
        }
        Ok((!policies.is_empty()).then_some(policies))
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(400, "ValidationError", message)
}

fn session_name(name: String) -> Result<String, Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if (2..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name);
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: [\\w+=,.@-]* and have length between 2 and 64"
    )))
}

fn duration(form: &mut Form, role: &Role, caller: &Caller) -> Result<u32, Failure> {
    let asked = form.take("DurationSeconds").map(|text| text.parse::<u32>()).transpose();
    let seconds = asked.map_err(|_| invalid("DurationSeconds must be a number"))?.unwrap_or(3_600);
    if !(900..=43_200).contains(&seconds) {
        return Err(invalid("DurationSeconds must be between 900 and 43200"));
    }
    if caller.role().is_some() && seconds > CHAINED_SECONDS {
        return Err(invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"));
    }
    if seconds > role.max_session {
        return Err(invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
    }
    Ok(seconds)
}

/// The tags of a session, those included that the caller's own session hands on, and which of them it hands on itself.
fn tags(form: &mut Form, caller: &Caller) -> Result<(BTreeMap<String, String>, BTreeSet<String>), Failure> {
    let given = form.tags();
    let mut transitive: BTreeSet<String> = form.list("TransitiveTagKeys").into_iter().collect();
    let mut tags: BTreeMap<String, String> = given.iter().cloned().collect();
    if tags.len() != given.len() || tags.len() > TAGS {
        return Err(invalid(format!("Session tags must have different keys, and there may be {TAGS} of them")));
    }
    if let Some(key) = transitive.iter().find(|key| !tags.contains_key(*key)) {
        return Err(invalid(format!("The transitive tag key {key} is not the key of a session tag")));
    }
    if let Caller::Role(session) = caller {
        for key in &session.transitive {
            let Some(value) = session.tags.get(key) else { continue };
            if tags.insert(key.clone(), value.clone()).is_some() {
                return Err(invalid(format!("The session tag {key} is handed on by the caller's session and cannot be given again")));
            }
            transitive.insert(key.clone());
        }
    }
    Ok((tags, transitive))
}

fn credentials(minted: &Credentials) -> String {
    format!(
        "<Credentials>{}{}{}{}</Credentials>",
        element("AccessKeyId", &minted.access_key_id),
        element("SecretAccessKey", &minted.secret_access_key),
        element("SessionToken", minted.session_token.as_deref().unwrap_or_default()),
        element("Expiration", &minted.expires.map(iso_seconds).unwrap_or_default())
    )
}

/// What EC2 put, encoded, into a refusal.
fn decode_message(form: &mut Form) -> Result<String, Failure> {
    let encoded = form.need("EncodedMessage")?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).ok();
    let message = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| text.starts_with('{'));
    let message = message.ok_or_else(|| Failure::new(400, "InvalidAuthorizationMessageException", "The message cannot be decoded"))?;
    Ok(element("DecodedMessage", &message))
}

#[async_trait]
impl Backend for Sts {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let mut form = Form::parse(&request.body);
        let operation = request.operation.as_str();
        let result = match operation {
            "GetCallerIdentity" => self.caller_identity(request),
            "AssumeRole" => self.assume_role(request, &mut form)?,
            "DecodeAuthorizationMessage" => decode_message(&mut form)?,
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
