//! The hands that end a machine, each alone: the others are taken away from it, and the call log shows that they left no trace.

use std::path::PathBuf;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use spawn_tests::World;
use spawn_tests::leftovers::{assert_same, holdings};

const NAME: &str = "tiles";

/// A fleet of one whose command has started, and what is needed to take hands away from it.
pub(super) struct Patient {
    pub(super) world: World,
    pub(super) instance: String,
    run: String,
    pub(super) deadline: Timestamp,
    /// What the account held before it.
    pub(super) before: Value,
}

impl Patient {
    pub(super) fn new(ttl: &str) -> Self {
        let world = World::with_setup();
        let before = holdings(&world);
        let up = [
            "up",
            "--name",
            NAME,
            "--size",
            "1",
            "--type",
            "c7i.large",
            "--ttl",
            ttl,
            "--wait",
            "ready",
            "-o",
            "json",
            "--",
            "sleep",
            "600",
        ];
        let fleet = world.spawn(up).succeeded().json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let instance = text(&fleet["members"][0]["instance_id"]);
        Self { instance, run: text(&fleet["run_id"]), deadline: text(&fleet["deadline"]).parse().expect("a time"), world, before }
    }

    /// A command as root on the machine.
    fn on_the_machine(&self, program: &str, arguments: &[&str]) {
        let console = self.world.control().console(&self.instance).expect("it has a console");
        let machine: PathBuf = console.parent().expect("the machine's directory").to_owned();
        let output = Command::new(machine.join("bin").join(program)).args(arguments).output().expect("the machine's command runs");
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    }

    pub(super) fn without_shutdown(&self) {
        self.on_the_machine("shutdown", &["-c"]);
    }

    pub(super) fn without_timer(&self) {
        self.on_the_machine("systemctl", &["disable", "--now", "spawn-deadline.timer"]);
    }

    pub(super) fn without_agent(&self) {
        self.on_the_machine("systemctl", &["disable", "--now", "spored.service"]);
    }

    pub(super) fn without_schedule(&self) {
        self.world.python(&format!("client('scheduler').delete_schedule(GroupName='spawn', Name='spawn-{}-0')", self.run));
    }

    /// Waits until the machine is gone, and says how long after the deadline.
    fn until_gone(&self) -> SignedDuration {
        self.world.eventually("the machine is gone", || (!self.is_alive()).then_some(()));
        Timestamp::now().duration_since(self.deadline)
    }

    fn is_alive(&self) -> bool {
        let snapshot = self.world.control().snapshot();
        let instances = snapshot["ec2"]["regions"]["us-east-1"]["instances"].as_array().cloned().unwrap_or_default();
        instances.iter().any(|instance| ["pending", "running"].iter().any(|state| instance["state"] == *state))
    }

    /// Who did what after a position, without what only looks.
    pub(super) fn acts(&self, since: u64) -> Vec<String> {
        let calls = self.world.control().calls(since).into_iter();
        let acts = calls.filter(|call| !["Describe", "Get", "List", "Head"].iter().any(|look| call.operation.starts_with(look)));
        acts.map(|call| format!("{} {}", call.caller.split(' ').next().unwrap_or_default(), call.operation)).collect()
    }

    fn assert_expired(&self) {
        let fleet = self.world.spawn(["status", NAME, "-o", "json"]).succeeded().json();
        assert_eq!((fleet["status"].as_str(), fleet["members"][0]["state"].as_str()), (Some("expired"), Some("expired")), "{fleet}");
    }
}

/// The machine ends at its deadline, not before, and soon after.
#[track_caller]
fn assert_punctual(late: SignedDuration) {
    assert!((-1..30).contains(&late.as_secs()), "it ended {late:?} after the deadline");
}

fn the_shutdown_alone() {
    let patient = Patient::new("60s");
    patient.without_agent();
    patient.without_timer();
    patient.without_schedule();
    let at = patient.world.position();
    assert_punctual(patient.until_gone());
    assert_eq!(patient.acts(at), [""; 0]);
    patient.assert_expired();
}

fn the_timer_alone_after_a_reboot() {
    let patient = Patient::new("60s");
    patient.without_agent();
    patient.without_schedule();
    // A scheduled shutdown does not outlive a reboot, and user data does not run again.
    let booted = || std::fs::read_to_string(patient.world.control().console(&patient.instance).expect("a console")).unwrap_or_default();
    patient.world.python(&format!("client('ec2').reboot_instances(InstanceIds=['{}'])", patient.instance));
    patient.world.eventually("it boots again", || (booted().matches("is booting").count() == 2).then_some(()));
    let at = patient.world.position();
    assert_punctual(patient.until_gone());
    assert_eq!(patient.acts(at), [""; 0]);
    patient.assert_expired();
}

fn the_agent_alone() {
    let patient = Patient::new("60s");
    patient.without_shutdown();
    patient.without_timer();
    patient.without_schedule();
    let at = patient.world.position();
    assert_punctual(patient.until_gone());
    // It records how the rank ended, and powers the machine off: that takes no right in EC2.
    let acts = patient.acts(at);
    assert!(
        acts.contains(&"instance PutObject".to_owned())
            && acts.iter().all(|act| act.starts_with("instance Put") || act.starts_with("instance CreateLog")),
        "{acts:?}"
    );
    patient.assert_expired();
}

fn the_agent_follows_a_lease_that_was_shortened() {
    let patient = Patient::new("20m");
    patient.world.spawn(["extend", NAME, "--ttl", "75s"]).succeeded();
    // Only the lease object says so now: the machine's own timers are for the old deadline.
    patient.without_schedule();
    let shortened = patient.deadline - SignedDuration::from_secs(20 * 60 - 75);
    let at = patient.world.position();
    patient.until_gone();
    assert_punctual(Timestamp::now().duration_since(shortened));
    assert!(patient.acts(at).iter().all(|act| act.starts_with("instance ")), "{:?}", patient.acts(at));
    patient.assert_expired();
}

fn every_hand_follows_a_lease_that_was_extended() {
    let patient = Patient::new("75s");
    patient.world.spawn(["extend", NAME, "--ttl", "20m"]).succeeded();
    // That time passes is the subject here: the old deadline comes and goes.
    let later = patient.deadline + SignedDuration::from_secs(4);
    patient.world.eventually("the old deadline passes", || {
        assert!(patient.is_alive(), "it ended with the old lease");
        (Timestamp::now() > later).then_some(())
    });
    assert!(patient.is_alive());
    let fleet = patient.world.spawn(["status", NAME, "-o", "json"]).succeeded().json();
    assert_eq!(fleet["status"], "running");
    assert_eq!(patient.world.calls(0, "StartAutomationExecution").len(), 0);
    patient.world.spawn(["down", NAME]).succeeded();
}

/// In real time, therefore at once.
#[test]
fn each_hand_on_the_machine_ends_it_alone() {
    std::thread::scope(|scope| {
        for scenario in [
            the_shutdown_alone,
            the_timer_alone_after_a_reboot,
            the_agent_alone,
            the_agent_follows_a_lease_that_was_shortened,
            every_hand_follows_a_lease_that_was_extended,
        ] {
            scope.spawn(scenario);
        }
    });
}

/// Instances that run in name only: neither shutdown timer nor agent is there, so only what is outside them can end them.
pub(super) fn without_machines() -> World {
    let world = World::with(|options| {
        options.boot_machines = false;
        // EC2 gives an account two new instances a second after the first thousand; nobody here waits for that.
        options.throttle = false;
    });
    world.spawn(["setup"]).succeeded();
    world
}

/// Launches a fleet and answers its deadline.
fn launch(world: &World, size: u32) -> Timestamp {
    let size = size.to_string();
    let up = ["up", "--name", NAME, "--size", &size, "--type", "c7i.large", "--ttl", "2h", "-o", "json", "--", "true"];
    let fleet = world.spawn(up).succeeded().json();
    fleet["deadline"].as_str().and_then(|text| text.parse().ok()).expect("a deadline")
}

/// Puts the sandbox's clock forward to a time. How long the launch took, in real time, is no matter then.
pub(super) fn advance_to(world: &World, time: Timestamp) {
    let left = time.duration_since(world.control().clock().now);
    world.advance(left.as_secs() + 1);
}

/// What the automation asked of EC2 after a position: how often it looked, and how often it ended something. Where it found nothing,
/// its second step fails for want of ids, which the document passes over.
fn by_automation(world: &World, since: u64) -> (usize, usize) {
    let calls: Vec<_> =
        world.control().calls(since).into_iter().filter(|c| c.service == "ec2" && c.caller.starts_with("automation ")).collect();
    let count = |operation: &str, outcome: &str| calls.iter().filter(|c| c.operation == operation && c.outcome == outcome).count();
    let (looks, ended) = (count("DescribeInstances", "ok"), count("TerminateInstances", "ok"));
    assert_eq!(looks + ended + count("TerminateInstances", "MissingParameter"), calls.len(), "{calls:?}");
    assert!(calls.len() <= 2 * looks, "two calls for each look: {calls:?}");
    (looks, ended)
}

pub(super) fn living(world: &World) -> usize {
    let snapshot = world.control().snapshot();
    let instances = snapshot["ec2"]["regions"]["us-east-1"]["instances"].as_array().cloned().unwrap_or_default();
    instances.iter().filter(|instance| instance["state"] == "pending" || instance["state"] == "running").count()
}

fn the_schedule_alone(size: u32) {
    let world = without_machines();
    let before = holdings(&world);
    let deadline = launch(&world, size.max(1));
    if size == 0 {
        world.python("ids = [i['InstanceId'] for r in client('ec2').describe_instances()['Reservations'] for i in r['Instances']]\nclient('ec2').terminate_instances(InstanceIds=ids)");
    }
    assert_eq!(living(&world), size as usize);
    let shards = size.max(1).div_ceil(1000) as usize;

    advance_to(&world, deadline - SignedDuration::from_secs(20));
    assert_eq!((living(&world), by_automation(&world, 0)), (size as usize, (0, 0)), "{size}: nothing happens before the deadline");
    let at = world.position();
    advance_to(&world, deadline + SignedDuration::from_secs(60));
    assert_eq!(living(&world), 0, "{size}: everything ends at the deadline");
    let ends = if size == 0 { 0 } else { shards };
    assert_eq!(by_automation(&world, at), (shards, ends), "{size}: one look and one end for each shard");
    // Repeated every five minutes for an hour, in case that something was launched late; then the schedules are gone, too.
    world.advance(2 * 3600);
    let (looks, terminations) = by_automation(&world, at);
    assert!((shards * 12..=shards * 13).contains(&looks) && terminations == ends, "{size}: {looks} looks, {terminations} terminations");
    assert_eq!(world.control().snapshot()["schedules"], serde_json::json!({}), "{size}");
    assert!(world.control().calls(at).iter().all(|call| call.caller != "controller"), "{size}: nobody else did anything");
    let statuses = world.python(
        "pages = client('ssm').get_paginator('describe_automation_executions').paginate()\n\
         print(sorted({e['AutomationExecutionStatus'] for page in pages for e in page['AutomationExecutionMetadataList']}))",
    );
    assert_eq!(statuses, "['Success']\n", "{size}: finding nothing is no failure");

    world.spawn(["down", NAME]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn the_schedule_alone_ends_any_number() {
    std::thread::scope(|scope| {
        for size in [0, 1, 1000, 1001] {
            scope.spawn(move || the_schedule_alone(size));
        }
    });
}

#[test]
fn the_schedule_alone_ends_ten_thousand() {
    the_schedule_alone(10_000);
}

#[test]
fn a_late_launch_is_caught_by_the_next_repetition() {
    let world = without_machines();
    let deadline = launch(&world, 1);
    advance_to(&world, deadline + SignedDuration::from_secs(60));
    assert_eq!(living(&world), 0);
    // A launch of the same run that comes after the deadline, as one of a launcher that hung would.
    world.python(
        "old = client('ec2').describe_instances()['Reservations'][0]['Instances'][0]\n\
         tags = [t for t in old['Tags'] if not t['Key'].startswith('aws:')]\n\
         client('ec2').run_instances(ImageId=old['ImageId'], InstanceType='c7i.large', MinCount=1, MaxCount=1,\n    \
             TagSpecifications=[{'ResourceType': 'instance', 'Tags': tags}])",
    );
    assert_eq!(living(&world), 1);
    advance_to(&world, deadline + SignedDuration::from_mins(6));
    assert_eq!(living(&world), 0);
}
