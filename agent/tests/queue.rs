//! A worker of a queue: which jobs it takes, what they are told and leave, and what becomes of one that is no more its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use spawn_model::ids::{InstanceId, RunId};
use spawn_model::layout::RunKeys;
use spawn_model::queue::{JobClaim, JobExit, KeptJob, KeptJobs, OnFailure, Outcome, Standing};
use spawn_model::record::{Exit, ResultFile};
use spawn_model::spec::FleetKind;
use world::{World, finish};

/// Tells its process and runs until it is asked to end.
const WORK: &str = "exec 2>/dev/null; trap 'exit 0' TERM; echo $$; while true; do sleep 0.05; done";

/// A machine of a queue with these jobs.
fn worker(jobs: serde_json::Value) -> World {
    of(World::new(), jobs)
}

fn of(mut world: World, jobs: serde_json::Value) -> World {
    world.config.kind = FleetKind::Queue;
    world.payload(1, &[], &[("hello", "#!/bin/sh\necho hello \"$@\"\n")], &[("STRICT", "no"), ("PALETTE", "fire")]);
    world.jobs(1, OnFailure::Continue, jobs);
    world
}

fn shell(line: &str) -> serde_json::Value {
    json!(["sh", "-c", line])
}

fn claim(world: &World, job: &str) -> JobClaim {
    serde_json::from_slice(&world.cloud.get(&world.keys.job_claim(job)).unwrap()).unwrap()
}

fn write(world: &World, job: &str, claim: &JobClaim) {
    world.cloud.put(&world.keys.job_claim(job), serde_json::to_vec(claim).unwrap());
}

/// The claim of another machine that runs a job.
fn of_another(world: &World, job: &str) -> JobClaim {
    let claim = JobClaim::first(&InstanceId("i-other".to_owned()), 1, Timestamp::now());
    write(world, job, &claim);
    claim
}

/// How each attempt of a job ended.
fn exits(world: &World, job: &str) -> Vec<Option<JobExit>> {
    claim(world, job).attempts.into_iter().map(|attempt| attempt.exit).collect()
}

fn ended(world: &World, job: &str) -> Option<Outcome> {
    match claim(world, job).standing {
        Standing::Ended { outcome } => Some(outcome),
        Standing::Running | Standing::Waiting { .. } => None,
    }
}

fn is_told(world: &World, job: &str, outcome: Outcome) -> bool {
    world.cloud.get(&world.keys.job_ended(job, outcome)).is_some()
}

/// Waits until a job prints its process, and gives that.
fn process(world: &World) -> String {
    let sent = |requests: &[String]| requests.iter().filter(|request| *request == "LOGS PutLogEvents").count();
    let mut seen = 0;
    loop {
        world.cloud.until(|requests, _| sent(requests) > seen);
        seen = sent(&world.cloud.requests());
        if let Some(process) = world.cloud.events().into_iter().find(|event| event.bytes().all(|byte| byte.is_ascii_digit())) {
            return process;
        }
    }
}

fn kill(process: &str) {
    assert!(std::process::Command::new("kill").arg(process).status().unwrap().success());
}

fn lives(process: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn jobs_run_one_after_the_other_and_hand_on_what_they_leave() {
    for world in [World::new(), World::without_units()] {
        let world = of(
            world,
            json!({
                "fetch": {
                    "command": shell("mkdir -p raw/deep; echo 1 >raw/a.csv; echo 2 >raw/deep/b.csv; echo 3 >raw/c.txt; ./hello you; echo 4 >$SPAWN_RESULTS/d"),
                    "results": ["raw/**/*.csv"],
                },
                "clean": {
                    "command": shell("test ! -e raw; cat $SPAWN_INPUTS/fetch/raw/*.csv $SPAWN_INPUTS/fetch/raw/deep/b.csv $SPAWN_INPUTS/fetch/d | tr '\\n' ' ' >$SPAWN_RESULTS/all"),
                    "depends_on": ["fetch"],
                },
                "told": {
                    "command": shell("env | grep -E '^(SPAWN_(JOB|ATTEMPT|PARAM|RANK)|JOB_|QUEUE_ID|STRICT|PALETTE)' | sort >$SPAWN_RESULTS/env"),
                    "env": { "STRICT": "1" }, "params": { "MODEL": "b c" },
                },
            }),
        );
        let said = world.run();
        let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
        assert_eq!((done.exit, done.results, world.is_off()), (Exit::Code { code: 0 }, vec![], true), "{said}");
        let result = |job: &str, path: &str| {
            let content = world.cloud.get(&world.keys.job_result(job, 1, path));
            content.map(|content| String::from_utf8(content).unwrap()).unwrap_or_else(|| panic!("{path}: {:?}", world.cloud.keys()))
        };
        assert_eq!(result("clean", "all"), "1 2 4 ");
        let run = &world.config.run;
        assert_eq!(
            result("told", "env"),
            format!(
                "JOB_ATTEMPT=1\nJOB_ID=told\nPALETTE=fire\nQUEUE_ID={run}\nSPAWN_ATTEMPT=1\nSPAWN_JOB=told\nSPAWN_PARAM_MODEL=b c\nSPAWN_RANK=0\nSTRICT=1\n"
            )
        );
        let fetch = claim(&world, "fetch");
        let left: Vec<&str> = fetch.attempts[0].results.iter().map(|file| file.path.as_str()).collect();
        assert_eq!((left, &fetch.attempts[0].notes), (vec!["d", "raw/a.csv", "raw/deep/b.csv"], &vec![]));
        let output = world.cloud.get(&world.keys.job_output("fetch", 1)).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "spawn: job fetch, attempt 1\nhello you\n");
        for job in ["fetch", "clean", "told"] {
            assert_eq!((ended(&world, job), is_told(&world, job, Outcome::Succeeded)), (Some(Outcome::Succeeded), true), "{said}");
        }
        assert_eq!(std::fs::read_dir(world.state().join("jobs")).unwrap().count(), 0, "what an attempt needed is removed");
    }
}

#[test]
fn how_a_job_ends_decides_what_follows() {
    let world = worker(json!({
        "again": { "command": shell("test $SPAWN_ATTEMPT = 3 || exit 75"), "retry": { "attempts": 3, "base_delay": 0, "on_exit_codes": [75] } },
        "late": { "command": shell(WORK), "timeout": 1 },
        "missing": { "command": ["./missing"] },
        "bad": { "command": shell("kill -9 $$") },
        "never": { "command": ["true"], "depends_on": ["bad"] },
    }));
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 }, "{said}");
    let code = |code| Some(JobExit::Code { code });
    assert_eq!(exits(&world, "again"), [code(75), code(75), code(0)]);
    assert_eq!(exits(&world, "late"), [Some(JobExit::TimedOut)]);
    assert_eq!(exits(&world, "bad"), [Some(JobExit::Signal { signal: 9 })]);
    assert!(matches!(&exits(&world, "missing")[..], [Some(JobExit::NotStarted { reason })] if reason.contains("./missing")));
    assert!(world.cloud.get(&world.keys.job_claim("never")).is_none() && is_told(&world, "bad", Outcome::Failed));
}

#[test]
fn a_job_costs_few_requests() {
    let jobs: serde_json::Map<_, _> = (0..30).map(|index| (format!("j{index}"), json!({ "command": ["true"] }))).collect();
    let world = worker(jobs.into());
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
    let of_s3 = world.cloud.requests().into_iter().filter(|request| request.contains("fleets/") || request.starts_with("GET /")).count();
    // To claim it, to keep its output, to say how it ended, and to tell that it has: the rest is the machine's own.
    assert!(of_s3 <= 30 * 4 + 20, "{of_s3} requests to S3 for 30 jobs");
}

#[test]
fn a_job_that_is_another_machine_s_by_now_is_ended() {
    for world in [World::new(), World::without_units()] {
        let world = of(world, json!({ "a": { "command": shell(WORK) } }));
        let child = world.start_with(&["--claim-interval", "1"]);
        let process = process(&world);
        assert!(lives(&process));
        let other = of_another(&world, "a");
        world.cloud.until(|requests, _| requests.iter().filter(|request| request.ends_with("/a.json")).count() > 3);
        let claims = world.keys.job_claim("a");
        let done = other.ended(&serde_json::from_value(json!({ "command": ["true"] })).unwrap(), JobExit::Code { code: 0 }, None, 0.0);
        write(&world, "a", &done);
        let said = finish(child);
        assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 }, "{said}");
        assert!(!lives(&process), "{said}");
        assert_eq!((claim(&world, "a"), world.cloud.get(&world.keys.job_output("a", 1))), (done, None), "{claims}");
        assert!(is_told(&world, "a", Outcome::Succeeded));
    }
}

/// Somebody else may have it by then, and would not be known.
#[test]
fn who_is_not_heard_ends_what_it_runs() {
    let world = worker(
        json!({ "a": { "command": shell("test $SPAWN_ATTEMPT = 1 || exit 0; exec 2>/dev/null; echo $$; while true; do sleep 0.05; done") } }),
    );
    let child = world.start_with(&["--claim-interval", "1"]);
    let process = process(&world);
    world.cloud.fail("PUT", &world.keys.job_claim("a"), 503, "SlowDown", 8);
    let said = finish(child);
    assert!(said.contains("job a was given up: its sign of life was not heard for 4 s"), "{said}");
    assert!(!lives(&process));
    let exits = exits(&world, "a");
    assert_eq!((&exits[0], exits.last()), (&Some(JobExit::Lost), Some(&Some(JobExit::Code { code: 0 }))), "{said}");
}

#[test]
fn a_job_without_signs_of_life_is_taken_over_and_no_other() {
    let world =
        worker(json!({ "a": { "command": ["true"] }, "b": { "command": ["true"] }, "c": { "command": ["true"], "depends_on": ["b"] } }));
    of_another(&world, "a");
    world.cloud.age(&world.keys.job_claim("a"), 61);
    let held = of_another(&world, "b");
    world.cloud.age(&world.keys.job_claim("b"), 50);
    let child = world.start();
    let key = world.keys.job_ended("a", Outcome::Succeeded);
    world.cloud.until(|_, objects| objects.contains_key(&key));
    assert_eq!(exits(&world, "a"), [Some(JobExit::Lost), Some(JobExit::Code { code: 0 })]);
    assert_eq!((claim(&world, "b"), world.is_off()), (held.clone(), false), "it may still be at work");
    // Its machine says how it ended, and dies before it can tell.
    let spec = serde_json::from_value(json!({ "command": ["true"] })).unwrap();
    write(&world, "b", &held.ended(&spec, JobExit::Code { code: 0 }, None, 0.0));
    let said = finish(child);
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
    assert!(is_told(&world, "b", Outcome::Succeeded) && is_told(&world, "c", Outcome::Succeeded), "{said}");
}

#[test]
fn an_agent_that_dies_begins_its_job_anew_and_only_once() {
    for world in [World::new(), World::without_units()] {
        let line = "test $SPAWN_ATTEMPT = 2 && exit 0; exec 2>/dev/null; echo $$; while true; do sleep 0.05; done";
        let world = of(world, json!({ "a": { "command": shell(line) } }));
        let mut child = world.start();
        let process = process(&world);
        child.kill().unwrap();
        child.wait().unwrap();
        let said = world.run();
        assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 }, "{said}");
        assert!(!lives(&process), "{said}");
        assert_eq!(exits(&world, "a"), [Some(JobExit::Lost), Some(JobExit::Code { code: 0 })]);
    }
}

#[test]
fn a_machine_that_ends_gives_its_job_back() {
    let soon = || Timestamp::now() + SignedDuration::from_secs(1);
    // By its lease, by EC2, and by the system, which may tell the job before it tells the agent.
    for (by, exit) in [("lease", Some(Exit::LeaseEnded)), ("spot", Some(Exit::Interrupted)), ("system", None), ("job first", None)] {
        let world = worker(json!({ "a": { "command": shell(WORK) }, "b": { "command": ["true"], "depends_on": ["a"] } }));
        if by == "spot" {
            world.cloud.metadata("meta-data/instance-life-cycle", "spot");
        }
        let child = world.start();
        let process = process(&world);
        match by {
            "lease" => world.lease(soon()),
            "spot" => {
                let at = Timestamp::now() + SignedDuration::from_secs(60);
                world.cloud.metadata("meta-data/spot/instance-action", &format!(r#"{{"action": "terminate", "time": "{at}"}}"#));
            }
            _ => {
                if by == "job first" {
                    let unit = std::fs::read_to_string(world.path("calls.spawn-job.service")).unwrap();
                    kill(unit.trim());
                    let ended = std::time::Instant::now();
                    while lives(&process) {
                        assert!(ended.elapsed().as_secs() < 30, "it goes on");
                        std::thread::yield_now();
                    }
                }
                kill(&child.id().to_string());
            }
        }
        let said = finish(child);
        assert!(!lives(&process), "{by}: {said}");
        assert_eq!(exits(&world, "a"), [Some(JobExit::Interrupted)], "{by}: {said}");
        assert_eq!(claim(&world, "a").standing, Standing::Waiting { delay_ms: 0 }, "{by}");
        assert_eq!(world.completion(0).map(|done| done.exit), exit.clone(), "{by}: {said}");
        assert_eq!(world.is_off(), exit.is_some(), "{by}");
    }
}

#[test]
fn a_job_that_is_cancelled_ends_and_the_others_go_on() {
    let world =
        worker(json!({ "a": { "command": shell(WORK) }, "b": { "command": ["true"], "depends_on": ["a"] }, "z": { "command": ["true"] } }));
    let child = world.start_with(&["--claim-interval", "1"]);
    let process = process(&world);
    write(&world, "a", &claim(&world, "a").cancel(Timestamp::now()));
    let said = finish(child);
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 }, "{said}");
    assert!(!lives(&process) && is_told(&world, "a", Outcome::Cancelled) && is_told(&world, "z", Outcome::Succeeded), "{said}");
    assert!(world.cloud.get(&world.keys.job_claim("b")).is_none());
}

/// Another one may be able: nothing is taken for done that nobody can have.
#[test]
fn a_machine_that_cannot_keep_a_result_leaves_its_job_to_others() {
    let world = worker(json!({
        "a": { "command": shell("echo 1 >$SPAWN_RESULTS/one") }, "b": { "command": ["true"], "depends_on": ["a"] },
    }));
    world.cloud.fail("PUT", &world.keys.results(), 400, "InvalidRequest", u32::MAX);
    let said = world.run();
    let exits = exits(&world, "a");
    assert!(
        matches!(&exits[..], [Some(JobExit::WorkerFailed { reason })] if reason.starts_with("the result one could not be uploaded")),
        "{exits:?}"
    );
    assert_eq!(claim(&world, "a").standing, Standing::Waiting { delay_ms: 0 }, "{said}");
    let done = world.completion(0).unwrap_or_else(|| panic!("{said}"));
    assert!(matches!(&done.exit, Exit::NotStarted { reason } if reason.starts_with("job a: ")) && world.is_off(), "{done:?}");
}

#[test]
fn a_queue_that_stops_begins_nothing_more() {
    let jobs: serde_json::Map<_, _> = (0..20).map(|index| (format!("j{index}"), json!({ "command": ["false"] }))).collect();
    let world = worker(jobs.clone().into());
    world.jobs(1, OnFailure::Stop, jobs.into());
    world.shim("false", "#!/bin/sh\nexit 1\n");
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
    let begun = world.cloud.keys().into_iter().filter(|key| key.starts_with(&world.keys.job_claims())).count();
    assert_eq!(begun, 1, "{said}");
}

#[test]
fn what_an_earlier_run_has_done_is_handed_on_and_not_done_again() {
    let world = worker(json!({
        "fetch": { "command": shell("exit 7") },
        "clean": { "command": shell("cat $SPAWN_INPUTS/fetch/raw/a.csv >$SPAWN_RESULTS/all"), "depends_on": ["fetch"] },
    }));
    let earlier = RunId::from_random([7; 8]);
    let fetch = serde_json::from_value(json!({ "command": ["true"] })).unwrap();
    let claim = JobClaim::first(&InstanceId("i-before".to_owned()), 0, Timestamp::now());
    let claim = claim.next(&InstanceId("i-before".to_owned()), 0, Timestamp::now());
    let mut claim = claim.ended(&fetch, JobExit::Code { code: 0 }, Some(Timestamp::now()), 0.0);
    claim.attempts[1].results = vec![ResultFile { path: "raw/a.csv".to_owned(), bytes: 2 }];
    world.cloud.put(&RunKeys::new(&world.config.fleet, &earlier).job_result("fetch", 2, "raw/a.csv"), b"1\n".to_vec());
    world.resumes(&KeptJobs::from([("fetch".to_owned(), KeptJob { run: earlier, claim })]));
    let said = world.run();
    assert_eq!(world.completion(0).unwrap_or_else(|| panic!("{said}")).exit, Exit::Code { code: 0 });
    assert_eq!(ended(&world, "clean"), Some(Outcome::Succeeded), "{said}");
    assert_eq!(world.cloud.get(&world.keys.job_result("clean", 1, "all")).unwrap(), b"1\n");
    assert_eq!(world.cloud.get(&world.keys.job_claim("fetch")), None, "{said}");
}
