//! Systems Manager: parameters and Automation documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::types::{DocumentFormat, DocumentType, ParameterStringFilter, ParameterType};
use spawn_core::ports::{Result, Systems};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;
use crate::identity::Account;

const GET_PARAMETER: Call = Call::repeatable("ssm", "GetParameter");
const DESCRIBE_PARAMETERS: Call = Call::repeatable("ssm", "DescribeParameters");
const PUT_PARAMETER: Call = Call::repeatable("ssm", "PutParameter");
const DELETE_PARAMETER: Call = Call::repeatable("ssm", "DeleteParameter");
const CREATE_DOCUMENT: Call = Call::once("ssm", "CreateDocument");
const DELETE_DOCUMENT: Call = Call::repeatable("ssm", "DeleteDocument");

/// The parameters and documents of one region.
#[derive(Debug)]
pub(crate) struct Ssm {
    client: Client,
    endpoint: Arc<Endpoint>,
    account: Arc<Account>,
}

impl Ssm {
    pub(crate) fn new(config: &SdkConfig, account: Arc<Account>) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint, account }
    }
}

#[async_trait]
impl Systems for Ssm {
    async fn parameter(&self, name: &str) -> Result<Option<String>> {
        let get = self.client.get_parameter().name(name);
        let answer = self.endpoint.call(GET_PARAMETER, || get.clone().send()).await.tolerate(&["ParameterNotFound"])?;
        let parameter = answer.and_then(|answer| answer.parameter);
        // By its name alone a parameter is the account's own, or one of AWS's, which is nobody's: so nobody need be asked whose account it is.
        if let Some(arn) = parameter.as_ref().filter(|_| !name.starts_with("arn:")).and_then(|parameter| parameter.arn.as_deref()) {
            self.account.is_of(arn);
        }
        Ok(parameter.and_then(|parameter| parameter.value))
    }

    async fn parameter_put(&self, name: &str, value: &str) -> Result<()> {
        let put = self.client.put_parameter().name(name).value(value).r#type(ParameterType::String).overwrite(true);
        self.endpoint.call(PUT_PARAMETER, || put.clone().send()).await?;
        Ok(())
    }

    async fn parameter_delete(&self, name: &str) -> Result<()> {
        let delete = self.client.delete_parameter().name(name);
        self.endpoint.call(DELETE_PARAMETER, || delete.clone().send()).await.tolerate(&["ParameterNotFound"])?;
        Ok(())
    }

    async fn secret_put(&self, name: &str, value: &str) -> Result<i64> {
        let put = self.client.put_parameter().name(name).value(value).r#type(ParameterType::SecureString).overwrite(true);
        Ok(self.endpoint.call(PUT_PARAMETER, || put.clone().send()).await?.version)
    }

    async fn secret(&self, name: &str) -> Result<Option<String>> {
        let get = self.client.get_parameter().name(name).with_decryption(true);
        let answer = self.endpoint.call(GET_PARAMETER, || get.clone().send()).await.tolerate(&["ParameterNotFound"])?;
        Ok(answer.and_then(|answer| answer.parameter).and_then(|parameter| parameter.value))
    }

    async fn versions(&self, prefix: &str) -> Result<BTreeMap<String, i64>> {
        let filter = ParameterStringFilter::builder().key("Name").option("BeginsWith").values(prefix).build();
        let filter = filter.map_err(|cause| Error::new(Class::Bug, "InvalidRequest", format!("a filter lacks a part: {cause}"), ""))?;
        let mut versions = BTreeMap::new();
        let mut token = None;
        loop {
            let describe = self.client.describe_parameters().parameter_filters(filter.clone()).max_results(50).set_next_token(token);
            let page = self.endpoint.call(DESCRIBE_PARAMETERS, || describe.clone().send()).await?;
            let versioned = page.parameters.unwrap_or_default().into_iter().filter_map(|known| Some((known.name?, known.version)));
            versions.extend(versioned);
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(versions);
            }
        }
    }

    async fn document_ensure(&self, name: &str, content: &str) -> Result<()> {
        let create = self
            .client
            .create_document()
            .name(name)
            .content(content)
            .document_type(DocumentType::Automation)
            .document_format(DocumentFormat::Json);
        self.endpoint.call(CREATE_DOCUMENT, || create.clone().send()).await.tolerate(&["DocumentAlreadyExists"])?;
        Ok(())
    }

    async fn document_delete(&self, name: &str) -> Result<()> {
        let delete = self.client.delete_document().name(name);
        self.endpoint.call(DELETE_DOCUMENT, || delete.clone().send()).await.tolerate(&["InvalidDocument"])?;
        Ok(())
    }
}
