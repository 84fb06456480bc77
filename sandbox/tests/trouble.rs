//! Faults on request, and who may ask for them.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use std::os::unix::fs::PermissionsExt as _;

use kit::Fixture;
use serde_json::json;
use spawn_sandbox::{ControlClient, ControlError, Options, Sandbox, SandboxError};

async fn started() -> (Fixture, ControlClient) {
    let fixture = Fixture::start(|options| options.boot_machines = false).await;
    let client = ControlClient::from_dir(&fixture.dir.path().join("sandbox")).unwrap();
    (fixture, client)
}

async fn script(client: &ControlClient, rule: serde_json::Value) {
    client.add_fault(&serde_json::from_value(rule).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_as_they_are_told_to() {
    let (fixture, client) = started().await;
    for (service, operation, action) in [
        ("ec2", "DescribeInstances", json!("deny")),
        ("s3", "ListBuckets", json!("deny")),
        ("iam", "GetRole", json!("deny")),
        ("ssm", "GetParameter", json!("deny")),
        ("scheduler", "GetSchedule", json!("deny")),
        ("ec2", "DescribeRegions", json!("throttle")),
        ("s3", "ListObjectsV2", json!({"error": {"code": "InternalError", "status": 500, "message": "We are sorry"}})),
    ] {
        script(&client, json!({"service": service, "operation": operation, "times": 1, "do": action})).await;
    }
    let said = fixture
        .lines(
            "def say(code, call, **more): print(refused(code, call, **more)['Error']['Message'].split(' Encoded authorization')[0])\n\
             say('UnauthorizedOperation', client('ec2').describe_instances)\n\
             say('AccessDenied', client('s3').list_buckets)\n\
             say('AccessDenied', client('iam').get_role, RoleName='r')\n\
             say('AccessDeniedException', client('ssm').get_parameter, Name='p')\n\
             refused('AccessDeniedException', client('scheduler').get_schedule, Name='s')\n\
             say('RequestLimitExceeded', client('ec2').describe_regions)\n\
             say('InternalError', client('s3').list_objects_v2, Bucket='b-1')\n\
             client('ec2').describe_instances(); client('s3').list_buckets()",
        )
        .await;
    insta::assert_snapshot!("refusals", said);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_done_and_a_closed_connection_is_not() {
    let (fixture, client) = started().await;
    script(&client, json!({"service": "s3", "operation": "CreateBucket", "times": 1, "do": "lost_reply"})).await;
    script(&client, json!({"service": "s3", "operation": "CreateBucket", "times": 1, "do": "close_before"})).await;
    script(&client, json!({"service": "sts", "operation": "*", "do": "hang"})).await;
    script(&client, json!({"service": "s3", "operation": "DeleteBucket", "do": "hang_after"})).await;
    fixture
        .lines(
            "import botocore\n\
             for name in ['lost-1', 'closed-1']:\n\
             \x20 try: client('s3').create_bucket(Bucket=name); raise AssertionError('answered')\n\
             \x20 except botocore.exceptions.HTTPClientError: pass\n\
             equal([b['Name'] for b in client('s3').list_buckets()['Buckets']], ['lost-1'])\n\
             config = botocore.config.Config(read_timeout=1, retries={'total_max_attempts': 1})\n\
             try: boto3.client('sts', region_name='us-east-1', config=config).get_caller_identity(); raise AssertionError('answered')\n\
             except botocore.exceptions.ReadTimeoutError: pass\n\
             try: boto3.client('s3', config=config).delete_bucket(Bucket='lost-1'); raise AssertionError('answered')\n\
             except botocore.exceptions.ReadTimeoutError: pass\n\
             equal(client('s3').list_buckets()['Buckets'], [])",
        )
        .await;
    client.clear_faults().await.unwrap();
    fixture.lines("client('sts').get_caller_identity()").await;
    let calls = client.calls(0).await.unwrap();
    let outcomes: Vec<String> = calls
        .iter()
        .filter(|call| call.service != "ec2")
        .map(|call| format!("{} {} {}", call.operation, call.caller, call.outcome))
        .collect();
    insta::assert_snapshot!("log", outcomes.join("\n"));
    // The file has what memory has.
    let file = std::fs::read_to_string(fixture.dir.path().join("sandbox/calls.jsonl")).unwrap();
    assert_eq!(file.lines().count(), calls.len());
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_can_be_empty_and_a_bucket_somebody_elses() {
    let (fixture, client) = started().await;
    script(&client, json!({"kind": "capacity", "instance_type": "c7i.large"})).await;
    fixture.sandbox.control().add_foreign_bucket("taken", "999999999999");
    fixture
        .lines(
            "image = client('ssm').get_parameter(Name='/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64')['Parameter']['Value']\n\
             refused('InsufficientInstanceCapacity', client('ec2').run_instances, ImageId=image, InstanceType='c7i.large', MinCount=1, MaxCount=1)\n\
             client('ec2').run_instances(ImageId=image, InstanceType='c7a.large', MinCount=1, MaxCount=1)\n\
             refused('BucketAlreadyExists', client('s3').create_bucket, Bucket='taken')\n\
             refused('AccessDenied', client('s3').put_object, Bucket='taken', Key='k', Body=b'')\n\
             refused('403', client('s3').head_bucket, Bucket='taken', ExpectedBucketOwner=ACCOUNT)",
        )
        .await;
    assert_eq!(client.status().await.unwrap().instances, 1);
    assert_eq!(client.snapshot().await.unwrap()["s3"]["taken"]["owner"], "999999999999");
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_can_read_the_file_may_ask() {
    let (fixture, client) = started().await;
    let dir = fixture.dir.path().join("sandbox");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("credentials.json"))), (0o700, 0o600));

    let mut file = client.credentials().clone();
    file.control_token = "guess".to_owned();
    let guessed = ControlClient::new(file).status().await;
    assert!(matches!(guessed, Err(ControlError::Refused(_))), "{guessed:?}");
    fixture
        .lines(
            "import os, urllib.request\n\
             for path in ['/_sandbox/status', '/_sandbox/nothing']:\n\
             \x20 try: urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + path); raise AssertionError(path)\n\
             \x20 except urllib.error.HTTPError as error: equal(error.code, 401)",
        )
        .await;

    let second = Sandbox::start(Options { dir: dir.clone(), boot_machines: false, ..Options::default() }).await;
    assert!(matches!(second, Err(SandboxError::InUse { .. })));
    fixture.sandbox.stop().await;
    assert!(matches!(ControlClient::from_dir(&dir), Err(ControlError::NoSandbox { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_asked_and_leaves_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().join("s"), boot_machines: false, remove_dir: true, ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let client = ControlClient::from_dir(&dir.path().join("s")).unwrap();
    let endpoint = sandbox.endpoint();
    let running = tokio::spawn(sandbox.run_until_signal());
    client.stop().await.unwrap();
    running.await.unwrap().unwrap();
    assert!(!dir.path().join("s").exists());
    let address = endpoint.trim_start_matches("http://").to_owned();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
