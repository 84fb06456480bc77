//! The ID token of a job: GitHub gives it out, and a role of AWS trusts it.

mod claims;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use spawn_aws::Tokens;
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

pub(crate) use claims::Claims;

use crate::console::Console;
use crate::http;
use crate::runner::Environment;

/// How often GitHub is asked before its answer counts.
const ATTEMPTS: u32 = 3;
/// The pause before it is asked again, which doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// What a job has to have.
const PERMISSIONS: &str =
    "Write into the job: `permissions: { id-token: write, contents: read }`. A pull request of a fork is never given it";

/// Where the tokens of this job come from.
pub(crate) struct IdTokens {
    /// Where they are asked for, and as whom.
    service: Option<(String, String)>,
    audience: String,
    console: Console,
    /// What the last one said.
    last: Mutex<Option<Claims>>,
}

#[derive(Deserialize)]
struct Given {
    value: String,
}

impl IdTokens {
    /// Those of the job that the environment is of.
    pub(crate) fn of(environment: &Environment, audience: &str, console: &Console) -> Self {
        let get = |name: &str| environment.get(name).map(str::to_owned);
        let service = get("ACTIONS_ID_TOKEN_REQUEST_URL").zip(get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
        Self { service, audience: audience.to_owned(), console: console.clone(), last: Mutex::new(None) }
    }

    /// What the last token said.
    pub(crate) fn last(&self) -> Option<Claims> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self) -> Result<String> {
        let Some((url, own)) = &self.service else {
            return Err(Error::new(
                Class::Denied,
                "NoIdToken",
                "this job may not ask for an ID token, which the role is assumed by",
                PERMISSIONS,
            ));
        };
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}audience={}", utf8_percent_encode(&self.audience, NON_ALPHANUMERIC));
        let answer =
            http::get(&url, own).await.map_err(|cause| refused(Class::Transient, &format!("GitHub cannot be asked for it: {cause}")))?;
        if !answer.status.is_success() {
            let class = if answer.status.is_server_error() || answer.status.as_u16() == 429 { Class::Transient } else { Class::Denied };
            return Err(refused(class, &format!("GitHub answered {}", answer.status.as_u16())));
        }
        let given: Option<Given> = serde_json::from_slice(&answer.body).ok();
        given.map(|given| given.value).ok_or_else(|| refused(Class::Transient, "what GitHub answered is none"))
    }

    /// The same error, with what the token says if that is why STS has refused it.
    pub(crate) fn explained(&self, error: Error) -> Error {
        let is_about_it = ["RoleNotTrusting", "InvalidIdentityToken", "IDPRejectedClaim"].contains(&error.code.as_str());
        match self.last().filter(|_| is_about_it) {
            Some(claims) => error.helped(&format!("The token says {}; {}", claims.said().join(", "), claims.advice())),
            None => error,
        }
    }
}

#[async_trait]
impl Tokens for IdTokens {
    async fn token(&self) -> Result<String> {
        let (mut made, mut pause) = (1, PAUSE);
        let token = loop {
            match self.ask().await {
                Err(error) if error.class == Class::Transient && made < ATTEMPTS => {}
                answer => break answer?,
            }
            tokio::time::sleep(pause).await;
            (made, pause) = (made + 1, pause * 2);
        };
        // Before anything else is said.
        self.console.mask(&token);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Claims::of(&token);
        Ok(token)
    }
}

fn refused(class: Class, why: &str) -> Error {
    let help = if class == Class::Transient { "Run the job again" } else { PERMISSIONS };
    Error::new(class, "IdTokenRefused", format!("the job has no ID token: {why}"), help)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::claims::tests::{claims, token};
    use super::*;
    use crate::console::tests::Said;

    /// A service that answers one request after the other, and where it is; then what it was asked.
    async fn service(answers: Vec<(u16, String)>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(connection.read_u8().await.unwrap());
                }
                asked.push(String::from_utf8(request).unwrap());
                let answer = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (url, served)
    }

    fn tokens(url: &str, said: &Said) -> IdTokens {
        let environment = Environment::from([("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "own-secret")]);
        IdTokens::of(&environment, "sts.amazonaws.com", &said.console())
    }

    #[tokio::test]
    async fn a_token_is_asked_for_and_masked_before_it_is_used() {
        let wanted = token(&claims("repo:octo-org/octo-repo:ref:refs/heads/main"));
        let good = serde_json::json!({"value": wanted, "count": 1}).to_string();
        let (url, served) = service(vec![(503, String::new()), (200, good)]).await;
        let said = Said::default();
        let tokens = tokens(&url, &said);
        assert_eq!(tokens.token().await, Ok(wanted.clone()));
        assert_eq!(said.text(), format!("::add-mask::{wanted}\n"));
        assert_eq!(tokens.last().unwrap().said()[0], "aud = sts.amazonaws.com");
        let asked = served.await.unwrap();
        assert!(asked[1].starts_with("GET /token?api-version=2.0&audience=sts%2Eamazonaws%2Ecom HTTP/1.1\r\n"), "{}", asked[1]);
        assert!(asked[1].contains("authorization: Bearer own-secret\r\n"), "{}", asked[1]);
    }

    #[tokio::test]
    async fn why_there_is_no_token_is_said() {
        let said = Said::default();
        let none = IdTokens::of(&Environment::default(), "sts.amazonaws.com", &said.console());
        let denied = |status| async move {
            let (url, _served) = service(vec![(status, "own-secret".to_owned())]).await;
            tokens(&url, &Said::default()).token().await.unwrap_err()
        };
        let errors = [none.token().await.unwrap_err(), denied(403).await, denied(200).await];
        let told: Vec<String> = errors.iter().map(|error| format!("{:?} {} {error}", error.class, error.code)).collect();
        assert!(told.iter().all(|told| !told.contains("own-secret")), "{told:#?}");
        assert_eq!((errors[0].code.as_str(), errors[1].class, errors[2].class), ("NoIdToken", Class::Denied, Class::Transient));
    }

    #[tokio::test]
    async fn a_role_that_does_not_trust_the_token_is_told_what_it_says() {
        let good = serde_json::json!({"value": token(&claims("repo:octo-org@123456/octo-repo@789012:ref:refs/heads/main"))}).to_string();
        let (url, _served) = service(vec![(200, good)]).await;
        let tokens = tokens(&url, &Said::default());
        let untrusted = || Error::new(Class::Denied, "RoleNotTrusting", "it cannot be assumed", "Trust it");
        assert_eq!(tokens.explained(untrusted()), untrusted());
        tokens.token().await.unwrap();
        insta::assert_snapshot!("untrusted", tokens.explained(untrusted()).to_string());
        let other = || Error::new(Class::Denied, "AccessDenied", "no", "");
        assert_eq!(tokens.explained(other()), other());
    }
}
