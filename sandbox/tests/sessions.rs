//! Session Manager: shells and commands on instances that run, by a client that knows nothing of how the sandbox is made.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use jiff::SignedDuration;
use kit::Fixture;
use kit::channel::{Client, DATA, FLAG, SIZE};
use serde_json::{Value, json};

/// A sandbox, and an instance that sessions reach.
struct Bench {
    fixture: Fixture,
    instance: String,
}

impl Bench {
    async fn new() -> Self {
        let fixture = Fixture::start(|options| options.boot_delay_ms = 50).await;
        let instance = fixture.lines("from agents import *\nprint(*launch())").await.trim().to_owned();
        Self { fixture, instance }
    }

    /// Begins as many sessions as there are arguments.
    async fn start<const N: usize>(&self, arguments: [&str; N]) -> [Value; N] {
        let calls = arguments.map(|more| {
            format!(
                "print(json.dumps({{k: v for k, v in ssm.start_session(Target='{}'{more}).items() if k != 'ResponseMetadata'}}))",
                self.instance
            )
        });
        let printed = self.fixture.lines(&format!("from agents import *\n{}", calls.join("\n"))).await;
        let sessions: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        sessions.try_into().unwrap()
    }

    /// What boto3 prints.
    async fn lines(&self, lines: &str) -> String {
        self.fixture.lines(&format!("from agents import *\n{lines}")).await.trim().to_owned()
    }

    /// Stops the sandbox, which has missed nothing but this.
    async fn stop(self, gaps: &[&str]) {
        let mut met: Vec<String> = self.fixture.sandbox.control().gaps().into_iter().map(|gap| gap.what).collect();
        met.sort_unstable();
        assert_eq!(met, gaps);
        self.fixture.sandbox.stop().await;
    }
}

fn alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

/// Has the shell say something that is not what was typed, and waits for it.
async fn ask(client: &mut Client, command: &str) -> String {
    client.type_in(&format!("echo \"<$({command})>\"\n")).await;
    // First comes the echo of what was typed, which has a `$` behind the bracket.
    loop {
        client.until("<").await;
        let said = client.until(">").await;
        if !said.starts_with("$(") {
            return said.trim_end_matches('>').to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_is_a_terminal_of_the_instance_and_ends_with_exit() {
    let bench = Bench::new().await;
    let [session] = bench.start([", Reason='to look'"]).await;
    let (id, url) = (session["SessionId"].as_str().unwrap(), session["StreamUrl"].as_str().unwrap());
    assert!(id.starts_with("controller-"), "{id}");
    let host = bench.fixture.sandbox.endpoint().replace("http://", "ws://");
    assert_eq!(url, format!("{host}/v1/data-channel/{id}?role=publish_subscribe"));
    let listed =
        "[s] = ssm.describe_sessions(State='Active')['Sessions']\nprint(s['SessionId'], s['Status'], s['Reason'], s['DocumentName'])";
    assert_eq!(bench.lines(listed).await, format!("{id} Connecting to look SSM-SessionManagerRunShell"));

    let mut client = Client::shell(&session).await;
    assert_eq!(client.acknowledged, [(0, "00010203-0405-0607-0809-0a0b0c0d0e0f".to_owned())]);
    assert_eq!(bench.lines(listed).await, format!("{id} Connected to look SSM-SessionManagerRunShell"));
    assert!(ask(&mut client, "tty").await.starts_with("/dev/pts/"));
    assert_eq!(ask(&mut client, "printf $USER-$TERM").await, "ssm-user-xterm-256color");
    assert!(ask(&mut client, "printf $HOME").await.ends_with("/home/ssm-user"));
    assert_eq!(ask(&mut client, "curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token | wc -c | xargs test 20 -lt && echo metadata").await, "metadata");
    client.send(SIZE, br#"{"cols": 101, "rows": 37}"#).await;
    assert_eq!(ask(&mut client, "stty size </dev/tty").await, "37 101");
    // Interrupts what runs, as on any terminal.
    client.type_in("PS1='%%% '; echo begun; cat\n").await;
    client.until("begun\r\n").await;
    client.type_in("\x03").await;
    client.until("^C").await;
    client.until("%%% ").await;
    assert_eq!(ask(&mut client, "printf 'ä€%s' 😀").await, "ä€😀");
    let much = ask(&mut client, "seq 20000 | tr '\\n' ,").await;
    assert!(much.starts_with("1,2,3,") && much.ends_with(",19999,20000,") && much.len() == 108_894, "{}", much.len());

    client.type_in("exit\n").await;
    let (_, told) = client.closed().await;
    let told = told.expect("the client is told");
    assert_eq!(
        (told["SessionId"].as_str(), told["MessageType"].as_str(), told["Output"].as_str()),
        (Some(id), Some("channel_closed"), Some(""))
    );
    assert_eq!(told["DestinationId"], bench.instance.as_str());
    let over = "[s] = ssm.describe_sessions(State='History', Filters=[{'key': 'Target', 'value': s_target}])['Sessions']\nprint(s['SessionId'], s['Status'], 'EndDate' in s)";
    assert_eq!(bench.lines(&over.replace("s_target", &format!("'{}'", bench.instance))).await, format!("{id} Terminated True"));
    assert_eq!(bench.lines("print(ssm.describe_sessions(State='Active')['Sessions'])").await, "[]");
    bench.stop(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_once_and_in_order_whatever_happens_to_them() {
    let bench = Bench::new().await;
    let [session] = bench.start([""]).await;
    let mut client = Client::open(&session).await;

    // What is not acknowledged comes again.
    assert_eq!(client.hear().await.unwrap().kind, "start_publication");
    let first = client.hear().await.unwrap();
    let again = client.hear().await.unwrap();
    assert_eq!((first.sequence, first.id.as_str(), &first.payload), (again.sequence, again.id.as_str(), &again.payload));
    client.acknowledge(&again).await;
    // What comes before the answer is acknowledged, and not heard.
    client.type_in("echo too early\n").await;
    client.answer(1).await;
    client.acknowledge(&again).await;
    // Counted from the second frame: the first was read here.
    let complete = loop {
        let heard = client.hear().await.unwrap();
        if heard.kind == "output_stream_data" && heard.sequence == 1 {
            break heard;
        }
    };
    assert_eq!(complete.payload_type, kit::channel::HANDSHAKE_COMPLETE);
    client.acknowledge(&complete).await;
    client.expect_from(2);

    // Later ones first, and each of them twice.
    let middle = client.skip(3);
    let typed = [&b"echo one-$((1+1))\n"[..], b"echo two-$((1+1))\n", b"echo three-$((1+1))\n"];
    for number in [2, 1, 2, 0, 0, 1] {
        client.frame("input_stream_data", middle + number, DATA, typed[usize::try_from(number).unwrap()]).await;
    }
    client.type_in("echo four-$((1+1))\n").await;
    let seen = client.until("four-2\r\n").await;
    let count = |text: &str| seen.matches(text).count();
    assert_eq!((count("one-2"), count("two-2"), count("three-2"), count("early")), (1, 1, 1, 0), "{seen}");
    assert!(seen.find("one-2") < seen.find("two-2") && seen.find("two-2") < seen.find("three-2"), "{seen}");
    let numbers: Vec<i64> = client.acknowledged.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.iter().filter(|number| (middle..middle + 3).contains(number)).count(), 3, "{numbers:?}");

    // What is no frame, or is damaged, is as if it had not come.
    client.raw(b"not a frame".to_vec()).await;
    client.frame("agent_job", 0, 0, b"{}").await;
    assert_eq!(ask(&mut client, "echo still here").await, "still here");

    // A client that wants nothing for now gets it later.
    client.frame("pause_publication", 0, 0, b"{}").await;
    client.frame("start_publication", 0, 0, b"{}").await;
    assert_eq!(ask(&mut client, "echo and here").await, "and here");
    client.send(FLAG, &2_u32.to_be_bytes()).await;
    assert!(client.closed().await.1.is_some());
    bench.stop(&["message agent_job on a data channel"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_own_session_and_that_once() {
    let bench = Bench::new().await;
    let [one, other] = bench.start(["", ""]).await;
    let mixed = json!({"StreamUrl": one["StreamUrl"], "TokenValue": other["TokenValue"]});
    let unknown = json!({"StreamUrl": one["StreamUrl"].as_str().unwrap().replace("controller", "nobody"), "TokenValue": one["TokenValue"]});
    let wrong = json!({"StreamUrl": one["StreamUrl"], "TokenValue": "wrong"});
    for session in [mixed, unknown, wrong] {
        assert_eq!(Client::open(&session).await.closed().await, (String::new(), None));
    }
    // A frame is no token.
    let mut mute = Client::connect(&one).await;
    mute.type_in("echo hello\n").await;
    assert_eq!(mute.closed().await, (String::new(), None));
    let mut client = Client::shell(&one).await;
    assert_eq!(Client::open(&one).await.closed().await, (String::new(), None));
    assert_eq!(ask(&mut client, "echo alone").await, "alone");

    let plain = bench.lines(&format!("import urllib.request, urllib.error\ntry:\n    urllib.request.urlopen('{}')\nexcept urllib.error.HTTPError as error:\n    print(error.code)", one["StreamUrl"].as_str().unwrap().replace("ws://", "http://"))).await;
    assert_eq!(plain, "400");
    drop(client);
    bench.stop(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_client_its_time_its_machine_or_when_somebody_ends_it() {
    let bench = Bench::new().await;
    let control = bench.fixture.sandbox.control();
    let [lost, ended, idle, taken, never] = bench.start(["", "", "", "", ""]).await;

    // With the client goes the shell, and what runs in it.
    let mut client = Client::shell(&lost).await;
    let shell = ask(&mut client, "echo $$").await;
    client.type_in("sh -c 'echo \"<$$>\"; exec sleep 600'\n").await;
    client.until("\r\n<").await;
    let child = client.until(">").await.trim_end_matches('>').to_owned();
    assert!(alive(&shell) && alive(&child), "{shell} {child}");
    drop(client);
    kit::wait_for("shell and child end", || !alive(&shell) && !alive(&child)).await;

    // Somebody ends one, twice; nobody can come back.
    let id = ended["SessionId"].as_str().unwrap();
    let mut client = Client::shell(&ended).await;
    let shell = ask(&mut client, "echo $$").await;
    assert_eq!(
        bench.lines(&format!("[print(ssm.terminate_session(SessionId='{id}')['SessionId'] == '{id}') for _ in range(2)]")).await,
        "True\nTrue"
    );
    assert!(client.closed().await.1.is_some());
    kit::wait_for("its shell ends", || !alive(&shell)).await;
    assert_eq!(Client::open(&ended).await.closed().await, (String::new(), None));
    bench.lines("refused('DoesNotExistException', ssm.terminate_session, SessionId='nobody-1')").await;

    // Who types nothing for twenty minutes is sent away; who types stays.
    let (mut client, mut typist) = (Client::shell(&idle).await, Client::shell(&taken).await);
    control.clock_advance(SignedDuration::from_mins(15)).await;
    assert_eq!(ask(&mut typist, "echo busy").await, "busy");
    control.clock_advance(SignedDuration::from_mins(6)).await;
    assert!(client.closed().await.1.is_some());
    assert_eq!(Client::open(&never).await.closed().await, (String::new(), None));
    assert_eq!(ask(&mut typist, "echo here").await, "here");

    // With the machine goes everything.
    let shell = ask(&mut typist, "echo $$").await;
    bench.lines(&format!("ec2.terminate_instances(InstanceIds=['{}'])", bench.instance)).await;
    assert!(typist.closed().await.1.is_some());
    assert!(!alive(&shell));
    bench.lines(&format!("refused('TargetNotConnected', ssm.start_session, Target='{}')", bench.instance)).await;
    assert_eq!(bench.lines("print(ssm.describe_sessions(State='Active')['Sessions'])").await, "[]");
    bench.stop(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_with_and_without_a_terminal() {
    let bench = Bench::new().await;
    let document = |name: &str, command: &str| format!(", DocumentName='AWS-Start{name}Command', Parameters={{'command': [{command:?}]}}");
    let interactive = document("Interactive", "tty; read line; echo got $line; exit 7");
    let without = document("NonInteractive", "sh -c 'tty; echo err >&2; echo $USER'");
    let interrupted = document("NonInteractive", "sh -c 'echo ready; exec sleep 600'");
    let nothing = document("NonInteractive", "no-such-program");
    let [interactive, without, interrupted, nothing] = bench.start([&interactive, &without, &interrupted, &nothing]).await;

    // There is no handshake: the command begins at once.
    let mut client = Client::open(&interactive).await;
    assert!(client.until("\r\n").await.starts_with("/dev/pts/"));
    client.type_in("hello\n").await;
    client.until("got hello\r\n").await;
    assert_eq!(client.closed().await.1.unwrap()["Output"], "");

    let mut client = Client::open(&without).await;
    let (said, told) = client.closed().await;
    assert!(said.contains("not a tty\n") && said.contains("err\n") && said.contains("ssm-user\n"), "{said}");
    assert!(told.is_some());

    let mut client = Client::open(&interrupted).await;
    client.until("ready\n").await;
    client.type_in("\x03").await;
    assert!(client.closed().await.1.is_some());

    let said = Client::open(&nothing).await.closed().await.1.unwrap();
    assert!(said["Output"].as_str().unwrap().starts_with("Unable to start command: "), "{said}");

    // A client that cannot do what the agent asks of it is told so.
    let [session] = bench.start([""]).await;
    let mut client = Client::open(&session).await;
    client.output().await.unwrap();
    client.answer(3).await;
    assert_eq!(client.closed().await.1.unwrap()["Output"], "SessionType failed on client with status 3 error: no");

    bench
        .lines(&format!(
            "start = lambda **more: ssm.start_session(Target='{}', **more)\n\
             refused('NotImplemented', start, DocumentName='AWS-StartPortForwardingSession', Parameters={{'portNumber': ['80']}})\n\
             refused('NotImplemented', start, Parameters={{'shell': ['bash']}})\n\
             refused('InvalidDocument', start, DocumentName='mine')\n\
             refused('NotImplemented', ssm.start_session, Target='mi-0123456789abcdef0')\n\
             refused('TargetNotConnected', ssm.start_session, Target='i-0123456789abcdef0')\n\
             refused('InvalidFilterKey', ssm.describe_sessions, State='Active', Filters=[{{'key': 'Color', 'value': 'red'}}])",
            bench.instance
        ))
        .await;
    bench
        .stop(&[
            "document AWS-StartPortForwardingSession of ssm StartSession",
            "parameter shell of document SSM-SessionManagerRunShell",
            "targets of ssm StartSession that are no instances",
        ])
        .await;
}

/// Who writes waits for who reads, and nobody else waits for either.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_still_heard() {
    let bench = Bench::new().await;
    let [deaf, other] = bench.start(["", ""]).await;
    let mut client = Client::shell(&deaf).await;
    let shell = ask(&mut client, "echo $$").await;
    let full =
        "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; echo . >> written; done\n";
    client.type_in(full).await;
    let written = bench.fixture.dir.path().join(format!("sandbox/machines/{}/written", bench.instance));
    let size = || std::fs::metadata(&written).map_or(0, |file| file.len());
    kit::wait_for("it writes", || size() > 0).await;
    // It is stopped by what it wrote: nothing is added any more.
    let last = std::cell::Cell::new((0, std::time::Instant::now()));
    kit::wait_for("it waits", || {
        let (before, since) = last.get();
        if size() > before {
            last.set((size(), std::time::Instant::now()));
        }
        since.elapsed().as_secs() >= 2 && size() == before
    })
    .await;
    // The interrupt arrives, and others are served.
    client.type_in("\x03").await;
    client.until("^C").await;
    assert_eq!(ask(&mut client, "echo here").await, "here");
    client.type_in(full).await;
    assert_eq!(ask(&mut Client::shell(&other).await, "echo me too").await, "me too");
    bench.lines(&format!("ssm.terminate_session(SessionId='{}')", deaf["SessionId"].as_str().unwrap())).await;
    kit::wait_for("its shell ends", || !alive(&shell)).await;
    bench.stop(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_policies_everybody_may_and_nothing_is_left_when_the_sandbox_stops() {
    let fixture = Fixture::start(|options| (options.boot_delay_ms, options.enforce_iam) = (50, false)).await;
    let instance = fixture.lines("from agents import *\nprofile('powerless')\nprint(*launch(profile='powerless'))").await.trim().to_owned();
    let bench = Bench { fixture, instance };
    let [session] = bench.start([""]).await;
    let mut client = Client::shell(&session).await;
    let shell = ask(&mut client, "echo $$").await;
    client.type_in("trap '' HUP TERM; echo \"<deaf>\"; sleep 600\n").await;
    client.until("\r\n<deaf>").await;
    assert!(alive(&shell));
    bench.stop(&[]).await;
    assert!(!alive(&shell));
    assert!(client.closed().await.1.is_some());
}
