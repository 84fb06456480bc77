//! The provider process as Terraform's plugin library meets it: its start, its door, its end.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "wire/process.rs"]
mod process;

use process::{Identity, Launched, Options};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;
use spawn_provider::wire::codec;
use spawn_provider::wire::proto::health::HealthCheckRequest;
use spawn_provider::wire::proto::health::health_client::HealthClient;
use spawn_provider::wire::proto::plugin::Empty;
use spawn_provider::wire::proto::plugin::grpc_controller_client::GrpcControllerClient;
use spawn_provider::wire::proto::plugin::grpc_stdio_client::GrpcStdioClient;
use spawn_provider::wire::proto::tfplugin6 as tf;
use spawn_provider::wire::proto::tfplugin6::provider_client::ProviderClient;

/// What a person sees who starts the provider by hand.
#[test]
fn it_tells_people_what_it_is() {
    let output = std::process::Command::new(process::toy_provider()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    insta::assert_snapshot!("started_by_hand", String::from_utf8(output.stderr).unwrap());
}

#[test]
fn it_refuses_a_terraform_without_protocol_6() {
    let output = process::command(&Options::default()).env("PLUGIN_PROTOCOL_VERSIONS", "4,5").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    insta::assert_snapshot!("no_common_version", String::from_utf8(output.stderr).unwrap());
}

#[tokio::test]
async fn only_the_one_client_certificate_opens_the_door() {
    let (terraform, other) = (Identity::new(), Identity::new());
    let provider = Launched::new(&Options { client: Some(&terraform), ..Options::default() });

    let refused = provider.connect(Some(&other)).await.expect_err("another certificate");
    assert!(refused.contains("AccessDenied") || refused.contains("CertificateUnknown"), "{refused}");
    let refused = provider.connect(None).await.expect_err("no certificate");
    assert!(refused.contains("CertificateRequired"), "{refused}");
    if let Ok(channel) = provider.connect_plainly().await {
        let refused = ProviderClient::new(channel).get_metadata(tf::get_metadata::Request {}).await;
        refused.expect_err("no TLS at all");
    }

    // The refusals did not end it.
    let channel = provider.connect(Some(&terraform)).await.unwrap();
    let metadata = ProviderClient::new(channel.clone()).get_metadata(tf::get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.resources[0].type_name, "toy_thing");
    drop(channel);
    provider.exited(Some(0)).await;
}

#[tokio::test]
async fn it_ends_when_terraform_is_gone_and_leaves_no_socket() {
    let terraform = Identity::new();
    for client in [Some(&terraform), None] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { client, socket_directory: Some(directory.path()), ..Options::default() };
        let provider = Launched::new(&options);
        assert!(provider.socket.starts_with(directory.path()), "{:?}", provider.socket);
        let channel = provider.connect(client).await.unwrap();
        HealthClient::new(channel.clone()).check(HealthCheckRequest { service: "plugin".to_owned() }).await.unwrap();
        drop(channel);
        let socket = provider.socket.clone();
        provider.exited(Some(0)).await;
        assert!(!socket.exists(), "{socket:?}");
    }
}

#[tokio::test]
async fn it_answers_shutdown_and_ends_with_streams_still_open() {
    let provider = Launched::new(&Options::default());
    let channel = provider.connect(None).await.unwrap();
    let _open = GrpcStdioClient::new(channel.clone()).stream_stdio(()).await.unwrap();
    GrpcControllerClient::new(channel.clone()).shutdown(Empty {}).await.unwrap();
    // The channel is held until after the end: it does not wait for us.
    provider.exited(Some(0)).await;
    drop(channel);
}

#[tokio::test]
async fn it_survives_ctrl_c_and_ends_on_sigterm() {
    let provider = Launched::new(&Options::default());
    let channel = provider.connect(None).await.unwrap();
    let mut client = ProviderClient::new(channel);
    provider.signal(rustix::process::Signal::INT);
    client.get_metadata(tf::get_metadata::Request {}).await.unwrap();
    provider.signal(rustix::process::Signal::TERM);
    let socket = provider.socket.clone();
    provider.exited(Some(0)).await;
    assert!(!socket.exists(), "{socket:?}");
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, doc: "", kind, presence: Presence::Optional, change: Change::InPlace, sensitive: false }
}

/// The toy provider's block.
const CONFIGURATION: &[Field] = &[field("directory", Kind::String)];

/// As much of a thing as its creation looks at.
const THING: &[Field] = &[field("name", Kind::String), field("slow", Kind::Bool)];

#[tokio::test]
async fn it_ends_with_a_call_still_running_when_terraform_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("alpha");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let provider = Launched::new(&Options::default());
    let channel = provider.connect(None).await.unwrap();
    let mut client = ProviderClient::new(channel);
    let text = directory.path().display().to_string();
    let config = Value::Map([("directory".to_owned(), Value::String(text))].into());
    let config = Some(codec::encode(CONFIGURATION, &config).unwrap());
    client.configure_provider(tf::configure_provider::Request { config, ..Default::default() }).await.unwrap();

    let planned = Value::Map([("name".to_owned(), "alpha".into()), ("slow".to_owned(), Value::Bool(true))].into());
    let request = tf::apply_resource_change::Request {
        type_name: "toy_thing".to_owned(),
        planned_state: Some(codec::encode(THING, &planned).unwrap()),
        planned_private: b"planned".to_vec(),
        ..Default::default()
    };
    let creation = tokio::spawn(async move { client.apply_resource_change(request).await });
    // The toy writes its thing and then waits: reading this pipe to its end is to know that it waits.
    tokio::task::spawn_blocking(move || std::fs::read(pipe)).await.unwrap().unwrap();
    creation.abort();
    provider.exited(Some(0)).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_diagnostic() {
    let provider = Launched::new(&Options::default());
    let mut client = ProviderClient::new(provider.connect(None).await.unwrap());
    let garbage = Some(tf::DynamicValue { msgpack: vec![0x93, 0xff], json: Vec::new() });
    let request = tf::configure_provider::Request { config: garbage.clone(), ..Default::default() };
    let answer = client.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics[0].summary, "A value cannot be read");

    let request = tf::read_resource::Request {
        type_name: "toy_thing".to_owned(),
        current_state: garbage.clone(),
        private: b"p".to_vec(),
        ..Default::default()
    };
    let answer = client.read_resource(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics[0].summary, "A value cannot be read");
    assert_eq!((answer.new_state, answer.private), (garbage, b"p".to_vec()), "nothing is forgotten");

    let request = tf::read_resource::Request { type_name: "toy_thong".to_owned(), ..request };
    let answer = client.read_resource(request).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics[0].summary, "Unknown resource type");
}

#[tokio::test]
async fn messages_may_be_far_larger_than_grpc_allows_by_default() {
    let provider = Launched::new(&Options::default());
    let channel = provider.connect(None).await.unwrap();
    let text = "x".repeat(20 << 20);
    let config = Value::Map([("directory".to_owned(), Value::String(text))].into());
    let config = codec::encode(CONFIGURATION, &config).unwrap();
    let request = tf::validate_provider_config::Request { config: Some(config) };
    let answer = ProviderClient::new(channel).validate_provider_config(request).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics, []);
}

#[tokio::test]
async fn what_it_does_not_serve_is_unimplemented() {
    let provider = Launched::new(&Options::default());
    let channel = provider.connect(None).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Empty, Empty>::default();
    let path = http::uri::PathAndQuery::from_static("/tfplugin6.Provider/OpenEphemeralResource");
    let refused = client.unary(tonic::Request::new(Empty {}), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
}

/// A `moved` block may change the provider's address, not the type.
#[tokio::test]
async fn a_state_moves_between_providers_but_not_between_types() {
    let provider = Launched::new(&Options::default());
    let mut client = ProviderClient::new(provider.connect(None).await.unwrap());
    let mut request = tf::move_resource_state::Request {
        source_provider_address: "example.org/old/toy".to_owned(),
        source_type_name: "toy_thing".to_owned(),
        source_schema_version: 1,
        source_state: Some(tf::RawState { json: br#"{"name": "a"}"#.to_vec(), ..Default::default() }),
        target_type_name: "toy_thing".to_owned(),
        source_private: b"p".to_vec(),
        ..Default::default()
    };
    let moved = client.move_resource_state(request.clone()).await.unwrap().into_inner();
    assert_eq!((moved.diagnostics, moved.target_private), (vec![], b"p".to_vec()));
    assert!(moved.target_state.is_some());
    request.source_type_name = "other_thing".to_owned();
    let refused = client.move_resource_state(request).await.unwrap().into_inner();
    assert_eq!(refused.diagnostics[0].summary, "The resource cannot be moved");
}
