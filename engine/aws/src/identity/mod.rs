//! IAM and STS.

mod account;
mod assumed;
mod policies;
mod roles;
mod trust;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::Builder;
use aws_sdk_iam::types::Tag;
use spawn_core::ports::{Caller, Identity, Result, Role, RoleRequest, Tags};
use spawn_model::error::{Class, Error};

pub(crate) use account::Account;
pub(crate) use assumed::Assumed;
pub use assumed::{Tokens, WebIdentity};

use crate::endpoint::{Call, Endpoint};

/// What `NoSuchEntity` says: it is gone, or never was.
const GONE: &[&str] = &["NoSuchEntity"];

/// The identities of one account.
#[derive(Debug)]
pub(crate) struct Iam {
    client: Client,
    endpoint: Arc<Endpoint>,
    account: Arc<Account>,
    region: String,
}

impl Iam {
    pub(crate) fn new(config: &SdkConfig, region: &str, account: Arc<Account>) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint, account, region: region.to_owned() }
    }
}

#[async_trait]
impl Identity for Iam {
    async fn caller(&self) -> Result<Caller> {
        self.account.caller().await
    }

    async fn policy_document(&self, arn: &str) -> Result<Option<String>> {
        self.policy_says(arn).await
    }

    async fn role_ensure(&self, role: &RoleRequest) -> Result<String> {
        self.role_make(role).await
    }

    async fn role_policy(&self, name: &str) -> Result<Option<String>> {
        self.get_policy(name).await
    }

    async fn role(&self, name: &str) -> Result<Option<Role>> {
        self.role_found(name).await
    }

    async fn role_policy_put(&self, name: &str, policy: &str) -> Result<()> {
        self.put_policy(name, policy).await
    }

    async fn profile_ensure(&self, name: &str, tags: &Tags) -> Result<()> {
        self.profile_make(name, tags).await
    }

    async fn role_delete(&self, name: &str) -> Result<()> {
        self.role_remove(name).await
    }

    async fn roles(&self, name_prefix: &str) -> Result<Vec<String>> {
        self.role_names(name_prefix).await
    }

    async fn service_role_ensure(&self, service: &str) -> Result<()> {
        self.service_role_make(service).await
    }

    async fn policy_ensure(&self, account: &str, name: &str, document: &str) -> Result<String> {
        self.policy_make(account, name, document).await
    }

    async fn policy_delete(&self, arn: &str) -> Result<()> {
        self.policy_remove(arn).await
    }
}

/// Tags as IAM takes them.
fn iam_tags(tags: &Tags) -> Result<Vec<Tag>> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(incomplete)).collect()
}

fn incomplete(error: aws_sdk_iam::error::BuildError) -> Error {
    Error::new(Class::Bug, "InvalidRequest", format!("a request to IAM lacks a part: {error}"), "")
}

/// An answer that lacks what it must have.
fn unexpected(call: Call, what: &str) -> Error {
    Error::new(Class::Bug, "InvalidAnswer", format!("{} answered without {what}", call.permission()), "")
}
