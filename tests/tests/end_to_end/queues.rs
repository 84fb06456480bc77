//! Queues: jobs that depend on each other, drained by workers that may be lost at any moment; under Terraform and by the command.

use jiff::SignedDuration;
use serde_json::{Value, json};
use spawn_tests::configuration::{QUEUE, queue};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown, shown};

use crate::lease::living;

/// What became of each job, without its times.
fn outcomes(state: &Value) -> Value {
    let jobs = state["outcomes"].as_object().expect("outcomes");
    jobs.iter().map(|(name, job)| (name.clone(), json!([job["state"], job["attempts"], job["exit_code"]]))).collect()
}

fn status(world: &World, name: &str) -> Value {
    world.spawn(["status", name, "-o", "json"]).succeeded().json()
}

/// The jobs in what `status` shows people, without times and ranks, which chance decides.
fn jobs_table(text: &str) -> String {
    let from = text.find("JOB ").expect("a table of jobs");
    let is_number = |word: &str| word.trim_end_matches('s').parse::<f64>().is_ok();
    let stable = |(column, word): (usize, &str)| match column {
        0..4 | 7.. => word.to_owned(),
        _ if is_number(word) || word.contains(':') => "[...]".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().enumerate().map(stable).collect::<Vec<_>>().join("  ");
    text[from..].lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The results of a queue's jobs: `job/path` and content.
fn results(world: &World, name: &str) -> Vec<(String, String)> {
    let directory = world.directory().join(format!("results-of-{name}"));
    let lines = world.spawn(["queue", "results", name, "--to", directory.to_str().expect("a plain path"), "-o", "json"]).succeeded().stdout;
    let mut found: Vec<(String, String)> = lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let text = |field: &str| line[field].as_str().expect("text").to_owned();
            (format!("{}/{}", text("job"), text("path")), std::fs::read_to_string(text("file")).expect("a result"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn jobs_run_in_order_and_hand_on_what_they_leave() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&queue(&[]));
    assert_shown!("plan-of-a-queue", terraform.plan().succeeded().stdout);
    let applied = terraform.apply().succeeded();
    assert!(!applied.text().contains("Warning"), "{}", applied.text());
    terraform.assert_settled();
    let state = terraform.state(QUEUE);
    assert_eq!((&state["status"], &state["status_reason"]), (&json!("succeeded"), &json!("all 3 jobs ended with exit code 0")));
    let expected = json!({ "fetch": ["succeeded", 1, 0], "clean": ["succeeded", 2, 0], "stats": ["succeeded", 1, 0] });
    assert_eq!(outcomes(&state), expected);
    assert_eq!(
        results(&world, "etl").iter().map(|(path, text)| format!("{path}: {text}")).collect::<String>(),
        "clean/clean: one\nfetch/raw/a.csv: one\nstats/stats: one\n"
    );
    let told = world.spawn(["queue", "status", "etl"]).succeeded().stdout;
    assert!(told.starts_with("succeeded: all 3 jobs ended with exit code 0\n"), "{told}");
    assert_shown!("jobs-of-a-queue", jobs_table(&told));
    assert_eq!(jobs_table(&world.spawn(["status", "etl"]).succeeded().stdout), jobs_table(&told));
    assert_eq!(world.spawn(["results", "etl"]).succeeded().stdout, "clean  clean\nfetch  raw/a.csv\nstats  stats\n");
    assert_eq!(world.spawn(["queue", "logs", "etl", "stats"]).succeeded().stdout, "spawn: job stats, attempt 1\n1 stats\none\n");
    assert_eq!(world.spawn(["queue", "logs", "etl", "clean", "--attempt", "1"]).succeeded().stdout, "spawn: job clean, attempt 1\n");
    assert_eq!(world.spawn(["status", "etl", "--check-complete"]).code, Some(0));

    // Imported it is the same, but for what nobody has written down.
    terraform.run(["state", "rm", QUEUE]).succeeded();
    terraform.import(QUEUE, "etl").succeeded();
    assert_eq!(terraform.planned(QUEUE), "no-op");
    assert_eq!(outcomes(&terraform.state(QUEUE)), expected);

    terraform.configure(&queue(&[("triggers", r#"{ again = "1" }"#)]));
    assert_eq!(terraform.planned(QUEUE), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    let again = terraform.state(QUEUE);
    assert_eq!((&again["id"], again["run_id"] == state["run_id"]), (&state["id"], false));
    assert_eq!(outcomes(&again), expected);

    terraform.configure(&queue(&[("workers", "3"), ("triggers", r#"{ again = "1" }"#)]));
    assert_eq!(terraform.planned(QUEUE), "delete create: workers");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_job_that_fails_stops_the_queue_or_only_what_depends_on_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let jobs = r#"{
    a = { command = ["sh", "-c", "exit 3"] }
    b = { command = ["true"], depends_on = ["a"] }
    c = { command = ["sleep", "600"], timeout = "2s", depends_on = ["d"] }
    d = { command = ["true"] }
    e = { command = ["./missing"] }
    f = { command = ["true"], depends_on = ["d"] }
  }"#;
    let terraform = world.terraform(&queue(&[("jobs", jobs), ("on_failure", r#""continue""#), ("workers", "1")]));
    let applied = terraform.apply().succeeded();
    assert_shown!("failed-jobs", shown::diagnostics(&applied.text()));
    terraform.assert_settled();
    let state = terraform.state(QUEUE);
    assert_eq!(
        outcomes(&state),
        json!({
            "a": ["failed", 1, 3], "b": ["skipped", 0, null], "c": ["failed", 1, null], "d": ["succeeded", 1, 0],
            "e": ["failed", 1, null], "f": ["succeeded", 1, 0],
        })
    );
    assert_eq!(state["outcomes"]["c"]["reason"], "it was ended after its timeout");
    assert_eq!(world.spawn(["status", "etl", "--check-complete"]).code, Some(1));
    terraform.destroy().succeeded();

    // One worker, which takes them in the order of their names: nothing else has begun when the first one fails.
    let jobs =
        r#"{ a = { command = ["sh", "-c", "exit 3"] }, b = { command = ["true"] }, c = { command = ["true"], depends_on = ["b"] } }"#;
    terraform.configure(&queue(&[("jobs", jobs), ("workers", "1")]));
    terraform.apply().succeeded();
    let state = terraform.state(QUEUE);
    assert_eq!(state["status_reason"], "job a failed; 2 were skipped");
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Jobs that take a moment. The first three stand alone, each other one adds up what up to three before it have left.
fn graph(jobs: usize) -> String {
    let job = |index: usize| {
        let needed: Vec<String> = (1..4).filter_map(|back| index.checked_sub(back * 3)).map(|needed| format!("\"j{needed}\"")).collect();
        let work = "sleep 0.4; cat $SPAWN_INPUTS/*/sum 2>/dev/null | awk '{ s += $1 } END { print s + 1 }' >$SPAWN_RESULTS/sum";
        let shell = work.replace('"', "\\\"");
        format!("j{index} = {{ command = [\"sh\", \"-c\", \"{shell}\"], depends_on = [{}] }}\n", needed.join(", "))
    };
    format!("{{\n{}}}", (0..jobs).map(job).collect::<String>())
}

#[test]
fn workers_that_are_lost_take_nothing_with_them() {
    let world = World::with_setup();
    let before = holdings(&world);
    let (jobs, spot) = (graph(40), r#"{ type = "spot" }"#);
    let calm = world.terraform(&queue(&[("name", r#""calm""#), ("jobs", &jobs), ("workers", "8")]));
    calm.apply().succeeded();
    let expected = results(&world, "calm");
    assert_eq!(expected.len(), 40);

    let stormy = [("name", r#""stormy""#), ("jobs", jobs.as_str()), ("workers", "8"), ("market", spot), ("wait_for", r#""running""#)];
    let terraform = world.terraform(&queue(&stormy));
    terraform.apply().succeeded();
    let ids = instance_ids(&terraform.state(QUEUE));
    world.eventually("some jobs have ended", || {
        let jobs = status(&world, "stormy")["outcomes"].as_object().cloned().expect("outcomes");
        (jobs.values().filter(|job| job["state"] == "succeeded").count() >= 3).then_some(())
    });
    // Its host dies; EC2 takes it back; somebody ends it.
    for id in &ids[..3] {
        world.block_on(world.control().kill_host(id)).expect("a host");
    }
    for id in &ids[3..5] {
        world.block_on(world.control().interrupt_spot(id, SignedDuration::from_secs(20))).expect("a spot instance");
    }
    world.python(&format!("client('ec2').terminate_instances(InstanceIds=['{}'])", ids[5]));
    let over = world.eventually("the others have done the rest", || {
        let now = status(&world, "stormy");
        (now["status"] == "succeeded").then_some(now)
    });
    assert_eq!(over["status_reason"], "all 40 jobs ended with exit code 0");
    assert_eq!(results(&world, "stormy"), expected);
    world.eventually("the workers are gone", || (living(&world) == 0).then_some(()));
    terraform.destroy().succeeded();
    calm.destroy().succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn a_queue_that_lost_every_worker_says_so() {
    let world = World::with_setup();
    let before = holdings(&world);
    let jobs = r#"{ long = { command = ["sleep", "600"] }, after = { command = ["true"], depends_on = ["long"] } }"#;
    let terraform = world.terraform(&queue(&[("jobs", jobs), ("workers", "1"), ("wait_for", r#""running""#)]));
    terraform.apply().succeeded();
    world.eventually("it is at work", || (status(&world, "etl")["outcomes"]["long"]["state"] == "running").then_some(()));
    let id = instance_ids(&terraform.state(QUEUE))[0].clone();
    world.block_on(world.control().kill_host(&id)).expect("a host");
    let lost = world.eventually("it is lost", || {
        let now = status(&world, "etl");
        (now["status"] == "lost").then_some(now)
    });
    assert_eq!(outcomes(&lost), json!({ "long": ["interrupted", 1, null], "after": ["pending", 0, null] }));
    let why = "rank 0 vanished before the deadline without a record of why; 0 of 2 jobs have ended, and 1 had begun";
    assert_eq!(lost["status_reason"], why);
    assert_shown!("jobs-of-a-lost-queue", jobs_table(&world.spawn(["status", "etl"]).succeeded().stdout));
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn the_command_drains_a_queue_and_cancels_its_jobs() {
    let world = World::with_setup();
    let before = holdings(&world);
    let file = world.directory().join("queue.yaml");
    let yaml = "name: etl\nworkers: 1\ninstance_types: [c7i.large]\nlease: {ttl: 1h}\nwait_for: running\njobs:\n  \
                long: {command: [sh, -c, 'trap \"\" TERM; echo begun; while true; do sleep 0.1; done']}\n  \
                never: {command: ['true'], depends_on: [long]}\n  other: {command: [sleep, '600']}\n";
    std::fs::write(&file, yaml).expect("a file");
    assert!(world.spawn(["plan", "-f", file.to_str().expect("a path")]).succeeded().stdout.contains("etl (queue of 1)"));
    world.spawn(["up", "-f", file.to_str().expect("a path")]).succeeded();
    let running = world.eventually("a job runs", || {
        let jobs = status(&world, "etl")["outcomes"].as_object().cloned().expect("outcomes");
        jobs.iter().find(|(_, job)| job["state"] == "running").map(|(name, _)| name.clone())
    });
    let waiting = if running == "long" { "other" } else { "long" };
    assert_eq!(
        world.spawn(["queue", "cancel", "etl", waiting, &running]).succeeded().stdout,
        format!("{waiting} is cancelled\n{running} is cancelled\n")
    );
    assert_eq!(world.spawn(["queue", "cancel", "etl", "long"]).succeeded().stdout, "long is cancelled\n");
    let over = world.eventually("its worker is gone", || (living(&world) == 0).then(|| status(&world, "etl")));
    let states = |job: &str| over["outcomes"][job]["state"].clone();
    assert_eq!((states("long"), states("never"), states("other")), (json!("cancelled"), json!("skipped"), json!("cancelled")));
    assert_eq!(
        (&over["status"], &over["status_reason"]),
        (&json!("failed"), &json!("0 of 3 jobs ended with exit code 0; 2 were cancelled; 1 was skipped"))
    );
    let refused = [
        (&["queue", "cancel", "etl", "nobody"][..], 2),
        (&["queue", "logs", "etl", "never"], 2),
        (&["queue", "status", "nothing"], 2),
        (&["results", "etl", "--rank", "0"], 2),
        (&["queue", "results", "etl", "--job", "nobody"], 2),
    ]
    .map(|(line, code)| world.spawn(line).ended(code).stderr);
    assert_shown!("commands-that-no-queue-knows", refused.join("\n"));
    world.spawn(["down", "etl"]).succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_failed_of_a_queue_runs_again_with_what_the_rest_has_left() {
    let world = World::with_setup();
    let before = holdings(&world);
    let mended = world.directory().join("mended");
    let job = |line: &str, needed: &str| format!(r#"{{ command = ["sh", "-c", "{line}"], depends_on = [{needed}] }}"#);
    let jobs = format!(
        "{{\n a = {}\n b = {}\n c = {}\n}}",
        job("echo one >$SPAWN_RESULTS/a; date +%s%N >$SPAWN_RESULTS/when", ""),
        job(&format!("test -e {} && cat $SPAWN_INPUTS/a/a >$SPAWN_RESULTS/b", mended.display()), r#""a""#),
        job("cat $SPAWN_INPUTS/b/b >$SPAWN_RESULTS/c", r#""b""#),
    );
    let terraform = world.terraform(&queue(&[("jobs", &jobs), ("workers", "1")]));
    terraform.apply().succeeded();
    let failed = terraform.state(QUEUE);
    assert_eq!(outcomes(&failed), json!({ "a": ["succeeded", 1, 0], "b": ["failed", 1, 1], "c": ["skipped", 0, null] }));
    let first = results(&world, "etl");

    std::fs::write(&mended, "").expect("a file");
    let refused = world.spawn(["queue", "retry", "etl", "nobody"]).ended(2).stderr;
    let retried = world.spawn(["queue", "retry", "etl", "--wait", "completed"]).succeeded().stdout;
    assert!(retried.contains("succeeded"), "{retried}");
    let second = results(&world, "etl");
    assert_eq!(second[..2], first[..], "what had succeeded was not run again");
    assert_eq!(second[2..], [("b/b".to_owned(), "one\n".to_owned()), ("c/c".to_owned(), "one\n".to_owned())]);
    assert_eq!(world.spawn(["queue", "logs", "etl", "a"]).succeeded().stdout, "spawn: job a, attempt 1\n");
    // To Terraform it is the same fleet.
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    let state = terraform.state(QUEUE);
    assert_eq!((&state["id"], &state["status"], state["run_id"] == failed["run_id"]), (&failed["id"], &json!("succeeded"), false));
    assert_eq!(outcomes(&state), json!({ "a": ["succeeded", 1, 0], "b": ["succeeded", 1, 0], "c": ["succeeded", 1, 0] }));

    let nothing = world.spawn(["queue", "retry", "etl"]).ended(5).stderr;
    assert_shown!("retries-refused", format!("{refused}\n{nothing}"));
    world.spawn(["queue", "retry", "etl", "b", "--wait", "completed"]).succeeded();
    assert_eq!(results(&world, "etl"), second);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

/// Three jobs in a row as the predecessor's queue files have them, which hand files on through `stage`.
fn queue_file(stage: &str) -> String {
    let fetch = json!({
        "job_id": "fetch", "command": format!("mkdir -p raw {stage}; echo one | tee raw/a.csv >{stage}/a.csv"), "timeout": "1m",
        "result_paths": ["./raw/*.csv"],
    });
    let clean = json!({
        "job_id": "clean", "command": format!("[[ $JOB_ATTEMPT == 1 ]] && exit 75; tr a-z A-Z <{stage}/a.csv >{stage}/clean.csv"),
        "timeout": "1.5m", "depends_on": ["fetch"], "result_paths": [format!("{stage}/clean*")],
        "retry": { "max_attempts": 3, "backoff": "fixed", "base_delay": "1s", "retry_on_codes": [75] },
    });
    let stats = json!({
        "job_id": "stats", "command": format!("echo $UNIT of $JOB_ID; wc -l <{stage}/clean.csv >lines"), "timeout": "60s",
        "depends_on": ["clean"], "env": { "UNIT": "lines" }, "result_paths": ["lines"],
    });
    let file = json!({
        "queue_id": "etl", "queue_name": "Nightly ETL", "jobs": [fetch, clean, stats], "global_timeout": "2h", "on_failure": "stop",
        "result_s3_bucket": "a-bucket-of-theirs", "result_s3_prefix": "queues/etl",
    });
    file.to_string()
}

#[test]
fn a_queue_file_of_the_predecessor_is_run_as_it_is() {
    let world = World::with_setup();
    let before = holdings(&world);
    let file = world.directory().join("queue.json");
    let stage = world.directory().join("stage");
    std::fs::write(&file, queue_file(stage.to_str().expect("a plain path"))).expect("a file");
    let flags = ["-f", file.to_str().expect("a path"), "--type", "c7i.large", "--ttl", "20m", "--wait", "completed"];
    let plan = world.spawn(["plan", "-o", "json"].iter().chain(&flags)).succeeded().json();
    assert_eq!((&plan["name"], &plan["kind"], &plan["size"], &plan["ttl_s"]), (&json!("etl"), &json!("queue"), &json!(1), &json!(1200)));
    let note = "queue_name is left out: a fleet has one name, and that is queue_id";
    assert!(plan["notes"].as_array().expect("notes").contains(&json!(note)), "{plan}");

    let up = world.spawn(["up"].iter().chain(&flags)).succeeded();
    assert!(up.stderr.contains(&format!("note: {note}\n")), "{}", up.stderr);
    let told = world.spawn(["queue", "status", "etl"]).succeeded().stdout;
    assert!(told.starts_with("succeeded: all 3 jobs ended with exit code 0\n"), "{told}");
    let expected = json!({ "fetch": ["succeeded", 1, 0], "clean": ["succeeded", 2, 0], "stats": ["succeeded", 1, 0] });
    assert_eq!(outcomes(&world.spawn(["queue", "status", "etl", "-o", "json"]).succeeded().json()), expected);
    assert_eq!(
        results(&world, "etl").iter().map(|(path, text)| format!("{path}: {text}")).collect::<String>(),
        "clean/clean.csv: ONE\nfetch/raw/a.csv: one\nstats/lines: 1\n"
    );
    assert_eq!(world.spawn(["queue", "logs", "etl", "stats"]).succeeded().stdout, "spawn: job stats, attempt 1\nlines of stats\n");
    world.spawn(["down", "etl"]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}
