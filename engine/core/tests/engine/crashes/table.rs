//! The tables of operations are complete: what the engine offers is enrolled, or proved to leave everything as it was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::policies::Audience;
use spawn_core::ports::Result;
use spawn_core::queue::JobResult;
use spawn_model::duration::Seconds;
use spawn_model::problem::Path;
use spawn_model::read::FieldType;
use spawn_model::record::Keeper;
use spawn_model::requirements::{Architecture, RequirementsSpec};
use spawn_model::spec::{FleetKind, FleetSpec};

use super::ENROLLED;
use crate::alerts::alert;
use crate::schedules::schedule;
use crate::simulated::run;
use crate::simulated::view::assert_same;
use crate::{array, launch, warm};

/// What leaves everything as it was, what AWS only tries included. A command that somebody runs on an instance is the command's doing, and a terminal is one's own.
const READS: [&str; 33] = [
    "alert_check",
    "alert_find",
    "alert_look",
    "alerts",
    "check",
    "check_rerun",
    "check_strictly",
    "connect",
    "estimate",
    "examine",
    "exec",
    "files",
    "find",
    "identify",
    "image",
    "inspect",
    "instance_types",
    "job_output",
    "job_result",
    "job_results",
    "list",
    "look",
    "output",
    "plan",
    "plan_strictly",
    "policy",
    "refresh",
    "regions",
    "result",
    "results",
    "schedule_check",
    "schedule_find",
    "schedule_look",
];

/// The public operations of the engine: what its sources declare.
fn declared() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut directories = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                None if path.is_dir() => directories.push(path),
                Some(extension) if extension == "rs" => found.extend(of_engine(&std::fs::read_to_string(path).unwrap())),
                _ => {}
            }
        }
    }
    found
}

/// The asynchronous methods in `impl Engine` blocks that others may call.
fn of_engine(source: &str) -> Vec<String> {
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in source.lines() {
        match line {
            "impl Engine {" => is_inside = true,
            "}" => is_inside = false,
            _ => {}
        }
        if let Some(method) = line.strip_prefix("    pub async fn ").filter(|_| is_inside) {
            found.push(method.split(['(', '<']).next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn no_operation_escapes() {
    let source =
        "impl Engine {\n    pub async fn one(&self) {}\n    async fn own(&self) {}\n}\nimpl Other {\n    pub async fn two(&self) {}\n}\n";
    assert_eq!(of_engine(source), ["one"]);
    let known: BTreeSet<String> = ENROLLED.iter().chain(&READS).map(|name| (*name).to_owned()).collect();
    assert_eq!(declared(), known, "each operation is enrolled in `crashes/mod.rs`, or one of `READS`");
    assert!(ENROLLED.iter().all(|name| !READS.contains(name)));
}

/// Does what only reads.
async fn read(engine: &Engine, operation: &str) -> Result<()> {
    let quiet = Operation::quiet();
    let fleet = engine.find("tiles").await?;
    let record = &fleet.record;
    match operation {
        "alert_check" => engine.alert_check(&alert(json!({})), &BTreeSet::new()).await,
        "alert_find" => engine.alert_find("none").await.map_or(Ok(()), |_| panic!("there is an alert")),
        "alert_look" => engine.alert_look("none").await.map(drop),
        "alerts" => engine.alerts().await.map(drop),
        "check" => engine.check(FleetKind::JobArray, &array(1), &BTreeSet::from([record.fleet.clone()])).await.map(drop),
        "check_rerun" => engine.check_rerun(&record.fleet, &array(1)).await.map(drop),
        "check_strictly" => engine.check_strictly(FleetKind::JobArray, &array(1), &BTreeSet::from([record.fleet.clone()])).await.map(drop),
        "connect" => engine.connect(&fleet, None, &quiet).await.map(drop),
        "exec" => engine.exec(&fleet, &[], &["echo".to_owned()], Seconds(60), &quiet, drop).await,
        "files" => engine.files(record).await.map(drop),
        "find" => Ok(()),
        "identify" => engine.identify("tiles").await.map(drop),
        "estimate" => engine.estimate(FleetKind::JobArray, &array(1)).await.map(drop),
        "image" => engine.image("al2023", Architecture::X86).await.map(drop),
        "instance_types" => {
            let requirements = RequirementsSpec::read(&json!({ "vcpu": "2" }).into(), &Path::default(), &mut Vec::new()).unwrap();
            engine.instance_types(&requirements, true).await.map(drop)
        }
        "examine" => engine.examine("tiles").await.map(drop),
        "inspect" => engine.inspect("tiles").await.map(drop),
        // An array has no jobs, which is said without a look at anything.
        "job_output" => engine.job_output(record, "a", None).await.map_or(Ok(()), |_| panic!("an array has a job")),
        "job_result" => {
            let none = JobResult { job: "a".to_owned(), run: record.run.clone(), attempt: 1, path: "none".to_owned() };
            engine.job_result(record, &none).await.map(drop)
        }
        "job_results" => engine.job_results(record, None).await.map(drop),
        "list" => engine.list().await.map(drop),
        "look" => engine.look(&record.fleet).await.map(drop),
        "output" => engine.output(record, Timestamp::UNIX_EPOCH, None).await.map(drop),
        "plan" => engine.plan(FleetKind::JobArray, &FleetSpec { name: "other".to_owned(), ..array(1) }).await.map(drop),
        "plan_strictly" => engine.plan_strictly(FleetKind::JobArray, &FleetSpec { name: "other".to_owned(), ..array(1) }).await.map(drop),
        "policy" => engine.policy(Audience::Launcher).await.map(drop),
        "refresh" => engine.refresh(&record.fleet).await.map(drop),
        "regions" => engine.regions().await.map(drop),
        "result" => engine.result(record, 0, "none").await.map(drop),
        "results" => engine.results(record).await.map(drop),
        "schedule_check" => engine.schedule_check(&schedule(json!({})), None, &BTreeSet::from([record.fleet.clone()])).await.map(drop),
        // It is none, which is found after all has been read that would be.
        "schedule_find" => engine.schedule_find("tiles").await.map_or(Ok(()), |_| panic!("an array is a schedule")),
        "schedule_look" => engine.schedule_look(&record.fleet).await.map(drop),
        other => panic!("nobody has said how to {other}"),
    }
}

#[test]
fn what_only_reads_changes_nothing() {
    let mut writes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for operation in READS {
        run(async {
            let world = warm().await;
            let launched = launch(&world.process(), &FleetSpec { connect: Some(true), ..array(1) }).await.unwrap();
            // A fleet that its keeper has: whoever reads one for its keeper says so, once.
            launched.claim.acknowledge(Keeper::State).await.unwrap();
            drop(launched.kept_alive);
            world.pass(120).await;
            world.engine().find("tiles").await.unwrap();
            let before = world.view();
            let process = world.process();
            read(&process.engine(), operation).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
            assert_same(operation, &world.view(), &before);
            let reads = |call: &&&str| {
                ["Describe", "Get", "List", "Head", "Filter"].iter().any(|verb| call.split(':').nth(1).unwrap().starts_with(verb))
            };
            let told: Vec<&str> = process.calls().iter().filter(|call| !reads(call)).copied().collect();
            if !told.is_empty() {
                writes.insert(operation, told);
            }
        });
    }
    // Only tried, so that nothing comes of them.
    let (group, launch) = ("ec2:CreateSecurityGroup DryRun", "ec2:RunInstances DryRun");
    let expected = BTreeMap::from([
        ("check_rerun", vec![launch]),
        ("check_strictly", vec![group, launch]),
        ("connect", vec!["ssm:StartSession"]),
        ("exec", vec!["ssm:SendCommand"]),
        ("plan_strictly", vec![group, launch]),
    ]);
    assert_eq!(writes, expected);
}
