//! What a token says. It is read and never checked: STS does that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The claims that trust policies ask for, by their names there.
const ASKED_FOR: [&str; 7] = ["aud", "sub", "repository", "repository_id", "ref", "environment", "job_workflow_ref"];

/// The claims of a token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// Those of a token; nothing if it is none.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&json).ok().map(Self)
    }

    /// What it says of something.
    fn get(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
            other => Some(other.to_string()),
        }
    }

    /// What trust policies ask for and it says, such as `aud = sts.amazonaws.com`.
    pub(crate) fn said(&self) -> Vec<String> {
        ASKED_FOR.iter().filter_map(|name| Some(format!("{name} = {}", self.get(name)?))).collect()
    }

    /// The two forms that `sub` has: with names alone, as in repositories from before July 2026, and with ids. Nothing if the repository's owner
    /// has given it another one.
    fn subjects(&self) -> Option<[String; 2]> {
        let (subject, repository) = (self.get("sub")?, self.get("repository")?);
        let (owner, name) = repository.split_once('/')?;
        let (_, rest) = subject.strip_prefix("repo:")?.split_once(':')?;
        let by_ids = format!("repo:{owner}@{}/{name}@{}:{rest}", self.get("repository_owner_id")?, self.get("repository_id")?);
        Some([format!("repo:{repository}:{rest}"), by_ids])
    }

    /// What a role's trust policy may be missing, in a sentence.
    pub(crate) fn advice(&self) -> String {
        let Some([by_names, by_ids]) = self.subjects() else {
            return "`sub` has a form of its own here: the trust policy has to ask for exactly what it says".to_owned();
        };
        let (has, lacks) = if self.get("sub").as_ref() == Some(&by_ids) { (&by_ids, &by_names) } else { (&by_names, &by_ids) };
        format!(
            "a policy that asks for `sub` = {lacks} alone does not trust it: this repository's is {has}, and both forms may stand in one policy"
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A token that says this. Nobody has signed it.
    pub(crate) fn token(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256"})), part(claims))
    }

    /// What the token of a push to main says.
    pub(crate) fn claims(sub: &str) -> Value {
        json!({
            "aud": "sts.amazonaws.com", "sub": sub, "repository": "octo-org/octo-repo", "repository_id": "789012", "repository_owner_id": "123456",
            "ref": "refs/heads/main", "jti": "secret",
        })
    }

    #[test]
    fn a_token_says_what_policies_ask_for_and_no_more() {
        let old = Claims::of(&token(&claims("repo:octo-org/octo-repo:ref:refs/heads/main"))).unwrap();
        let new = Claims::of(&token(&claims("repo:octo-org@123456/octo-repo@789012:ref:refs/heads/main"))).unwrap();
        let own = Claims::of(&token(&claims("repository_id:789012"))).unwrap();
        let several = Claims::of(&token(&json!({"aud": ["a", "b"], "run_attempt": 1}))).unwrap();
        let told = [old, new, own, several].map(|claims| format!("{}\n{}\n", claims.said().join("\n"), claims.advice()));
        assert!(told.iter().all(|told| !told.contains("secret")));
        insta::assert_snapshot!("claims", told.join("\n"));
    }

    #[test]
    fn what_is_no_token_says_nothing() {
        for text in ["", "a", "a.b", "a.!.c", "a.bm90IGpzb24.c", "a.W10.c"] {
            assert!(Claims::of(text).is_none(), "{text:?}");
        }
    }
}
