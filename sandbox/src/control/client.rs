//! The control API from another process.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::CallRecord;
use crate::gaps::Gap;

use super::{ClockReading, FaultScript, Status};

/// What the credentials file says.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialsFile {
    /// Where the sandbox listens.
    pub endpoint: String,
    /// The process it lives in.
    pub pid: u32,
    /// The controller's access key id.
    pub access_key_id: String,
    /// The controller's secret access key.
    pub secret_access_key: String,
    /// Default region.
    pub region: String,
    /// Account.
    pub account_id: String,
    /// Bearer token of the control API.
    pub control_token: String,
}

impl std::fmt::Debug for CredentialsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets do not belong in logs.
        f.debug_struct("CredentialsFile").field("endpoint", &self.endpoint).field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl CredentialsFile {
    /// Reads `dir/credentials.json`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(dir: &Path) -> Result<Self, ControlError> {
        let path = dir.join("credentials.json");
        let text = std::fs::read(&path).map_err(|source| ControlError::NoSandbox { dir: dir.display().to_string(), source })?;
        serde_json::from_slice(&text).map_err(|error| ControlError::Malformed(error.to_string()))
    }

    /// What points SDKs and the aws command at the sandbox.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

/// Why the control API could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No sandbox has been started there.
    #[error("no sandbox runs in {dir}")]
    NoSandbox {
        /// The directory.
        dir: String,
        /// Why the file could not be read.
        source: std::io::Error,
    },
    /// The sandbox does not answer.
    #[error("the sandbox at {endpoint} does not answer")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The sandbox refuses.
    #[error("the sandbox refuses: {0}")]
    Refused(String),
    /// Something cannot be read.
    #[error("cannot be read: {0}")]
    Malformed(String),
}

/// A client of the control API.
#[derive(Debug, Clone)]
pub struct ControlClient {
    file: CredentialsFile,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl ControlClient {
    /// A client of the sandbox in a directory.
    ///
    /// # Errors
    /// When no sandbox was started there.
    pub fn from_dir(dir: &Path) -> Result<Self, ControlError> {
        Ok(Self::new(CredentialsFile::read(dir)?))
    }

    /// A client with these keys.
    pub fn new(file: CredentialsFile) -> Self {
        Self { file, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// The keys it uses.
    pub fn credentials(&self) -> &CredentialsFile {
        &self.file
    }

    /// How the sandbox is doing.
    ///
    /// # Errors
    /// When it does not answer or refuses; so for every other function here.
    pub async fn status(&self) -> Result<Status, ControlError> {
        self.ask(Method::GET, "status", None).await
    }

    /// The calls after position `since`.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn calls(&self, since: u64) -> Result<Vec<CallRecord>, ControlError> {
        self.ask(Method::GET, &format!("calls?since={since}"), None).await
    }

    /// What was asked for and is not there.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn gaps(&self) -> Result<Vec<Gap>, ControlError> {
        self.ask(Method::GET, "gaps", None).await
    }

    /// What the clock shows.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn clock(&self) -> Result<ClockReading, ControlError> {
        self.ask(Method::GET, "clock", None).await
    }

    /// Puts the clock forward by seconds, and returns when everything that became due has happened.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn clock_advance(&self, seconds: f64) -> Result<ClockReading, ControlError> {
        self.ask(Method::POST, "clock", Some(json!({"advance_s": seconds}))).await
    }

    /// Adds a rule of trouble.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn add_fault(&self, script: &FaultScript) -> Result<(), ControlError> {
        let body = serde_json::to_value(script).map_err(|error| ControlError::Malformed(error.to_string()))?;
        self.tell(Method::POST, "faults", Some(body)).await
    }

    /// Ends all trouble.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn clear_faults(&self) -> Result<(), ControlError> {
        self.tell(Method::DELETE, "faults", None).await
    }

    /// Everything the account holds.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn snapshot(&self) -> Result<Value, ControlError> {
        self.ask(Method::GET, "snapshot", None).await
    }

    /// The host under an instance dies.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn kill_host(&self, instance: &str) -> Result<(), ControlError> {
        self.tell(Method::POST, "kill-host", Some(json!({"instance": instance}))).await
    }

    /// The file an instance's console is written to.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn console(&self, instance: &str) -> Result<Option<String>, ControlError> {
        self.ask(Method::GET, &format!("console?instance={instance}"), None).await
    }

    /// Stops the sandbox.
    ///
    /// # Errors
    /// See [`ControlClient::status`].
    pub async fn stop(&self) -> Result<(), ControlError> {
        self.tell(Method::POST, "stop", None).await
    }

    async fn tell(&self, method: Method, path: &str, body: Option<Value>) -> Result<(), ControlError> {
        self.ask::<Value>(method, path, body).await.map(|_| ())
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T, ControlError> {
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| ControlError::Unreachable { endpoint: self.file.endpoint.clone(), source };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/_sandbox/{path}", self.file.endpoint))
            .header("authorization", format!("Bearer {}", self.file.control_token))
            .body(Full::new(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()))
            .map_err(|error| ControlError::Malformed(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| unreachable(error.into()))?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(|error| unreachable(error.into()))?.to_bytes();
        if !status.is_success() {
            let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            return Err(ControlError::Refused(value["error"].as_str().unwrap_or(status.as_str()).to_owned()));
        }
        serde_json::from_slice(&bytes).map_err(|error| ControlError::Malformed(error.to_string()))
    }
}
