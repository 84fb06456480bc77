//! A provider without a cloud: its things are files in a directory. It shows the whole of what a provider must
//! implement, and is what the protocol's own tests serve to Terraform.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;
use spawn_provider::wire::codec::{self, Strangers};
use spawn_provider::wire::{
    ApplyRequest, ApplyResponse, Diagnostic, Identity, Imported, Path, PlanRequest, PlanResponse, Provider, ReadRequest, ReadResponse,
    Resource, serve,
};
use tokio_util::sync::CancellationToken;

const fn field(name: &'static str, doc: &'static str, kind: Kind, presence: Presence, change: Change) -> Field {
    Field { name, doc, kind, presence, change, sensitive: false }
}

const PROVIDER: &[Field] = &[field("directory", "Where the things are kept.", Kind::String, Presence::Required, Change::InPlace)];

const LEASE: &[Field] = &[
    field("ttl", "How long it lives.", Kind::String, Presence::Default("\"4h\""), Change::InPlace),
    field("zone", "Where it lives.", Kind::String, Presence::Optional, Change::Replace),
    field("deadline", "When it ends.", Kind::String, Presence::Computed, Change::InPlace),
];

const MEMBER: &[Field] = &[
    field("rank", "Its number.", Kind::Int, Presence::Computed, Change::InPlace),
    field("address", "Its address.", Kind::String, Presence::Computed, Change::InPlace),
];

const PART: &[Field] = &[
    field("kind", "What it is made of.", Kind::String, Presence::Required, Change::Replace),
    field("count", "How many there are.", Kind::Int, Presence::Default("1"), Change::InPlace),
    field("serial", "Its number.", Kind::String, Presence::Computed, Change::InPlace),
];

const THING: &[Field] = &[
    field("id", "Its id.", Kind::String, Presence::Computed, Change::InPlace),
    field("name", "Its name.", Kind::String, Presence::Required, Change::Replace),
    field("size", "How many members it has.", Kind::Int, Presence::Default("2"), Change::InPlace),
    field("weight", "What it weighs, in kilograms.", Kind::Float, Presence::Default("0.1"), Change::InPlace),
    field("enabled", "Whether it works.", Kind::Bool, Presence::Default("true"), Change::InPlace),
    field("note", "A remark.", Kind::String, Presence::Optional, Change::InPlace),
    field("command", "What it runs.", Kind::List(&Kind::String), Presence::Optional, Change::InPlace),
    field("tags", "Its labels.", Kind::Map(&Kind::String), Presence::Default("{}"), Change::InPlace),
    field("lease", "When it ends.", Kind::Object(LEASE), Presence::Default("{}"), Change::InPlace),
    field("parts", "What it is made of.", Kind::Map(&Kind::Object(PART)), Presence::Optional, Change::InPlace),
    field("steps", "What it does.", Kind::List(&Kind::Object(PART)), Presence::Optional, Change::InPlace),
    field("members", "What is in it.", Kind::List(&Kind::Object(MEMBER)), Presence::Computed, Change::InPlace),
    field("slow", "If set, its creation waits until it is stopped.", Kind::Bool, Presence::Optional, Change::InPlace),
    field("panics", "If set, its creation panics.", Kind::Bool, Presence::Optional, Change::InPlace),
    Field { sensitive: true, ..field("secret", "Hidden.", Kind::String, Presence::Optional, Change::InPlace) },
];

const IDENTITY: &[Field] = &[field("id", "Its id.", Kind::String, Presence::Required, Change::InPlace)];

/// What provider and resources share.
#[derive(Default)]
struct World {
    directory: Mutex<Option<PathBuf>>,
    stopped: CancellationToken,
}

impl World {
    fn file(&self, name: &str) -> PathBuf {
        let directory = self.directory.lock().expect("no holder of the lock panics");
        directory.as_ref().expect("Terraform configures a provider first").join(name)
    }
}

struct Toy {
    world: Arc<World>,
    resources: Vec<Box<dyn Resource>>,
}

#[async_trait]
impl Provider for Toy {
    fn schema(&self) -> &'static [Field] {
        PROVIDER
    }

    fn doc(&self) -> &'static str {
        "Things in a directory."
    }

    fn resources(&self) -> &[Box<dyn Resource>] {
        &self.resources
    }

    async fn validate(&self, _config: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    async fn configure(&self, config: Value, terraform_version: String) -> Vec<Diagnostic> {
        tracing::info!(terraform_version, "configured");
        *self.world.directory.lock().expect("no holder of the lock panics") = config.get("directory").as_str().map(PathBuf::from);
        Vec::new()
    }

    async fn stop(&self) {
        self.world.stopped.cancel();
    }

    async fn shutdown(&self) {
        let configured = self.world.directory.lock().expect("no holder of the lock panics").clone();
        if let Some(directory) = configured {
            let _ = std::fs::write(directory.join("shutdown"), "in order");
        }
    }
}

struct Thing {
    world: Arc<World>,
}

impl Thing {
    /// The object as it is after `planned` came true.
    fn realize(planned: &Value) -> Value {
        let Value::Map(mut state) = planned.clone() else { return Value::Null };
        let name = planned.get("name").as_str().unwrap_or_default().to_owned();
        let size = if let Value::Int(size) = planned.get("size") { *size } else { 0 };
        let member = |rank: i64| {
            Value::Map([("rank".to_owned(), Value::Int(rank)), ("address".to_owned(), Value::String(format!("10.0.0.{rank}")))].into())
        };
        state.insert("id".to_owned(), Value::String(format!("thing-{name}")));
        state.insert("members".to_owned(), Value::List((0..size).map(member).collect()));
        if let Some(Value::Map(lease)) = state.get_mut("lease") {
            let deadline = format!("now+{}", lease.get("ttl").and_then(Value::as_str).unwrap_or_default());
            lease.insert("deadline".to_owned(), Value::String(deadline));
        }
        if let Some(Value::Map(parts)) = state.get_mut("parts") {
            parts.values_mut().for_each(number);
        }
        if let Some(Value::List(steps)) = state.get_mut("steps") {
            steps.iter_mut().for_each(number);
        }
        Value::Map(state)
    }

    fn store(&self, state: &Value) {
        let name = state.get("name").as_str().expect("a thing has a name");
        let bytes = codec::encode(THING, state).expect("a state fits its schema").msgpack;
        std::fs::write(self.world.file(name), bytes).expect("the directory can be written");
    }
}

fn number(part: &mut Value) {
    if let Value::Map(part) = part {
        let serial = format!("no. {:?}", part.get("kind").and_then(Value::as_str).unwrap_or_default());
        part.insert("serial".to_owned(), Value::String(serial));
    }
}

#[async_trait]
impl Resource for Thing {
    fn type_name(&self) -> &'static str {
        "toy_thing"
    }

    fn version(&self) -> i64 {
        1
    }

    fn fields(&self) -> &'static [Field] {
        THING
    }

    fn doc(&self) -> &'static str {
        "A thing."
    }

    fn stable(&self) -> &'static [&'static str] {
        &["id"]
    }

    fn identity(&self) -> Option<&'static Identity> {
        Some(&Identity { version: 0, fields: IDENTITY })
    }

    fn identity_of(&self, state: &Value) -> Option<Value> {
        let id = state.get("id").as_str()?;
        Some(Value::Map([("id".to_owned(), id.into())].into()))
    }

    async fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        match config.get("size") {
            Value::Int(size) if *size < 1 => {
                vec![Diagnostic::error("Too small", "`size` is at least 1.").at(Path::attribute("size"))]
            }
            _ => Vec::new(),
        }
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        PlanResponse { private: b"planned".to_vec(), ..PlanResponse::from(request) }
    }

    async fn apply(&self, request: ApplyRequest) -> ApplyResponse {
        let private = request.private;
        assert_eq!(private, b"planned", "what the plan puts there comes back");
        let Some(planned) = request.planned else {
            let prior = request.prior.expect("a deletion has an object");
            let name = prior.get("name").as_str().expect("a thing has a name").to_owned();
            let _ = std::fs::remove_file(self.world.file(&name));
            return ApplyResponse { private, ..ApplyResponse::default() };
        };
        assert_ne!(*planned.get("panics"), Value::Bool(true), "asked to");
        if *planned.get("slow") == Value::Bool(true) {
            self.store(&Self::realize(&planned));
            let stopped = self.world.stopped.cancelled();
            if tokio::time::timeout(Duration::from_secs(60), stopped).await.is_ok() {
                let diagnostic = Diagnostic::error("Interrupted", "The thing was made but may not be complete.");
                return ApplyResponse { state: Some(planned), private, diagnostics: vec![diagnostic] };
            }
        }
        let state = Self::realize(&planned);
        self.store(&state);
        ApplyResponse { state: Some(state), private, diagnostics: Vec::new() }
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        let name = match request.state.get("name").as_str() {
            Some(name) => name.to_owned(),
            None => request.state.get("id").as_str().unwrap_or_default().trim_start_matches("thing-").to_owned(),
        };
        let state = std::fs::read(self.world.file(&name)).ok();
        let state = state.map(|bytes| codec::decode_msgpack(THING, &bytes).expect("what was stored can be read"));
        ReadResponse { state, private: request.private, diagnostics: Vec::new() }
    }

    async fn import(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        if !id.starts_with("thing-") {
            return Err(vec![Diagnostic::error("Not an id", format!("{id:?} is not the id of a thing."))]);
        }
        let state = Value::Map([("id".to_owned(), id.into())].into());
        Ok(vec![Imported { state, private: Vec::new() }])
    }

    /// Version 0 called the note `remark`.
    async fn upgrade(&self, _version: i64, mut state: serde_json::Value) -> Result<Value, Vec<Diagnostic>> {
        state["note"] = state["remark"].take();
        codec::from_json(THING, &state, Strangers::Ignore).map_err(|error| vec![Diagnostic::error("Not a thing", error.to_string())])
    }
}

fn main() -> ExitCode {
    let world = Arc::new(World::default());
    let resources: Vec<Box<dyn Resource>> = vec![Box::new(Thing { world: Arc::clone(&world) })];
    serve(Toy { world, resources }, "example.com/test/toy")
}
