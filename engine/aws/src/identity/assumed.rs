//! A role that is assumed with a token of somebody else's, as OpenID Connect has it. A new token is asked for each time.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

use super::unexpected;
use crate::endpoint::{Call, Endpoint};

const ASSUME: Call = Call::repeatable("sts", "AssumeRoleWithWebIdentity");

/// What STS answers if the role does not trust the token, and if there is no such role.
const NOT_TRUSTED: &str = "AccessDenied";

/// Who gives out tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token that is good for some minutes.
    async fn token(&self) -> Result<String>;
}

/// The role to be, and by whose word.
#[derive(Clone)]
pub struct WebIdentity {
    /// The role's ARN.
    pub role: String,
    /// What the session is called, in CloudTrail for one.
    pub session: String,
    /// Who gives out the tokens that the role trusts.
    pub tokens: Arc<dyn Tokens>,
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentity").field("role", &self.role).field("session", &self.session).finish_non_exhaustive()
    }
}

/// The credentials of such a role.
#[derive(Debug)]
pub(crate) struct Assumed {
    client: Client,
    endpoint: Arc<Endpoint>,
    identity: WebIdentity,
}

impl Assumed {
    /// `config` has no credentials: this call takes none.
    pub(crate) fn new(config: &SdkConfig, identity: WebIdentity) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint, identity }
    }

    async fn credentials(&self) -> Result<Credentials> {
        let WebIdentity { role, session, tokens } = &self.identity;
        let token = tokens.token().await?;
        let ask = self.client.assume_role_with_web_identity().role_arn(role).role_session_name(session).web_identity_token(token);
        let answer = self.endpoint.call(ASSUME, || ask.clone().send()).await.map_err(|error| refused(role, error))?;
        let told = answer.credentials.ok_or_else(|| unexpected(ASSUME, "credentials"))?;
        let expires = SystemTime::try_from(told.expiration).map_err(|_| unexpected(ASSUME, "a possible time"))?;
        Ok(Credentials::new(told.access_key_id, told.secret_access_key, Some(told.session_token), Some(expires), "WebIdentity"))
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.credentials().await.map_err(CredentialsError::provider_error) })
    }
}

/// STS says of a token that is not trusted no more than that.
fn refused(role: &str, error: Error) -> Error {
    if error.code != NOT_TRUSTED {
        return error.context(&format!("assuming {role}"));
    }
    let message = format!("{role} cannot be assumed with this token: there is no such role, or its trust policy asks for something else");
    Error::new(
        Class::Denied,
        "RoleNotTrusting",
        message,
        "Let the trust policy of the role allow sts:AssumeRoleWithWebIdentity for what the token says",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sts_says_little_of_is_explained_and_what_it_says_is_kept() {
        let error = |code: &str| refused("arn:aws:iam::123456789012:role/ci", Error::new(Class::Denied, code, "said", "help"));
        assert_eq!(error("AccessDenied").code, "RoleNotTrusting");
        assert_eq!(error("ExpiredTokenException").message, "assuming arn:aws:iam::123456789012:role/ci: said");
    }
}
