//! A service over two types, of which one has identities: what Terraform is answered of them from the plan of an object to its end.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;
use tonic::Request;

use super::super::codec;
use super::super::proto::tfplugin6::{self as tf, provider_server::Provider as _};
use super::super::provider::{ApplyRequest, ApplyResponse, Imported, Provider, ReadRequest, ReadResponse, Resource};
use super::super::service::Service;
use super::*;

const fn field(name: &'static str, doc: &'static str, presence: Presence) -> Field {
    Field { name, doc, kind: Kind::String, presence, change: Change::InPlace, sensitive: false }
}

const FIELDS: &[Field] = &[
    field("name", "", Presence::Required),
    field("id", "", Presence::Computed),
    field("place", "", Presence::Computed),
    // What becomes of whatever is done with it.
    field("trouble", "", Presence::Optional),
];

const IDENTITY: &[Field] = &[field("id", "Its id.", Presence::Required), field("place", "Where it is.", Presence::Optional)];

const VERSION: i64 = 2;

/// A type of which objects may have identities.
struct Thing {
    type_name: &'static str,
    identity: Option<&'static Identity>,
}

/// An object, as `trouble` leaves it, and what is told of it.
fn done(state: &Value) -> (Option<Value>, Vec<Diagnostic>) {
    let text = |name: &str| state.get(name).as_str().unwrap_or_default().to_owned();
    let failure = || vec![Diagnostic::error("Something failed", "It did.")];
    let made = |id: &str, place: &str| {
        let entries =
            [("name", state.get("name").clone()), ("id", id.into()), ("place", place.into()), ("trouble", state.get("trouble").clone())];
        Some(Value::Map(entries.map(|(name, value)| (name.to_owned(), value)).into()))
    };
    match text("trouble").as_str() {
        "gone" => (None, Vec::new()),
        "failed" => (Some(state.clone()), failure()),
        "elsewhere" => (made("t-1", "there"), Vec::new()),
        "unplaced" => (made("t-1", ""), Vec::new()),
        "panics" => panic!("asked to"),
        _ => (made("t-1", "here"), Vec::new()),
    }
}

#[async_trait]
impl Resource for Thing {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn doc(&self) -> &'static str {
        "A thing."
    }

    fn identity(&self) -> Option<&'static Identity> {
        self.identity
    }

    fn identity_of(&self, state: &Value) -> Option<Value> {
        let text = |name: &str| state.get(name).as_str().filter(|text| !text.is_empty()).map(Value::from);
        Some(identity(text("id")?, text("place")?))
    }

    async fn validate(&self, _config: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    async fn apply(&self, request: ApplyRequest) -> ApplyResponse {
        let Some(planned) = request.planned else { return ApplyResponse::default() };
        let (state, diagnostics) = done(&planned);
        ApplyResponse { state, private: Vec::new(), diagnostics }
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        let (state, diagnostics) = done(&request.state);
        ReadResponse { state, private: Vec::new(), diagnostics }
    }

    async fn import(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        let found = if id == "by-name" { "t-1" } else { id };
        Ok(vec![Imported { state: state(found, "here", ""), private: Vec::new() }])
    }
}

struct Two(Vec<Box<dyn Resource>>);

#[async_trait]
impl Provider for Two {
    fn schema(&self) -> &'static [Field] {
        &[]
    }

    fn doc(&self) -> &'static str {
        "Things."
    }

    fn resources(&self) -> &[Box<dyn Resource>] {
        &self.0
    }

    async fn validate(&self, _config: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    async fn configure(&self, _config: Value, _terraform_version: String) -> Vec<Diagnostic> {
        Vec::new()
    }

    async fn stop(&self) {}

    async fn shutdown(&self) {}
}

fn service() -> Service {
    let known = Thing { type_name: "test_known", identity: Some(&Identity { version: VERSION, fields: IDENTITY }) };
    let plain = Thing { type_name: "test_plain", identity: None };
    Service::new(Arc::new(Two(vec![Box::new(known), Box::new(plain)])))
}

/// Empty text stands for null.
fn object<const N: usize>(entries: [(&str, &str); N]) -> Value {
    let value = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    Value::Map(entries.map(|(name, text)| (name.to_owned(), value(text))).into())
}

fn state(id: &str, place: &str, trouble: &str) -> Value {
    object([("name", "a"), ("id", id), ("place", place), ("trouble", trouble)])
}

/// What is planned of a creation.
fn unmade(trouble: &str) -> Value {
    let Value::Map(mut entries) = state("", "", trouble) else { return Value::Null };
    entries.extend(["id", "place"].map(|name| (name.to_owned(), Value::Unknown)));
    Value::Map(entries)
}

fn identity(id: Value, place: Value) -> Value {
    Value::Map([("id".to_owned(), id), ("place".to_owned(), place)].into())
}

fn known(id: &str, place: &str) -> Option<Value> {
    Some(object([("id", id), ("place", place)]))
}

fn block(value: &Value) -> Option<tf::DynamicValue> {
    Some(codec::encode(FIELDS, value).unwrap())
}

fn sent(identity: Option<&Value>) -> Option<tf::ResourceIdentityData> {
    identity.map(|identity| tf::ResourceIdentityData { identity_data: Some(codec::encode(IDENTITY, identity).unwrap()) })
}

fn answered(data: Option<tf::ResourceIdentityData>) -> Option<Value> {
    data.map(|data| codec::decode(IDENTITY, data.identity_data.as_ref()).unwrap())
}

/// The headlines of what is told.
fn headlines(diagnostics: &[tf::Diagnostic]) -> Vec<&str> {
    diagnostics.iter().map(|diagnostic| diagnostic.summary.as_str()).collect()
}

fn text(diagnostics: &[tf::Diagnostic]) -> String {
    let texts: Vec<String> = diagnostics.iter().map(|told| format!("{}\n{}", told.summary, told.detail)).collect();
    texts.join("\n")
}

#[tokio::test]
async fn only_who_has_an_identity_tells_of_one() {
    let told = service().get_resource_identity_schemas(Request::new(tf::get_resource_identity_schemas::Request {})).await.unwrap();
    let told = told.into_inner();
    assert_eq!(told.diagnostics, []);
    let attribute = |name: &str, required: bool, description: &str| tf::resource_identity_schema::IdentityAttribute {
        name: name.to_owned(),
        r#type: br#""string""#.to_vec(),
        required_for_import: required,
        optional_for_import: !required,
        description: description.to_owned(),
    };
    let identity_attributes = vec![attribute("id", true, "Its id."), attribute("place", false, "Where it is.")];
    let schema = tf::ResourceIdentitySchema { version: VERSION, identity_attributes };
    assert_eq!(told.identity_schemas, HashMap::from([("test_known".to_owned(), schema)]));
}

/// (what is planned: of what, under which identity, for what; the identity of it)
#[tokio::test]
async fn a_plan_keeps_the_identity_of_what_stays() {
    let (there, block_of) = (state("t-1", "here", ""), object([("name", "a")]));
    let cases = [
        ("a creation", Value::Null, None, there.clone(), Some(Value::Unknown)),
        ("the second half of a replacement", Value::Null, known("t-1", "here"), there.clone(), Some(Value::Unknown)),
        ("a change", there.clone(), known("t-1", "here"), there.clone(), known("t-1", "here")),
        ("a change of what has none yet", there.clone(), None, there.clone(), None),
        ("a change of what says nothing", there.clone(), known("", ""), there.clone(), None),
        ("a deletion", there.clone(), known("t-1", "here"), Value::Null, None),
    ];
    for (title, prior, before, proposed, expected) in cases {
        let request = tf::plan_resource_change::Request {
            type_name: "test_known".to_owned(),
            prior_state: block(&prior),
            proposed_new_state: block(&proposed),
            config: block(if proposed.is_null() { &Value::Null } else { &block_of }),
            prior_identity: sent(before.as_ref()),
            ..Default::default()
        };
        let planned = service().plan_resource_change(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(headlines(&planned.diagnostics), [""; 0], "{title}");
        assert_eq!(answered(planned.planned_identity), expected, "{title}");
    }
}

/// (what is read, under which identity; the identity then, and what is told)
#[tokio::test]
async fn a_refresh_finds_the_identity_that_was_there_or_none_was() {
    let cases = [
        ("it has none yet", "", None, known("t-1", "here"), vec![]),
        ("it says nothing", "", known("", ""), known("t-1", "here"), vec![]),
        ("it says a part", "", known("t-1", ""), known("t-1", "here"), vec![]),
        ("as it was", "", known("t-1", "here"), known("t-1", "here"), vec![]),
        ("gone", "gone", known("t-1", "here"), None, vec![]),
        ("not all is known", "unplaced", known("t-1", "here"), known("t-1", "here"), vec![]),
        ("not all is known of what has none yet", "unplaced", None, None, vec![]),
        ("nothing was looked at", "failed", known("t-1", "here"), known("t-1", "here"), vec!["Something failed"]),
        ("nothing was looked at of what has none yet", "failed", None, None, vec!["Something failed"]),
        ("another one", "elsewhere", known("t-1", "here"), known("t-1", "here"), vec!["The object has another identity"]),
        ("a panic", "panics", known("t-1", "here"), known("t-1", "here"), vec!["The provider failed unexpectedly"]),
    ];
    for (title, trouble, before, expected, told) in cases {
        let request = tf::read_resource::Request {
            type_name: "test_known".to_owned(),
            current_state: block(&state("t-1", "here", trouble)),
            current_identity: sent(before.as_ref()),
            ..Default::default()
        };
        let read = service().read_resource(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(headlines(&read.diagnostics), told, "{title}");
        assert_eq!(answered(read.new_identity), expected, "{title}");
    }
}

/// (what there is, what becomes of it, under which planned identity; the identity then, and what is told)
#[tokio::test]
async fn an_apply_leaves_an_identity_that_is_known() {
    let (there, unknown) = (state("t-1", "here", ""), Some(Value::Unknown));
    let cases = [
        ("a creation", Value::Null, unmade(""), unknown.clone(), known("t-1", "here"), vec![]),
        ("a creation that fails", Value::Null, unmade("failed"), unknown.clone(), None, vec!["Something failed"]),
        ("a creation that panics", Value::Null, unmade("panics"), unknown, None, vec!["The provider failed unexpectedly"]),
        ("a change", there.clone(), there.clone(), known("t-1", "here"), known("t-1", "here"), vec![]),
        ("a change of what has none yet", there.clone(), there.clone(), None, known("t-1", "here"), vec![]),
        (
            "a change that fails",
            there.clone(),
            state("t-1", "here", "failed"),
            known("t-1", "here"),
            known("t-1", "here"),
            vec!["Something failed"],
        ),
        (
            "a change that panics",
            there.clone(),
            state("t-1", "here", "panics"),
            known("t-1", "here"),
            known("t-1", "here"),
            vec!["The provider failed unexpectedly"],
        ),
        (
            "a change to something else",
            there.clone(),
            state("t-1", "here", "elsewhere"),
            known("t-1", "here"),
            known("t-1", "here"),
            vec!["The object has another identity"],
        ),
        ("a deletion", there, Value::Null, None, None, vec![]),
    ];
    for (title, prior, planned, before, expected, told) in cases {
        let request = tf::apply_resource_change::Request {
            type_name: "test_known".to_owned(),
            prior_state: block(&prior),
            planned_state: block(&planned),
            config: block(&Value::Null),
            planned_identity: sent(before.as_ref()),
            ..Default::default()
        };
        let applied = service().apply_resource_change(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(headlines(&applied.diagnostics), told, "{title}");
        assert_eq!(answered(applied.new_identity), expected, "{title}");
    }
}

#[tokio::test]
async fn who_has_no_identity_answers_with_none() {
    let there = state("t-1", "here", "");
    let request = tf::read_resource::Request {
        type_name: "test_plain".to_owned(),
        current_state: block(&there),
        current_identity: sent(known("t-1", "here").as_ref()),
        ..Default::default()
    };
    let read = service().read_resource(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((read.diagnostics, read.new_identity), (vec![], None));

    let request = tf::plan_resource_change::Request {
        type_name: "test_plain".to_owned(),
        prior_state: block(&Value::Null),
        proposed_new_state: block(&there),
        config: block(&there),
        ..Default::default()
    };
    let planned = service().plan_resource_change(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((planned.diagnostics, planned.planned_identity), (vec![], None));
}

async fn import(type_name: &str, id: &str, identity: Option<Value>) -> tf::import_resource_state::Response {
    let request = tf::import_resource_state::Request {
        type_name: type_name.to_owned(),
        id: id.to_owned(),
        identity: sent(identity.as_ref()),
        ..Default::default()
    };
    service().import_resource_state(Request::new(request)).await.unwrap().into_inner()
}

/// (an id, an identity; the identity of what is found by it)
#[tokio::test]
async fn what_is_imported_is_what_was_asked_for() {
    let cases = [
        ("test_known", "t-1", None, known("t-1", "here")),
        ("test_known", "by-name", None, known("t-1", "here")),
        ("test_known", "", known("t-7", ""), known("t-7", "here")),
        ("test_known", "", known("t-7", "here"), known("t-7", "here")),
        ("test_plain", "t-1", None, None),
    ];
    for (type_name, id, asked, expected) in cases {
        let title = format!("{type_name} {id:?} {asked:?}");
        let mut found = import(type_name, id, asked).await;
        assert_eq!(headlines(&found.diagnostics), [""; 0], "{title}");
        assert_eq!(found.imported_resources.len(), 1, "{title}");
        assert_eq!(answered(found.imported_resources.remove(0).identity), expected, "{title}");
    }
    let mut refused = Vec::new();
    for (type_name, asked) in [
        ("test_known", None),
        ("test_known", known("", "")),
        ("test_known", known("", "here")),
        ("test_known", Some(identity(Value::Unknown, Value::Null))),
        ("test_known", Some(identity(Value::String(String::new()), Value::Null))),
        ("test_known", known("t-7", "there")),
        ("test_known", known("by-name", "")),
        ("test_plain", None),
        ("test_plain", known("t-7", "")),
    ] {
        let found = import(type_name, "", asked).await;
        assert_eq!(found.imported_resources, []);
        refused.push(text(&found.diagnostics));
    }
    refused.dedup();
    insta::assert_snapshot!("refused_imports", refused.join("\n\n"));
}

async fn upgrade(type_name: &str, version: i64, json: &str) -> Result<Option<Value>, String> {
    let request = tf::upgrade_resource_identity::Request {
        type_name: type_name.to_owned(),
        version,
        raw_identity: Some(tf::RawState { json: json.as_bytes().to_vec(), ..Default::default() }),
    };
    let upgraded = service().upgrade_resource_identity(Request::new(request)).await.unwrap().into_inner();
    if upgraded.diagnostics.is_empty() { Ok(answered(upgraded.upgraded_identity)) } else { Err(text(&upgraded.diagnostics)) }
}

/// (what is stored; what it is now)
#[tokio::test]
async fn a_stored_identity_is_read_as_it_is_known_now() {
    for (json, expected) in [
        (r#"{"id": "t-1", "place": "here"}"#, known("t-1", "here")),
        (r#"{"id": "t-1", "place": null}"#, known("t-1", "")),
        (r#"{"id": "t-1"}"#, known("t-1", "")),
        (r#"{"id": "t-1", "of_yesterday": [{"a": 1.5}]}"#, known("t-1", "")),
        (r#"{"of_yesterday": true}"#, None),
        ("null", None),
    ] {
        assert_eq!(upgrade("test_known", VERSION, json).await, Ok(expected), "{json}");
    }
    let mut refused = Vec::new();
    for (type_name, version, json) in [
        ("test_known", VERSION + 1, r#"{"id": "t-1"}"#),
        ("test_known", VERSION - 1, r#"{"id": "t-1"}"#),
        ("test_known", VERSION, r#"{"id": 7}"#),
        ("test_known", VERSION, ""),
        ("test_plain", 0, r#"{"id": "t-1"}"#),
        ("test_other", 0, r#"{"id": "t-1"}"#),
    ] {
        refused.push(upgrade(type_name, version, json).await.expect_err(json));
    }
    insta::assert_snapshot!("refused_upgrades", refused.join("\n\n"));
}

/// (the version of what is stored beside a state that moves, and that itself; what it is then)
#[tokio::test]
async fn a_state_moves_with_its_identity_if_that_can_be_read() {
    let cases = [
        ("test_known", VERSION, r#"{"id": "t-1", "place": "here"}"#, known("t-1", "here")),
        ("test_known", VERSION + 1, r#"{"id": "t-1"}"#, None),
        ("test_known", VERSION, "[", None),
        ("test_plain", 0, r#"{"id": "t-1"}"#, None),
    ];
    for (type_name, version, json, expected) in cases {
        let request = tf::move_resource_state::Request {
            source_type_name: type_name.to_owned(),
            source_state: Some(tf::RawState { json: br#"{"name": "a"}"#.to_vec(), ..Default::default() }),
            target_type_name: type_name.to_owned(),
            source_identity: Some(tf::RawState { json: json.as_bytes().to_vec(), ..Default::default() }),
            source_identity_schema_version: version,
            ..Default::default()
        };
        let moved = service().move_resource_state(Request::new(request)).await.unwrap().into_inner();
        assert_eq!((headlines(&moved.diagnostics), moved.target_state.is_some()), (vec![], true), "{json}");
        assert_eq!(answered(moved.target_identity), expected, "{json}");
    }
}

/// What people see if an object is not what it was.
#[test]
fn it_is_told_what_contradicts_what() {
    let mut told = Vec::new();
    for (said, found) in [
        (known("t-1", "here"), known("t-1", "there")),
        (Some(identity(Value::Int(1), Value::Bool(true))), Some(identity(Value::Int(2), Value::Bool(true)))),
        (Some(identity(Value::List(vec!["a".into(), Value::Float(0.5)]), Value::Null)), known("", "here")),
    ] {
        let (said, found) = (said.unwrap(), found.unwrap());
        let difference = Difference::find(&said, &found).unwrap();
        for told_of_it in [difference.of_known(), difference.of_asked()] {
            told.push(format!("{}\n{}", told_of_it.summary, told_of_it.detail));
        }
    }
    insta::assert_snapshot!("contradictions", told.join("\n\n"));
    for (said, found) in [(known("t-1", ""), known("t-1", "here")), (Some(Value::Unknown), known("t-1", "here"))] {
        assert!(Difference::find(&said.unwrap(), &found.unwrap()).is_none());
    }
}
