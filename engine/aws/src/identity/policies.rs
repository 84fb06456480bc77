//! Managed policies.

use spawn_core::ports::Result;
use spawn_model::layout::ROLE_PATH;

use super::{GONE, Iam};
use crate::endpoint::Call;
use crate::error::Tolerate;
use crate::partition::partition;

const CREATE: Call = Call::once("iam", "CreatePolicy");
const VERSIONS: Call = Call::repeatable("iam", "ListPolicyVersions");
const DELETE_VERSION: Call = Call::repeatable("iam", "DeletePolicyVersion");
const DELETE: Call = Call::repeatable("iam", "DeletePolicy");

impl Iam {
    pub(super) async fn policy_make(&self, account: &str, name: &str, document: &str) -> Result<String> {
        let create = self.client.create_policy().path(ROLE_PATH).policy_name(name).policy_document(document);
        self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["EntityAlreadyExists"])?;
        Ok(format!("arn:{}:iam::{account}:policy{ROLE_PATH}{name}", partition(&self.region)))
    }

    pub(super) async fn policy_remove(&self, arn: &str) -> Result<()> {
        // Somebody may have edited it: IAM deletes a policy only with its last version.
        let list = self.client.list_policy_versions().policy_arn(arn);
        let Some(answer) = self.endpoint.call(VERSIONS, || list.clone().send()).await.tolerate(GONE)? else {
            return Ok(());
        };
        for version in answer.versions().iter().filter(|version| !version.is_default_version()) {
            let delete = self.client.delete_policy_version().policy_arn(arn).set_version_id(version.version_id().map(str::to_owned));
            self.endpoint.call(DELETE_VERSION, || delete.clone().send()).await.tolerate(GONE)?;
        }
        let delete = self.client.delete_policy().policy_arn(arn);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(GONE)?;
        Ok(())
    }
}
