//! Endpoints that are down, hang up or refuse, and callers without credentials: what the ports make of it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use spawn_aws::{AccessKey, ConnectOptions, connect};
use spawn_core::ports::{Aws, LaunchRequest, Tags};
use spawn_model::error::{Class, Leftover};
use spawn_model::ids::InstanceId;
use spawn_model::stopping::Ends;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Far beyond what any of these takes; only a call that hangs gets here.
const HANGING: Duration = Duration::from_secs(30);

async fn ports(endpoint: &str) -> Aws {
    let access_key = AccessKey { id: "AKIAIOSFODNN7EXAMPLE".to_owned(), secret: "secret".to_owned(), session_token: None };
    let options = ConnectOptions {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        access_key: Some(access_key),
        ..ConnectOptions::default()
    };
    connect(&options).await.expect("ports")
}

/// An address at which nobody listens.
async fn dead_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// A server that answers every request with this text, or hangs up; and how many requests came.
async fn server(answer: Option<&'static str>) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let requests = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if read_request(stream, answer).await {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (format!("http://{address}"), requests)
}

/// Reads a request's head, answers it, and closes. Whether there was one.
async fn read_request(mut stream: TcpStream, answer: Option<&str>) -> bool {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(read) => head.extend_from_slice(&buffer[..read]),
        }
    }
    if let Some(answer) = answer {
        // The caller may be gone already.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
    true
}

fn launch_request() -> LaunchRequest {
    LaunchRequest {
        client_token: "token".to_owned(),
        min_count: 1,
        max_count: 1,
        instance_type: "c7i.large".to_owned(),
        image_id: "ami-0123456789abcdef0".to_owned(),
        disks: vec![],
        subnet_id: "subnet-0123456789abcdef0".to_owned(),
        public_address: None,
        group_ids: vec!["sg-0123456789abcdef0".to_owned()],
        placement_group: None,
        key_name: None,
        profile: Some("spawn-fleet".to_owned()),
        spot: None,
        user_data: vec![],
        ends: Ends::default(),
        tags: Tags::new(),
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named_at_once() {
    let address = dead_address().await;
    let aws = ports(&format!("http://{address}")).await;
    let read = tokio::time::timeout(HANGING, aws.instances.describe(&Tags::new())).await.expect("an answer").expect_err("it is down");
    let launch = tokio::time::timeout(HANGING, aws.instances.launch(&launch_request())).await.expect("an answer").expect_err("it is down");
    for error in [read, launch] {
        assert_eq!((error.class, error.code.as_str(), &error.left), (Class::Transient, "Unreachable", &Leftover::Clear));
        assert!(error.message.starts_with(&format!("{address} cannot be reached: ")), "{}", error.message);
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let aws = ports("http://no-such-host.invalid:4566").await;
    let error = tokio::time::timeout(HANGING, aws.identity.caller()).await.expect("an answer").expect_err("there is none");
    assert_eq!((error.class, error.code.as_str()), (Class::Transient, "Unreachable"));
    assert!(error.message.contains("no-such-host.invalid:4566"), "{}", error.message);
}

#[tokio::test]
async fn a_launch_without_an_answer_is_ambiguous_and_made_once() {
    let (url, requests) = server(None).await;
    let aws = ports(&url).await;
    let error = tokio::time::timeout(HANGING, aws.instances.launch(&launch_request())).await.expect("an end").expect_err("no answer");
    assert_eq!((error.class, error.left), (Class::Ambiguous, Leftover::Unknown));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_read_without_an_answer_is_made_four_times() {
    let (url, requests) = server(None).await;
    let aws = ports(&url).await;
    let error = tokio::time::timeout(HANGING, aws.instances.describe(&Tags::new())).await.expect("an end").expect_err("no answer");
    assert_eq!((error.class, error.code.as_str()), (Class::Transient, "NoAnswer"));
    assert_eq!(requests.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_page_that_is_no_answer_of_aws_is_said_to_be_one() {
    let page =
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>";
    let (url, requests) = server(Some(page)).await;
    let aws = ports(&url).await;
    let read = tokio::time::timeout(HANGING, aws.instances.describe(&Tags::new())).await.expect("an end").expect_err("no answer");
    assert_eq!(read.class, Class::Transient);
    assert!(read.message.contains(url.trim_start_matches("http://")), "{}", read.message);
    let launch = tokio::time::timeout(HANGING, aws.instances.launch(&launch_request())).await.expect("an end").expect_err("no answer");
    assert_eq!(launch.class, Class::Ambiguous);
    assert_eq!(requests.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_refusal_names_the_permission() {
    let body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation. \
                User: arn:aws:iam::123456789012:user/ada is not authorized to perform: ec2:RunInstances on resource: \
                arn:aws:ec2:us-east-1:123456789012:instance/* because no identity-based policy allows the ec2:RunInstances action\
                </Message></Error></Errors><RequestID>1</RequestID></Response>";
    let answer =
        format!("HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let (url, requests) = server(Some(answer.leak())).await;
    let error = ports(&url).await.instances.launch(&launch_request()).await.expect_err("refused");
    assert_eq!((error.class, error.code.as_str()), (Class::Denied, "UnauthorizedOperation"));
    assert!(error.message.starts_with("the permission ec2:RunInstances is missing: "), "{}", error.message);
    assert_eq!(error.help, "Allow arn:aws:iam::123456789012:user/ada ec2:RunInstances, or use other credentials");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn whoever_does_what_was_only_to_be_tried_is_not_believed() {
    let body = "<RunInstancesResponse><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId></item></instancesSet></RunInstancesResponse>";
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let (url, requests) = server(Some(answer.leak())).await;
    let error = ports(&url).await.trials.launch(&launch_request()).await.expect_err("it was done");
    assert_eq!((error.class, error.code.as_str()), (Class::Bug, "DryRunIgnored"));
    assert_eq!(error.left, Leftover::Remaining(vec![InstanceId("i-0123456789abcdef0".to_owned())]));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

/// The child of the tests below: connects as the environment says, with the profile in `OPTION_PROFILE` if there is one, and prints
/// the error of its first call.
#[tokio::test]
#[ignore = "run by other tests, with an environment of its own"]
async fn in_this_environment() {
    let options = ConnectOptions { profile: std::env::var("OPTION_PROFILE").ok(), ..ConnectOptions::default() };
    let answer = match connect(&options).await {
        Ok(aws) => aws.identity.caller().await.map(|_| ()),
        Err(error) => Err(error),
    };
    let error = answer.expect_err("there is nobody to answer");
    println!("class={:?} code={} {error}", error.class, error.code);
}

/// What a process with this environment and no other prints.
async fn child(environment: &[(&'static str, String)]) -> String {
    let environment = environment.to_vec();
    let run = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "in_this_environment", "--ignored", "--nocapture"])
            .env_clear()
            .envs(environment)
            .output()
            .expect("a child")
    });
    let output = tokio::time::timeout(HANGING, run).await.expect("an end").expect("a run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test]
async fn without_a_region_the_ways_to_one_are_told() {
    let told = child(&[("HOME", "/nonexistent".to_owned())]).await;
    assert!(told.contains("class=Invalid code=NoRegion"), "{told}");
    for way in ["`region`", "--region", "AWS_REGION"] {
        assert!(told.contains(way), "{told}");
    }
}

#[tokio::test]
async fn without_credentials_the_ways_to_some_are_told() {
    let metadata = dead_address().await;
    let told = child(&[
        ("HOME", "/nonexistent".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{metadata}")),
    ])
    .await;
    assert!(told.contains("class=Denied code=NoCredentials no AWS credentials were found"), "{told}");
    for way in ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "eval \"$(spawn sandbox env)\""] {
        assert!(told.contains(way), "{told}");
    }
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_named() {
    let told = child(&[
        ("HOME", "/nonexistent".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_PROFILE", "nobody".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ])
    .await;
    assert!(told.contains("class=Invalid code=NoProfile profile: AWS_PROFILE names the profile \"nobody\""), "{told}");
}

#[tokio::test]
async fn the_environments_endpoint_is_used() {
    let address = dead_address().await;
    let told = child(&[
        ("HOME", "/nonexistent".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
    ])
    .await;
    assert!(told.contains("class=Transient code=Unreachable") && told.contains(&address), "{told}");
}

#[tokio::test]
async fn a_profile_gives_region_credentials_and_endpoint() {
    let address = dead_address().await;
    let home = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(home.path().join(".aws")).expect("a directory");
    let config = format!(
        "[profile ada]\nregion = eu-central-1\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\nendpoint_url = http://{address}\n"
    );
    std::fs::write(home.path().join(".aws/config"), config).expect("a file");
    for variable in ["AWS_PROFILE", "OPTION_PROFILE"] {
        let told = child(&[("HOME", home.path().display().to_string()), (variable, "ada".to_owned())]).await;
        assert!(told.contains("class=Transient code=Unreachable") && told.contains(&address), "{variable}: {told}");
    }
}
