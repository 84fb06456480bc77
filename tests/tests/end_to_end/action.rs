//! The Action's program as a runner starts it: the step, the end of the job, and what becomes of a step that is told to stop, or killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use spawn_sandbox::Fault;
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{Ran, Running, World, assert_shown, programs};
use tokio::process::Command;

/// What a runner may have said to whoever runs these tests.
const OF_RUNNERS: [&str; 5] = ["ACTIONS_", "GITHUB_", "INPUT_", "RUNNER_", "STATE_"];

/// A job on a runner, with one step that is the Action.
pub(super) struct Job<'w> {
    world: &'w World,
    directory: PathBuf,
    variables: BTreeMap<String, String>,
}

impl<'w> Job<'w> {
    pub(super) fn new(world: &'w World, name: &str) -> Self {
        let directory = world.directory().join(name);
        for place in ["workspace", "temp"] {
            std::fs::create_dir_all(directory.join(place)).expect("a directory");
        }
        let at = |file: &str| directory.join(file).display().to_string();
        let variables = [
            ("GITHUB_REPOSITORY", "octo-org/octo-repo".to_owned()),
            ("GITHUB_RUN_ID", "1234567890".to_owned()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_JOB", name.to_owned()),
            ("GITHUB_EVENT_NAME", "push".to_owned()),
            ("GITHUB_WORKSPACE", at("workspace")),
            ("RUNNER_TEMP", at("temp")),
            ("GITHUB_OUTPUT", at("output")),
            ("GITHUB_STATE", at("state")),
            ("GITHUB_STEP_SUMMARY", at("summary")),
            ("GITHUB_PATH", at("path")),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { world, directory, variables }
    }

    /// The same job, of which the runner says something else.
    pub(super) fn saying(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Puts a file into its workspace.
    fn put(&self, file: &str, text: &str) {
        std::fs::write(self.directory.join("workspace").join(file), text).expect("a file");
    }

    fn command(&self, verb: &str, inputs: &[(&str, &str)]) -> Command {
        let mut command = self.world.command(programs::program("spawn-action"));
        for (name, _) in std::env::vars_os() {
            if OF_RUNNERS.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.arg(verb).envs(&self.variables).current_dir(self.directory.join("workspace"));
        command.envs(inputs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), *value)));
        command
    }

    /// Starts the step.
    #[track_caller]
    fn start(&self, inputs: &[(&str, &str)]) -> Running {
        self.world.run(self.command("main", inputs))
    }

    /// The step, to its end.
    #[track_caller]
    pub(super) fn main(&self, inputs: &[(&str, &str)]) -> Ran {
        self.start(inputs).wait()
    }

    /// The end of the job, which knows what the step has left.
    #[track_caller]
    pub(super) fn post(&self, inputs: &[(&str, &str)], job_status: &str) -> Ran {
        let mut command = self.command("post", inputs);
        command.envs(self.answers("state").into_iter().map(|(name, value)| (format!("STATE_{name}"), value)));
        command.env("INPUT_JOB-STATUS", job_status);
        self.world.run(command).wait().succeeded()
    }

    /// What the step has answered in a file.
    fn answers(&self, file: &str) -> BTreeMap<String, String> {
        let text = self.text(file);
        let mut lines = text.lines();
        let mut answers = BTreeMap::new();
        while let Some((name, end)) = lines.next().and_then(|line| line.split_once("<<")) {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            answers.insert(name.to_owned(), value.join("\n"));
        }
        answers
    }

    fn output(&self, name: &str) -> String {
        self.answers("output").get(name).cloned().unwrap_or_default()
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }
}

/// What every step here asks for.
pub(super) const TYPES: (&str, &str) = ("instance-types", "c7i.large");
pub(super) const RUN: (&str, &str) = ("mode", "run");
const CLUSTER: (&str, &str) = ("mode", "cluster");

/// What is wrong, the job, and the inputs of its step.
type Case<'w> = (&'static str, Job<'w>, &'w [(&'w str, &'w str)]);

/// Asserts that nothing runs any more, and that the account holds what it held.
#[track_caller]
pub(super) fn assert_gone(world: &World, before: &Value) {
    world.eventually("every machine is gone", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    assert_same(before, &holdings(world));
    assert_eq!(world.control().gaps(), []);
}

fn alive(world: &World) -> usize {
    world.instances().iter().filter(|(_, state)| ["pending", "running"].contains(&state.as_str())).count()
}

#[test]
fn a_command_runs_on_every_rank_and_leaves_its_results() {
    let world = World::with_setup();
    let before = holdings(&world);
    let job = Job::new(&world, "sums");
    job.put(
        "sum.sh",
        "#!/bin/sh\necho \"rank $SPAWN_RANK of $SPAWN_SIZE, $GREETING\"\necho '::error::not ours'\necho $1 > \"$SPAWN_RESULTS/sum\"\n",
    );
    let inputs = [
        RUN,
        TYPES,
        ("name", "sums"),
        ("size", "2"),
        ("ttl", "20m"),
        ("env", "GREETING=hello"),
        ("run", "./sum.sh 4"),
        ("results", "out/"),
    ];
    let ran = job.main(&inputs).succeeded();
    for rank in 0..2 {
        for line in [format!("{rank} | rank {rank} of 2, hello\n"), format!("{rank} | ::error::not ours\n")] {
            assert!(ran.stdout.contains(&line), "{}", ran.text());
        }
        let result = job.directory.join(format!("workspace/out/{rank:05}/sum"));
        assert_eq!(std::fs::read_to_string(result).expect("a result"), "4\n");
    }
    // What machines print, nobody obeys.
    let stopped = ran.stdout.find("::stop-commands::").expect("they are stopped");
    let word = ran.stdout[stopped..].lines().next().and_then(|line| line.rsplit("::").next()).expect("a word").to_owned();
    let obeyed = ran.stdout.find(&format!("\n::{word}::\n")).expect("they are obeyed again");
    assert!((stopped..obeyed).contains(&ran.stdout.find("not ours").expect("it was printed")), "{}", ran.text());

    assert_eq!(
        (job.output("status").as_str(), job.output("exit-code").as_str(), job.output("results").as_str()),
        ("succeeded", "0", "out/")
    );
    let members: Value = serde_json::from_str(&job.output("members")).expect("JSON");
    assert_eq!(
        (members[1]["rank"].as_u64(), members[1]["exit_code"].as_i64(), members.as_array().map(Vec::len)),
        (Some(1), Some(0), Some(2))
    );
    assert!(
        job.output("name").starts_with("sums-1234567890-1-") && job.output("results-uri").starts_with("s3://"),
        "{:?}",
        job.answers("output")
    );
    assert!(job.output("cost-usd").parse::<f64>().is_ok_and(|usd| usd > 0.0), "{:?}", job.answers("output"));
    let summary = job.text("summary");
    assert!(summary.contains("| ran | `./sum.sh 4` |") && summary.contains("| results | 2 files in `out/` |"), "{summary}");

    // Every machine says whose it is.
    let printed = world.python(
        "found = client('ec2').describe_instances()['Reservations']\n\
         print(json.dumps(sorted([sorted([t['Key'], t['Value']] for t in i['Tags'] if t['Key'].startswith('github:')) for r in found for i in r['Instances']])))",
    );
    let ours = json!([
        ["github:job", "sums"],
        ["github:repository", "octo-org/octo-repo"],
        ["github:run-attempt", "1"],
        ["github:run-id", "1234567890"]
    ]);
    assert_eq!(serde_json::from_str::<Value>(&printed).expect("JSON"), json!([ours, ours]));
    job.post(&inputs, "success");
    assert_gone(&world, &before);
}

#[test]
fn the_worst_rank_is_the_exit_code_and_its_last_words_are_shown() {
    let world = World::with_setup();
    let before = holdings(&world);
    let job = Job::new(&world, "fails");
    let script = "echo \"rank $SPAWN_RANK begins\"\n[ $SPAWN_RANK = 0 ] || { echo '100% broken' >&2; exit $((SPAWN_RANK + 5)); }\n";
    let inputs = [RUN, TYPES, ("size", "3"), ("ttl", "20m"), ("run", script)];
    let ran = job.main(&inputs).ended(7);
    assert!(ran.stdout.contains("::error title=spawn%3A rank 2%3A exit code 7::rank 2 begins%0A100%25 broken\n"), "{}", ran.text());
    assert_eq!((job.output("status").as_str(), job.output("exit-code").as_str()), ("failed", "7"));
    assert_eq!(job.answers("state")["outcome"], "failure");
    job.post(&inputs, "failure");
    assert_gone(&world, &before);
}

#[test]
fn the_machine_of_a_command_that_failed_can_be_kept() {
    let world = World::with_setup();
    let before = holdings(&world);
    let job = Job::new(&world, "kept");
    let inputs = [
        RUN,
        TYPES,
        ("size", "2"),
        ("ttl", "20m"),
        ("keep-on-failure", "true"),
        ("run", "echo \"$SPAWN_RANK\" > seen\nexit $((SPAWN_RANK * 3))"),
    ];
    let ran = job.main(&inputs).ended(3);
    let name = job.output("name");
    assert!(
        ran.stdout.contains("::notice title=spawn%3A machines are kept::") && ran.stdout.contains(&format!("spawn connect {name}")),
        "{}",
        ran.text()
    );
    assert!(!ran.stdout.contains("spawn-kept-"), "{}", ran.text());
    job.post(&inputs, "failure");
    world.eventually("only the machine that failed stays", || (alive(&world) == 1).then_some(()));
    world.spawn(["exec", &name, "-q", "--rank", "1", "--", "true"]).succeeded();
    world.spawn(["down", &name]).succeeded();
    assert_gone(&world, &before);
}

#[test]
fn a_cluster_is_there_for_the_steps_that_follow() {
    let world = World::with_setup();
    let before = holdings(&world);
    let job = Job::new(&world, "cluster");
    let inputs = [CLUSTER, TYPES, ("size", "2"), ("ttl", "20m"), ("run", "echo up > state")];
    let ran = job.main(&inputs).succeeded();
    let members: Value = serde_json::from_str(&job.output("members")).expect("JSON");
    let addresses: Vec<&str> = members.as_array().expect("a list").iter().filter_map(|member| member["private_ip"].as_str()).collect();
    let hosts = std::fs::read_to_string(job.output("hostfile")).expect("a file");
    assert_eq!((hosts.lines().collect::<Vec<_>>(), addresses.len()), (addresses.clone(), 2));
    assert!(ran.stdout.contains("is ready after"), "{}", ran.text());
    // Steps find the command beside this program.
    let place = programs::directory().canonicalize().expect("a directory");
    assert_eq!(job.text("path").trim_end(), place.display().to_string());
    let said = world.spawn(["exec", &job.output("name"), "-q", "--", "echo", "hello"]).succeeded();
    assert_eq!(said.stdout.lines().count(), 2, "{}", said.text());
    job.post(&inputs, "success");
    assert!(job.text("summary").contains("| status |"), "{}", job.text("summary"));
    assert_gone(&world, &before);
}

#[test]
fn stop_needs_no_output_and_ends_what_its_run_has_launched() {
    let world = World::with_setup();
    let before = holdings(&world);
    let launch = |job: &Job<'_>| job.main(&[CLUSTER, TYPES, ("ttl", "20m")]).succeeded();
    launch(&Job::new(&world, "one"));
    launch(&Job::new(&world, "two").saying("GITHUB_RUN_ATTEMPT", "2"));
    launch(&Job::new(&world, "three").saying("GITHUB_RUN_ID", "7"));
    launch(&Job::new(&world, "four").saying("GITHUB_REPOSITORY", "octo-org/other"));
    let stop = Job::new(&world, "stop");
    stop.main(&[("mode", "stop")]).succeeded();
    let ended: Value = serde_json::from_str(&stop.output("ended")).expect("JSON");
    let names: Vec<&str> = ended.as_array().expect("a list").iter().filter_map(|fleet| fleet["name"].as_str()).collect();
    assert!(names.len() == 2 && names[0].starts_with("one-1234567890-1-") && names[1].starts_with("two-1234567890-2-"), "{names:?}");
    assert_eq!(alive(&world), 2);
    stop.main(&[("mode", "stop"), ("run-id", "7"), ("name", "other")]).succeeded();
    assert_eq!(alive(&world), 2);
    stop.main(&[("mode", "stop"), ("run-id", "7")]).succeeded();
    Job::new(&world, "stop").saying("GITHUB_REPOSITORY", "octo-org/other").main(&[("mode", "stop")]).succeeded();
    assert_gone(&world, &before);
}

#[test]
fn sweep_ends_what_is_past_its_lease() {
    let world = World::with_setup();
    let before = holdings(&world);
    world.python(
        "image = client('ec2').describe_images(Owners=['amazon'])['Images'][0]['ImageId']\n\
         tags = [{'Key': 'spawn:managed', 'Value': 'true'}, {'Key': 'spawn:ttl-deadline', 'Value': '2020-01-01T00:00:00Z'}]\n\
         client('ec2').run_instances(ImageId=image, InstanceType='c7i.large', MinCount=1, MaxCount=1,\n    \
             TagSpecifications=[{'ResourceType': 'instance', 'Tags': tags}])",
    );
    let job = Job::new(&world, "sweep");
    let dry = job.main(&[("mode", "sweep"), ("regions", "us-east-1, eu-west-1"), ("dry-run", "true")]).succeeded();
    assert!(
        dry.stdout.ends_with(
            "2 regions: 0 groups would be deleted, 1 instance would be ended, 0 fleets would be removed; 0 instances within their lease\n"
        ),
        "{}",
        dry.text()
    );
    assert_eq!(alive(&world), 1);
    let done = job.main(&[("mode", "sweep")]).succeeded();
    assert!(done.stdout.contains("1 instance ended") && done.stdout.contains("2020-01-01T00:00:00Z"), "{}", done.text());
    assert_gone(&world, &before);
}

/// Where main is killed: a call that hangs, and whether it was done.
fn killed(service: &str, operation: &str, fault: Fault) {
    let world = World::with_setup();
    let before = holdings(&world);
    let job = Job::new(&world, "killed");
    let inputs = [RUN, TYPES, ("size", "2"), ("ttl", "20m"), ("run", "sleep 600")];
    world.fault(service, operation, Some(1), fault);
    let at = world.position();
    let running = job.start(&inputs);
    world.until_called(at, operation);
    running.signal_group(Signal::KILL);
    drop(running);
    world.control().clear_faults();
    let ended = job.post(&inputs, "cancelled");
    assert!(ended.stdout.contains("is gone") || ended.stdout.contains("is there"), "{operation}: {}", ended.text());
    assert_gone(&world, &before);
}

#[test]
fn post_finds_what_a_killed_step_has_left() {
    std::thread::scope(|scope| {
        scope.spawn(|| killed("iam", "CreateRole", Fault::Hang));
        scope.spawn(|| killed("ec2", "RunInstances", Fault::Hang));
        scope.spawn(|| killed("ec2", "RunInstances", Fault::HangAfter));
    });
}

/// Tells a step to stop at a moment, and looks how quickly it goes, and what it has left then.
fn told_to_stop(signal: Signal, code: i32, hangs: bool) {
    let world = World::with_setup();
    let before = holdings(&world);
    let job = Job::new(&world, "told");
    let inputs = [RUN, TYPES, ("size", "2"), ("ttl", "20m"), ("run", "sleep 600")];
    if hangs {
        world.fault("ec2", "RunInstances", Some(1), Fault::HangAfter);
    }
    let at = world.position();
    let running = job.start(&inputs);
    if hangs {
        world.until_called(at, "RunInstances");
    } else {
        world.eventually("both ranks run", || (world.keys().iter().filter(|key| key.contains("/ranks/")).count() == 2).then_some(()));
    }
    let told = Instant::now();
    running.signal_group(signal);
    let ran = running.wait().ended(code);
    assert!(told.elapsed() < Duration::from_millis(7_500), "{:?}: {}", told.elapsed(), ran.text());
    assert_eq!(job.answers("state")["outcome"], "cancelled");
    assert!(!world.calls(at, "TerminateInstances").is_empty(), "{}", ran.text());
    world.control().clear_faults();
    job.post(&inputs, "cancelled");
    assert_gone(&world, &before);
}

#[test]
fn told_to_stop_a_step_has_the_end_begun_and_goes() {
    std::thread::scope(|scope| {
        scope.spawn(|| told_to_stop(Signal::INT, 130, false));
        scope.spawn(|| told_to_stop(Signal::TERM, 143, false));
        scope.spawn(|| told_to_stop(Signal::INT, 130, true));
    });
}

#[test]
fn bad_input_is_told_where_it_was_written_and_launches_nothing() {
    let world = World::with_setup();
    let at = world.position();
    let job = |name: &str| {
        let job = Job::new(&world, name).saying("GITHUB_WORKFLOW_REF", "octo-org/octo-repo/ci.yml@refs/heads/main");
        job.put("ci.yml", "jobs:\n  test:\n    steps:\n      - uses: spawn\n        with:\n          ttl: 5 parsecs\n");
        job.put("fleet.yaml", "name: tests\nsize: 0\nlease:\n  ttl: 20m\ninstance_types: [c7i.large]\ncommand: ['true']\n");
        job.put("torn.yaml", "name: tests\nsize: [1\ninstance_types: c7i.large\n");
        job
    };
    let run = ("run", "true");
    let cases: [Case<'_>; 10] = [
        ("no mode", job("a"), &[]),
        ("no such mode", job("b"), &[("mode", "start")]),
        ("runner", job("c"), &[("mode", "runner")]),
        ("a field of the file", job("d"), &[RUN, ("fleet", "fleet.yaml")]),
        ("an input", job("e"), &[RUN, TYPES, run, ("ttl", "5 parsecs"), ("gang", "perhaps")]),
        ("run and fleet", job("f"), &[RUN, run, ("fleet", "fleet.yaml"), ("size", "1")]),
        ("no YAML", job("g"), &[RUN, ("fleet", "torn.yaml")]),
        ("no token", job("h"), &[RUN, TYPES, run, ("role-to-assume", "arn:aws:iam::123456789012:role/ci")]),
        ("a stranger's event", job("i").saying("GITHUB_EVENT_NAME", "pull_request_target"), &[RUN, TYPES, run]),
        ("no such type", job("j"), &[RUN, ("instance-types", "c99z.enormous"), run, ("name", "tests")]),
    ];
    let told = cases.map(|(case, job, inputs)| {
        let ran = job.main(inputs);
        assert_ne!(ran.code, Some(0), "{case}: {}", ran.text());
        assert_eq!(job.text("state").is_empty(), case != "no such type", "{case}");
        let text = ran.text();
        let text = text.lines().filter(|line| line.starts_with("::")).collect::<Vec<_>>().join("\n");
        format!("━━━ {case}: exit code {}\n{text}\n", ran.code.unwrap_or_default())
    });
    assert_shown!("action-bad-input", told.join("\n"));
    assert_eq!(world.calls(at, "RunInstances").len(), 0);
    assert_eq!(alive(&world), 0);
}

/// How much memory a process has ever had, in KiB.
fn peak_kib(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

#[test]
#[ignore = "takes minutes where nothing is optimised"]
fn of_eight_ranks_with_a_hundred_thousand_lines_none_is_lost_or_torn() {
    const LINES: usize = 100_000;
    let world = World::with_setup();
    let job = Job::new(&world, "lines");
    let script = format!("seq -f \"line %.0f of rank $SPAWN_RANK, which is as long as lines usually are\" {LINES}");
    let inputs = [RUN, TYPES, ("size", "8"), ("ttl", "30m"), ("run", script.as_str())];
    let mut running = job.start(&inputs);
    let mut peak = 0;
    while !running.has_ended() {
        peak = peak.max(peak_kib(running.id().as_raw_nonzero().get()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(100));
    }
    let ran = running.wait().succeeded();
    let mut next = [1; 8];
    for line in ran.stdout.lines() {
        let Some((rank, text)) = line.split_once(" | ") else { continue };
        let rank: usize = rank.parse().expect("a rank");
        assert_eq!(text, format!("line {} of rank {rank}, which is as long as lines usually are", next[rank]));
        next[rank] += 1;
    }
    assert_eq!(next, [LINES + 1; 8]);
    assert!(peak < 256 * 1024, "{peak} KiB");
    job.post(&inputs, "success");
}
