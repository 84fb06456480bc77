//! Clients that others wrote, against a small HTTP server of the test: boto3 and the aws command.
//!
//! They know EC2's shapes from AWS's own model, so what they read back is what AWS would have said. The server's clock
//! moves only when the client says so (`POST /wait/<milliseconds>`), so nothing here waits for real.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::{Cloud, Config};
use sandbox_ec2::{Outcome, handle};

struct World {
    cloud: Cloud,
    now: Timestamp,
    gaps: Vec<String>,
}

impl World {
    fn new() -> World {
        let mut cloud = Cloud::new(Config { throttle: false, ..Config::default() });
        cloud.profile_known("worker", "arn:aws:iam::123456789012:instance-profile/worker");
        World { cloud, now: Timestamp::from_second(1_770_000_000).unwrap(), gaps: Vec::new() }
    }
}

/// A request as far as it matters here.
struct HttpRequest {
    path: String,
    region: String,
    body: Vec<u8>,
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<HttpRequest> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut region) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap_or((header, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            // AWS4-HMAC-SHA256 Credential=key/date/region/ec2/aws4_request, …
            "authorization" => region = value.split('/').nth(2).unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(HttpRequest { path, region, body })
}

fn serve_one(stream: TcpStream, world: &Mutex<World>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let mut world = world.lock().unwrap();
        if let Some(ms) = request.path.strip_prefix("/wait/") {
            let now = world.now + SignedDuration::from_millis(ms.parse().unwrap());
            world.now = now;
            let changes = format!("{:?}", world.cloud.advance(now));
            respond(&mut writer, 200, "text/plain", changes.as_bytes());
            continue;
        }
        if request.path == "/fault" {
            world.cloud.fault(lost_reply(&request.body));
            respond(&mut writer, 200, "text/plain", b"");
            continue;
        }
        let now = world.now;
        let answer = handle(&mut world.cloud, now, &request.region, &request.body);
        world.gaps.extend(answer.gap);
        if answer.outcome == Outcome::Lost {
            return;
        }
        respond(&mut writer, answer.status, answer.content_type, &answer.body);
    }
}

/// The one fault that the tests ask for: a call that is done, and its answer lost.
fn lost_reply(operation: &[u8]) -> sandbox_cloud::Fault {
    let operation = std::str::from_utf8(operation).unwrap();
    sandbox_cloud::Fault::lost(operation, sandbox_cloud::Effect::After, 1)
}

fn respond(writer: &mut TcpStream, status: u16, content_type: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
    // A client that has gone needs no answer.
    let _gone = writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body));
}

/// Serves a world on loopback until the test ends, and says where.
fn serve() -> (String, Arc<Mutex<World>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let world = Arc::new(Mutex::new(World::new()));
    let shared = world.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            std::thread::spawn(move || serve_one(stream, &shared));
        }
    });
    (url, world)
}

fn client(program: &str, url: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("AWS_PAGER", "")
        .env("NO_PROXY", "127.0.0.1");
    command
}

fn run(command: &mut Command, needs: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("this test needs {needs}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!err.contains("No module named"), "this test needs {needs}:\n{err}");
    assert!(output.status.success(), "{command:?} failed:\n{out}\n{err}");
    out.into_owned()
}

/// Runs a script of `tests/boto3` to its end, and tells what it asked for that is not simulated.
fn boto3(script: &str) -> Vec<String> {
    let (url, world) = serve();
    let script = format!("{}/tests/boto3/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = client("python3", &url);
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg(&url);
    let out = run(&mut command, "python3 with boto3 (pip install boto3)");
    assert!(out.trim_end().ends_with("all good"), "{out}");
    std::mem::take(&mut world.lock().unwrap().gaps)
}

#[test]
fn boto3_networks() {
    assert_eq!(boto3("networks.py"), ["CreateVpcEndpoint: The Vpc Endpoint Service 'com.amazonaws.us-east-1.tea' does not exist"]);
}

#[test]
fn boto3_launching() {
    assert_eq!(boto3("launching.py"), Vec::<String>::new());
}

#[test]
fn boto3_templates() {
    assert_eq!(boto3("templates.py"), ["CreateLaunchTemplate: The parameter LaunchTemplateData.CpuOptions.CoreCount is not recognized"]);
}

#[test]
fn boto3_instances() {
    assert_eq!(
        boto3("instances.py"),
        [
            "DescribeHosts: The action DescribeHosts is not simulated",
            "RunInstances: The parameter CpuOptions.CoreCount is not recognized",
            "DescribeInstances: The filter 'moon-phase' is invalid",
        ]
    );
}

/// What the aws command says: the last line of each call, in text form.
#[test]
fn the_aws_command() {
    let (url, world) = serve();
    let aws = |arguments: &[&str]| {
        let mut command = client("aws", &url);
        command.arg("ec2").args(arguments).args(["--output", "text"]);
        run(&mut command, "the aws command (pip install awscli)").trim_end().to_owned()
    };
    let image = aws(&["describe-images", "--owners=amazon", "--filters=Name=name,Values=al2023-ami-*-x86_64", "--query=Images[0].ImageId"]);
    assert!(image.starts_with("ami-0"), "{image}");
    let group = aws(&["create-security-group", "--group-name=g", "--description=d", "--query=GroupId"]);
    aws(&["authorize-security-group-ingress", "--group-id", &group, "--protocol=tcp", "--port=22", "--cidr=10.0.0.0/8"]);
    let launched = aws(&[
        "run-instances",
        "--image-id",
        &image,
        "--instance-type=c7i.large",
        "--count=1:3",
        "--security-group-ids",
        &group,
        "--user-data=#!/bin/sh",
        "--iam-instance-profile=Name=worker",
        "--tag-specifications=ResourceType=instance,Tags=[{Key=Name,Value=a b&c}]",
        "--query=Instances[].InstanceId",
    ]);
    let ids: Vec<&str> = launched.split_whitespace().collect();
    assert_eq!(ids.len(), 3, "{launched}");
    {
        let mut world = world.lock().unwrap();
        let now = world.now + SignedDuration::from_secs(2);
        world.now = now;
        assert_eq!(world.cloud.advance(now).len(), 3);
        assert_eq!(world.cloud.machine(ids[0]).unwrap().user_data.unwrap(), b"#!/bin/sh");
    }
    let running = aws(&[
        "describe-instances",
        "--filters",
        "Name=instance-state-name,Values=running",
        "Name=tag:Name,Values=a*c",
        "--query=length(Reservations[].Instances[])",
    ]);
    assert_eq!(running, "3");
    let data = aws(&["describe-instance-attribute", "--instance-id", ids[0], "--attribute=userData", "--query=UserData.Value"]);
    assert_eq!(data, "IyEvYmluL3No");
    let spot = aws(&[
        "run-instances",
        "--image-id",
        &image,
        "--instance-type=c7i.large",
        "--instance-market-options=MarketType=spot,SpotOptions={MaxPrice=0.09,SpotInstanceType=one-time}",
        "--query=Instances[0].SpotInstanceRequestId",
    ]);
    let state = ["describe-spot-instance-requests", "--filters=Name=state,Values=active", "--query=SpotInstanceRequests[].State"];
    assert_eq!(aws(&state), "active");
    let cancelled = ["cancel-spot-instance-requests", "--spot-instance-request-ids", &spot];
    assert!(aws(&cancelled).ends_with("cancelled"));
    aws(&["modify-instance-attribute", "--instance-id", ids[0], "--instance-initiated-shutdown-behavior=terminate"]);
    aws(&["modify-instance-attribute", "--instance-id", ids[0], "--attribute=disableApiTermination", "--value=true"]);
    aws(&["modify-instance-attribute", "--instance-id", ids[0], "--no-disable-api-termination"]);
    let ended = aws(&["terminate-instances", "--instance-ids", ids[0], ids[1], ids[2], "--query=TerminatingInstances[].CurrentState.Name"]);
    assert_eq!(ended.split_whitespace().collect::<Vec<_>>(), ["shutting-down"; 3]);
    assert_eq!(world.lock().unwrap().gaps, Vec::<String>::new());
}
