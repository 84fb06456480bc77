//! Run Command: scripts that really run, as boto3 sends them, and what the clock and the end of a machine do to them.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use jiff::SignedDuration;
use kit::Fixture;

async fn fixture() -> Fixture {
    Fixture::start(|options| options.boot_delay_ms = 50).await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run() {
    let fixture = fixture().await;
    fixture.python("commands.py").await;
    let known = [
        "document AWS-RunPowerShellScript of ssm SendCommand",
        "filter AgentVersion of ssm DescribeInstanceInformation",
        "member OutputS3BucketName of ssm SendCommand",
        "target resource-groups:Name of ssm SendCommand",
    ];
    let mut gaps: Vec<String> = fixture.sandbox.control().gaps().into_iter().map(|gap| gap.what).collect();
    gaps.sort_unstable();
    assert_eq!(gaps, known);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_and_document_takes_a_right_of_its_own() {
    let fixture = fixture().await;
    fixture.python("instance_rights.py").await;
    assert_eq!(fixture.sandbox.control().gaps(), []);
    fixture.sandbox.stop().await;
}

/// AWS's time decides how long a command waits; what runs, runs in real time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_heard_of_in_time_has_timed_out() {
    let fixture = fixture().await;
    let control = fixture.sandbox.control();
    let made = fixture
        .lines(
            "from agents import *\n\
             ids = launch(count=2)\n\
             command = send('sleep 600', ids, MaxConcurrency='1', TimeoutSeconds=30, parameters={'executionTimeout': ['60']})\n\
             until('one runs', lambda: 'InProgress' in [invocation(command, id)['Status'] for id in ids])\n\
             print(command, *sorted(ids, key=lambda id: invocation(command, id)['Status']))",
        )
        .await;
    let [command, running, waiting] = made.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{made}") };
    let look = format!("from agents import *\nprint(*[invocation('{command}', id)['StatusDetails'] for id in ('{running}', '{waiting}')])");
    control.clock_advance(SignedDuration::from_secs(80)).await;
    assert_eq!(fixture.lines(&look).await.trim(), "InProgress Pending");
    control.clock_advance(SignedDuration::from_secs(20)).await;
    assert_eq!(fixture.lines(&look).await.trim(), "InProgress DeliveryTimedOut");

    // A machine that goes takes its agent along: nobody tells any more how it went.
    let end = format!(
        "from agents import *\nec2.terminate_instances(InstanceIds=['{running}'])\nuntil('it ends', lambda: state('{running}') == 'terminated')"
    );
    fixture.lines(&end).await;
    control.settled().await;
    let late = format!(
        "{look}\nuntil('it is given up', lambda: whole('{command}')['StatusDetails'] == 'DeliveryTimedOut')\nprint(whole('{command}')['Status'], whole('{command}')['DeliveryTimedOutCount'])"
    );
    let said = fixture.lines(&late).await;
    assert!(said.trim().ends_with("TimedOut 2"), "{said}");
    assert_eq!(control.gaps(), []);
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_command_is_left_when_the_sandbox_stops() {
    let fixture = fixture().await;
    let marker = format!("{}", 200_000 + std::process::id());
    fixture
        .lines(&format!(
            "from agents import *\n\
             [id] = launch()\n\
             command = send('setsid sleep {marker} & exec sleep {marker}', [id])\n\
             until('it runs', lambda: invocation(command, id)['Status'] == 'InProgress')"
        ))
        .await;
    let sleepers = || {
        let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
        let found = std::fs::read_dir("/proc").unwrap().flatten().filter_map(of);
        found.filter(|line| line.split(|byte| *byte == 0).any(|word| word == marker.as_bytes())).count()
    };
    kit::wait_for("both sleep", || sleepers() == 2).await;
    fixture.sandbox.stop().await;
    assert_eq!(sleepers(), 0);
}
