//! Whose account this is.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use spawn_core::ports::{Caller, Result};
use tokio::sync::OnceCell;

use super::unexpected;
use crate::endpoint::{Call, Endpoint};

const WHO: Call = Call::repeatable("sts", "GetCallerIdentity");

/// The account that the credentials belong to, asked for once.
#[derive(Debug)]
pub(crate) struct Account {
    client: Client,
    endpoint: Arc<Endpoint>,
    id: OnceCell<String>,
}

impl Account {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint, id: OnceCell::new() }
    }

    /// `GetCallerIdentity`; what it says of the account is remembered.
    pub(crate) async fn caller(&self) -> Result<Caller> {
        let ask = self.client.get_caller_identity();
        let answer = self.endpoint.call(WHO, || ask.clone().send()).await?;
        let account = answer.account.ok_or_else(|| unexpected(WHO, "an account"))?;
        let arn = answer.arn.ok_or_else(|| unexpected(WHO, "an ARN"))?;
        // Set already, it was set by another call with the same credentials.
        let _ = self.id.set(account.clone());
        Ok(Caller { account, arn })
    }

    /// The account's id, by an ARN with which AWS itself has named something of this account's.
    pub(crate) fn is_of(&self, arn: &str) {
        if let Some(account) = arn.split(':').nth(4).filter(|account| !account.is_empty()) {
            // Set already, it was set by another answer to the same credentials.
            let _ = self.id.set(account.to_owned());
        }
    }

    /// The account's id, asked for only if it is not known.
    pub(crate) async fn id(&self) -> Result<&str> {
        if self.id.get().is_none() {
            self.caller().await?;
        }
        self.id.get().map(String::as_str).ok_or_else(|| unexpected(WHO, "an account"))
    }
}
