//! Schedules that fire and automations that are carried out, on a clock that is put forward.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use jiff::SignedDuration;
use kit::Fixture;
use serde_json::json;
use spawn_sandbox::CallRecord;

/// What every test here starts from: roles, a document that ends what carries a tag, and a function that launches.
const PRELUDE: &str = r#"
import datetime, json
iam, ec2, ssm, scheduler = client("iam"), client("ec2"), client("ssm"), client("scheduler")
automation = role(iam, "automation", "ssm.amazonaws.com")
firing = role(iam, "firing", "scheduler.amazonaws.com")
allow(iam, "automation", "ec2:DescribeInstances")
allow(iam, "automation", "ec2:TerminateInstances", "arn:aws:ec2:*:*:instance/*", StringLike={"aws:ResourceTag/group": "*"})
allow(iam, "firing", "ssm:StartAutomationExecution", "arn:aws:ssm:us-east-1:*:automation-definition/end-group:*")
allow(iam, "firing", "iam:PassRole", automation, StringEquals={"iam:PassedToService": "ssm.amazonaws.com"})
DOCUMENT = {
    "schemaVersion": "0.3", "description": "ends what carries a tag", "assumeRole": automation,
    "parameters": {"Group": {"type": "String", "allowedPattern": "[a-z0-9-]+"}},
    "mainSteps": [
        {"name": "find", "action": "aws:executeAwsApi",
         "inputs": {"Service": "ec2", "Api": "DescribeInstances", "Filters": [
             {"Name": "tag:group", "Values": ["{{ Group }}"]},
             {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]},
         "outputs": [{"Name": "Ids", "Selector": "$.Reservations..Instances..InstanceId", "Type": "StringList"}]},
        {"name": "end", "action": "aws:executeAwsApi", "isCritical": False, "onFailure": "Continue", "isEnd": True,
         "inputs": {"Service": "ec2", "Api": "TerminateInstances", "InstanceIds": "{{ find.Ids }}"}},
    ],
}
ssm.create_document(Content=json.dumps(DOCUMENT), Name="end-group", DocumentType="Automation")
image = ssm.get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]

def launch(count, group):
    return ec2.run_instances(ImageId=image, InstanceType="c7i.large", MinCount=count, MaxCount=count, TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "group", "Value": group}]}])["Instances"]

def schedule(name, group, **more):
    scheduler.create_schedule(Name=name, FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE", Target={
        "Arn": "arn:aws:scheduler:::aws-sdk:ssm:startAutomationExecution", "RoleArn": firing, "RetryPolicy": {"MaximumEventAgeInSeconds": 300},
        "Input": json.dumps({"DocumentName": "end-group", "Parameters": {"Group": [group]}})}, **more)

now = datetime.datetime.now(datetime.timezone.utc)
"#;

async fn start() -> Fixture {
    let fixture = Fixture::start(|options| options.boot_machines = false).await;
    fixture.lines(PRELUDE).await;
    fixture
}

/// The prelude once more, for its names, without making anything again.
fn names() -> String {
    PRELUDE
        .replace("role(iam, \"automation\", \"ssm.amazonaws.com\")", "iam.get_role(RoleName=\"automation\")[\"Role\"][\"Arn\"]")
        .replace("role(iam, \"firing\", \"scheduler.amazonaws.com\")", "iam.get_role(RoleName=\"firing\")[\"Role\"][\"Arn\"]")
        .lines()
        .filter(|line| !line.starts_with("ssm.create_document") && !line.starts_with("allow("))
        .collect::<Vec<_>>()
        .join("\n")
}

fn made_by<'a>(calls: &'a [CallRecord], caller: &str) -> Vec<&'a str> {
    calls.iter().filter(|call| call.caller == caller).map(|call| call.operation.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_ends_the_instances_of_its_group_and_no_others() {
    let fixture = start().await;
    let control = fixture.sandbox.control();
    fixture
        .lines(&format!(
            "{}\nlaunch(3, 'one'); launch(2, 'two')\n\
             schedule('end-one', 'one', ScheduleExpression='rate(5 minutes)', StartDate=now + datetime.timedelta(hours=1), EndDate=now + datetime.timedelta(hours=2))",
            names()
        ))
        .await;
    let states = "print(sorted((t['Value'], i['State']['Name']) for r in client('ec2').describe_instances()['Reservations'] for i in r['Instances'] for t in i['Tags']))";
    control.clock_advance(SignedDuration::from_mins(59)).await;
    assert_eq!(
        fixture.lines(states).await.trim(),
        "[('one', 'running'), ('one', 'running'), ('one', 'running'), ('two', 'running'), ('two', 'running')]"
    );
    let before = control.status().calls;
    control.clock_advance(SignedDuration::from_mins(2)).await;
    assert_eq!(
        fixture.lines(states).await.trim(),
        "[('one', 'terminated'), ('one', 'terminated'), ('one', 'terminated'), ('two', 'running'), ('two', 'running')]"
    );
    let calls = control.calls(before);
    assert_eq!(made_by(&calls, "scheduler"), ["StartAutomationExecution"]);
    assert_eq!(made_by(&calls, "automation end-group"), ["DescribeInstances", "TerminateInstances"]);

    // It goes on every five minutes up to its end, finds nothing, and is gone.
    control.clock_advance(SignedDuration::from_hours(3)).await;
    let calls = control.calls(before);
    let fired = made_by(&calls, "scheduler").len();
    assert!((12..=13).contains(&fired), "fired {fired} times");
    assert_eq!(control.snapshot()["schedules"], json!({}));
    let statuses = fixture
        .lines("print({e['AutomationExecutionStatus'] for e in client('ssm').describe_automation_executions()['AutomationExecutionMetadataList']})")
        .await;
    assert_eq!(statuses.trim(), "{'Success'}");
    assert_eq!(control.gaps(), []);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_is_tried_again_until_it_is_too_old() {
    let fixture = start().await;
    let control = fixture.sandbox.control();
    let rule = json!({"service": "ssm", "operation": "StartAutomationExecution", "times": 3, "do": "throttle"});
    control.add_fault(serde_json::from_value(rule).unwrap());
    fixture
        .lines(&format!("{}\nlaunch(1, 'one')\nschedule('end', 'one', ScheduleExpression=(now + datetime.timedelta(minutes=10)).strftime('at(%Y-%m-%dT%H:%M:%S)'))", names()))
        .await;
    let before = control.status().calls;
    control.clock_advance(SignedDuration::from_mins(20)).await;
    let calls = control.calls(before);
    let outcomes: Vec<&str> = calls.iter().filter(|call| call.caller == "scheduler").map(|call| call.outcome.as_str()).collect();
    assert_eq!(outcomes, ["ThrottlingException", "ThrottlingException", "ThrottlingException", "ok"]);

    let rule = json!({"service": "ssm", "operation": "StartAutomationExecution", "do": "throttle"});
    control.add_fault(serde_json::from_value(rule).unwrap());
    fixture
        .lines(&format!(
            "{}\nschedule('late', 'one', ScheduleExpression=(now + datetime.timedelta(minutes=40)).strftime('at(%Y-%m-%dT%H:%M:%S)'))",
            names()
        ))
        .await;
    let before = control.status().calls;
    control.clock_advance(SignedDuration::from_hours(1)).await;
    // 1 + 2 + 4 + … seconds: eight tries after the first lie within 300 s.
    let tries = made_by(&control.calls(before), "scheduler").len();
    assert_eq!(tries, 9);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_branch_sleep_and_fail_as_written() {
    let fixture = start().await;
    let control = fixture.sandbox.control();
    let printed = fixture
        .lines(&format!(
            r#"{}
def start(steps, parameters={{}}, given={{}}, outputs=[]):
    name = f"doc-{{len(ssm.list_documents(Filters=[{{'Key': 'Owner', 'Values': ['Self']}}])['DocumentIdentifiers'])}}"
    content = {{"schemaVersion": "0.3", "assumeRole": automation, "parameters": parameters, "mainSteps": steps, "outputs": outputs}}
    ssm.create_document(Content=json.dumps(content), Name=name, DocumentType="Automation")
    return ssm.start_automation_execution(DocumentName=name, Parameters=given)["AutomationExecutionId"]

def branch(variable, value):
    return [
        {{"name": "which", "action": "aws:branch", "inputs": {{"Choices": [{{"NextStep": "yes", "Variable": variable, "StringEquals": value}}], "Default": "noo"}}}},
        {{"name": "yes", "action": "aws:sleep", "inputs": {{"Duration": "PT1H"}}, "isEnd": True}},
        {{"name": "noo", "action": "aws:sleep", "inputs": {{"Duration": "PT0S"}}, "isEnd": True}}]

text = {{"Mode": {{"type": "String", "allowedValues": ["a", "b"]}}}}
print(start(branch("{{{{ Mode }}}}", "a"), text, {{"Mode": ["a"]}}))
print(start(branch("{{{{ Mode }}}}", "a"), text, {{"Mode": ["b"]}}))
print(start([{{"name": "run", "action": "aws:runCommand", "inputs": {{}}}}]))
print(start([{{"name": "run", "action": "aws:executeAwsApi", "inputs": {{"Service": "ec2", "Api": "DescribeInstances"}},
             "outputs": [{{"Name": "Ids", "Selector": "$.Reservations[?(@.a)]", "Type": "StringList"}}]}}]))
print(start([{{"name": "run", "action": "aws:executeAwsApi", "inputs": {{"Service": "ec2", "Api": "TerminateInstances", "InstanceIds": []}}}}]))
print(start([{{"name": "run", "action": "aws:executeAwsApi", "onFailure": "step:end", "inputs": {{"Service": "ec2", "Api": "TerminateInstances", "InstanceIds": ["i-0123456789abcdef0"]}}}},
             {{"name": "end", "action": "aws:sleep", "inputs": {{"Duration": "PT0S"}}}}]))
refused("InvalidAutomationExecutionParametersException", start, branch("{{{{ Mode }}}}", "a"), text, {{"Mode": ["c"]}})
refused("InvalidAutomationExecutionParametersException", start, branch("{{{{ Mode }}}}", "a"), text, {{}})
refused("AutomationDefinitionNotFoundException", ssm.start_automation_execution, DocumentName="nothing")
"#,
            names()
        ))
        .await;
    let ids: Vec<&str> = printed.lines().collect();
    let show = format!(
        "for id in {ids:?}:\n  e = client('ssm').get_automation_execution(AutomationExecutionId=id)['AutomationExecution']\n  \
         print(e['AutomationExecutionStatus'], [s['StepName'] + ':' + s['StepStatus'] for s in e['StepExecutions']], e.get('FailureMessage', '').split(' Encoded authorization')[0])"
    );
    control.settled().await;
    control.clock_advance(SignedDuration::from_mins(1)).await;
    insta::assert_snapshot!("executions", fixture.lines(&show).await);
    control.clock_advance(SignedDuration::from_hours(1)).await;
    assert!(fixture.lines(&show).await.starts_with("Success ['which:Success', 'yes:Success']"));
    let gaps: Vec<String> = control.gaps().into_iter().map(|gap| gap.what).collect();
    assert_eq!(gaps, ["automation action aws:runCommand", "selector $.Reservations[?(@.a)] of an automation"]);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_profile_becomes_usable_late() {
    let fixture = Fixture::start(|options| {
        options.boot_machines = false;
        options.iam_delay_ms = 60_000;
    })
    .await;
    let launch = "
image = client('ssm').get_parameter(Name='/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64')['Parameter']['Value']
def launch(): return client('ec2').run_instances(ImageId=image, InstanceType='c7i.large', MinCount=1, MaxCount=1, IamInstanceProfile={'Name': 'p'})
";
    fixture
        .lines(&format!("{launch}\niam = client('iam')\nrole(iam, 'p', 'ec2.amazonaws.com')\niam.create_instance_profile(InstanceProfileName='p')\niam.add_role_to_instance_profile(InstanceProfileName='p', RoleName='p')\nrefused('InvalidParameterValue', launch)"))
        .await;
    fixture.sandbox.control().clock_advance(SignedDuration::from_secs(61)).await;
    fixture.lines(&format!("{launch}\nlaunch()")).await;
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_moves_what_aws_says_and_not_what_signatures_need() {
    let fixture = Fixture::start(|options| options.boot_machines = false).await;
    fixture.sandbox.control().clock_advance(SignedDuration::from_hours(48)).await;
    // A client signs with real time, and is told of the sandbox's.
    fixture
        .lines("import datetime\ns3 = client('s3')\ns3.create_bucket(Bucket='b-1')\nage = s3.list_buckets()['Buckets'][0]['CreationDate'] - datetime.datetime.now(datetime.timezone.utc)\nassert age > datetime.timedelta(hours=47), age")
        .await;
    fixture.sandbox.stop().await;
}
