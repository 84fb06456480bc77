//! Whole workflows with the real Action, as act runs them: the examples, and what goes wrong. Afterwards the account holds what it held before.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use spawn_tests::World;
use spawn_tests::act::{Happened, Repository};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::process::descendants;

/// What a job with machines of its own has to say.
const PERMISSIONS: &str = "permissions: { id-token: write, contents: read }";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Asserts that nothing is left of what a workflow has launched.
#[track_caller]
fn assert_gone(world: &World, before: &Value) {
    world.eventually("every machine is gone", || world.instances().iter().all(|(_, state)| state == "terminated").then_some(()));
    assert_same(before, &holdings(world));
    assert_eq!(world.control().gaps(), []);
}

/// A workflow with one job and these steps.
fn job(steps: &str) -> String {
    format!("on: workflow_dispatch\n{PERMISSIONS}\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
}

#[test]
fn there_are_no_other_examples() {
    let mut found: Vec<String> = std::fs::read_dir(examples().join("workflows"))
        .expect("examples")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["array.yml", "nightly-sweep.yml", "stop.yml", "test-cluster.yml"], "a new example needs a test here");
}

#[test]
fn the_array_adds_up_what_eight_machines_have_counted() {
    let world = World::with_setup();
    let before = holdings(&world);
    let repository = Repository::new(&world);
    repository.copy(&examples().join("yaml/primes"), "primes");
    let happened = repository.example("array.yml").run().succeeded();
    assert!(happened.log().contains("There are 17984 primes below 200,000."), "{}", happened.text());
    assert_eq!(happened.stages(), ["Main: success", "Post: success"]);
    assert_eq!((happened.outputs("status"), happened.outputs("exit-code")), (vec!["succeeded"], vec!["0"]), "{}", happened.text());
    assert_gone(&world, &before);
}

#[test]
fn the_cluster_is_there_for_the_steps_and_gone_with_the_job() {
    let world = World::with_setup();
    let before = holdings(&world);
    let happened = Repository::new(&world).example("test-cluster.yml").run().succeeded();
    assert_eq!(happened.log().matches(" | Linux").count(), 3, "every rank has answered: {}", happened.text());
    let members: Vec<Value> = serde_json::from_str(happened.outputs("members")[0]).expect("JSON");
    assert!(members.len() == 3 && members.iter().all(|member| member["private_ip"].is_string()), "{members:?}");
    assert_gone(&world, &before);
}

#[test]
fn a_matrix_runs_and_a_job_stops_what_is_left() {
    let world = World::with_setup();
    let before = holdings(&world);
    let happened = Repository::new(&world).example("stop.yml").run().succeeded();
    for suite in ["unit", "integration"] {
        assert!(happened.log().contains(&format!("the {suite} tests pass on rank 0")), "{}", happened.text());
    }
    assert_gone(&world, &before);
}

#[test]
fn the_nightly_sweep_ends_what_is_past_its_lease() {
    let world = World::with_setup();
    let before = holdings(&world);
    world.python(
        "image = client('ec2').describe_images(Owners=['amazon'])['Images'][0]['ImageId']\n\
         tags = [{'Key': 'spawn:managed', 'Value': 'true'}, {'Key': 'spawn:ttl-deadline', 'Value': '2020-01-01T00:00:00Z'}]\n\
         client('ec2').run_instances(ImageId=image, InstanceType='c7i.large', MinCount=1, MaxCount=1,\n    \
             TagSpecifications=[{'ResourceType': 'instance', 'Tags': tags}])",
    );
    Repository::new(&world).example("nightly-sweep.yml").run().succeeded();
    assert_gone(&world, &before);
}

/// Names, directories and the runner's files are each job's own.
#[test]
fn ten_jobs_of_one_name_do_not_meet() {
    let world = World::with_setup();
    let before = holdings(&world);
    let workflow = format!(
        "on: workflow_dispatch
{PERMISSIONS}
jobs:
  test:
    runs-on: ubuntu-latest
    strategy: {{ fail-fast: false, max-parallel: 10, matrix: {{ part: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }} }}
    steps:
      - uses: ACTION
        with:
          mode: run
          name: same
          instance-types: c7i.large
          ttl: 20m
          env: PART=${{{{ matrix.part }}}}
          run: echo $((PART * 111)) > \"$SPAWN_RESULTS/part.txt\"
          results: out
      - run: test \"$(cat out/00000/part.txt)\" = $(( ${{{{ matrix.part }}}} * 111 ))
"
    );
    let happened = Repository::new(&world).workflow(&workflow).run().succeeded();
    let mut fleets = happened.outputs("fleet");
    fleets.sort_unstable();
    fleets.dedup();
    assert_eq!(fleets.len(), 10, "{}", happened.text());
    assert_eq!(happened.stages().iter().filter(|stage| *stage == "Post: success").count(), 10);
    assert_eq!(world.instances().len(), 10);
    assert_gone(&world, &before);
}

#[test]
fn a_step_that_fails_takes_the_cluster_with_it() {
    let world = World::with_setup();
    let before = holdings(&world);
    let steps = "      - uses: ACTION
        with: { mode: cluster, name: test, size: 2, instance-types: c7i.large, ttl: 20m }
      - run: exit 3
";
    let happened = Repository::new(&world).workflow(&job(steps)).run().failed();
    assert_eq!(happened.stages(), ["Main: success", "Post: success"], "{}", happened.text());
    assert_eq!(world.instances().len(), 2);
    assert_gone(&world, &before);
}

#[test]
fn a_command_that_fails_fails_its_step() {
    let world = World::with_setup();
    let before = holdings(&world);
    let steps = "      - uses: ACTION
        id: tests
        continue-on-error: true
        with:
          mode: run
          name: test
          size: 2
          instance-types: c7i.large
          ttl: 20m
          run: |
            echo \"rank $SPAWN_RANK was here\"
            exit $((SPAWN_RANK * 7))
      - run: test \"${{ steps.tests.outcome }} ${{ steps.tests.outputs.exit-code }}\" = 'failure 7'
";
    let happened = Repository::new(&world).workflow(&job(steps)).run().succeeded();
    assert_eq!(happened.stages(), ["Main: failure", "Post: success"], "{}", happened.text());
    assert!((0..2).all(|rank| happened.log().contains(&format!("rank {rank} was here"))), "{}", happened.text());
    assert_gone(&world, &before);
}

/// act kills the step, with the program in it: what is left to end the machines is the post step. `steps` may write into `DIRECTORY`.
#[track_caller]
fn assert_cancelled(steps: &str, phase: impl FnOnce(&World, u64)) {
    let world = World::with_setup();
    let (before, at) = (holdings(&world), world.position());
    let repository = Repository::new(&world);
    let steps = steps.replace("DIRECTORY", &world.directory().display().to_string());
    let running = repository.workflow(&job(&steps)).start();
    phase(&world, at);
    kill_process(running.id(), Signal::INT).expect("act runs");
    let happened = Happened::of(running.wait()).failed();
    assert!(happened.stages().contains(&"Post: success".to_owned()), "{}", happened.text());
    assert_gone(&world, &before);
}

const FOREVER: &str = "      - uses: ACTION
        with: { mode: run, name: test, size: 2, instance-types: c7i.large, ttl: 20m, run: sleep 600 }
";

#[test]
fn cancelled_before_it_launches_it_leaves_nothing() {
    assert_cancelled(FOREVER, |world, at| world.until_called(at, "CreateRole"));
}

#[test]
fn cancelled_while_it_launches_it_leaves_nothing() {
    assert_cancelled(FOREVER, |world, at| world.until_called(at, "RunInstances"));
}

#[test]
fn cancelled_while_the_command_runs_it_leaves_nothing() {
    assert_cancelled(FOREVER, |world, _| world.eventually("both machines run", || (running(world) == 2).then_some(())));
}

#[test]
fn cancelled_in_a_later_step_it_leaves_nothing() {
    let steps = "      - uses: ACTION
        with: { mode: cluster, name: test, size: 2, instance-types: c7i.large, ttl: 20m }
      - run: touch 'DIRECTORY/begun' && sleep 600
";
    assert_cancelled(steps, |world, _| {
        world.eventually("the later step", || world.directory().join("begun").exists().then_some(()));
    });
}

fn running(world: &World) -> usize {
    world.instances().iter().filter(|(_, state)| state == "running").count()
}

/// A workflow that launches two machines and whose runner is lost then: nothing runs any more that could end them.
#[track_caller]
fn lose(world: &World, repository: &Repository<'_>, run_id: u64) {
    let before = running(world);
    let runner = repository.workflow(&job(FOREVER)).run_id(run_id).start();
    world.eventually("its machines run", || (running(world) == before + 2).then_some(()));
    // act starts steps in sessions of their own.
    let steps = ["node", "spawn-action"].map(|program| descendants(runner.id(), program)).concat();
    drop(runner);
    for step in steps {
        // One may have died with the other.
        kill_process(step, Signal::KILL).ok();
    }
}

#[test]
fn stop_ends_what_a_run_has_left_and_nothing_of_another() {
    let world = World::with_setup();
    let before = holdings(&world);
    let repository = Repository::new(&world);
    lose(&world, &repository, 7);
    lose(&world, &repository, 8);
    repository.workflow(&job("      - uses: ACTION\n        with: { mode: stop }\n")).run_id(7).run().succeeded();
    world.eventually("two are left", || (running(&world) == 2).then_some(()));
    let of_another = repository.workflow(&job("      - uses: ACTION\n        with: { mode: stop, run-id: 8 }\n"));
    let happened = of_another.run_id(9).run().succeeded();
    let ended: Vec<Value> = serde_json::from_str(happened.outputs("ended")[0]).expect("JSON");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_gone(&world, &before);
}

/// With the rights of the repository, a stranger's code would choose what is launched.
#[test]
fn a_strangers_pull_request_launches_nothing() {
    let world = World::with_setup();
    let (before, at) = (holdings(&world), world.position());
    let steps = "      - uses: ACTION
        with: { mode: run, name: test, instance-types: c7i.large, ttl: 20m, run: echo it ran }
";
    let payload = json!({ "pull_request": { "head": { "repo": { "full_name": "stranger/octo-repo", "fork": true } } } });
    let workflow = job(steps).replace("workflow_dispatch", "pull_request_target");
    let happened = Repository::new(&world).workflow(&workflow).on("pull_request_target", payload).run().failed();
    assert_eq!(happened.stages(), ["Main: failure", "Post: success"], "{}", happened.text());
    assert_eq!(world.changes(at), Vec::<String>::new());
    assert_gone(&world, &before);
}

#[test]
fn the_program_of_a_release_is_fetched_once_for_both_stages() {
    let world = World::with_setup();
    let before = holdings(&world);
    let repository = Repository::new(&world);
    repository.use_release();
    let server = Server::of(repository.release());
    let steps = "      - uses: ACTION
        with: { mode: run, name: test, instance-types: c7i.large, ttl: 20m, run: echo it ran }
";
    let happened = repository.workflow(&job(steps)).env("SPAWN_ACTION_RELEASES", &server.address).run().succeeded();
    assert!(happened.log().contains("it ran"), "{}", happened.text());
    assert_eq!(happened.stages(), ["Main: success", "Post: success"]);
    assert_gone(&world, &before);
}

/// A server that has the files of a directory, for as long as the test's process lives.
struct Server {
    address: String,
}

impl Server {
    fn of(directory: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // To its end: whoever is hung up on before that may not get the answer.
                let request: Vec<String> =
                    BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let path = request.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().trim_start_matches('/');
                let (status, content) =
                    std::fs::read(directory.join(path)).map_or(("404 Not Found", Vec::new()), |content| ("200 OK", content));
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
                // Whoever has gone away needs nothing more.
                drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content)));
            }
        });
        Self { address }
    }
}
