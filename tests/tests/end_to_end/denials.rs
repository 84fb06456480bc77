//! What nobody may do who should not: tables of calls against the roles and policies of ours, over the wire.

use serde_json::{Value, json};
use spawn_tests::{Identity, World};

use crate::rights::set_up;

/// Asks for every line of a table whether it is allowed, over the wire and as boto3 asks: `[service, operation, arguments, expected]`.
/// What is allowed may fail for another reason, such as that there is no such thing.
#[track_caller]
fn assert_table(world: &World, who: &Identity, table: &Value) {
    let lines = format!(
        "from botocore.exceptions import ClientError\n\
         DENIED = ('AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', '403')\n\
         wrong = []\n\
         for service, operation, arguments, expected in json.loads({:?}):\n    \
             try:\n        \
                 getattr(client(service), operation)(**arguments)\n        \
                 got = True\n    \
             except ClientError as error:\n        \
                 got = error.response['Error']['Code'] not in DENIED\n        \
                 if error.response['Error']['Code'] == 'NotImplemented': got = 'a gap'\n    \
             if got != expected: wrong.append([service, operation, arguments, got])\n\
         print(json.dumps(wrong))",
        table.to_string()
    );
    let wrong: Value = serde_json::from_str(&world.python_as(who, &lines)).expect("JSON");
    assert_eq!(wrong, json!([]), "allowed, or not, against what was expected");
}

/// An instance that spawn does not know, with a bucket, a role and a group that it does not know either; the ids.
fn foreign_things(world: &World) -> (String, String) {
    let printed = world.python(
        "ec2, iam = client('ec2'), client('iam')\n\
         image = client('ssm').get_parameter(Name='/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64')['Parameter']['Value']\n\
         group = ec2.create_security_group(GroupName='foreign', Description='d')['GroupId']\n\
         ids = [i['InstanceId'] for i in ec2.run_instances(ImageId=image, InstanceType='c7i.large', MinCount=1, MaxCount=1)['Instances']]\n\
         client('s3').create_bucket(Bucket='foreign'); client('s3').put_object(Bucket='foreign', Key='x', Body=b'x')\n\
         iam.create_role(RoleName='foreign', AssumeRolePolicyDocument='{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"}}]}')\n\
         print(json.dumps([ids[0], group]))",
    );
    serde_json::from_str(&printed).expect("JSON")
}

/// An Auto Scaling group and a launch template of somebody else's, by names that a service's could have.
const FOREIGN_GROUP: &str = "spawn-run-foreign";

/// Makes both, and answers with the name of the only service's group.
fn foreign_group(world: &World) -> String {
    world.python(&format!(
        "image = client('ssm').get_parameter(Name='/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64')['Parameter']['Value']\n\
         scaling, name = client('autoscaling'), '{FOREIGN_GROUP}'\n\
         own = [g['AutoScalingGroupName'] for g in scaling.describe_auto_scaling_groups()['AutoScalingGroups']]\n\
         client('ec2').create_launch_template(LaunchTemplateName=name, LaunchTemplateData={{'ImageId': image, 'InstanceType': 'c7i.large'}})\n\
         scaling.create_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, MaxSize=0, AvailabilityZones=['us-east-1a'],\n    \
             LaunchTemplate={{'LaunchTemplateName': name, 'Version': '$Latest'}})\n\
         print(own[0], end='')"
    ))
}

/// Launches a service of one.
fn up_web(world: &World) {
    world.spawn(["up", "--kind", "service", "--name", "web", "--type", "c7i.large", "--wait", "running", "--", "serve"]).succeeded();
}

/// A tag as Auto Scaling's calls have it.
fn group_tag(name: &str, key: &str, value: &str) -> Value {
    json!([{"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": key, "Value": value, "PropagateAtLaunch": true}])
}

/// Calls about an Auto Scaling group, each of which takes a right of its own.
fn group_calls(name: &str, may: bool) -> Vec<Value> {
    vec![
        json!(["autoscaling", "update_auto_scaling_group", {"AutoScalingGroupName": name, "DesiredCapacity": 0}, may]),
        json!(["autoscaling", "suspend_processes", {"AutoScalingGroupName": name, "ScalingProcesses": ["AZRebalance"]}, may]),
        json!(["autoscaling", "put_scheduled_update_group_action",
               {"AutoScalingGroupName": name, "ScheduledActionName": "a", "StartTime": "2100-01-01T00:00:00Z", "DesiredCapacity": 0}, may]),
        json!(["autoscaling", "create_or_update_tags", {"Tags": group_tag(name, "team", "maths")}, may]),
        json!(["autoscaling", "delete_tags", {"Tags": group_tag(name, "team", "maths")}, may]),
        json!(["autoscaling", "delete_auto_scaling_group", {"AutoScalingGroupName": name, "ForceDelete": true}, may]),
    ]
}

/// The lines of a table.
fn lines(calls: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(calls.into_iter().collect())
}

const BUCKET: &str = "spawn-123456789012-us-east-1";

#[test]
fn an_agent_reaches_its_own_fleet_and_nothing_else() {
    let world = World::with(|options| options.boot_machines = false);
    set_up(&world);
    let launched = |name: &str| {
        let up = ["up", "--name", name, "--size", "1", "--type", "c7i.large", "--wait", "launched", "-o", "json", "--", "sleep", "9"];
        let fleet = world.spawn(up).succeeded().json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&fleet["id"]), text(&fleet["run_id"]), text(&fleet["members"][0]["instance_id"]))
    };
    let ((mine, run, me), (other, other_run, neighbour)) = (launched("mine"), launched("other"));
    let agent = world.session(&format!("spawn-{mine}"));
    let key = |fleet: &str, run: &str, rest: &str| format!("fleets/{fleet}/runs/{run}/{rest}");
    let get = |key: String, may: bool| json!(["s3", "get_object", {"Bucket": BUCKET, "Key": key}, may]);
    let put = |key: String, may: bool| json!(["s3", "put_object", {"Bucket": BUCKET, "Key": key, "Body": "x"}, may]);
    let stream = |fleet: &str, run: &str, may: bool| json!(["logs", "create_log_stream", {"logGroupName": "/spawn/fleets", "logStreamName": format!("{fleet}/{run}/00000")}, may]);
    let role = format!("spawn-{other}");
    assert_table(
        &world,
        &agent,
        &json!([
            get(key(&mine, &run, "payload.json"), true),
            get(key(&mine, &run, "lease.json"), true),
            get(key(&other, &other_run, "payload.json"), false),
            get(key(&other, &other_run, "lease.json"), false),
            get("names/other".to_owned(), false),
            put(key(&mine, &run, "ranks/00000.json"), true),
            put(key(&mine, &run, "completions/00000.json"), true),
            put(key(&mine, &run, "results/00000/x"), true),
            // Its lease is not its own to move, nor its payload to write, nor its end to deny.
            put(key(&mine, &run, "lease.json"), false),
            put(key(&mine, &run, "payload.json"), false),
            put(format!("fleets/{mine}/fleet.json"), false),
            put(key(&other, &other_run, "ranks/00000.json"), false),
            put(key(&other, &other_run, "results/00000/x"), false),
            put("names/mine".to_owned(), false),
            put("agents/x".to_owned(), false),
            ["s3", "delete_object", {"Bucket": BUCKET, "Key": key(&mine, &run, "lease.json")}, false],
            ["s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": format!("fleets/{mine}/")}, true],
            ["s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": format!("fleets/{other}/")}, false],
            ["s3", "list_objects_v2", {"Bucket": BUCKET}, false],
            ["s3", "delete_bucket_policy", {"Bucket": BUCKET}, false],
            stream(&mine, &run, true),
            stream(&other, &other_run, false),
            ["logs", "filter_log_events", {"logGroupName": "/spawn/fleets"}, false],
            ["ec2", "terminate_instances", {"InstanceIds": [neighbour]}, false],
            ["ec2", "terminate_instances", {"InstanceIds": [me]}, false],
            ["ec2", "stop_instances", {"InstanceIds": [neighbour]}, false],
            ["ec2", "start_instances", {"InstanceIds": [neighbour]}, false],
            ["ec2", "create_tags", {"Resources": [me], "Tags": [{"Key": "spawn:ttl-deadline", "Value": "never"}]}, false],
            ["ec2", "delete_tags", {"Resources": [neighbour], "Tags": [{"Key": "spawn:run"}]}, false],
            ["ec2", "describe_instances", {}, false],
            ["ec2", "run_instances", {"ImageId": "ami-1", "InstanceType": "c7i.large", "MinCount": 1, "MaxCount": 1}, false],
            ["iam", "put_role_policy", {"RoleName": format!("spawn-{mine}"), "PolicyName": "more", "PolicyDocument": "{}"}, false],
            ["iam", "delete_role_permissions_boundary", {"RoleName": format!("spawn-{mine}")}, false],
            ["iam", "create_role", {"RoleName": "more", "AssumeRolePolicyDocument": "{}"}, false],
            ["iam", "add_role_to_instance_profile", {"InstanceProfileName": role, "RoleName": role}, false],
            ["sts", "assume_role", {"RoleArn": format!("arn:aws:iam::123456789012:role/spawn/{role}"), "RoleSessionName": "me"}, false],
            ["sts", "get_caller_identity", {}, true],
            ["ssm", "get_parameter", {"Name": "/spawn/setup/v1"}, false],
            ["ssm", "start_automation_execution", {"DocumentName": "spawn-end-v1", "Parameters": {"Run": [other_run], "Shard": ["0"]}}, false],
            ["scheduler", "delete_schedule", {"GroupName": "spawn", "Name": format!("spawn-{run}-0")}, false],
        ]),
    );
    // Whatever policy its role is given, the boundary is the most it can do.
    world.python(&format!(
        "client('iam').attach_role_policy(RoleName='spawn-{mine}', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')"
    ));
    assert_table(
        &world,
        &agent,
        &json!([
            ["ec2", "terminate_instances", {"InstanceIds": [neighbour]}, false],
            ["iam", "get_role", {"RoleName": role}, false],
            ["s3", "delete_object", {"Bucket": BUCKET, "Key": "names/other"}, false],
        ]),
    );
}

#[test]
fn a_launcher_touches_nothing_that_is_not_of_spawn() {
    let world = World::with(|options| options.boot_machines = false);
    set_up(&world);
    world.spawn(["up", "--name", "tiles", "--type", "c7i.large", "--wait", "launched"]).succeeded();
    let own = world.instances().remove(0).0;
    let (foreign, group) = foreign_things(&world);
    let launcher = world.identity("launcher", &world.policy("launcher"));
    let role = |path: &str, name: &str, boundary: Option<&str>| {
        let mut arguments = json!({"RoleName": name, "Path": path, "AssumeRolePolicyDocument": "{}"});
        if let Some(boundary) = boundary {
            arguments["PermissionsBoundary"] = boundary.into();
        }
        arguments
    };
    let boundary = "arn:aws:iam::123456789012:policy/spawn/spawn-setup-boundary-us-east-1";
    let schedule = |role: &str| {
        json!({"GroupName": "spawn", "Name": "spawn-run-s", "ScheduleExpression": "rate(5 minutes)", "FlexibleTimeWindow": {"Mode": "OFF"},
               "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ssm:startAutomationExecution", "RoleArn": role, "Input": "{\"DocumentName\": \"d\"}"}})
    };
    let tag = |id: &str, key: &str| json!({"Resources": [id], "Tags": [{"Key": key, "Value": "true"}]});
    assert_table(
        &world,
        &launcher,
        &json!([
            ["iam", "create_role", role("/spawn/", "spawn-fleet-x", None), false],
            ["iam", "create_role", role("/spawn/", "spawn-fleet-x", Some("arn:aws:iam::aws:policy/AdministratorAccess")), false],
            ["iam", "create_role", role("/", "spawn-fleet-x", Some(boundary)), false],
            ["iam", "create_role", role("/spawn/", "other", Some(boundary)), false],
            // Allowed, and then not a trust policy.
            ["iam", "create_role", role("/spawn/", "spawn-fleet-x", Some(boundary)), true],
            // The set-up's own roles have no boundary, and are not for launchers.
            ["iam", "put_role_policy", {"RoleName": "spawn-setup-automation-us-east-1", "PolicyName": "spawn", "PolicyDocument": "{}"}, false],
            ["iam", "put_role_policy", {"RoleName": "foreign", "PolicyName": "p", "PolicyDocument": "{}"}, false],
            ["iam", "delete_role", {"RoleName": "foreign"}, false],
            ["iam", "delete_role", {"RoleName": "spawn-setup-scheduler-us-east-1"}, false],
            ["iam", "attach_role_policy", {"RoleName": "launcher", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, false],
            ["iam", "create_policy_version", {"PolicyArn": boundary, "PolicyDocument": "{}"}, false],
            ["iam", "update_assume_role_policy", {"RoleName": "foreign", "PolicyDocument": "{}"}, false],
            ["scheduler", "create_schedule", schedule("arn:aws:iam::123456789012:role/foreign"), false],
            ["scheduler", "create_schedule", schedule("arn:aws:iam::123456789012:role/spawn/spawn-setup-automation-us-east-1"), false],
            ["scheduler", "create_schedule", schedule("arn:aws:iam::123456789012:role/spawn/spawn-setup-scheduler-us-east-1"), true],
            ["scheduler", "delete_schedule", {"GroupName": "default", "Name": "s"}, false],
            // Whoever could move or delete it would switch off hand 4 for the whole account.
            ["scheduler", "delete_schedule", {"GroupName": "spawn", "Name": "spawn-reaper"}, false],
            ["lambda", "invoke", {"FunctionName": "spawn-reaper-v1"}, false],
            ["sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/foreign", "RoleSessionName": "me"}, false],
            ["ssm", "get_parameter", {"Name": "/secret"}, false],
            ["ssm", "put_parameter", {"Name": "/spawn/setup/v1", "Value": "x", "Type": "String"}, false],
            ["s3", "get_object", {"Bucket": "foreign", "Key": "x"}, false],
            ["s3", "put_object", {"Bucket": "foreign", "Key": "x", "Body": "x"}, false],
            ["s3", "put_object", {"Bucket": BUCKET, "Key": "agents/x", "Body": "x"}, false],
            ["s3", "put_bucket_policy", {"Bucket": BUCKET, "Policy": "{}"}, false],
            ["ec2", "terminate_instances", {"InstanceIds": [foreign]}, false],
            ["ec2", "terminate_instances", {"InstanceIds": [own, foreign]}, false],
            ["ec2", "stop_instances", {"InstanceIds": [foreign]}, false],
            ["ec2", "start_instances", {"InstanceIds": [foreign]}, false],
            ["ec2", "stop_instances", {"InstanceIds": [own, foreign]}, false],
            ["ec2", "stop_instances", {"InstanceIds": [own]}, true],
            ["ec2", "create_tags", tag(&foreign, "spawn:managed"), false],
            ["ec2", "create_tags", tag(&group, "spawn:managed"), false],
            ["ec2", "delete_tags", tag(&own, "spawn:managed"), false],
            ["ec2", "delete_tags", {"Resources": [own]}, false],
            ["ec2", "create_tags", tag(&own, "team"), true],
            ["ec2", "delete_tags", tag(&own, "team"), true],
            ["ec2", "delete_security_group", {"GroupId": group}, false],
            ["ec2", "authorize_security_group_ingress", {"GroupId": group, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}, false],
            ["ec2", "create_security_group", {"GroupName": "more", "Description": "d"}, false],
            ["logs", "delete_log_group", {"logGroupName": "/spawn/fleets"}, false],
            ["ec2", "terminate_instances", {"InstanceIds": [own]}, true],
        ]),
    );
    world.spawn(["down", "tiles"]).succeeded();
}

#[test]
fn who_keeps_services_touches_no_other_group() {
    let world = World::with(|options| options.boot_machines = false);
    set_up(&world);
    up_web(&world);
    let own = foreign_group(&world);
    let [launcher, reaper] = ["launcher", "reaper"].map(|who| world.identity(who, &world.policy(who)));
    let automation = world.session("spawn-setup-automation-us-east-1");
    let fleet = own.strip_prefix("spawn-").map(|run| world.keys().into_iter().find(|key| key.contains(run)).expect("a key of its run"));
    let fleet = fleet.as_deref().and_then(|key| key.split('/').nth(1)).expect("a fleet's id").to_owned();
    let agent = world.session(&format!("spawn-{fleet}"));
    let template = |name: &str, operation: &str, may: bool| {
        let data = json!({"InstanceType": "c7i.large"});
        match operation {
            "delete_launch_template" => json!(["ec2", operation, {"LaunchTemplateName": name}, may]),
            _ => json!(["ec2", operation, {"LaunchTemplateName": name, "LaunchTemplateData": data}, may]),
        }
    };
    let made = json!({"AutoScalingGroupName": "spawn-run-more", "MinSize": 0, "MaxSize": 0, "AvailabilityZones": ["us-east-1a"],
                      "LaunchTemplate": {"LaunchTemplateName": own, "Version": "$Latest"}});
    // What says whose a group is, and when it ends, stays on it; and none is made without.
    let more = [
        json!(["autoscaling", "create_auto_scaling_group", made, false]),
        json!(["autoscaling", "delete_tags", {"Tags": group_tag(&own, "spawn:managed", "true")}, false]),
        template("more", "create_launch_template", false),
        template(FOREIGN_GROUP, "create_launch_template_version", false),
        template(FOREIGN_GROUP, "delete_launch_template", false),
    ];
    assert_table(&world, &launcher, &lines(group_calls(FOREIGN_GROUP, false).into_iter().chain(more)));
    let mut ends = group_calls(FOREIGN_GROUP, false);
    ends.extend(group_calls(&own, false).into_iter().filter(|call| call[1] != "delete_auto_scaling_group"));
    ends.push(template(FOREIGN_GROUP, "delete_launch_template", false));
    assert_table(&world, &reaper, &lines(ends.clone()));
    assert_table(&world, &automation, &lines(ends));
    assert_table(&world, &agent, &lines(group_calls(&own, false).into_iter().chain([template(&own, "delete_launch_template", false)])));
    // Its last line ends the service.
    assert_table(&world, &launcher, &lines(group_calls(&own, true)));
    world.spawn(["down", "web"]).succeeded();
    for who in [&reaper, &automation] {
        up_web(&world);
        let printed = world.python(
            "groups = client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups']\n\
             print([g['AutoScalingGroupName'] for g in groups if g['Tags']][0], end='')",
        );
        let end = group_calls(&printed, true).pop().expect("its end");
        assert_table(&world, who, &lines([end]));
        world.spawn(["down", "web"]).succeeded();
    }
}

#[test]
fn what_acts_on_behalf_of_fleets_touches_nothing_else() {
    let world = World::with(|options| options.boot_machines = false);
    set_up(&world);
    world.spawn(["up", "--name", "tiles", "--type", "c7i.large", "--wait", "launched"]).succeeded();
    let own = world.instances().remove(0).0;
    let (foreign, group) = foreign_things(&world);
    let start = |document: &str, role: &str| {
        let role = format!("arn:aws:iam::123456789012:role/{role}");
        json!(["ssm", "start_automation_execution", {"DocumentName": document, "Parameters": {
            "AutomationAssumeRole": [role], "Run": ["run-0123456789abcdef"], "Shard": ["0"]}}])
    };
    let with = |mut line: Value, may: bool| {
        line.as_array_mut().expect("a line").push(may.into());
        line
    };
    world.python(&format!(
        "content = client('ssm').get_document(Name='spawn-end-v1')['Content']\n\
         client('ssm').create_document(Name='other', Content=content, DocumentType='Automation')\n\
         client('iam').update_assume_role_policy(RoleName='foreign', PolicyDocument={:?})",
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ssm.amazonaws.com"}}]})
        .to_string()
    ));
    let scheduler = world.session("spawn-setup-scheduler-us-east-1");
    assert_table(
        &world,
        &scheduler,
        &json!([
            with(start("spawn-end-v1", "spawn/spawn-setup-automation-us-east-1"), true),
            with(start("spawn-end-group-v1", "spawn/spawn-setup-automation-us-east-1"), true),
            with(start("spawn-end-v1", "foreign"), false),
            with(start("spawn-end-group-v1", "foreign"), false),
            with(start("other", "spawn/spawn-setup-automation-us-east-1"), false),
            ["ec2", "terminate_instances", {"InstanceIds": [own]}, false],
            ["ec2", "describe_instances", {}, false],
        ]),
    );
    let reaper = world.identity("reaper", &world.policy("reaper"));
    assert_table(
        &world,
        &reaper,
        &json!([
            ["ec2", "describe_regions", {}, true],
            ["ec2", "describe_instances", {}, true],
            ["ec2", "terminate_instances", {"InstanceIds": [foreign]}, false],
            ["ec2", "delete_security_group", {"GroupId": group}, false],
            ["ec2", "create_tags", {"Resources": [foreign], "Tags": [{"Key": "spawn:managed", "Value": "true"}]}, false],
            ["iam", "delete_role", {"RoleName": "foreign"}, false],
            ["iam", "delete_role", {"RoleName": "spawn-setup-automation-us-east-1"}, false],
            ["iam", "create_role", {"RoleName": "more", "AssumeRolePolicyDocument": "{}"}, false],
            ["s3", "put_object", {"Bucket": BUCKET, "Key": "names/x", "Body": "x"}, false],
            ["s3", "put_object", {"Bucket": BUCKET, "Key": "fleets/f/runs/r/lease.json", "Body": "x"}, false],
            ["s3", "delete_object", {"Bucket": "foreign", "Key": "x"}, false],
            ["s3", "delete_object", {"Bucket": BUCKET, "Key": "agents/x"}, false],
            ["scheduler", "delete_schedule", {"GroupName": "default", "Name": "s"}, false],
            ["ssm", "delete_parameter", {"Name": "/spawn/setup/v1"}, false],
        ]),
    );
    let automation = world.session("spawn-setup-automation-us-east-1");
    assert_table(
        &world,
        &automation,
        &json!([
            ["ec2", "describe_instances", {}, true],
            ["ec2", "terminate_instances", {"InstanceIds": [foreign]}, false],
            ["ec2", "stop_instances", {"InstanceIds": [foreign]}, false],
            ["ec2", "start_instances", {"InstanceIds": [own]}, false],
            ["ec2", "stop_instances", {"InstanceIds": [own]}, true],
            ["s3", "list_objects_v2", {"Bucket": BUCKET}, false],
            ["ec2", "terminate_instances", {"InstanceIds": [own]}, true],
        ]),
    );
}
