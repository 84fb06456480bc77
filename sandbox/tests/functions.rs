//! Functions that really run: what they may do, how often they are asked, and that nothing is left of them.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use kit::Fixture;
use serde_json::{Value, json};
use spawn_sandbox::{CallRecord, Control};

/// What most tests begin with.
const PRELUDE: &str = "from functions import *\n";

async fn wait_for(control: &Control, what: &str, check: impl Fn(&Control) -> bool) {
    for _ in 0..600 {
        if check(control) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: {} {:?}", control.snapshot()["functions"], outcomes(&control.calls(0), "scheduler"));
}

fn outcomes<'a>(calls: &'a [CallRecord], caller: &str) -> Vec<(&'a str, &'a str)> {
    calls.iter().filter(|call| call.caller == caller).map(|call| (call.operation.as_str(), call.outcome.as_str())).collect()
}

/// How many events of the function wait for their next attempt.
fn waiting(control: &Control) -> u64 {
    control.snapshot()["functions"]["us-east-1/f"]["waiting"].as_u64().unwrap_or_default()
}

/// What the function itself noted, each time it was asked.
fn notes(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Processes of functions of the sandbox in this directory, whatever became of their parents.
fn processes(dir: &Path) -> usize {
    let wanted = dir.display().to_string();
    let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("environ")).ok();
    let found = std::fs::read_dir("/proc").unwrap().flatten().filter_map(of);
    let ours = |environment: &Vec<u8>| {
        let root = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"LAMBDA_TASK_ROOT="));
        root.is_some_and(|root| root.starts_with(wanted.as_bytes()))
    };
    found.filter(ours).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_run() {
    let fixture = Fixture::start(|_| {}).await;
    fixture.python("lambda_runs.py").await;
    assert_eq!(fixture.sandbox.control().gaps(), []);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_do_what_its_role_may() {
    let fixture = Fixture::start(|_| {}).await;
    let control = fixture.sandbox.control();
    fixture
        .lines(&format!(
            "{PRELUDE}\
             s3 = client('s3'); s3.create_bucket(Bucket='results')\n\
             deploy()\n\
             put = dict(do='put', bucket='results', key='mine/x')\n\
             said = invoke(error='AccessDenied', **put)['errorMessage']\n\
             assert 'assumed-role/f-role/f is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::results/mine/x\"' in said, said\n\
             allow(client('iam'), 'f-role', 's3:PutObject', 'arn:aws:s3:::results/mine/*')\n\
             invoke(**put)\n\
             invoke(error='AccessDenied', **(put | dict(key='others/x')))\n\
             s3.get_object(Bucket='results', Key='mine/x')"
        ))
        .await;
    let calls = control.calls(0);
    assert_eq!(outcomes(&calls, "function f"), [("PutObject", "AccessDenied"), ("PutObject", "ok"), ("PutObject", "AccessDenied")]);
    let written = outcomes(&calls, "log of function f");
    assert!(written.contains(&("CreateLogGroup", "ok")) && written.contains(&("PutLogEvents", "ok")), "{written:?}");

    // Without the right to write a log there is none, and the function does not notice.
    fixture
        .lines(&format!(
            "{PRELUDE}\
             from kit import *\n\
             deploy('mute', role_arn=role(client('iam'), 'mute', 'lambda.amazonaws.com'))\n\
             invoke('mute', do='print', text='unheard')"
        ))
        .await;
    wait_for(&control, "it was tried", |control| !outcomes(&control.calls(0), "log of function mute").is_empty()).await;
    assert!(outcomes(&control.calls(0), "log of function mute").iter().all(|call| *call == ("CreateLogStream", "AccessDeniedException")));
    assert_eq!(fixture.lines(&format!("{PRELUDE}print(logged('mute'))")).await.trim(), "[]");

    // A role that Lambda may no longer assume ends it.
    fixture
        .lines(&format!(
            "{PRELUDE}\
             from kit import *\n\
             client('iam').update_assume_role_policy(RoleName='mute', PolicyDocument=TRUST % 'ec2.amazonaws.com')\n\
             client('lambda').update_function_configuration(FunctionName='mute', Timeout=9)\n\
             client('lambda').get_waiter('function_updated_v2').wait(FunctionName='mute', WaiterConfig={{'Delay': 1}})\n\
             refused('AccessDeniedException', client('lambda').invoke, FunctionName='mute')"
        ))
        .await;
    fixture.sandbox.stop().await;
}

/// Each waits until the other has begun: one after the other they would never end.
const MEET: &str = "
import concurrent.futures, os, tempfile
CODE = package('''
def handle(event, headers):
    open(event['mine'], 'w').close()
    while not os.path.exists(event['other']): time.sleep(0.01)
    return os.getpid()
''')
directory = tempfile.TemporaryDirectory()
place = directory.name
def start(pool, mine, other): return pool.submit(invoke, mine=f'{place}/{mine}', other=f'{place}/{other}')
def begun(name): return until('it has begun', lambda: os.path.exists(f'{place}/{name}'))
def release(name): open(f'{place}/{name}', 'w').close()
";

#[tokio::test(flavor = "multi_thread")]
async fn invocations_at_once_have_processes_of_their_own_up_to_the_functions_share() {
    let fixture = Fixture::start(|_| {}).await;
    fixture
        .lines(&format!(
            "{PRELUDE}{MEET}\
             functions = deploy(code=CODE)\n\
             with concurrent.futures.ThreadPoolExecutor() as pool:\n\
             \x20   pids = [future.result() for future in [start(pool, 'a', 'b'), start(pool, 'b', 'a')]]\n\
             assert pids[0] != pids[1]\n\
             functions.put_function_concurrency(FunctionName='f', ReservedConcurrentExecutions=1)\n\
             with concurrent.futures.ThreadPoolExecutor() as pool:\n\
             \x20   future = start(pool, 'c', 'd'); begun('c')\n\
             \x20   refused('TooManyRequestsException', functions.invoke, FunctionName='f', Payload=b'{{}}')\n\
             \x20   release('d'); assert future.result() in pids"
        ))
        .await;
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_deleted_answers_what_it_was_asked_and_is_gone() {
    let fixture = Fixture::start(|_| {}).await;
    let dir = fixture.dir.path().join("sandbox");
    fixture
        .lines(&format!(
            "{PRELUDE}{MEET}\
             functions = deploy(code=CODE)\n\
             with concurrent.futures.ThreadPoolExecutor() as pool:\n\
             \x20   future = start(pool, 'a', 'b'); begun('a')\n\
             \x20   functions.delete_function(FunctionName='f')\n\
             \x20   refused('ResourceNotFoundException', functions.invoke, FunctionName='f')\n\
             \x20   release('b'); pid = future.result()\n\
             until('its process ends', lambda: not os.path.exists(f'/proc/{{pid}}'))"
        ))
        .await;
    let control = fixture.sandbox.control();
    let empty = |name: &str| std::fs::read_dir(dir.join("functions").join(name)).unwrap().next().is_none();
    wait_for(&control, "its files are removed", |_| empty("code") && empty("environments")).await;
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_environment_ends_and_nothing_outlives_the_sandbox() {
    let fixture = Fixture::start(|_| {}).await;
    let (control, dir) = (fixture.sandbox.control(), fixture.dir.path().join("sandbox"));
    fixture.lines(&format!("{PRELUDE}deploy()\ninvoke(do='child')")).await;
    assert_eq!(processes(&dir), 2);
    control.clock_advance(SignedDuration::from_mins(11)).await;
    wait_for(&control, "both end", |_| processes(&dir) == 0).await;

    // One idle, one at work, each with a child in a session of its own.
    let invoke = "client('lambda').invoke(FunctionName='f', InvocationType='Event', Payload=b'{\"do\": \"sleep\", \"seconds\": 600}')";
    fixture.lines(&format!("{PRELUDE}invoke(do='child')\n{invoke}\n{invoke}\n")).await;
    wait_for(&control, "all run", |_| processes(&dir) == 3).await;
    fixture.sandbox.stop().await;
    assert_eq!(processes(&dir), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_is_tried_twice_more_by_the_clock() {
    let fixture = Fixture::start(|_| {}).await;
    let (control, file) = (fixture.sandbox.control(), fixture.dir.path().join("notes"));
    let event = json!({"do": "note", "file": file, "fail": true}).to_string();
    let send = format!(
        "{PRELUDE}answer = client('lambda').invoke(FunctionName='f', InvocationType='Event', Payload={event:?})\nequal(answer['StatusCode'], 202)"
    );
    fixture.lines(&format!("{PRELUDE}deploy()\nfrom kit import *\n{}", send.replace(PRELUDE, ""))).await;
    for (attempts, pause) in [(1, 60), (2, 120)] {
        wait_for(&control, "it failed", |control| notes(&file).len() == attempts && waiting(control) == 1).await;
        control.clock_advance(SignedDuration::from_secs(pause / 2)).await;
        assert_eq!((notes(&file).len(), waiting(&control)), (attempts, 1));
        control.clock_advance(SignedDuration::from_secs(pause / 2 + 1)).await;
    }
    wait_for(&control, "it failed for good", |control| notes(&file).len() == 3 && waiting(control) == 0).await;
    control.clock_advance(SignedDuration::from_hours(1)).await;
    let noted = notes(&file);
    assert_eq!(noted.len(), 3);
    assert!(noted.iter().all(|note| note["id"] == noted[0]["id"]), "{noted:?}");

    // Without a share it is not even asked, for six hours at most; with fewer retries it is asked less often.
    std::fs::remove_file(&file).unwrap();
    let throttle = "client('lambda').put_function_concurrency(FunctionName='f', ReservedConcurrentExecutions=0)";
    fixture.lines(&format!("{PRELUDE}from kit import *\n{throttle}\n{}", send.replace(PRELUDE, ""))).await;
    wait_for(&control, "it waits", |control| waiting(control) == 1).await;
    fixture
        .lines(&format!(
            "{PRELUDE}client('lambda').delete_function_concurrency(FunctionName='f')\n\
             client('lambda').put_function_event_invoke_config(FunctionName='f', MaximumRetryAttempts=0)"
        ))
        .await;
    control.clock_advance(SignedDuration::from_mins(6)).await;
    wait_for(&control, "it is asked once", |control| notes(&file).len() == 1 && waiting(control) == 0).await;
    fixture.sandbox.stop().await;
}

/// A role for schedules, and a schedule every fifteen minutes.
const SCHEDULE: &str = "
import datetime
from kit import *
scheduler = client('scheduler')
def every_quarter(name, arn, role_arn, **target):
    scheduler.create_schedule(Name=name, ScheduleExpression='rate(15 minutes)', FlexibleTimeWindow={'Mode': 'OFF'},
        Target={'Arn': arn, 'RoleArn': role_arn, 'RetryPolicy': {'MaximumEventAgeInSeconds': 300}, **target})
";

#[tokio::test(flavor = "multi_thread")]
async fn schedules_invoke_functions_every_quarter_of_an_hour() {
    let fixture = Fixture::start(|_| {}).await;
    let (control, file) = (fixture.sandbox.control(), fixture.dir.path().join("notes"));
    let event = json!({"do": "note", "file": file}).to_string();
    fixture
        .lines(&format!(
            "{PRELUDE}{SCHEDULE}\
             functions = deploy()\n\
             arn = functions.get_function_configuration(FunctionName='f')['FunctionArn']\n\
             firing = role(client('iam'), 'firing', 'scheduler.amazonaws.com')\n\
             refused('ValidationException', every_quarter, 'bad', arn, firing, Input='no json')\n\
             refused('NotImplemented', every_quarter, 'bad', 'arn:aws:scheduler:::aws-sdk:lambda:invoke', firing, Input=json.dumps({{'FunctionName': 'f'}}))\n\
             every_quarter('templated', arn, firing, Input={event:?})"
        ))
        .await;
    let fired = |control: &Control| outcomes(&control.calls(0), "scheduler").into_iter().map(|call| call.1.to_owned()).collect::<Vec<_>>();

    // The schedule's role must be allowed to invoke it.
    control.clock_advance(SignedDuration::from_mins(16)).await;
    assert_eq!(fired(&control), ["AccessDeniedException"]);
    fixture.lines("allow(client('iam'), 'firing', 'lambda:InvokeFunction', 'arn:aws:lambda:us-east-1:*:function:f')").await;
    for asked in 1..=3 {
        control.clock_advance(SignedDuration::from_mins(15)).await;
        wait_for(&control, "it is invoked", |_| notes(&file).len() == asked).await;
    }
    assert_eq!(fired(&control), ["AccessDeniedException", "ok", "ok", "ok"]);

    // What is throttled is tried again, as for any target.
    let rule = json!({"service": "lambda", "operation": "Invoke", "caller": "scheduler", "times": 2, "do": "throttle"});
    control.add_fault(serde_json::from_value(rule).unwrap());
    let before = fired(&control).len();
    control.clock_advance(SignedDuration::from_mins(15)).await;
    assert_eq!(fired(&control)[before..], ["ThrottlingException", "ThrottlingException", "ok"]);
    wait_for(&control, "it is invoked", |_| notes(&file).len() == 4).await;

    // The universal target does the same; whoever names no input sends what Scheduler says of itself.
    let input = json!({"FunctionName": "f", "InvocationType": "Event", "Payload": event}).to_string();
    fixture
        .lines(&format!(
            "{SCHEDULE}\
             scheduler.delete_schedule(Name='templated')\n\
             every_quarter('universal', 'arn:aws:scheduler:::aws-sdk:lambda:invoke', client('iam').get_role(RoleName='firing')['Role']['Arn'], Input={input:?})"
        ))
        .await;
    control.clock_advance(SignedDuration::from_mins(15)).await;
    wait_for(&control, "it is invoked", |_| notes(&file).len() == 5).await;
    assert_eq!(
        control.gaps().into_iter().map(|gap| gap.what).collect::<Vec<_>>(),
        ["a scheduler target that invokes a function and waits for it"]
    );
    fixture.sandbox.stop().await;
}
