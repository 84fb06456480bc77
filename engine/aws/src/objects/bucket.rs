//! The bucket itself.

use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};
use spawn_core::ports::{Objects, Result};
use spawn_model::error::{Class, Error};

use super::S3;
use crate::endpoint::Call;
use crate::error::Tolerate;

const CREATE: Call = Call::once("s3", "CreateBucket");
const BLOCK: Call = Call::repeatable("s3", "PutPublicAccessBlock").needing("s3:PutBucketPublicAccessBlock");
const ENCRYPT: Call = Call::repeatable("s3", "PutBucketEncryption").needing("s3:PutEncryptionConfiguration");
const OWN: Call = Call::repeatable("s3", "PutBucketOwnershipControls");
const POLICY: Call = Call::repeatable("s3", "PutBucketPolicy");
const DELETE: Call = Call::repeatable("s3", "DeleteBucket");

impl S3 {
    pub(super) async fn bucket_make(&self, bucket: &str, policy: &str) -> Result<()> {
        self.bucket_create(bucket).await?;
        let owner = self.account.id().await?;

        let closed = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let block =
            self.client.put_public_access_block().bucket(bucket).expected_bucket_owner(owner).public_access_block_configuration(closed);
        self.endpoint.call(BLOCK, || block.clone().send()).await?;

        let encrypt = self
            .client
            .put_bucket_encryption()
            .bucket(bucket)
            .expected_bucket_owner(owner)
            .server_side_encryption_configuration(encryption()?);
        self.endpoint.call(ENCRYPT, || encrypt.clone().send()).await?;

        let own = self.client.put_bucket_ownership_controls().bucket(bucket).expected_bucket_owner(owner).ownership_controls(ownership()?);
        self.endpoint.call(OWN, || own.clone().send()).await?;

        let put = self.client.put_bucket_policy().bucket(bucket).expected_bucket_owner(owner).policy(policy);
        self.endpoint.call(POLICY, || put.clone().send()).await?;
        Ok(())
    }

    async fn bucket_create(&self, bucket: &str) -> Result<()> {
        let mut create = self.client.create_bucket().bucket(bucket);
        // S3 refuses to be told its first region.
        if self.region != "us-east-1" {
            let place = BucketLocationConstraint::from(self.region.as_str());
            create = create.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build());
        }
        match self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["BucketAlreadyOwnedByYou"]) {
            Err(error) if error.code == "BucketAlreadyExists" => {
                let message = format!("the bucket name {bucket} is taken by another AWS account");
                let help = "Bucket names are global: ask its owner to give it up, or set up spawn in another region or account";
                Err(Error::new(Class::Conflict, error.code, message, help))
            }
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    pub(super) async fn bucket_remove(&self, bucket: &str) -> Result<()> {
        let gone: &[&str] = &["NoSuchBucket"];
        let Some(keys) = self.list(bucket, "").await.tolerate(gone)? else {
            return Ok(());
        };
        if !keys.is_empty() {
            self.delete(bucket, &keys).await.tolerate(gone)?;
        }
        let delete = self.client.delete_bucket().bucket(bucket).expected_bucket_owner(self.account.id().await?);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(gone)?;
        Ok(())
    }
}

fn encryption() -> Result<ServerSideEncryptionConfiguration> {
    let aes = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build().map_err(incomplete)?;
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(aes).bucket_key_enabled(false).build();
    ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(incomplete)
}

fn ownership() -> Result<OwnershipControls> {
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build().map_err(incomplete)?;
    OwnershipControls::builder().rules(rule).build().map_err(incomplete)
}

fn incomplete(error: aws_sdk_s3::error::BuildError) -> Error {
    Error::new(Class::Bug, "InvalidRequest", format!("a request to S3 lacks a part: {error}"), "")
}
