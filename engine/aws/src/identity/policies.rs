//! Managed policies.

use spawn_core::ports::Result;
use spawn_model::layout::ROLE_PATH;

use super::{GONE, Iam, unexpected};
use crate::endpoint::Call;
use crate::error::Tolerate;
use crate::partition::partition;

const CREATE: Call = Call::once("iam", "CreatePolicy");
const GET: Call = Call::repeatable("iam", "GetPolicy");
const GET_VERSION: Call = Call::repeatable("iam", "GetPolicyVersion");
// Made twice it makes two versions, of which the second counts as well: but IAM keeps only five.
const CREATE_VERSION: Call = Call::once("iam", "CreatePolicyVersion");
const VERSIONS: Call = Call::repeatable("iam", "ListPolicyVersions");
const DELETE_VERSION: Call = Call::repeatable("iam", "DeletePolicyVersion");
const DELETE: Call = Call::repeatable("iam", "DeletePolicy");

impl Iam {
    pub(super) async fn policy_make(&self, account: &str, name: &str, document: &str) -> Result<String> {
        let create = self.client.create_policy().path(ROLE_PATH).policy_name(name).policy_document(document);
        let created = self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["EntityAlreadyExists"])?;
        let arn = format!("arn:{}:iam::{account}:policy{ROLE_PATH}{name}", partition(&self.region));
        if created.is_none() {
            self.policy_change(&arn, document).await?;
        }
        Ok(arn)
    }

    /// Lets a policy say what it is to say, unless it does.
    async fn policy_change(&self, arn: &str, document: &str) -> Result<()> {
        let Some(known) = self.policy_says(arn).await? else { return Err(unexpected(GET, "a policy")) };
        if says_the_same(&known, document) {
            return Ok(());
        }
        // IAM keeps five, and nobody goes back to one.
        self.former_versions_delete(arn).await?;
        let create = self.client.create_policy_version().policy_arn(arn).policy_document(document).set_as_default(true);
        self.endpoint.call(CREATE_VERSION, || create.clone().send()).await.map(drop)
    }

    /// What a policy says; nothing if there is no such policy.
    pub(super) async fn policy_says(&self, arn: &str) -> Result<Option<String>> {
        let get = self.client.get_policy().policy_arn(arn);
        let found = self.endpoint.call(GET, || get.clone().send()).await.tolerate(GONE)?;
        let Some(version) = found.and_then(|answer| answer.policy).and_then(|policy| policy.default_version_id) else {
            return Ok(None);
        };
        let get = self.client.get_policy_version().policy_arn(arn).version_id(version);
        let Some(answer) = self.endpoint.call(GET_VERSION, || get.clone().send()).await.tolerate(GONE)? else { return Ok(None) };
        let encoded = answer.policy_version.and_then(|version| version.document).ok_or_else(|| unexpected(GET_VERSION, "a document"))?;
        Ok(Some(decoded(&encoded)))
    }

    /// Deletes the versions of a policy that do not count any more. Says whether there is such a policy.
    async fn former_versions_delete(&self, arn: &str) -> Result<bool> {
        let list = self.client.list_policy_versions().policy_arn(arn);
        let Some(answer) = self.endpoint.call(VERSIONS, || list.clone().send()).await.tolerate(GONE)? else {
            return Ok(false);
        };
        for version in answer.versions().iter().filter(|version| !version.is_default_version()) {
            let delete = self.client.delete_policy_version().policy_arn(arn).set_version_id(version.version_id().map(str::to_owned));
            self.endpoint.call(DELETE_VERSION, || delete.clone().send()).await.tolerate(GONE)?;
        }
        Ok(true)
    }

    pub(super) async fn policy_remove(&self, arn: &str) -> Result<()> {
        // Somebody may have edited it: IAM deletes a policy only with its last version.
        if !self.former_versions_delete(arn).await? {
            return Ok(());
        }
        let delete = self.client.delete_policy().policy_arn(arn);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(GONE)?;
        Ok(())
    }
}

/// A document as it was put: IAM hands them out percent-encoded.
pub(super) fn decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned()
}

/// Whether two documents say the same, however they are written.
fn says_the_same(known: &str, document: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    read(known).is_some_and(|known| Some(known) == read(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_compared_by_what_they_say() {
        let ours = r#"{"Version":"2012-10-17","Statement":[]}"#;
        for (known, same) in [(r#"{ "Statement": [], "Version": "2012-10-17" }"#, true), (r#"{"Statement":[]}"#, false), ("{", false)] {
            assert_eq!(says_the_same(known, ours), same, "{known}");
        }
    }
}
