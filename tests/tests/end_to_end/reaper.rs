//! Hand 4, alone: what the other hands would have ended is there after its deadline, and `spawn reap` ends it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::process::Ran;
use spawn_tests::{World, assert_shown};

use super::adoption::{POINTS, Victim, apply_until, kill};
use super::lease::Patient;

const REGION: &str = "us-east-1";

/// Waits for a time to come, and makes sure that something holds until then. That time passes is the subject here.
fn until(world: &World, time: Timestamp, holds: impl Fn()) {
    world.eventually("the deadline passes", || {
        holds();
        (Timestamp::now() > time).then_some(())
    });
}

fn soon_after(deadline: Timestamp) -> Timestamp {
    deadline + SignedDuration::from_secs(3)
}

fn state_of(world: &World, instance: &str) -> String {
    let snapshot = world.control().snapshot();
    let instances = snapshot["ec2"]["regions"][REGION]["instances"].as_array().cloned().unwrap_or_default();
    let found = instances.iter().find(|one| one["id"] == instance).map(|one| one["state"].as_str().unwrap_or_default().to_owned());
    found.unwrap_or_else(|| "terminated".to_owned())
}

fn is_ending(state: &str) -> bool {
    ["shutting-down", "terminated"].contains(&state)
}

/// Reaps in the test's region, and answers with what was done there.
#[track_caller]
fn reap(world: &World, flags: &[&str]) -> Value {
    let command = [&["reap", "--region", REGION, "-o", "json"], flags].concat();
    world.spawn(command).succeeded().json()["regions"][0].clone()
}

/// What was told at the end. What is told meanwhile depends on how long machines take to go away.
fn told(ran: &Ran) -> String {
    format!("{}\n{}", ran.stdout, ran.stderr.lines().last().unwrap_or_default())
}

/// A machine that nobody of ours launched, with these tags.
fn other_machine(world: &World, tags: &str) -> String {
    world
        .python(&format!(
            "image = client('ec2').describe_images(Owners=['amazon'])['Images'][0]['ImageId']\n\
             tags = [{{'Key': key, 'Value': value}} for key, value in {tags}.items()]\n\
             made = client('ec2').run_instances(ImageId=image, InstanceType='c7i.large', MinCount=1, MaxCount=1,\n    \
                 TagSpecifications=[{{'ResourceType': 'instance', 'Tags': tags}}])\n\
             print(made['Instances'][0]['InstanceId'])"
        ))
        .trim()
        .to_owned()
}

fn the_reaper_alone() {
    let patient = Patient::new("60s");
    let world = &patient.world;
    patient.without_shutdown();
    patient.without_timer();
    patient.without_agent();
    patient.without_schedule();
    let foreign = other_machine(world, "{'Name': 'somebody-elses', 'team': 'maps'}");
    let longer = other_machine(world, "{'Name': 'longer', 'spawn:managed': 'true', 'spawn:ttl-deadline': '2999-01-01T00:00:00Z'}");
    let at = world.position();
    until(world, soon_after(patient.deadline), || assert_eq!(state_of(world, &patient.instance), "running"));
    assert_eq!(patient.acts(at), [""; 0], "no other hand has done anything");

    let dry = world.spawn(["reap", "--dry-run"]).succeeded();
    assert_shown!("reap-dry-run", told(&dry));
    assert_eq!(world.changes(at), [""; 0]);
    let done = world.spawn(["reap"]).succeeded();
    assert_shown!("reap", told(&done));
    assert!(is_ending(&state_of(world, &patient.instance)));
    assert!(patient.acts(at).iter().all(|act| act.starts_with("controller ")), "{:?}", patient.acts(at));

    assert_eq!([foreign.as_str(), longer.as_str()].map(|id| state_of(world, id)), ["running", "running"]);
    assert_eq!(world.control().gaps(), []);
    world.python(&format!("client('ec2').terminate_instances(InstanceIds=['{foreign}', '{longer}'])"));
    world.eventually("they are gone", || (state_of(world, &foreign) == "terminated").then_some(()));
    world.eventually("they are gone", || (state_of(world, &longer) == "terminated").then_some(()));
    assert_same(&patient.before, &holdings(world));
    assert!(world.keys().iter().any(|key| key.ends_with("/fleet.json")), "records stay");
}

fn a_stopped_machine_is_ended_too() {
    let patient = Patient::new("60s");
    let world = &patient.world;
    patient.without_schedule();
    world.python(&format!("client('ec2').stop_instances(InstanceIds=['{}'])", patient.instance));
    world.eventually("it is stopped", || (state_of(world, &patient.instance) == "stopped").then_some(()));
    until(world, soon_after(patient.deadline), || assert_eq!(state_of(world, &patient.instance), "stopped"));
    let reaped = reap(world, &[]);
    assert_eq!(
        (reaped["instances"][0]["id"].as_str(), reaped["instances"][0]["state"].as_str()),
        (Some(&*patient.instance), Some("stopped"))
    );
    assert_same(&patient.before, &holdings(world));
}

const FOR_A_MINUTE: (&str, &str) = ("lease", r#"{ ttl = "60s" }"#);

/// A fleet of an apply that was killed before Terraform had it in its state, and that nobody applies again.
fn a_killed_apply_is_removed_after_its_lease() {
    let world = World::with_setup();
    let before = holdings(&world);
    let asked_at = Timestamp::now();
    // What hangs is the record of the instances that were just launched.
    let (terraform, apply) = apply_until(&world, POINTS[3], &[FOR_A_MINUTE]);
    kill(apply, Victim::Terraform);
    world.control().clear_faults();
    assert!(terraform.state(ARRAY).is_null());
    let early = reap(&world, &[]);
    assert_eq!((early["fleets"].clone(), early["living"].clone()), (Value::from(Vec::<Value>::new()), 2.into()));
    until(&world, soon_after(asked_at + SignedDuration::from_secs(90)), || ());
    let reaped = reap(&world, &[]);
    assert_eq!(reaped["fleets"][0]["why"], "never_kept", "{reaped}");
    assert_same(&before, &holdings(&world));
    // The name is free, and the next apply makes it anew.
    terraform.apply().succeeded();
    terraform.destroy().succeeded();
}

/// What Terraform has in its state keeps its role, its group and its name, for its destroy to remove.
fn what_terraform_has_keeps_everything_but_its_machines() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(&[FOR_A_MINUTE]));
    terraform.apply().succeeded();
    let fleet = terraform.state(ARRAY)["id"].as_str().expect("an id").to_owned();
    let schedules = "print(sorted(s['Name'] for s in client('scheduler').list_schedules()['Schedules']))";
    world.python("for s in client('scheduler').list_schedules()['Schedules']: client('scheduler').delete_schedule(GroupName='spawn', Name=s['Name'])");
    assert_eq!(world.python(schedules), "[]\n");
    until(&world, soon_after(Timestamp::now() + SignedDuration::from_secs(60)), || ());
    let reaped = reap(&world, &[]);
    assert_eq!(reaped["fleets"], Value::from(Vec::<Value>::new()));
    let kept = world.python(&format!(
        "roles = [r['RoleName'] for r in client('iam').list_roles(PathPrefix='/spawn/')['Roles'] if '{fleet}' in r['RoleName']]\n\
         groups = [g['GroupName'] for g in client('ec2').describe_security_groups()['SecurityGroups'] if '{fleet}' in g['GroupName']]\n\
         print(roles == groups == ['spawn-{fleet}'])"
    ));
    assert_eq!(kept, "True\n");
    assert!(world.keys().contains(&"names/tiles".to_owned()));
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// In real time, therefore at once.
#[test]
fn the_reaper_ends_and_removes_what_the_other_hands_have_left() {
    std::thread::scope(|scope| {
        for scenario in [
            the_reaper_alone,
            a_stopped_machine_is_ended_too,
            a_killed_apply_is_removed_after_its_lease,
            what_terraform_has_keeps_everything_but_its_machines,
        ] {
            scope.spawn(scenario);
        }
    });
}

/// What cannot be done in one region is told, and done in the others.
#[test]
fn an_error_in_one_region_is_told_at_the_end() {
    let world = World::with_setup();
    world.fault(
        "ec2",
        "TerminateInstances",
        None,
        spawn_sandbox::Fault::Error {
            code: "UnauthorizedOperation".to_owned(),
            status: 403,
            message: "You are not authorized to perform this operation.".to_owned(),
        },
    );
    let past = "{'Name': 'old', 'spawn:managed': 'true', 'spawn:ttl-deadline': '2020-01-01T00:00:00Z'}";
    let old = other_machine(&world, past);
    let ran = world.spawn(["reap", "--region", REGION, "--region", "eu-west-1"]).ended(3);
    assert_shown!("reap-denied", format!("{}\n{}", ran.stdout, ran.stderr));
    let document = world.spawn(["reap", "--region", REGION, "-o", "json"]).ended(3).json();
    assert_eq!(
        (document["error"]["code"].as_str(), document["error"]["left"]["instance_ids"][0].as_str()),
        (Some("UnauthorizedOperation"), Some(&*old))
    );
    world.control().clear_faults();
    assert_eq!(reap(&world, &[])["instances"][0]["deadline_by"], "tag");
}
