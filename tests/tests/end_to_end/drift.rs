//! For every field that AWS keeps: it is changed behind Terraform's back, and the next plan notices.

use std::fmt::Write as _;

use spawn_sandbox::Fault;
use spawn_tests::configuration::{ARRAY, INSTANCE, SERVICE, array, instance, service};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{Terraform, World, assert_shown, shown};

const BUCKET: &str = "spawn-123456789012-us-east-1";

/// What changed outside and what the plan makes of it, as people read it.
fn noticed(terraform: &Terraform<'_>) -> String {
    let text = terraform.plan().succeeded().stdout;
    // What is refreshed first comes in any order.
    text.lines().filter(|line| !line.contains("Refreshing state")).collect::<Vec<_>>().join("\n")
}

/// Edits a JSON object in the bucket with lines of Python that change `it`.
fn edit(world: &World, key_end: &str, lines: &str) {
    let keys: Vec<String> = world.keys().into_iter().filter(|key| key.ends_with(key_end)).collect();
    assert_eq!(keys.len(), 1, "{key_end}: {keys:?}");
    world.python(&format!(
        "s3 = client('s3')\nit = json.load(s3.get_object(Bucket='{BUCKET}', Key='{0}')['Body'])\n{lines}\n\
         s3.put_object(Bucket='{BUCKET}', Key='{0}', Body=json.dumps(it).encode())",
        keys[0]
    ));
}

#[test]
fn what_can_be_changed_in_place_is_changed_back() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    let first = terraform.state(ARRAY);
    let ids = instance_ids(&first);

    world.python(&format!(
        "client('ec2').create_tags(Resources={ids:?}, Tags=[{{'Key': 'team', 'Value': 'chess'}}, {{'Key': 'stray', 'Value': '1'}}])"
    ));
    assert_eq!(terraform.planned(ARRAY), "update");
    assert_shown!("drift-tags", noticed(&terraform));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let tags = world.python(
        "found = client('ec2').describe_instances()['Reservations']\n\
         print({str(sorted((t['Key'], t['Value']) for t in i['Tags'] if not t['Key'].startswith('spawn:'))) for r in found for i in r['Instances']})",
    );
    assert_eq!(tags, "{\"[('Name', 'tiles'), ('team', 'maths')]\"}\n");

    // One instance alone is enough.
    world.python(&format!("client('ec2').delete_tags(Resources=[{:?}], Tags=[{{'Key': 'team'}}])", ids[1]));
    assert_eq!(terraform.planned(ARRAY), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();

    world.spawn(["extend", "tiles", "--ttl", "2h"]).succeeded();
    assert_eq!(terraform.planned(ARRAY), "update");
    assert_shown!("drift-lease", noticed(&terraform));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let last = terraform.state(ARRAY);
    assert_eq!((instance_ids(&last), &last["deadline"]), (ids, &first["deadline"]));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// What Terraform does not change back is told, for as long as it is so.
#[test]
fn what_was_changed_on_instances_themselves_is_told() {
    let world = World::with_setup();
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    let ids = instance_ids(&terraform.state(ARRAY));
    let groups = |lines: &str| {
        world.python(&format!(
            "ec2 = client('ec2')\n\
             own = [g['GroupId'] for g in ec2.describe_security_groups()['SecurityGroups'] if g['GroupName'].startswith('spawn-')]\n\
             {lines}\n\
             ec2.modify_instance_attribute(InstanceId={:?}, Groups=groups)",
            ids[1]
        ));
    };
    groups("groups = own + [ec2.create_security_group(GroupName='open', Description='open')['GroupId']]");
    assert_eq!(terraform.planned(ARRAY), "no-op");
    assert_shown!("drift-groups", shown::diagnostics(&terraform.plan().succeeded().stdout));
    assert!(world.spawn(["status", "tiles"]).succeeded().stdout.contains("of which only one is its fleet's own"));
    groups("groups = own");
    assert_eq!(shown::diagnostics(&terraform.plan().succeeded().stdout), "");

    let ends = |ends: &str| {
        world.python(&format!(
            "client('ec2').modify_instance_attribute(InstanceId={:?},\n\
             BlockDeviceMappings=[{{'DeviceName': '/dev/xvda', 'Ebs': {{'DeleteOnTermination': {ends}}}}}])",
            ids[0]
        ));
    };
    ends("False");
    assert_eq!(terraform.planned(ARRAY), "no-op");
    assert_shown!("drift-volume", shown::diagnostics(&terraform.plan().succeeded().stdout));
    ends("True");
    assert_eq!(shown::diagnostics(&terraform.plan().succeeded().stdout), "");

    launched_earlier(&world);
    world.python(
        "iam = client('iam')\n\
         role = [r['RoleName'] for r in iam.list_roles(PathPrefix='/spawn/')['Roles'] if r['RoleName'].startswith('spawn-fleet-')][0]\n\
         policy = iam.get_role_policy(RoleName=role, PolicyName='spawn')['PolicyDocument']\n\
         policy['Statement'].pop()\n\
         iam.put_role_policy(RoleName=role, PolicyName='spawn', PolicyDocument=json.dumps(policy))",
    );
    assert_eq!(terraform.planned(ARRAY), "no-op");
    assert_shown!("drift-role", shown::diagnostics(&terraform.plan().succeeded().stdout));
    terraform.destroy().succeeded();
}

/// What a plan has to say beside what it does.
fn warned(terraform: &Terraform<'_>) -> String {
    shown::diagnostics(&terraform.plan().succeeded().stdout)
}

/// Disks cost what they are, whoever has made them that: a larger root volume, another type, more speed.
#[test]
fn a_disk_that_was_changed_is_told() {
    let world = World::with_setup();
    let before = holdings(&world);
    let disks = r#"{ "/dev/sdf" = { size_gib = 10 }, "/dev/sdg" = { size_gib = 10 }, "/dev/sdh" = { size_gib = 10 } }"#;
    let terraform = world.terraform(&instance(&[("volumes", disks)]));
    terraform.apply().succeeded();
    launched_earlier(&world);
    terraform.assert_settled();
    assert_eq!(warned(&terraform), "");
    for (device, change) in
        [("/dev/xvda", "Size=20"), ("/dev/sdf", "VolumeType='io2', Iops=4000"), ("/dev/sdg", "Iops=4000"), ("/dev/sdh", "Throughput=500")]
    {
        world.python(&format!(
            "ec2 = client('ec2')\n\
             found = ec2.describe_volumes(Filters=[{{'Name': 'attachment.device', 'Values': ['{device}']}}])['Volumes']\n\
             ec2.modify_volume(VolumeId=found[0]['VolumeId'], {change})"
        ));
    }
    let states = "print({c['ModificationState'] for c in client('ec2').describe_volumes_modifications()['VolumesModifications']})";
    world.eventually("all are what they are to be", || (world.python(states) == "{'optimizing'}\n").then_some(()));
    assert_eq!(terraform.planned(INSTANCE), "no-op");
    let at = world.position();
    assert_shown!("drift-disks", warned(&terraform));
    // What a plan of one fleet asks beside its instances: each once.
    for operation in ["DescribeVolumes", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies"] {
        assert_eq!(world.calls(at, operation).len(), 1, "{operation}");
    }
    assert!(world.spawn(["status", "bench"]).succeeded().stdout.contains("(/dev/xvda) of 20 GiB instead of 8"));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// A role is what its policies, its boundary and its trust make of it.
#[test]
fn a_role_that_has_become_another_one_is_told() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    launched_earlier(&world);
    terraform.assert_settled();
    let to_the_role = |line: &str| {
        world.python(&format!(
            "iam = client('iam')\n\
             role = [r['RoleName'] for r in iam.list_roles(PathPrefix='/spawn/')['Roles'] if r['RoleName'].startswith('spawn-fleet-')][0]\n\
             document = lambda **more: json.dumps({{'Version': '2012-10-17', 'Statement': [{{'Effect': 'Allow', **more}}]}})\n\
             trusting = lambda services: document(Action='sts:AssumeRole', Principal={{'Service': services}})\n\
             {line}"
        ));
    };
    let read_only = "RoleName=role, PolicyArn='arn:aws:iam::aws:policy/ReadOnlyAccess'";
    let bounded = |arn: &str| format!("iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary='{arn}')");
    let trusted = |whom: &str| format!("iam.update_assume_role_policy(RoleName=role, PolicyDocument=trusting({whom}))");
    let limit = bounded("arn:aws:iam::123456789012:policy/spawn/spawn-setup-boundary-us-east-1");
    let mut told = String::new();
    for (what, change, undo) in [
        ("a managed policy", format!("iam.attach_role_policy({read_only})"), format!("iam.detach_role_policy({read_only})")),
        (
            "another policy of its own",
            "iam.put_role_policy(RoleName=role, PolicyName='more', PolicyDocument=document(Action='s3:*', Resource='*'))".to_owned(),
            "iam.delete_role_policy(RoleName=role, PolicyName='more')".to_owned(),
        ),
        ("another boundary", bounded("arn:aws:iam::aws:policy/AdministratorAccess"), limit.clone()),
        ("no boundary", "iam.delete_role_permissions_boundary(RoleName=role)".to_owned(), limit),
        ("trust", trusted("['ec2.amazonaws.com', 'lambda.amazonaws.com']"), trusted("'ec2.amazonaws.com'")),
    ] {
        to_the_role(&change);
        assert_eq!(terraform.planned(ARRAY), "no-op", "{what}");
        let _ = writeln!(told, "━━━ {what}\n{}\n", warned(&terraform));
        to_the_role(&undo);
        assert_eq!(warned(&terraform), "", "{what}");
    }
    assert_shown!("drift-role-is-another", told);
    // Whatever it has by then, it goes.
    to_the_role(&format!("iam.attach_role_policy({read_only})"));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Lets a fleet have been launched ten minutes ago: what is missing of a younger one may only not be listed yet.
fn launched_earlier(world: &World) {
    edit(
        world,
        "/fleet.json",
        "import datetime\nasked = datetime.datetime.fromisoformat(it['asked_at'].replace('Z', '+00:00')) - datetime.timedelta(minutes=10)\n\
         it['asked_at'] = asked.strftime('%Y-%m-%dT%H:%M:%SZ')",
    );
}

/// A fleet that nothing would end from outside is planned to have its deadline set again.
#[test]
fn a_lease_that_nothing_holds_from_outside_is_applied_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    // Also where Terraform does not look at the lease, as people write who extend it by hand.
    let terraform = world
        .terraform(&array(&[("lease", r#"{ ttl = "2h" }"#)]).replace("\n}\n", "\n  lifecycle {\n    ignore_changes = [lease]\n  }\n}\n"));
    terraform.apply().succeeded();
    launched_earlier(&world);
    terraform.assert_settled();
    let schedule = "sch = client('scheduler')\nit = [s for s in sch.list_schedules(GroupName='spawn')['Schedules'] if s['Name'].startswith('spawn-run-')]\n";
    world.python(&format!("{schedule}sch.delete_schedule(GroupName='spawn', Name=it[0]['Name'])"));
    assert_eq!(terraform.planned(ARRAY), "update");
    assert_shown!("drift-schedule-gone", noticed(&terraform));
    let status = world.spawn(["status", "tiles"]).succeeded().stdout;
    assert!(status.contains("that ends it is not there; `spawn extend tiles --ttl 2h` puts it right"), "{status}");
    terraform.apply().succeeded();
    terraform.assert_settled();

    world.python(&format!(
        "{schedule}known = sch.get_schedule(GroupName='spawn', Name=it[0]['Name'])\n\
         kept = ['Name', 'GroupName', 'ScheduleExpression', 'StartDate', 'EndDate', 'FlexibleTimeWindow', 'Target', 'ActionAfterCompletion']\n\
         sch.update_schedule(State='DISABLED', **{{name: known[name] for name in kept}})"
    ));
    assert_eq!(terraform.planned(ARRAY), "update");
    world.spawn(["extend", "tiles", "--ttl", "2h"]).succeeded();
    terraform.assert_settled();
    let there = world.python(&format!("{schedule}print([s['State'] for s in it])"));
    assert_eq!(there, "['ENABLED']\n");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Whoever may not look at what a fleet hangs on is told so, and goes on with it.
#[test]
fn what_may_not_be_looked_at_keeps_nobody_from_ending_the_fleet() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    launched_earlier(&world);
    world.fault("scheduler", "ListSchedules", Some(2), Fault::Deny);
    world.fault("iam", "GetRolePolicy", Some(2), Fault::Deny);
    assert_eq!(terraform.planned(ARRAY), "no-op");
    assert_shown!("drift-unseen", shown::diagnostics(&terraform.plan().succeeded().stdout));
    world.fault("iam", "GetRolePolicy", Some(1), Fault::Deny);
    let status = world.spawn(["status", "tiles"]).succeeded().stdout;
    assert!(status.contains("note: its role could not be looked at: the permission iam:GetRolePolicy is missing"), "{status}");
    for (service, operation, what) in [
        ("iam", "GetRole", "what its role has beside its own policy"),
        ("iam", "ListAttachedRolePolicies", "what its role has beside its own policy"),
        ("ec2", "DescribeVolumes", "its volumes"),
    ] {
        world.fault(service, operation, Some(1), Fault::Deny);
        let status = world.spawn(["status", "tiles"]).succeeded().stdout;
        let note = format!("note: {what} could not be looked at: the permission {service}:{operation} is missing");
        assert!(status.contains(&note), "{status}");
    }
    world.fault("iam", "GetRole", None, Fault::Deny);
    world.fault("iam", "GetRolePolicy", None, Fault::Deny);
    world.fault("ec2", "DescribeVolumes", None, Fault::Deny);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// The same for a service: its group is emptied by an action of its own too. What else was changed of the group is told.
#[test]
fn a_services_group_is_looked_at() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[("size", "1"), ("lease", r#"{ ttl = "2h" }"#)]));
    terraform.apply().succeeded();
    launched_earlier(&world);
    terraform.assert_settled();
    let group = "asg = client('autoscaling')\nname = asg.describe_auto_scaling_groups()['AutoScalingGroups'][0]['AutoScalingGroupName']\n";
    world.python(&format!("{group}asg.delete_scheduled_action(AutoScalingGroupName=name, ScheduledActionName='spawn-deadline')"));
    assert_eq!(terraform.planned(SERVICE), "update");
    assert_shown!("drift-group-action", shown::diagnostics(&terraform.plan().succeeded().stdout));
    terraform.apply().succeeded();
    terraform.assert_settled();
    world.python(&format!("{group}asg.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=9)"));
    assert_eq!(terraform.planned(SERVICE), "no-op");
    assert_shown!("drift-group", shown::diagnostics(&terraform.plan().succeeded().stdout));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Lines of Python that know a service's group as `name`, and can have it launch a version of a template.
const GROUP: &str = "asg, ec2 = client('autoscaling'), client('ec2')\n\
    group = asg.describe_auto_scaling_groups()['AutoScalingGroups'][0]\n\
    name, policy = group['AutoScalingGroupName'], group['MixedInstancesPolicy']\n\
    def launch(version, template=name):\n\
    \x20   policy['LaunchTemplate']['LaunchTemplateSpecification'] = {'LaunchTemplateName': template, 'Version': version}\n\
    \x20   asg.update_auto_scaling_group(AutoScalingGroupName=name, MixedInstancesPolicy=policy)\n";

/// A version that somebody puts into its template is told as soon as the group launches it; a change of the lease launches our own again.
#[test]
fn another_version_of_a_services_template_is_told() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[("size", "1"), ("lease", r#"{ ttl = "2h" }"#)]));
    terraform.apply().succeeded();
    launched_earlier(&world);
    terraform.assert_settled();
    let group = |line: &str| world.python(&format!("{GROUP}{line}"));
    group(
        "ec2.create_launch_template_version(LaunchTemplateName=name, SourceVersion='1', LaunchTemplateData={'InstanceType': 'c7i.xlarge'})\n\
         ec2.modify_launch_template(LaunchTemplateName=name, DefaultVersion='2')",
    );
    assert_eq!(warned(&terraform), "", "the group launches what it did");
    let mut told = String::new();
    for version in ["2", "$Latest", "$Default"] {
        group(&format!("launch('{version}')"));
        assert_eq!(terraform.planned(SERVICE), "no-op", "{version}");
        let _ = writeln!(told, "━━━ {version}\n{}\n", warned(&terraform));
    }
    group("launch('1')");
    assert_eq!(warned(&terraform), "");
    group(
        "found = ec2.describe_launch_template_versions(LaunchTemplateName=name, Versions=['1'])['LaunchTemplateVersions'][0]\n\
         data = {'ImageId': found['LaunchTemplateData']['ImageId']}\n\
         ec2.create_launch_template(LaunchTemplateName='another', LaunchTemplateData=data)\n\
         launch('1', 'another')",
    );
    let _ = writeln!(told, "━━━ another\n{}", warned(&terraform));
    assert_shown!("drift-group-version", told);
    world.spawn(["extend", "web", "--ttl", "2h"]).succeeded();
    assert_eq!((warned(&terraform).as_str(), terraform.planned(SERVICE).as_str()), ("", "no-op"));
    terraform.destroy().succeeded();
    world.python("client('ec2').delete_launch_template(LaunchTemplateName='another')");
    assert_same(&before, &holdings(&world));
}

#[test]
fn processes_that_somebody_has_suspended_are_told() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&service(&[("size", "1"), ("lease", r#"{ ttl = "2h" }"#)]));
    terraform.apply().succeeded();
    launched_earlier(&world);
    terraform.assert_settled();
    let group = |call: &str, process: &str| {
        world.python(&format!("{GROUP}asg.{call}_processes(AutoScalingGroupName=name, ScalingProcesses=['{process}'])"));
    };
    let mut told = String::new();
    let ours = ["HealthCheck", "Launch", "ReplaceUnhealthy", "ScheduledActions", "Terminate"].map(|process| (process, "suspend", "resume"));
    for (process, change, undo) in ours.into_iter().chain([("AZRebalance", "resume", "suspend")]) {
        group(change, process);
        assert_eq!(terraform.planned(SERVICE), "no-op", "{process}");
        let _ = writeln!(told, "━━━ {process}\n{}\n", warned(&terraform));
        group(undo, process);
        assert_eq!(warned(&terraform), "", "{process}");
    }
    assert_shown!("drift-group-processes", told);
    group("suspend", "Terminate");
    assert!(world.spawn(["status", "web"]).succeeded().stdout.contains("it ends nothing, so that its own action does not empty it"));
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_makes_another_fleet_is_made_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    for (key, lines, field) in [
        ("/fleet.json", "it['spec']['command'] = ['./work', 'gently']", "command"),
        ("/fleet.json", "it['spec']['env'] = {'PALETTE': 'ice'}", "env"),
        ("/fleet.json", "it['spec']['instance_types'] = ['c7a.large']", "instance_types"),
        ("/fleet.json", "it['spec']['name'] = 'mosaic'", "name"),
        ("/fleet.json", "it['spec']['network']['public_address'] = True", "network"),
        ("/fleet.json", "it['spec']['placement'] = 'spread'", "placement"),
        ("/fleet.json", "it['spec']['ssh_key'] = 'ada'", "ssh_key"),
        ("/fleet.json", "it['spec']['root_volume']['size_gib'] = 50", "root_volume"),
        ("/fleet.json", "it['spec']['volumes'] = {'/dev/sdf': dict(it['spec']['root_volume'], size_gib=9)}", "volumes"),
        ("/fleet.json", "it['spec']['requirements'] = {'vcpu': '2', 'architecture': 'x86_64', 'exclude': []}", "requirements"),
        ("/fleet.json", "it['spec']['pre_stop'] = {'command': ['./save'], 'timeout': 60}", "pre_stop"),
        ("/fleet.json", "it['spec']['checkpoint'] = {'command': ['./save'], 'timeout': 60}", "checkpoint"),
        ("/fleet.json", "it['spec']['peer_notice'] = {'command': ['./save'], 'timeout': 60}", "peer_notice"),
        ("/payload.json", "it['files'] = {'work': 'another'}", "files"),
    ] {
        let undo = world.python(&format!(
            "s3 = client('s3')\nkeys = [o['Key'] for o in s3.list_objects_v2(Bucket='{BUCKET}', Prefix='fleets/')['Contents'] if o['Key'].endswith('{key}')]\n\
             print(s3.get_object(Bucket='{BUCKET}', Key=keys[0])['Body'].read().decode(), end='')"
        ));
        edit(&world, key, lines);
        assert_eq!(terraform.planned(ARRAY), format!("delete create: {field}"), "{lines}");
        edit(&world, key, &format!("it = json.loads({})", serde_json::Value::from(undo)));
    }
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn an_instance_that_is_gone_is_planned_again_and_an_array_is_lost() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&format!("{}{}", array(&[]), instance(&[])));
    terraform.apply().succeeded();
    let ids = [instance_ids(&terraform.state(ARRAY)), instance_ids(&terraform.state(INSTANCE))].concat();
    world.python(&format!("client('ec2').terminate_instances(InstanceIds={ids:?})"));
    world.eventually("all are gone", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));

    let plan = terraform.plan().succeeded();
    assert_shown!("drift-instances-gone", shown::diagnostics(&plan.stdout));
    assert_eq!((terraform.planned(ARRAY), terraform.planned(INSTANCE)), ("no-op".to_owned(), "delete create: status".to_owned()));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let (fleet, bench) = (terraform.state(ARRAY), terraform.state(INSTANCE));
    assert_eq!((fleet["status"].as_str(), bench["status"].as_str()), (Some("lost"), Some("running")));
    assert_eq!(world.instances().iter().filter(|(_, state)| state == "running").count(), 1);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// What the command came to is recorded, so nothing is run a second time unasked.
#[test]
fn an_instance_whose_command_has_ended_is_not_planned_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    let bench = |ttl: &str| {
        let lease = format!("{{ ttl = \"{ttl}\" }}");
        instance(&[("command", r#"["true"]"#), ("wait_for", r#""completed""#), ("lease", &lease)])
    };
    let terraform = world.terraform(&bench("20m"));
    terraform.apply().succeeded();
    world.python(&format!("client('ec2').terminate_instances(InstanceIds={:?})", instance_ids(&terraform.state(INSTANCE))));
    world.eventually("it is gone", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    let plan = terraform.plan().succeeded().stdout;
    assert!(plan.contains("Warning: bench: the command ended with exit code 0, ") && plan.contains("No action is planned."), "{plan}");
    assert_eq!(terraform.planned(INSTANCE), "no-op");
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    assert_eq!(terraform.state(INSTANCE)["status"], "succeeded");

    terraform.configure(&bench("30m"));
    assert_eq!(terraform.planned(INSTANCE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(terraform.state(INSTANCE)["status"], "running");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Cuts short every object in the bucket whose key has this in it.
fn damage(world: &World, part: &str) {
    let damaged = world.python(&format!(
        "s3 = client('s3')\nkeys = [o['Key'] for o in s3.list_objects_v2(Bucket='{BUCKET}', Prefix='fleets/')['Contents'] if '{part}' in o['Key']]\n\
         for key in keys: s3.put_object(Bucket='{BUCKET}', Key=key, Body=b'{{')\nprint(len(keys))"
    ));
    assert_ne!(damaged, "0\n", "{part}");
}

#[test]
fn a_damaged_record_keeps_nothing_from_its_end() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[]));
    terraform.apply().succeeded();
    damage(&world, "/batches/");
    let plan = terraform.plan().succeeded();
    assert!(plan.text().contains("Warning: ") && plan.text().contains("(RecordUnreadable)"), "{}", plan.text());
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));

    world.spawn(["up", "--name", "slow", "--size", "2", "--type", "c7i.large", "--wait", "ready", "--", "sleep", "600"]).succeeded();
    damage(&world, "/batches/");
    world.spawn(["status", "slow"]).ended(2);
    world.spawn(["down", "slow"]).succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_fleet_that_was_ended_by_hand_is_planned_again() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&format!("{}{}", array(&[]), instance(&[])));
    terraform.apply().succeeded();
    world.spawn(["down", "tiles", "bench"]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!((terraform.planned(ARRAY), terraform.planned(INSTANCE)), ("create".to_owned(), "create".to_owned()));
    terraform.apply().succeeded();
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}
