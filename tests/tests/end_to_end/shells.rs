//! Coming onto machines: commands with their exit codes, a terminal, who may, and who may not.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;
use spawn_tests::configuration::{ARRAY, array, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::rights::{allowed, used};

/// An array of two that lets people in.
fn open(world: &World) {
    let up = ["up", "--name", "tiles", "--size", "2", "--type", "c7i.large", "--ttl", "1h", "--connect", "--wait", "ready"];
    world.spawn(up.into_iter().chain(["--", "sleep", "600"])).succeeded();
}

#[test]
fn a_command_runs_as_it_is_written_and_says_how_it_ended() {
    let world = World::with_setup();
    let before = holdings(&world);
    open(&world);
    let exec = |arguments: &[&str]| world.spawn([&["exec", "tiles", "-q"], arguments].concat());
    let words = exec(&["--rank", "1", "--", "printf", "%s|", "two words", "it's", "$HOME", "*", ""]).succeeded();
    assert_eq!((words.stdout.as_str(), words.stderr.as_str()), ("two words|it's|$HOME|*||", ""));
    let failed = exec(&["--rank", "0", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).ended(7);
    assert_eq!((failed.stdout.as_str(), failed.stderr.as_str()), ("out\n", "err\n"));

    // On all: each line behind its rank, in whatever order they end.
    let both = exec(&["--", "sh", "-c", "echo one; echo two"]).succeeded();
    let lines: BTreeSet<&str> = both.stdout.lines().collect();
    assert_eq!(lines, BTreeSet::from(["0 | one", "0 | two", "1 | one", "1 | two"]));
    let json = world.spawn(["exec", "tiles", "-q", "-o", "json", "--", "sh", "-c", "exit 3"]).ended(1);
    let mut ranks: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    ranks.sort_by_key(|line| line["rank"].as_u64());
    assert_eq!((ranks.len(), &ranks[1]["rank"], &ranks[1]["exit_code"], &ranks[1]["status"]), (2, &1.into(), &3.into(), &"Failed".into()));
    let late = exec(&["--rank", "0", "--timeout", "5s", "--", "sleep", "600"]).ended(1);
    assert!(late.stderr.contains("warning: rank 0: ExecutionTimedOut"), "{}", late.stderr);
    // Systems Manager keeps 24,000 characters; the rest comes from the log.
    let much = exec(&["--rank", "0", "--", "sh", "-c", "yes | head -c 100000"]).succeeded();
    assert_eq!((much.stdout.len(), much.stderr.as_str()), (100_000, ""));
    let json = world.spawn(["exec", "tiles", "-q", "-o", "json", "--rank", "1", "--", "sh", "-c", "yes | head -c 100000"]).succeeded();
    let ended: Value = serde_json::from_str(&json.stdout).expect("a line of JSON");
    assert_eq!((ended["stdout"].as_str().map(str::len), &ended["stdout_cut"]), (Some(100_000), &false.into()));

    for (name, arguments) in [
        ("exec-no-such-rank", &["--rank", "2", "--", "true"][..]),
        ("exec-bad-timeout", &["--timeout", "3d", "--", "true"]),
        ("exec-no-command", &[]),
    ] {
        let refused = world.spawn([&["exec", "tiles"], arguments].concat()).ended(2);
        assert_shown!(name, refused.text());
    }
    assert_shown!("connect-which-rank", world.spawn(["connect", "tiles"]).ended(2).text());
    world.spawn(["down", "tiles"]).succeeded();
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn what_a_command_writes_is_shown_while_it_runs() {
    let world = World::with_setup();
    open(&world);
    let release = world.directory().join("release");
    let wait = format!("echo waits; while [ ! -e '{}' ]; do sleep 0.2; done; echo goes on", release.display());
    let mut command = world.command(spawn_tests::programs::program("spawn"));
    command.args(["exec", "tiles", "-q", "--", "sh", "-c", &wait]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (shown, status) = world.block_on(async {
        let mut running = command.spawn().expect("it starts");
        let mut lines = BufReader::new(running.stdout.take().expect("its output")).lines();
        let mut shown = BTreeSet::new();
        while shown.len() < 2 {
            shown.insert(lines.next_line().await.expect("it is read").expect("a line"));
        }
        assert_eq!(shown, BTreeSet::from(["0 | waits".to_owned(), "1 | waits".to_owned()]));
        std::fs::write(&release, "").expect("it is written");
        while let Some(line) = lines.next_line().await.expect("it is read") {
            assert!(shown.insert(line), "no line twice");
        }
        (shown, running.wait().await.expect("it ends"))
    });
    assert!(status.success() && shown.contains("0 | goes on") && shown.contains("1 | goes on"), "{status}: {shown:?}");

    // Whoever stops reading has had enough, and nothing goes on for nobody.
    let on_and_on = "while echo on; do sleep 0.2; done";
    let mut command = world.command(spawn_tests::programs::program("spawn"));
    command.args(["exec", "tiles", "-q", "--rank", "0", "--", "sh", "-c", on_and_on]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    world.block_on(async {
        let mut running = command.spawn().expect("it starts");
        let mut lines = BufReader::new(running.stdout.take().expect("its output")).lines();
        assert_eq!(lines.next_line().await.expect("it is read").as_deref(), Some("on"));
        drop(lines);
        running.wait().await.expect("it ends");
    });
    let cancelled =
        "print(client('ssm').list_commands(Filters=[{'key': 'Status', 'value': 'Cancelled'}])['Commands'][0]['CompletedCount'])";
    assert_eq!(world.python(cancelled), "1\n");
    world.spawn(["down", "tiles"]).succeeded();
    assert_eq!(world.control().gaps(), []);
}

/// What a terminal shows when these lines are typed.
fn typed(world: &World, arguments: &[&str], lines: &str) -> String {
    let mut command = world.command(spawn_tests::programs::program("spawn"));
    command.arg("connect").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = world.block_on(async {
        let mut running = command.spawn().expect("it starts");
        // Dropped at the end of this: that is the end of what is typed.
        running.stdin.take().expect("its input").write_all(lines.as_bytes()).await.expect("it reads");
        running.wait_with_output().await.expect("it ends")
    });
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    text
}

#[test]
fn a_terminal_is_one_and_ends() {
    let world = World::with_setup();
    let terraform = world.terraform(&instance(&[]));
    terraform.apply().succeeded();
    // What is typed is shown too, so what is looked for is never typed.
    let shown = typed(&world, &["bench"], "echo $((6 * 7))-tty: $(tty); stty size\n");
    assert!(shown.contains("42-tty: /dev/pts/") && shown.contains("24 80"), "{shown}");
    let shown = typed(&world, &["bench", "--rank", "0"], "cd /; exit 3\n");
    assert!(shown.contains("exit"), "{shown}");
    // No session goes on that nobody has.
    let active = world.python("print(len(client('ssm').describe_sessions(State='Active')['Sessions']))");
    assert_eq!(active, "0\n");
    terraform.destroy().succeeded();
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn people_are_let_in_while_it_runs() {
    let world = World::with_setup();
    let terraform = world.terraform(&array(&[("command", r#"["sleep", "600"]"#)]));
    terraform.apply().succeeded();
    let ids = instance_ids(&terraform.state(ARRAY));
    assert_shown!("connect-off", world.spawn(["exec", "tiles", "--", "true"]).ended(2).text());
    terraform.configure(&array(&[("command", r#"["sleep", "600"]"#), ("connect", "true")]));
    assert_eq!(terraform.planned(ARRAY), "update");
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(instance_ids(&terraform.state(ARRAY)), ids);
    assert_eq!(world.spawn(["exec", "tiles", "-q", "--rank", "0", "--", "echo", "in"]).succeeded().stdout, "in\n");
    terraform.destroy().succeeded();
}

#[test]
fn an_operator_needs_its_policy_and_all_of_it() {
    let world = World::with_setup();
    open(&world);
    let policy = world.policy("operator");
    let operator = world.identity("operator", &policy);
    let launcher = world.identity("launcher", &world.policy("launcher"));
    assert_eq!(world.spawn_as(&operator, ["exec", "tiles", "-q", "--rank", "0", "--", "echo", "in"]).succeeded().stdout, "in\n");
    let mut command = world.command(spawn_tests::programs::program("spawn"));
    command.envs(operator.environment()).args(["connect", "tiles", "--rank", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let connected = world.block_on(async { command.output().await }).expect("it runs");
    assert!(connected.status.success(), "{}", String::from_utf8_lossy(&connected.stderr));
    // Who holds which rank of a service is found in another way.
    let service = ["up", "--kind", "service", "--name", "web", "--size", "2", "--type", "c7i.large", "--connect", "--wait", "ready"];
    world.spawn(service.into_iter().chain(["--", "sleep", "600"])).succeeded();
    let said = ["exec", "web", "-q", "--rank", "1", "--", "echo", "in"];
    assert_eq!(world.spawn_as(&operator, said).succeeded().stdout, "in\n");
    // Who may not read the log sees the beginning, and is told why it is no more.
    let without = policy.to_string().replace("logs:FilterLogEvents", "logs:DescribeExportTasks");
    let deaf = world.identity("deaf", &serde_json::from_str(&without).expect("a policy"));
    let much = ["exec", "tiles", "--rank", "0", "--", "sh", "-c", "yes | head -c 100000"];
    let cut = world.spawn_as(&deaf, much).succeeded();
    assert!(cut.stdout.len() < 24_000 && cut.stderr.contains("rank 0: standard output was cut after 239"), "{}", cut.stderr);
    assert!(cut.stderr.contains("only the beginning of it: ") && cut.stderr.contains("logs:FilterLogEvents"), "{}", cut.stderr);
    assert_eq!(world.spawn_as(&operator, much).succeeded().stdout.len(), 100_000);
    let needed: BTreeSet<String> = used(&world, &operator).into_iter().chain(["ssm:CancelCommand".to_owned()]).collect();
    assert_eq!(needed, allowed(&policy), "used, and allowed; what is not waited for is cancelled");

    assert_shown!("exec-denied", world.spawn_as(&launcher, ["exec", "tiles", "-q", "--rank", "0", "--", "true"]).ended(3).text());
    // A machine of somebody else's is none of spawn's operators' business.
    let other = world.python(
        "ec2 = client('ec2')\n\
         image = ec2.describe_images(Owners=['amazon'], Filters=[{'Name': 'name', 'Values': ['al2023-ami-2023*']}, {'Name': 'architecture', 'Values': ['x86_64']}])['Images'][0]['ImageId']\n\
         print(ec2.run_instances(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1)['Instances'][0]['InstanceId'])",
    );
    let denied = world.python_as(
        &operator,
        &format!(
            "for attempt in ['client(\"ssm\").start_session(Target=\"{0}\")', \
             'client(\"ssm\").send_command(InstanceIds=[\"{0}\"], DocumentName=\"AWS-RunShellScript\", Parameters={{\"commands\": [\"true\"]}})']:\n    \
             try:\n        eval(attempt)\n        print('allowed')\n    except Exception as error:\n        print('AccessDenied' in str(error))",
            other.trim()
        ),
    );
    assert_eq!(denied, "True\nTrue\n");
    world.spawn(["down", "tiles", "web"]).succeeded();
}
