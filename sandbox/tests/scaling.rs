//! Groups of instances on the sandbox's clock: what documents and the log see of them, and machines that really run.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use jiff::SignedDuration;
use kit::Fixture;
use serde_json::json;
use spawn_sandbox::Control;

/// A template and a way to make groups of it.
const GROUPS: &str = r#"
import base64
ec2, asg = client("ec2"), client("autoscaling")
image = client("ssm").get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]
subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]

def template(user_data):
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={
        "ImageId": image, "InstanceType": "c7i.large", "UserData": base64.b64encode(user_data.encode()).decode(),
        "InstanceInitiatedShutdownBehavior": "terminate"})

def group(size):
    asg.create_auto_scaling_group(AutoScalingGroupName="web", LaunchTemplate={"LaunchTemplateName": "web"}, MinSize=0, MaxSize=size,
                                  DesiredCapacity=size, VPCZoneIdentifier=subnet)

def in_service():
    found = asg.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"]
    return sorted(i["InstanceId"] for g in found for i in g["Instances"] if i["LifecycleState"] == "InService")
"#;

async fn wait_for(control: &Control, what: &str, check: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if check().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{what}: {:?}", control.calls(0).iter().map(|call| (&call.operation, &call.caller, &call.outcome)).collect::<Vec<_>>());
}

/// A document ends a group at its time, as a deadline would: with all its instances, and it sees that they go.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_ends_a_group() {
    let fixture = Fixture::start(|options| options.boot_machines = false).await;
    let control = fixture.sandbox.control();
    let printed = fixture
        .lines(&format!(
            r#"{GROUPS}
import json
iam, ssm = client("iam"), client("ssm")
automation = role(iam, "automation", "ssm.amazonaws.com")
allow(iam, "automation", "autoscaling:DescribeAutoScalingGroups")
allow(iam, "automation", "autoscaling:DeleteAutoScalingGroup", "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/w*")
step = lambda name, api, **inputs: {{"name": name, "action": "aws:executeAwsApi", "inputs": {{"Service": "autoscaling", "Api": api, **inputs}}}}
find = {{**step("find", "DescribeAutoScalingGroups", AutoScalingGroupNames=["{{{{ Group }}}}"]), "outputs": [
    {{"Name": "Ids", "Selector": "$.AutoScalingGroups..Instances..InstanceId", "Type": "StringList"}}]}}
content = {{"schemaVersion": "0.3", "assumeRole": automation, "parameters": {{"Group": {{"type": "String"}}}}, "outputs": ["find.Ids"],
            "mainSteps": [find, step("end", "DeleteAutoScalingGroup", AutoScalingGroupName="{{{{ Group }}}}", ForceDelete=True)]}}
ssm.create_document(Content=json.dumps(content), Name="end-group", DocumentType="Automation")
template("")
group(2)
forward(30)
equal(len(in_service()), 2)
ids = [ssm.start_automation_execution(DocumentName="end-group", Parameters={{"Group": [name]}})["AutomationExecutionId"] for name in ("web", "without")]
forward(60)
for id in ids:
    execution = ssm.get_automation_execution(AutomationExecutionId=id)["AutomationExecution"]
    print(execution["AutomationExecutionStatus"], [len(s["Outputs"].get("Ids", [])) for s in execution["StepExecutions"] if s["StepName"] == "find"],
          execution.get("FailureMessage", ""))
equal(asg.describe_auto_scaling_groups()["AutoScalingGroups"], [])
equal({{i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}}, {{"terminated"}})
"#
        ))
        .await;
    let (first, second) = printed.trim().split_once('\n').unwrap();
    assert!(first.starts_with("Success [2]"), "{printed}");
    // The name of a group that is not there begins with a letter that the role may delete.
    assert!(second.contains("AutoScalingGroup name not found - AutoScalingGroup 'without' not found"), "{printed}");
    let by = |caller: &str| -> Vec<String> {
        control
            .calls(0)
            .into_iter()
            .filter(|call| call.caller == caller)
            .map(|call| format!("{} {}", call.operation, call.outcome))
            .collect()
    };
    assert_eq!(by("autoscaling"), ["RunInstances ok", "TerminateInstances ok"]);
    assert_eq!(by("automation end-group").len(), 4);
    assert_eq!(control.gaps(), []);
    assert_eq!(control.snapshot()["ec2"]["regions"]["us-east-1"]["auto_scaling_groups"], json!([]));
    fixture.sandbox.stop().await;
}

/// The machines of a group are machines: one that switches itself off is replaced by another one, and none outlives the group.
#[tokio::test(flavor = "multi_thread")]
async fn machines_of_a_group_really_run() {
    let fixture = Fixture::start(|options| options.boot_delay_ms = 50).await;
    let control = fixture.sandbox.control();
    let marker = format!("{}", 200_000 + std::process::id());
    // Once `go` is there, the machine that makes the directory powers itself off: one of them, once.
    let (go, doomed) = (fixture.dir.path().join("go"), fixture.dir.path().join("doomed"));
    fixture
        .lines(&format!(
            r##"{GROUPS}
template("""#!/bin/sh
(while ! [ -e {go} ]; do sleep 0.1; done; mkdir {doomed} && poweroff) &
sleep {marker}
""")
group(2)
"##,
            go = go.display(),
            doomed = doomed.display()
        ))
        .await;
    let sleepers = || {
        let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
        let found = std::fs::read_dir("/proc").unwrap().flatten().filter_map(of);
        found.filter(|line| line.split(|byte| *byte == 0).any(|word| word == marker.as_bytes())).count()
    };
    let ids = async || -> Vec<String> {
        fixture.lines(&format!("{GROUPS}\nprint(*in_service(), sep='\\n')")).await.split_whitespace().map(str::to_owned).collect()
    };
    control.clock_advance(SignedDuration::from_secs(5)).await;
    wait_for(&control, "two run", async || sleepers() == 2).await;
    let before = ids().await;
    assert_eq!(before.len(), 2);
    std::fs::write(&go, "").unwrap();
    wait_for(&control, "one is off", async || sleepers() == 1).await;
    // The group notices, launches, and the new one boots.
    control.clock_advance(SignedDuration::from_secs(40)).await;
    control.clock_advance(SignedDuration::from_secs(5)).await;
    wait_for(&control, "a third one runs", async || sleepers() == 2).await;
    let after = ids().await;
    assert_eq!((after.len(), after.iter().filter(|id| before.contains(id)).count()), (2, 1), "{before:?} {after:?}");
    fixture.lines("client('autoscaling').delete_auto_scaling_group(AutoScalingGroupName='web', ForceDelete=True)").await;
    control.clock_advance(SignedDuration::from_secs(5)).await;
    wait_for(&control, "nothing runs", async || sleepers() == 0).await;
    control.clock_advance(SignedDuration::from_secs(5)).await;
    let left = &control.snapshot()["ec2"]["regions"]["us-east-1"];
    assert_eq!((&left["auto_scaling_groups"], &left["instances"]), (&json!([]), &json!([])));
    fixture.sandbox.stop().await;
}
