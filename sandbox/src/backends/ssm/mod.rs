//! Systems Manager: parameters, documents and automations of one account.

mod automations;
mod documents;
mod paging;
mod parameters;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;

use crate::authority::Authority;
use crate::backends::iam::Iam;
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
pub(crate) use automations::{Execution, ExecutionStatus};
pub(crate) use automations::{StepRecord, check_start};

/// Systems Manager of one account.
pub(crate) struct Ssm {
    account: String,
    iam: Arc<Iam>,
    state: Mutex<State>,
    authority: OnceLock<Arc<Authority>>,
}

#[derive(Debug, Default)]
struct State {
    /// By region and name.
    parameters: BTreeMap<(String, String), parameters::Parameter>,
    /// By region and name.
    documents: BTreeMap<(String, String), documents::Document>,
    /// By id.
    executions: BTreeMap<String, Execution>,
    /// Ids in the order they were started.
    order: Vec<String>,
}

impl Ssm {
    /// Systems Manager with AWS's public parameters and nothing else.
    pub(crate) fn new(
        account: &str,
        iam: Arc<Iam>,
        public: impl IntoIterator<Item = (String, String, String)>,
        started: Timestamp,
    ) -> Self {
        let mut state = State::default();
        for (region, name, value) in public {
            state.parameters.insert((region, name), parameters::Parameter::public(value, started));
        }
        Self { account: account.to_owned(), iam, state: Mutex::new(state), authority: OnceLock::new() }
    }

    /// From now on who starts an automation must be allowed to hand it its role. Only the first authority counts.
    pub(crate) fn enforce(&self, authority: Arc<Authority>) {
        self.authority.get_or_init(|| authority);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The account's own parameters (their versions, never their values) and documents, by `region/name`.
    pub(crate) fn snapshot(&self) -> serde_json::Value {
        let state = self.lock();
        let parameters: BTreeMap<String, u64> = state
            .parameters
            .iter()
            .filter(|(_, parameter)| !parameter.is_public())
            .map(|((region, name), parameter)| (format!("{region}/{name}"), parameter.version))
            .collect();
        let documents: BTreeMap<String, usize> =
            state.documents.iter().map(|((region, name), document)| (format!("{region}/{name}"), document.versions.len())).collect();
        json!({"parameters": parameters, "documents": documents})
    }
}

#[async_trait]
impl Backend for Ssm {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = match request.operation.as_str() {
            "GetParameter" => self.get_parameter(request)?,
            "GetParameters" => self.get_parameters(request)?,
            "GetParametersByPath" => self.get_parameters_by_path(request)?,
            "PutParameter" => self.put_parameter(request)?,
            "DeleteParameter" => self.delete_parameter(request)?,
            "DeleteParameters" => self.delete_parameters(request)?,
            "DescribeParameters" => self.describe_parameters(request)?,
            "AddTagsToResource" => self.add_tags(request)?,
            "ListTagsForResource" => self.list_tags(request)?,
            "CreateDocument" => self.create_document(request)?,
            "GetDocument" => self.get_document(request)?,
            "DescribeDocument" => self.describe_document(request)?,
            "UpdateDocument" => self.update_document(request)?,
            "UpdateDocumentDefaultVersion" => self.update_default_version(request)?,
            "DeleteDocument" => self.delete_document(request)?,
            "ListDocuments" => self.list_documents(request)?,
            "StartAutomationExecution" => self.start_automation(request)?,
            "GetAutomationExecution" => self.get_automation(request)?,
            "DescribeAutomationExecutions" => self.describe_automations(request)?,
            "StopAutomationExecution" => self.stop_automation(request)?,
            other => return Err(Failure::gap(format!("ssm {other}"))),
        };
        Ok(Answer::json(&answer))
    }
}

/// A tag as the JSON of Systems Manager has it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    key: String,
    value: String,
}

fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}
