//! Terraform's side of the protocol: the provider's own process, and calls that are checked as they are answered.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use spawn_provider::wire::Path;
use spawn_provider::wire::proto::tfplugin6::provider_client::ProviderClient;
use spawn_provider::wire::proto::tfplugin6::{self as tf, Diagnostic, diagnostic::Severity};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::process::{Launched, Options};
use crate::schema::{self, Function, Schema, Schemas, Type};
use crate::value::Value;
use crate::{identity, rules};

/// No call waits for anything but a processor.
const CALL_MAX: Duration = Duration::from_secs(30);

/// What Terraform takes in one message.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// A provider and what it is configured with.
pub(crate) struct Terraform {
    runtime: tokio::runtime::Runtime,
    client: ProviderClient<Channel>,
    pub(crate) schemas: Schemas,
    config: Value,
    _provider: Launched,
}

/// Which block a configuration is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block<'a> {
    Provider,
    Resource(&'a str),
    DataSource(&'a str),
}

/// A plan, as far as there is one.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) planned: Value,
    pub(crate) replaces: Vec<Path>,
    pub(crate) refused: bool,
    pub(crate) identity: Option<Value>,
    private: Vec<u8>,
}

/// An object, after something was done with it.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) state: Value,
    pub(crate) identity: Option<Value>,
    pub(crate) refused: bool,
}

impl Terraform {
    /// The provider, which does not know yet with what it is configured: it has no AWS.
    pub(crate) fn start() -> Self {
        Self::configured(&[])
    }

    /// The provider, configured with this and nothing else; if that is nothing, it does not know yet with what.
    pub(crate) fn configured(written: &[(&str, Value)]) -> Self {
        Self::launch(Some(FilePath::new(env!("CARGO_BIN_EXE_terraform-provider-spawn")).to_owned()), written)
    }

    /// The toy provider, which has its things in a directory.
    pub(crate) fn toy(directory: &FilePath) -> Self {
        Self::launch(None, &[("directory", Value::Text(directory.display().to_string()))])
    }

    fn launch(program: Option<PathBuf>, written: &[(&str, Value)]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let provider = Launched::new(&Options { program, ..Options::default() });
        let channel = runtime.block_on(provider.connect_plainly()).unwrap();
        let client = ProviderClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let told = runtime.block_on(client.clone().get_provider_schema(tf::get_provider_schema::Request {})).unwrap().into_inner();
        let request = tf::get_resource_identity_schemas::Request {};
        let identities = runtime.block_on(client.clone().get_resource_identity_schemas(request)).unwrap().into_inner();
        assert_eq!(told.diagnostics, []);
        assert_eq!(identities.diagnostics, []);
        let schemas = Schemas::decode(&told, &identities);
        // Of a provider of which something is written, the rest is not.
        let unwritten = if written.is_empty() { Value::Unknown } else { Value::Null };
        let value = |name: &str| written.iter().find(|(known, _)| *known == name).map_or(&unwritten, |(_, value)| value).clone();
        let attributes = schemas.provider.attributes().iter();
        let config = Value::Map(attributes.map(|attribute| (attribute.name.clone(), value(&attribute.name))).collect());
        Self { schemas, config, runtime, client, _provider: provider }
    }

    fn call<T>(&self, rpc: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, String> {
        // The timer of a runtime is asked for within it.
        let answer = self.runtime.block_on(async { tokio::time::timeout(CALL_MAX, rpc).await });
        let answer = answer.map_err(|_| format!("no answer within {} seconds", CALL_MAX.as_secs()))?;
        answer.map(Response::into_inner).map_err(|status| format!("the call failed: {status}"))
    }

    pub(crate) fn schema(&self, block: Block<'_>) -> &Schema {
        match block {
            Block::Provider => &self.schemas.provider,
            Block::Resource(name) => &self.schemas.resources[name],
            Block::DataSource(name) => &self.schemas.data_sources[name],
        }
    }

    /// Configures it, maybe again: names that were planned before are forgotten.
    pub(crate) fn configure(&self) -> Result<(), String> {
        let schema = &self.schemas.provider;
        let config = Some(self.config.encode(&schema.block));
        let request = tf::configure_provider::Request { terraform_version: "1.11.4".to_owned(), config, client_capabilities: None };
        let answer = self.call(self.client.clone().configure_provider(request))?;
        check(&schema.block, &answer.diagnostics, &Value::Null)
    }

    /// Whether a configuration is refused.
    pub(crate) fn refuses(&self, block: Block<'_>, config: &Value) -> Result<bool, String> {
        let kind = &self.schema(block).block;
        let (mut client, written) = (self.client.clone(), Some(config.encode(kind)));
        let client_capabilities = Some(tf::ClientCapabilities { deferral_allowed: false, write_only_attributes_allowed: true });
        let diagnostics = match block {
            Block::Provider => {
                let request = tf::validate_provider_config::Request { config: written };
                self.call(client.validate_provider_config(request))?.diagnostics
            }
            Block::Resource(name) => {
                let request = tf::validate_resource_config::Request { type_name: name.to_owned(), config: written, client_capabilities };
                self.call(client.validate_resource_config(request))?.diagnostics
            }
            Block::DataSource(name) => {
                let request = tf::validate_data_resource_config::Request { type_name: name.to_owned(), config: written };
                self.call(client.validate_data_resource_config(request))?.diagnostics
            }
        };
        check(kind, &diagnostics, config)?;
        Ok(is_refusal(&diagnostics))
    }

    /// An identity as Terraform sends it.
    fn sent(&self, name: &str, identity: Option<&Value>) -> Option<tf::ResourceIdentityData> {
        identity.map(|identity| tf::ResourceIdentityData { identity_data: Some(identity.encode(&self.schemas.identities[name].block)) })
    }

    /// An identity as Terraform reads it.
    fn identified(&self, name: &str, data: Option<tf::ResourceIdentityData>) -> Result<Option<Value>, String> {
        let Some(data) = data.and_then(|data| data.identity_data) else { return Ok(None) };
        let schema = self.schemas.identities.get(name).ok_or_else(|| format!("{name} has no identity, and is answered with one"))?;
        let value = Value::decode(&schema.block, &data).map_err(|error| format!("the identity is not of the schema's type: {error}"))?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// Plans what has an identity if it is there.
    pub(crate) fn plan(&self, name: &str, prior: &Value, config: &Value) -> Result<Plan, String> {
        self.plan_of(name, (prior, identity::made_up(&self.schemas, name, prior).as_ref()), config)
    }

    /// Plans as Terraform does: a creation if there is no prior state, a deletion if there is no configuration.
    pub(crate) fn plan_of(&self, name: &str, (prior, before): (&Value, Option<&Value>), config: &Value) -> Result<Plan, String> {
        self.configure()?;
        let schema = self.schema(Block::Resource(name));
        let proposed = rules::proposed(schema.attributes(), prior, config);
        let request = tf::plan_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(prior.encode(&schema.block)),
            proposed_new_state: Some(proposed.encode(&schema.block)),
            config: Some(config.encode(&schema.block)),
            prior_identity: self.sent(name, before),
            ..Default::default()
        };
        let answer = self.call(self.client.clone().plan_resource_change(request))?;
        check(&schema.block, &answer.diagnostics, config)?;
        if answer.deferred.is_some() {
            return Err("what nobody asked for is answered".to_owned());
        }
        let identity = self.identified(name, answer.planned_identity)?;
        let private = answer.planned_private;
        if is_refusal(&answer.diagnostics) {
            return Ok(Plan { planned: Value::Null, replaces: Vec::new(), refused: true, identity, private });
        }
        let planned = answer.planned_state.ok_or("neither a plan nor an error")?;
        let planned = Value::decode(&schema.block, &planned).map_err(|error| format!("the plan is not of the schema's type: {error}"))?;
        let replaces: Option<Vec<Path>> = answer.requires_replace.iter().map(schema::path).collect();
        identity::fault(identity::planned_fault(prior, before, &planned, identity.as_ref()))?;
        Ok(Plan { planned, replaces: replaces.ok_or("a path without a meaning")?, refused: false, identity, private })
    }

    /// Does what was planned.
    pub(crate) fn apply(&self, name: &str, prior: &Value, config: &Value, plan: &Plan) -> Result<Object, String> {
        let kind = &self.schema(Block::Resource(name)).block;
        let request = tf::apply_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(prior.encode(kind)),
            planned_state: Some(plan.planned.encode(kind)),
            config: Some(config.encode(kind)),
            planned_private: plan.private.clone(),
            planned_identity: self.sent(name, plan.identity.as_ref()),
            ..Default::default()
        };
        let answer = self.call(self.client.clone().apply_resource_change(request))?;
        check(kind, &answer.diagnostics, config)?;
        let state = Value::decode(kind, &answer.new_state.ok_or("no state")?)?;
        let identity = self.identified(name, answer.new_identity)?;
        Ok(Object { state, identity, refused: is_refusal(&answer.diagnostics) })
    }

    /// What a state is at the present version; nothing if it is refused.
    pub(crate) fn upgrade(&self, name: &str, version: i64, json: Vec<u8>) -> Result<Option<Value>, String> {
        let kind = &self.schema(Block::Resource(name)).block;
        let raw_state = Some(tf::RawState { json, ..Default::default() });
        let request = tf::upgrade_resource_state::Request { type_name: name.to_owned(), version, raw_state };
        let answer = self.call(self.client.clone().upgrade_resource_state(request))?;
        check_sentences(kind, &answer.diagnostics)?;
        match (answer.upgraded_state, is_refusal(&answer.diagnostics)) {
            (_, true) => Ok(None),
            (Some(state), false) => {
                Value::decode(kind, &state).map(Some).map_err(|error| format!("the state is not of the schema's type: {error}"))
            }
            (None, false) => Err("neither a state nor an error".to_owned()),
        }
    }

    /// Looks at what there is.
    pub(crate) fn refresh(&self, name: &str, (state, before): (&Value, Option<&Value>)) -> Result<Object, String> {
        let kind = &self.schema(Block::Resource(name)).block;
        let request = tf::read_resource::Request {
            type_name: name.to_owned(),
            current_state: Some(state.encode(kind)),
            current_identity: self.sent(name, before),
            ..Default::default()
        };
        let answer = self.call(self.client.clone().read_resource(request))?;
        check(kind, &answer.diagnostics, state)?;
        let read = Value::decode(kind, &answer.new_state.ok_or("no state")?)?;
        let identity = self.identified(name, answer.new_identity)?;
        Ok(Object { state: read, identity, refused: is_refusal(&answer.diagnostics) })
    }

    /// Reads without an AWS: state and identity stay as they are, and that is an error.
    pub(crate) fn read(&self, name: &str, state: &Value) -> Result<(), String> {
        let before = identity::made_up(&self.schemas, name, state);
        for before in [None, before.as_ref()] {
            let read = self.refresh(name, (state, before))?;
            if !read.refused {
                return Err("a refresh without an AWS has found nothing wrong".to_owned());
            }
            if read.state != *state || read.identity.as_ref() != before {
                return Err(format!("a refresh that failed has made {read:?} of {state} and {before:?}"));
            }
        }
        Ok(())
    }

    /// Imports by an id, or by an identity: what was found, or what is told.
    pub(crate) fn import(&self, name: &str, id: &str, asked: Option<&Value>) -> Result<Result<Object, Vec<Diagnostic>>, String> {
        let request = tf::import_resource_state::Request {
            type_name: name.to_owned(),
            id: id.to_owned(),
            identity: self.sent(name, asked),
            ..Default::default()
        };
        let mut answer = self.call(self.client.clone().import_resource_state(request))?;
        let kind = &self.schema(Block::Resource(name)).block;
        check_sentences(kind, &answer.diagnostics)?;
        match (answer.imported_resources.pop(), is_refusal(&answer.diagnostics)) {
            (None, true) => Ok(Err(answer.diagnostics)),
            (Some(found), false) if answer.imported_resources.is_empty() => {
                let state = Value::decode(kind, &found.state.ok_or("no state")?)?;
                Ok(Ok(Object { state, identity: self.identified(name, found.identity)?, refused: false }))
            }
            (found, _) => Err(format!("{found:?} was found, and told is {:?}", answer.diagnostics)),
        }
    }

    /// What an identity is at the present version; nothing if it is refused.
    pub(crate) fn upgrade_identity(&self, name: &str, version: i64, json: Vec<u8>) -> Result<Option<Option<Value>>, String> {
        let raw_identity = Some(tf::RawState { json, ..Default::default() });
        let request = tf::upgrade_resource_identity::Request { type_name: name.to_owned(), version, raw_identity };
        let answer = self.call(self.client.clone().upgrade_resource_identity(request))?;
        check_sentences(&self.schema(Block::Resource(name)).block, &answer.diagnostics)?;
        let identity = self.identified(name, answer.upgraded_identity)?;
        match identity {
            Some(identity) if is_refusal(&answer.diagnostics) => Err(format!("{identity} is refused, and answered")),
            None if is_refusal(&answer.diagnostics) => Ok(None),
            identity => Ok(Some(identity)),
        }
    }

    /// Asks a data source without an AWS, which is an error.
    pub(crate) fn ask(&self, name: &str, config: &Value) -> Result<(), String> {
        let kind = &self.schema(Block::DataSource(name)).block;
        let config_sent = Some(config.encode(kind));
        let request = tf::read_data_source::Request { type_name: name.to_owned(), config: config_sent, ..Default::default() };
        let answer = self.call(self.client.clone().read_data_source(request))?;
        check(kind, &answer.diagnostics, config)?;
        if is_refusal(&answer.diagnostics) { Ok(()) } else { Err("something was found without an AWS".to_owned()) }
    }

    /// Calls a function; whether it gave a result.
    pub(crate) fn call_function(&self, name: &str, function: &Function, arguments: &[Value]) -> Result<bool, String> {
        let sent = function.parameters.iter().zip(arguments).map(|(kind, argument)| argument.encode(kind)).collect();
        let request = tf::call_function::Request { name: name.to_owned(), arguments: sent };
        let answer = self.call(self.client.clone().call_function(request))?;
        match (answer.result, answer.error) {
            (Some(result), None) => {
                let result = Value::decode(&function.returns, &result).map_err(|error| format!("the result has another type: {error}"))?;
                if result.has_unknown() { Err(format!("{result} is not known")) } else { Ok(true) }
            }
            (None, Some(error)) => {
                let is_argument = |number: i64| usize::try_from(number).is_ok_and(|number| number < function.parameters.len());
                if error.text.is_empty() || is_bug(&error.text) || error.function_argument.is_some_and(|number| !is_argument(number)) {
                    return Err(format!("{error:?}"));
                }
                Ok(false)
            }
            (result, error) => Err(format!("{result:?} and {error:?}")),
        }
    }
}

fn is_refusal(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity() == Severity::Error)
}

/// What the server says of a panic, and of a value of the provider's own that does not fit its schema.
fn is_bug(text: &str) -> bool {
    text.contains("failed unexpectedly") || text.contains("bug in the provider")
}

/// That what is told of a configuration can be shown, and that it could be read.
fn check(kind: &Type, diagnostics: &[Diagnostic], config: &Value) -> Result<(), String> {
    check_sentences(kind, diagnostics)?;
    let unread = diagnostics.iter().find(|diagnostic| diagnostic.summary.contains("cannot be read"));
    match unread.filter(|_| !config.has_long_number()) {
        Some(diagnostic) => Err(format!("a value of the schema's type was not read: {}", diagnostic.detail)),
        None => Ok(()),
    }
}

fn check_sentences(kind: &Type, diagnostics: &[Diagnostic]) -> Result<(), String> {
    for diagnostic in diagnostics {
        let Diagnostic { summary, detail, attribute, .. } = diagnostic;
        if is_bug(summary) || is_bug(detail) {
            return Err(format!("{summary}: {detail}"));
        }
        if summary.trim().is_empty() || diagnostic.severity() == Severity::Invalid {
            return Err(format!("nothing to show: {diagnostic:?}"));
        }
        if let Some(told) = attribute {
            let path = schema::path(told).ok_or_else(|| format!("{summary}: a path without a meaning"))?;
            if path.is_root() || kind.at(path.steps()).is_none() {
                return Err(format!("{summary}: there is no place {path}"));
            }
        }
    }
    Ok(())
}
