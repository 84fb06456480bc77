//! Instances that really run: user data, metadata, credentials, power-off.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use std::time::Duration;

use kit::Fixture;
use spawn_sandbox::Control;

/// Ways to look at instances and at what they left.
const READ: &str = r#"
import time
ec2, s3 = client("ec2"), client("s3")

def state(id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["State"]["Name"]

def until(what, check):
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.1)

def text(key):
    return s3.get_object(Bucket="results", Key=key)["Body"].read().decode()
"#;

/// A role and a bucket, and a way to launch instances with them; after [`READ`].
const LAUNCH: &str = r#"
iam = client("iam")
s3.create_bucket(Bucket="results")
role(iam, "worker", "ec2.amazonaws.com")
allow(iam, "worker", "s3:PutObject", "arn:aws:s3:::results/*")
iam.create_instance_profile(InstanceProfileName="worker")
iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
image = client("ssm").get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]

def launch(user_data, count=1, **more):
    answer = ec2.run_instances(
        ImageId=image, InstanceType="c7i.large", MinCount=count, MaxCount=count, UserData=user_data, IamInstanceProfile={"Name": "worker"},
        InstanceInitiatedShutdownBehavior="terminate", MetadataOptions={"HttpTokens": "required"}, **more)
    return [i["InstanceId"] for i in answer["Instances"]]
"#;

async fn wait_for(control: &Control, what: &str, check: impl Fn(&Control) -> bool) {
    for _ in 0..600 {
        if check(control) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: {:?}", control.calls(0).iter().map(|call| (&call.operation, &call.caller, &call.outcome)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_runs_with_the_instances_own_identity_and_ends_it() {
    let fixture = Fixture::start(|options| options.boot_delay_ms = 200).await;
    let printed = fixture
        .lines(&format!(
            r##"{READ}{LAUNCH}
USER_DATA = """#!/usr/bin/env python3
import subprocess, boto3
who = boto3.client("sts", region_name="us-east-1").get_caller_identity()["Arn"]
boto3.client("s3", region_name="us-east-1").put_object(Bucket="results", Key=who.rsplit("/", 1)[1], Body=who.encode())
subprocess.run(["poweroff"], check=True)
"""
ids = launch(USER_DATA, count=2)
for id in ids:
    until(id, lambda: state(id) == "terminated")
    equal(text(id), f"arn:aws:sts::{{ACCOUNT}}:assumed-role/worker/{{id}}")
    print(id)
"##
        ))
        .await;
    let control = fixture.sandbox.control();
    for id in printed.lines() {
        let caller = format!("instance {id}");
        let made: Vec<String> = control.calls(0).into_iter().filter(|call| call.caller == caller).map(|call| call.operation).collect();
        assert_eq!(made, ["GetCallerIdentity", "PutObject"]);
    }
    assert_eq!(control.gaps(), []);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_takes_its_machine_along_and_nothing_is_left_when_the_sandbox_stops() {
    let fixture = Fixture::start(|options| options.boot_delay_ms = 50).await;
    let marker = format!("{}", 100_000 + std::process::id());
    let printed = fixture
        .lines(&format!("{READ}{LAUNCH}\nids = launch('#!/bin/sh\\nsleep {marker}\\n', count=2)\nfor id in ids: print(id)\nfor id in ids: until(id, lambda: state(id) == 'running')"))
        .await;
    let ids: Vec<&str> = printed.lines().collect();
    let control = fixture.sandbox.control();
    let sleepers = || {
        let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
        let found = std::fs::read_dir("/proc").unwrap().flatten().filter_map(of);
        found.filter(|line| line.split(|byte| *byte == 0).any(|word| word == marker.as_bytes())).count()
    };
    wait_for(&control, "both sleep", |_| sleepers() == 2).await;
    control.kill_host(ids[0]).await.unwrap();
    wait_for(&control, "one sleeps", |_| sleepers() == 1).await;
    fixture
        .lines(&format!("print(client('ec2').describe_instances(InstanceIds=['{}'])['Reservations'][0]['Instances'][0]['State'])", ids[0]))
        .await;
    fixture.sandbox.stop().await;
    assert_eq!(sleepers(), 0);
}

/// What a spot instance reads in its metadata before it is taken back: first a recommendation, then a notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_spot_instance_is_told_before_it_is_taken_back() {
    let fixture = Fixture::start(|options| options.boot_delay_ms = 50).await;
    let script = r#"{"kind":"reclaim","after_ms":30000,"rebalance_ms":20000}"#;
    fixture.sandbox.control().add_fault(serde_json::from_str(script).unwrap());
    let printed = fixture
        .lines(&format!(
            r##"{READ}{LAUNCH}
USER_DATA = """#!/usr/bin/env python3
import boto3, os, time, urllib.error, urllib.request
def imds(path, method="GET", **headers):
    url = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/") + "/latest/" + path
    headers = {{k.replace("_", "-"): v for k, v in headers.items()}}
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)) as answer:
        return answer.read()
token = imds("api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="600").decode()
s3 = boto3.client("s3", region_name="us-east-1")
s3.put_object(Bucket="results", Key="booted", Body=imds("meta-data/instance-life-cycle", X_aws_ec2_metadata_token=token))
for key, path in [("rebalance", "events/recommendations/rebalance"), ("notice", "spot/instance-action")]:
    while True:
        try:
            body = imds("meta-data/" + path, X_aws_ec2_metadata_token=token)
            break
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            time.sleep(0.1)
    s3.put_object(Bucket="results", Key=key, Body=body)
time.sleep(600)
"""
[id] = launch(USER_DATA, InstanceMarketOptions={{"MarketType": "spot"}})
print(id)
"##
        ))
        .await;
    let control = fixture.sandbox.control();
    let put = |n: usize| move |control: &Control| control.calls(0).iter().filter(|c| c.operation == "PutObject").count() == n;
    wait_for(&control, "it boots", put(1)).await;
    control.clock_advance(jiff::SignedDuration::from_secs(15)).await;
    wait_for(&control, "it hears the recommendation", put(2)).await;
    control.clock_advance(jiff::SignedDuration::from_secs(20)).await;
    wait_for(&control, "it hears the notice", put(3)).await;
    control.clock_advance(jiff::SignedDuration::from_secs(120)).await;
    let id = printed.trim();
    let told = fixture
        .lines(&format!(
            r##"{READ}
import json
until("it is taken", lambda: state("{id}") == "terminated")
equal(text("booted"), "spot")
equal(list(json.loads(text("rebalance"))), ["noticeTime"])
notice = json.loads(text("notice"))
equal(notice["action"], "terminate")
request = ec2.describe_spot_instance_requests(Filters=[{{"Name": "instance-id", "Values": ["{id}"]}}])["SpotInstanceRequests"][0]
print(request["State"], request["Status"]["Code"])
"##
        ))
        .await;
    assert_eq!(told.trim(), "closed instance-terminated-no-capacity");
    assert_eq!(control.gaps(), []);
    fixture.sandbox.stop().await;
}
