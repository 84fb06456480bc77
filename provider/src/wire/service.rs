//! Terraform's calls, translated: decode, check, ask the provider, encode.

use std::sync::Arc;

use spawn_model::value::Value;
use tonic::{Request, Response, Status};
use tracing::{Instrument, debug_span};

use super::codec::{self, CodecError, Strangers};
use super::diagnostic::{self, Diagnostic};
use super::panics::caught;
use super::path::Path;
use super::planning::{Prepared, prepare};
use super::proto::tfplugin6::{self as tf, provider_server};
use super::provider::{ApplyRequest, DataSource, PlanRequest, PlanResponse, Provider, ReadRequest, Resource};
use super::{identity, schema, validation};

/// What this server can do beyond the first version of the protocol. Identities need no word here: Terraform asks for their schemas.
const CAPABILITIES: tf::ServerCapabilities = tf::ServerCapabilities {
    plan_destroy: true,
    get_provider_schema_optional: true,
    move_resource_state: true,
    generate_resource_config: false,
};

/// The result of a call before it is put on the wire: an answer, or only diagnostics.
type Answer<T> = Result<T, Vec<Diagnostic>>;

/// Terraform's service over any provider.
#[derive(Clone)]
pub(super) struct Service {
    provider: Arc<dyn Provider>,
}

impl Service {
    pub(super) fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider }
    }

    fn resource(&self, type_name: &str) -> Answer<&dyn Resource> {
        let found = self.provider.resources().iter().find(|resource| resource.type_name() == type_name);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let detail = format!("This version of the provider has no resource type {type_name:?}.");
            vec![Diagnostic::error("Unknown resource type", detail)]
        })
    }

    fn data_source(&self, type_name: &str) -> Answer<&dyn DataSource> {
        let found = self.provider.data_sources().iter().find(|source| source.type_name() == type_name);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let detail = format!("This version of the provider has no data source {type_name:?}.");
            vec![Diagnostic::error("Unknown data source", detail)]
        })
    }

    async fn validate_data(&self, request: &tf::validate_data_resource_config::Request) -> Answer<Vec<Diagnostic>> {
        let source = self.data_source(&request.type_name)?;
        let config = codec::decode(source.fields(), request.config.as_ref()).map_err(undecodable)?;
        let mut diagnostics = validation::check(source.fields(), &config);
        diagnostics.extend(source.validate(&config));
        Ok(diagnostics)
    }

    async fn ask(&self, request: &tf::read_data_source::Request) -> Answer<tf::DynamicValue> {
        let source = self.data_source(&request.type_name)?;
        let config = codec::decode(source.fields(), request.config.as_ref()).map_err(undecodable)?;
        let answer = source.read(&config).await?;
        codec::encode(source.fields(), &answer).map_err(unencodable)
    }

    fn functions(&self) -> std::collections::HashMap<String, tf::Function> {
        self.provider.functions().iter().map(|function| (function.name().to_owned(), schema::function(function.as_ref()))).collect()
    }

    async fn call(&self, request: &tf::call_function::Request) -> Result<tf::DynamicValue, tf::FunctionError> {
        let wrong = |text: String| tf::FunctionError { text, function_argument: None };
        let found = self.provider.functions().iter().find(|function| function.name() == request.name);
        let function = found.ok_or_else(|| wrong(format!("This version of the provider has no function {:?}.", request.name)))?;
        let parameters = function.parameters().iter().zip(&request.arguments);
        let arguments: Result<Vec<Value>, _> = parameters.map(|(parameter, value)| codec::decode_kind(&parameter.kind, value)).collect();
        let arguments = arguments.map_err(|error| wrong(error.to_string()))?;
        let called = caught(async { Ok(function.call(&arguments)) }).await;
        let called = called.map_err(|errors| wrong(errors.into_iter().map(|error| error.detail).collect()))?;
        let result = called.map_err(|bad| tf::FunctionError { text: bad.text, function_argument: i64::try_from(bad.number).ok() })?;
        codec::encode_kind(&function.returns(), &result).map_err(|error| wrong(error.to_string()))
    }

    async fn validate_provider(&self, request: &tf::validate_provider_config::Request) -> Answer<Vec<Diagnostic>> {
        let fields = self.provider.schema();
        let config = codec::decode(fields, request.config.as_ref()).map_err(undecodable)?;
        let mut diagnostics = validation::check(fields, &config);
        diagnostics.extend(self.provider.validate(&config).await);
        Ok(diagnostics)
    }

    async fn configure(&self, request: tf::configure_provider::Request) -> Answer<Vec<Diagnostic>> {
        let config = codec::decode(self.provider.schema(), request.config.as_ref()).map_err(undecodable)?;
        Ok(self.provider.configure(config, request.terraform_version).await)
    }

    async fn validate_resource(&self, request: &tf::validate_resource_config::Request) -> Answer<Vec<Diagnostic>> {
        let resource = self.resource(&request.type_name)?;
        let config = codec::decode(resource.fields(), request.config.as_ref()).map_err(undecodable)?;
        let mut diagnostics = validation::check(resource.fields(), &config);
        if !request.client_capabilities.is_some_and(|can| can.write_only_attributes_allowed) {
            diagnostics.extend(validation::secrets(resource.fields(), &config));
        }
        diagnostics.extend(resource.validate(&config).await);
        Ok(diagnostics)
    }

    /// Called for every object in every walk: a state of the present version takes the short way.
    async fn upgrade(&self, type_name: &str, version: i64, state: Option<&tf::RawState>) -> Answer<tf::DynamicValue> {
        let resource = self.resource(type_name)?;
        let json = state.map(|state| state.json.as_slice()).unwrap_or_default();
        let value = if version == resource.version() {
            codec::decode_json(resource.fields(), json, Strangers::Ignore).map_err(undecodable)?
        } else if version > resource.version() {
            let detail = format!(
                "The state of this {type_name} has version {version}, and this provider knows version {} at most. A \
                 newer release of the provider wrote it: use that one.",
                resource.version(),
            );
            return Err(vec![Diagnostic::error("The state is newer than the provider", detail)]);
        } else {
            let tree = serde_json::from_slice(json)
                .map_err(|error| vec![Diagnostic::error("The state cannot be read", format!("It is not JSON: {error}."))])?;
            resource.upgrade(version, tree).await?
        };
        codec::encode(resource.fields(), &value).map_err(unencodable)
    }

    /// Called for every object whose identity was stored by another version.
    fn upgrade_identity(&self, type_name: &str, version: i64, raw: Option<&tf::RawState>) -> Answer<Option<tf::ResourceIdentityData>> {
        let resource = self.resource(type_name)?;
        let own = resource.identity().ok_or_else(|| vec![identity::unknown(type_name)])?;
        if version != own.version {
            return Err(vec![identity::of_version(type_name, version, own.version)]);
        }
        let json = raw.map(|raw| raw.json.as_slice()).unwrap_or_default();
        let value = codec::decode_json(own.fields, json, Strangers::Ignore).map_err(no_identity)?;
        encode_identity(resource, identity::said(value).as_ref())
    }

    async fn read(&self, request: &tf::read_resource::Request) -> Answer<tf::read_resource::Response> {
        let resource = self.resource(&request.type_name)?;
        let state = codec::decode(resource.fields(), request.current_state.as_ref()).map_err(undecodable)?;
        let before = decode_identity(resource, request.current_identity.as_ref())?;
        let mut found = resource.read(ReadRequest { state, private: request.private.clone() }).await;
        let identity = identity::after(resource, before, found.state.as_ref(), &mut found.diagnostics);
        Ok(tf::read_resource::Response {
            new_state: Some(encode_state(resource, found.state.as_ref())?),
            diagnostics: diagnostic::to_proto(&found.diagnostics),
            private: found.private,
            new_identity: encode_identity(resource, identity.as_ref())?,
            ..Default::default()
        })
    }

    async fn plan(&self, request: tf::plan_resource_change::Request) -> Answer<tf::plan_resource_change::Response> {
        let resource = self.resource(&request.type_name)?;
        let fields = resource.fields();
        let prior = present(codec::decode(fields, request.prior_state.as_ref()).map_err(undecodable)?);
        let proposed = present(codec::decode(fields, request.proposed_new_state.as_ref()).map_err(undecodable)?);
        let config = codec::decode(fields, request.config.as_ref()).map_err(undecodable)?;
        let (identity, is_made) = (decode_identity(resource, request.prior_identity.as_ref())?, prior.is_none());
        let prepared = proposed.map(|proposed| prepare(fields, resource.stable(), prior.as_ref(), &proposed, &config));
        let (proposed, requires_replace) = match prepared {
            Some(Prepared { planned, requires_replace }) => (Some(planned), requires_replace),
            None => (None, Vec::new()),
        };
        let private = request.prior_private;
        let PlanResponse { planned, requires_replace, private, diagnostics } =
            resource.plan(PlanRequest { prior, proposed, config, requires_replace, private }).await;
        let identity = identity::planned(identity, is_made, planned.is_some());
        Ok(tf::plan_resource_change::Response {
            planned_state: Some(encode_state(resource, planned.as_ref())?),
            requires_replace: requires_replace.iter().map(Path::to_proto).collect(),
            planned_private: private,
            diagnostics: diagnostic::to_proto(&diagnostics),
            planned_identity: encode_identity(resource, identity.as_ref())?,
            ..Default::default()
        })
    }

    async fn apply(&self, request: &tf::apply_resource_change::Request) -> Answer<tf::apply_resource_change::Response> {
        let resource = self.resource(&request.type_name)?;
        let fields = resource.fields();
        let prior = present(codec::decode(fields, request.prior_state.as_ref()).map_err(undecodable)?);
        let planned = present(codec::decode(fields, request.planned_state.as_ref()).map_err(undecodable)?);
        let config = codec::decode(fields, request.config.as_ref()).map_err(undecodable)?;
        let before = decode_identity(resource, request.planned_identity.as_ref())?;
        let private = request.planned_private.clone();
        let mut done = resource.apply(ApplyRequest { prior, planned, config, private }).await;
        if done.diagnostics.iter().any(Diagnostic::is_error) {
            // Terraform would add errors of its own about every unknown, and hide the one that matters.
            done.state.iter_mut().for_each(unknown_as_null);
        }
        let identity = identity::after(resource, before, done.state.as_ref(), &mut done.diagnostics);
        Ok(tf::apply_resource_change::Response {
            new_state: Some(encode_state(resource, done.state.as_ref())?),
            private: done.private,
            diagnostics: diagnostic::to_proto(&done.diagnostics),
            new_identity: encode_identity(resource, identity.as_ref())?,
        })
    }

    async fn import(&self, request: &tf::import_resource_state::Request) -> Answer<Vec<tf::import_resource_state::ImportedResource>> {
        let resource = self.resource(&request.type_name)?;
        let (asked, id) = (decode_identity(resource, request.identity.as_ref())?, request.id.as_str());
        let id = match (resource.identity(), &asked) {
            _ if !id.is_empty() => id.to_owned(),
            (Some(identity), Some(asked)) => {
                identity::whole(identity, asked)?;
                resource.import_id(asked).await?
            }
            _ => return Err(vec![identity::unsaid(resource)]),
        };
        let mut imported = Vec::new();
        for found in resource.import(&id).await? {
            let identity = resource.identity_of(&found.state);
            if let (Some(asked), Some(identity)) = (&asked, &identity) {
                identity::is_of(asked, identity)?;
            }
            imported.push(tf::import_resource_state::ImportedResource {
                type_name: request.type_name.clone(),
                state: Some(encode_state(resource, Some(&found.state))?),
                private: found.private,
                identity: encode_identity(resource, identity.as_ref())?,
            });
        }
        Ok(imported)
    }

    /// Terraform asks this when a `moved` block changes the type, or the provider has another address than before.
    async fn moved(&self, request: &tf::move_resource_state::Request) -> Answer<(tf::DynamicValue, Option<tf::ResourceIdentityData>)> {
        if request.source_type_name != request.target_type_name {
            let detail = format!(
                "A {} of {} cannot become a {}.",
                request.source_type_name, request.source_provider_address, request.target_type_name,
            );
            return Err(vec![Diagnostic::error("The resource cannot be moved", detail)]);
        }
        let state = self.upgrade(&request.target_type_name, request.source_schema_version, request.source_state.as_ref()).await?;
        let (version, identity) = (request.source_identity_schema_version, request.source_identity.as_ref());
        // One that cannot be read is nothing to fail for: the next refresh finds it.
        let identity = identity.and_then(|_| self.upgrade_identity(&request.target_type_name, version, identity).ok().flatten());
        Ok((state, identity))
    }

    /// The identity that Terraform has sent, as far as it is one: for an answer that has nothing else to say of it.
    fn known_identity(&self, type_name: &str, data: Option<tf::ResourceIdentityData>) -> Option<tf::ResourceIdentityData> {
        let value = decode_identity(self.resource(type_name).ok()?, data.as_ref()).ok()??;
        if value.has_unknown() { None } else { data }
    }
}

/// Null stands for "no object".
fn present(value: Value) -> Option<Value> {
    (!value.is_null()).then_some(value)
}

fn encode_state(resource: &dyn Resource, state: Option<&Value>) -> Answer<tf::DynamicValue> {
    codec::encode(resource.fields(), state.unwrap_or(&Value::Null)).map_err(unencodable)
}

/// What Terraform has of an object's identity; nothing where that says nothing.
fn decode_identity(resource: &dyn Resource, data: Option<&tf::ResourceIdentityData>) -> Answer<Option<Value>> {
    let (Some(identity), Some(data)) = (resource.identity(), data) else { return Ok(None) };
    codec::decode(identity.fields, data.identity_data.as_ref()).map(identity::said).map_err(no_identity)
}

fn encode_identity(resource: &dyn Resource, value: Option<&Value>) -> Answer<Option<tf::ResourceIdentityData>> {
    let (Some(identity), Some(value)) = (resource.identity(), value) else { return Ok(None) };
    let data = codec::encode(identity.fields, value).map_err(unencodable)?;
    Ok(Some(tf::ResourceIdentityData { identity_data: Some(data) }))
}

fn unknown_as_null(value: &mut Value) {
    match value {
        Value::Unknown => *value = Value::Null,
        Value::List(items) => items.iter_mut().for_each(unknown_as_null),
        Value::Map(entries) => entries.values_mut().for_each(unknown_as_null),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

fn undecodable(error: CodecError) -> Vec<Diagnostic> {
    let detail = format!("The value does not fit the provider's schema: {error}.");
    vec![Diagnostic::error("A value cannot be read", detail).at(error.path)]
}

/// Without a path: that would be one of the block.
fn no_identity(error: CodecError) -> Vec<Diagnostic> {
    let detail = format!("The identity does not fit the provider's schema: {error}.");
    vec![Diagnostic::error("An identity cannot be read", detail)]
}

fn unencodable(error: CodecError) -> Vec<Diagnostic> {
    let detail = format!(
        "This is a bug in the provider, not in the configuration. Please report it with this text: the provider's own \
         value does not fit its schema: {error}"
    );
    vec![Diagnostic::error("The provider failed unexpectedly", detail).at(error.path)]
}

/// The diagnostics of a call that has nothing else to say.
fn only_diagnostics(answer: Answer<Vec<Diagnostic>>) -> Vec<tf::Diagnostic> {
    diagnostic::to_proto(&answer.unwrap_or_else(|errors| errors))
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl provider_server::Provider for Service {
    async fn get_metadata(&self, _: Request<tf::get_metadata::Request>) -> Reply<tf::get_metadata::Response> {
        let names = self.provider.resources().iter().map(|resource| resource.type_name().to_owned());
        let sources = self.provider.data_sources().iter().map(|source| source.type_name().to_owned());
        Ok(Response::new(tf::get_metadata::Response {
            server_capabilities: Some(CAPABILITIES),
            resources: names.map(|type_name| tf::get_metadata::ResourceMetadata { type_name }).collect(),
            data_sources: sources.map(|type_name| tf::get_metadata::DataSourceMetadata { type_name }).collect(),
            ..Default::default()
        }))
    }

    async fn get_provider_schema(&self, _: Request<tf::get_provider_schema::Request>) -> Reply<tf::get_provider_schema::Response> {
        let resources = self.provider.resources().iter().map(|resource| {
            let schema = schema::schema(resource.fields(), resource.version(), resource.doc());
            (resource.type_name().to_owned(), schema)
        });
        let sources = self.provider.data_sources().iter().map(|source| {
            let schema = schema::schema(source.fields(), 0, source.doc());
            (source.type_name().to_owned(), schema)
        });
        Ok(Response::new(tf::get_provider_schema::Response {
            provider: Some(schema::schema(self.provider.schema(), 0, self.provider.doc())),
            resource_schemas: resources.collect(),
            data_source_schemas: sources.collect(),
            functions: self.functions(),
            server_capabilities: Some(CAPABILITIES),
            ..Default::default()
        }))
    }

    async fn validate_provider_config(
        &self,
        request: Request<tf::validate_provider_config::Request>,
    ) -> Reply<tf::validate_provider_config::Response> {
        let answer = caught(self.validate_provider(request.get_ref())).await;
        Ok(Response::new(tf::validate_provider_config::Response { diagnostics: only_diagnostics(answer) }))
    }

    async fn validate_resource_config(
        &self,
        request: Request<tf::validate_resource_config::Request>,
    ) -> Reply<tf::validate_resource_config::Response> {
        let answer = caught(self.validate_resource(request.get_ref())).await;
        Ok(Response::new(tf::validate_resource_config::Response { diagnostics: only_diagnostics(answer) }))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<tf::validate_data_resource_config::Request>,
    ) -> Reply<tf::validate_data_resource_config::Response> {
        let answer = caught(self.validate_data(request.get_ref())).await;
        Ok(Response::new(tf::validate_data_resource_config::Response { diagnostics: only_diagnostics(answer) }))
    }

    async fn read_data_source(&self, request: Request<tf::read_data_source::Request>) -> Reply<tf::read_data_source::Response> {
        let request = request.into_inner();
        let span = debug_span!("rpc", tf_rpc = "ReadDataSource", tf_data_source_type = request.type_name);
        let answer = caught(self.ask(&request)).instrument(span).await;
        let (state, errors) = answer.map_or_else(|errors| (None, errors), |state| (Some(state), Vec::new()));
        Ok(Response::new(tf::read_data_source::Response { state, diagnostics: diagnostic::to_proto(&errors), deferred: None }))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<tf::upgrade_resource_state::Request>,
    ) -> Reply<tf::upgrade_resource_state::Response> {
        let request = request.get_ref();
        let answer = caught(self.upgrade(&request.type_name, request.version, request.raw_state.as_ref())).await;
        Ok(Response::new(match answer {
            Ok(state) => tf::upgrade_resource_state::Response { upgraded_state: Some(state), diagnostics: Vec::new() },
            Err(errors) => tf::upgrade_resource_state::Response { upgraded_state: None, diagnostics: diagnostic::to_proto(&errors) },
        }))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<tf::get_resource_identity_schemas::Request>,
    ) -> Reply<tf::get_resource_identity_schemas::Response> {
        let identities = self.provider.resources().iter().filter_map(|resource| {
            let identity = resource.identity()?;
            Some((resource.type_name().to_owned(), schema::identity(identity)))
        });
        Ok(Response::new(tf::get_resource_identity_schemas::Response { identity_schemas: identities.collect(), diagnostics: Vec::new() }))
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<tf::upgrade_resource_identity::Request>,
    ) -> Reply<tf::upgrade_resource_identity::Response> {
        let request = request.get_ref();
        let answer = caught(async { self.upgrade_identity(&request.type_name, request.version, request.raw_identity.as_ref()) }).await;
        let (upgraded_identity, errors) = answer.map_or_else(|errors| (None, errors), |identity| (identity, Vec::new()));
        Ok(Response::new(tf::upgrade_resource_identity::Response { upgraded_identity, diagnostics: diagnostic::to_proto(&errors) }))
    }

    async fn configure_provider(&self, request: Request<tf::configure_provider::Request>) -> Reply<tf::configure_provider::Response> {
        let span = debug_span!("rpc", tf_rpc = "ConfigureProvider");
        let answer = caught(self.configure(request.into_inner())).instrument(span).await;
        Ok(Response::new(tf::configure_provider::Response { diagnostics: only_diagnostics(answer) }))
    }

    async fn read_resource(&self, request: Request<tf::read_resource::Request>) -> Reply<tf::read_resource::Response> {
        let request = request.into_inner();
        let span = debug_span!("rpc", tf_rpc = "ReadResource", tf_resource_type = request.type_name);
        let answer = caught(self.read(&request)).instrument(span).await;
        // Without an answer the state is what it was: nothing is forgotten because of an error.
        Ok(Response::new(answer.unwrap_or_else(|errors| tf::read_resource::Response {
            new_state: request.current_state,
            private: request.private,
            diagnostics: diagnostic::to_proto(&errors),
            new_identity: request.current_identity,
            ..Default::default()
        })))
    }

    async fn plan_resource_change(&self, request: Request<tf::plan_resource_change::Request>) -> Reply<tf::plan_resource_change::Response> {
        let request = request.into_inner();
        let span = debug_span!("rpc", tf_rpc = "PlanResourceChange", tf_resource_type = request.type_name);
        let answer = caught(self.plan(request)).instrument(span).await;
        Ok(Response::new(answer.unwrap_or_else(|errors| tf::plan_resource_change::Response {
            diagnostics: diagnostic::to_proto(&errors),
            ..Default::default()
        })))
    }

    async fn apply_resource_change(
        &self,
        request: Request<tf::apply_resource_change::Request>,
    ) -> Reply<tf::apply_resource_change::Response> {
        let request = request.into_inner();
        let span = debug_span!("rpc", tf_rpc = "ApplyResourceChange", tf_resource_type = request.type_name);
        let answer = caught(self.apply(&request)).instrument(span).await;
        Ok(Response::new(answer.unwrap_or_else(|errors| tf::apply_resource_change::Response {
            new_state: request.prior_state,
            private: request.planned_private,
            diagnostics: diagnostic::to_proto(&errors),
            new_identity: self.known_identity(&request.type_name, request.planned_identity),
        })))
    }

    async fn import_resource_state(
        &self,
        request: Request<tf::import_resource_state::Request>,
    ) -> Reply<tf::import_resource_state::Response> {
        let request = request.into_inner();
        let span = debug_span!("rpc", tf_rpc = "ImportResourceState", tf_resource_type = request.type_name);
        let answer = caught(self.import(&request)).instrument(span).await;
        let (imported_resources, errors) = answer.map_or_else(|errors| (Vec::new(), errors), |found| (found, Vec::new()));
        Ok(Response::new(tf::import_resource_state::Response {
            imported_resources,
            diagnostics: diagnostic::to_proto(&errors),
            deferred: None,
        }))
    }

    async fn move_resource_state(&self, request: Request<tf::move_resource_state::Request>) -> Reply<tf::move_resource_state::Response> {
        let request = request.into_inner();
        let answer = caught(self.moved(&request)).await;
        let ((target_state, target_identity), errors) =
            answer.map_or_else(|errors| ((None, None), errors), |(state, identity)| ((Some(state), identity), Vec::new()));
        Ok(Response::new(tf::move_resource_state::Response {
            target_state,
            diagnostics: diagnostic::to_proto(&errors),
            target_private: request.source_private,
            target_identity,
        }))
    }

    async fn get_functions(&self, _: Request<tf::get_functions::Request>) -> Reply<tf::get_functions::Response> {
        Ok(Response::new(tf::get_functions::Response { functions: self.functions(), diagnostics: Vec::new() }))
    }

    async fn call_function(&self, request: Request<tf::call_function::Request>) -> Reply<tf::call_function::Response> {
        let (result, error) = match self.call(request.get_ref()).await {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        Ok(Response::new(tf::call_function::Response { result, error }))
    }

    async fn stop_provider(&self, _: Request<tf::stop_provider::Request>) -> Reply<tf::stop_provider::Response> {
        let stopped = caught(async {
            self.provider.stop().await;
            Ok(())
        });
        let error = stopped.await.err().and_then(|mut errors| errors.pop()).map(|error| error.detail);
        Ok(Response::new(tf::stop_provider::Response { error: error.unwrap_or_default() }))
    }
}
