//! What a provider is to the server.

use async_trait::async_trait;
use spawn_model::field::{Field, Kind};
use spawn_model::value::Value;

use super::codec::{self, Strangers};
use super::diagnostic::Diagnostic;
use super::identity::Identity;
use super::path::Path;

/// A provider: its own configuration and its table of resources.
///
/// Calls run concurrently, each for one block of the configuration. All values are whole: every attribute of the field
/// table is a key of the map, null where nothing is set.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The fields of the `provider` block.
    fn schema(&self) -> &'static [Field];

    /// What the provider is for, in Markdown.
    fn doc(&self) -> &'static str;

    /// Every resource, in the order of the table.
    fn resources(&self) -> &[Box<dyn Resource>];

    /// Every data source, in the order of the table.
    fn data_sources(&self) -> &[Box<dyn DataSource>] {
        &[]
    }

    /// Every function, in the order of the table.
    fn functions(&self) -> &[Box<dyn Function>] {
        &[]
    }

    /// Checks the `provider` block, in which anything may be unknown.
    async fn validate(&self, config: &Value) -> Vec<Diagnostic>;

    /// Takes the `provider` block, in which anything may still be unknown during a plan. Called once, before anything
    /// but validation and state upgrades.
    async fn configure(&self, config: Value, terraform_version: String) -> Vec<Diagnostic>;

    /// The user wants to stop: what runs should come to an end soon, and answer with what it has done so far.
    async fn stop(&self);

    /// Terraform has all answers and needs the process no more. Ends before 1.5 seconds are over, or is cut off. It is
    /// not called if Terraform was killed.
    async fn shutdown(&self);
}

/// One type of resource.
#[async_trait]
pub trait Resource: Send + Sync {
    /// The name in HCL, such as `spawn_instance`.
    fn type_name(&self) -> &'static str;

    /// The version of the state's layout, from 0.
    fn version(&self) -> i64 {
        0
    }

    /// The fields of the block.
    fn fields(&self) -> &'static [Field];

    /// What it is, in Markdown.
    fn doc(&self) -> &'static str;

    /// The computed fields, with dots, that keep their value for as long as the object lives.
    fn stable(&self) -> &'static [&'static str] {
        &[]
    }

    /// What tells its objects apart from all others; nothing if they have no identity.
    fn identity(&self) -> Option<&'static Identity> {
        None
    }

    /// The identity of the object that `state` is of, the same for as long as that is there; nothing where it is not known.
    fn identity_of(&self, _state: &Value) -> Option<Value> {
        None
    }

    /// Checks a block, in which anything may be unknown.
    async fn validate(&self, config: &Value) -> Vec<Diagnostic>;

    /// Adjusts the plan that follows from the field table alone. The default takes it as it is.
    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        PlanResponse::from(request)
    }

    /// Creates (no `prior`), changes, or deletes (no `planned`).
    async fn apply(&self, request: ApplyRequest) -> ApplyResponse;

    /// Reads what the object is now.
    async fn read(&self, request: ReadRequest) -> ReadResponse;

    /// Finds what `id` names. The state may be incomplete: Terraform reads it next.
    ///
    /// # Errors
    /// What the user should know if there is no such thing.
    async fn import(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>>;

    /// The id by which [`Resource::import`] finds what an identity names; what import requires of it is set. The default is its `id`.
    ///
    /// # Errors
    /// What the user should know if what it names cannot be found from here.
    async fn import_id(&self, identity: &Value) -> Result<String, Vec<Diagnostic>> {
        Ok(identity.get("id").as_str().unwrap_or_default().to_owned())
    }

    /// Brings a state of an earlier `version` to the present layout. The default suits layouts that only gained or lost
    /// attributes.
    ///
    /// # Errors
    /// What the user should know if the state cannot be used.
    async fn upgrade(&self, version: i64, state: serde_json::Value) -> Result<Value, Vec<Diagnostic>> {
        codec::from_json(self.fields(), &state, Strangers::Ignore).map_err(|error| {
            let detail = format!("The state of version {version} does not fit the present version: {error}.");
            vec![Diagnostic::error("The state cannot be upgraded", detail)]
        })
    }
}

/// One type of data source: what can be asked.
#[async_trait]
pub trait DataSource: Send + Sync {
    /// The name in HCL, such as `spawn_fleet`.
    fn type_name(&self) -> &'static str;

    /// What it is, in Markdown.
    fn doc(&self) -> &'static str;

    /// The attributes.
    fn fields(&self) -> &'static [Field];

    /// Says what is wrong with a block, in which anything may be unknown.
    fn validate(&self, config: &Value) -> Vec<Diagnostic>;

    /// Answers a block in which nothing is unknown: with the block, and what was asked.
    ///
    /// # Errors
    /// What the user should know if there is no answer.
    async fn read(&self, config: &Value) -> Result<Value, Vec<Diagnostic>>;
}

/// A function. It knows no configuration and no AWS: the same arguments have the same result, always.
pub trait Function: Send + Sync {
    /// The name in HCL, behind `provider::spawn::`.
    fn name(&self) -> &'static str;

    /// What it is, in a line.
    fn summary(&self) -> &'static str;

    /// What it is, in Markdown.
    fn doc(&self) -> &'static str;

    /// What it takes. None of it is ever null or unknown.
    fn parameters(&self) -> &'static [Parameter];

    /// What it gives.
    fn returns(&self) -> Kind;

    /// Works it out.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    fn call(&self, arguments: &[Value]) -> Result<Value, BadArgument>;
}

/// What a function takes.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name, in messages.
    pub name: &'static str,
    /// What it is for, in Markdown.
    pub doc: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// What is wrong with an argument, and what to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadArgument {
    /// Which one, from 0.
    pub number: usize,
    /// One text, to which Terraform adds a full stop.
    pub text: String,
}

/// A plan to be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRequest {
    /// What there is; `None` for a creation.
    pub prior: Option<Value>,
    /// What follows from the configuration and the field table; `None` for a deletion.
    pub proposed: Option<Value>,
    /// The block as written.
    pub config: Value,
    /// The attributes that, as their fields say, cannot change in place.
    pub requires_replace: Vec<Path>,
    /// What the provider remembers about the object beside its state.
    pub private: Vec<u8>,
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanResponse {
    /// The state after the change, as far as it is known; `None` for a deletion. Values that the block sets are as the
    /// block sets them.
    pub planned: Option<Value>,
    /// The attributes whose change means another object.
    pub requires_replace: Vec<Path>,
    /// Handed to [`Resource::apply`].
    pub private: Vec<u8>,
    /// What the user should know.
    pub diagnostics: Vec<Diagnostic>,
}

impl From<PlanRequest> for PlanResponse {
    fn from(request: PlanRequest) -> Self {
        Self { planned: request.proposed, requires_replace: request.requires_replace, private: request.private, diagnostics: Vec::new() }
    }
}

/// A change to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyRequest {
    /// What there is; `None` for a creation.
    pub prior: Option<Value>,
    /// What was planned; `None` for a deletion. Computed values may be unknown.
    pub planned: Option<Value>,
    /// The block as written, without unknowns; null for a deletion.
    pub config: Value,
    /// What the plan put there.
    pub private: Vec<u8>,
}

/// What a change left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplyResponse {
    /// The object now; `None` if there is none. With errors it is still stored: after a failed creation as tainted, so
    /// that nothing leaks. Unknown values count as null then.
    pub state: Option<Value>,
    /// What to remember beside the state.
    pub private: Vec<u8>,
    /// What the user should know.
    pub diagnostics: Vec<Diagnostic>,
}

/// An object to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRequest {
    /// The object as last known.
    pub state: Value,
    /// What is remembered beside the state.
    pub private: Vec<u8>,
}

/// An object as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadResponse {
    /// The object; `None` if it is gone.
    pub state: Option<Value>,
    /// What to remember beside the state.
    pub private: Vec<u8>,
    /// What the user should know.
    pub diagnostics: Vec<Diagnostic>,
}

/// An object found by its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// As much of the state as [`Resource::read`] needs; what is left out is null.
    pub state: Value,
    /// What to remember beside the state.
    pub private: Vec<u8>,
}
