//! Power: on, off, again, and nothing left behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Bench, lives, machine, marked};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use sandbox_hypervisor::{Event, Halt};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;

/// Becomes a daemon the hard way: two forks, a session of its own, an empty environment, and deaf to polite requests.
const DAEMON: &str = r#"python3 -c '
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execve("/bin/sh", ["sh", "-c", "trap \"\" TERM HUP; echo $$ > $0; echo daemon > $1; while :; do sleep 1000; done", sys.argv[1], sys.argv[2]], {})
' "$HOME/daemon.pid" "$SAY""#;

#[tokio::test(flavor = "multi_thread")]
async fn user_data_runs_once_and_enabled_units_at_every_boot() {
    let mut bench = Bench::new().await;
    let script = r#"
echo run >> "$HOME/runs"
cat > "$SYSTEMD_UNIT_PATH/hello.service" <<EOF
[Unit]
Description=Says hello
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo hello > "\$\$SAY"'
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload && systemctl enable hello.service && echo ready > "$SAY"
"#;
    bench.boot("i-once", script).await;
    assert_eq!(bench.said().await, "ready");
    for how in [Halt::Graceful, Halt::Pull] {
        bench.hypervisor.halt("i-once", how).await;
        assert!(!bench.hypervisor.is_running("i-once"));
        bench.boot_again("i-once").await;
        assert_eq!(bench.said().await, "hello");
    }
    assert_eq!(bench.read("i-once", "home/runs"), "run\n");
    bench.no_event();
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_comes_up_again_without_user_data() {
    let mut bench = Bench::new().await;
    let script = r#"
echo run >> "$HOME/runs"
printf '[Service]\nExecStart=/bin/sh -c "shutdown --show; echo back > $${SAY}"\n[Install]\nWantedBy=multi-user.target\n' \
    > "$SYSTEMD_UNIT_PATH/back.service"
systemctl enable back.service
shutdown -P +20 && shutdown --show
reboot
sleep 1000
"#;
    bench.boot("i-reboot", script).await;
    assert_eq!(bench.event().await, Event::Rebooted { id: "i-reboot".into() });
    assert_eq!(bench.said().await, "back");
    assert_eq!(bench.read("i-reboot", "home/runs"), "run\n");
    let console = bench.read("i-reboot", "console.log");
    let (before, after) = console.split_once("power is off").unwrap();
    assert!(before.contains("Shutdown scheduled for"), "{console}");
    assert!(after.contains("No scheduled shutdown."), "{console}");
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_power_off_powers_off() {
    let mut bench = Bench::new().await;
    let unit = |command: &str| {
        format!("printf '[Service]\\nExecStart={command}\\n' > $SYSTEMD_UNIT_PATH/end.service; systemctl start end.service; sleep 1000")
    };
    let scripts = [
        "poweroff".to_owned(),
        "poweroff -f".to_owned(),
        "shutdown now".to_owned(),
        "shutdown -h now".to_owned(),
        "shutdown -P +0 goodbye".to_owned(),
        "halt -p".to_owned(),
        "systemctl poweroff".to_owned(),
        "systemctl --no-block poweroff".to_owned(),
        "systemd-run --on-active=1s /usr/bin/systemctl poweroff".to_owned(),
        unit("/usr/bin/systemctl poweroff"),
        unit("/sbin/shutdown -P now"),
        "env -i $(command -v poweroff)".to_owned(),
    ];
    let mut expected = BTreeSet::new();
    for (number, script) in scripts.iter().enumerate() {
        let id = format!("i-off-{number}");
        bench.boot(&id, &format!("{script}\nsleep 1000")).await;
        expected.insert(id);
    }
    while !expected.is_empty() {
        match bench.event().await {
            Event::PoweredOff { id } => {
                assert!(expected.remove(&id), "{id} powered off twice");
                assert_eq!(marked(&id), [0; 0], "{id}");
                assert!(!bench.hypervisor.is_running(&id));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.hypervisor.gaps(), [""; 0]);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn halt_without_power_off_is_refused() {
    let mut bench = Bench::new().await;
    bench.boot("i-halt", "halt; echo $? > $SAY; shutdown -H now; echo $? > $SAY; systemctl halt; echo $? > $SAY").await;
    for _ in 0..3 {
        assert_eq!(bench.said().await, "1");
    }
    assert_eq!(bench.hypervisor.gaps().len(), 3);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_hides_is_found_and_ended() {
    let mut bench = Bench::new().await;
    for (id, how) in [("i-pull", Halt::Pull), ("i-graceful", Halt::Graceful)] {
        bench.boot(id, DAEMON).await;
        assert_eq!(bench.said().await, "daemon");
        let pid = bench.read(id, "home/daemon.pid");
        assert!(lives(&pid));
        bench.hypervisor.halt(id, how).await;
        // Not even as a zombie: an orphan is collected by the hypervisor, whose child it has become.
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "{id}");
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_power_off_lets_processes_finish_and_a_pulled_plug_does_not() {
    let mut bench = Bench::new().await;
    let script = r#"trap 'echo finished > "$HOME/finished"; exit' TERM; echo up > "$SAY"; while :; do sleep 0.01; done"#;
    for (id, how, finished) in [("i-orderly", Halt::Graceful, true), ("i-pulled", Halt::Pull, false)] {
        bench.boot(id, script).await;
        assert_eq!(bench.said().await, "up");
        bench.hypervisor.halt(id, how).await;
        assert_eq!(bench.root(id).join("home/finished").exists(), finished, "{id}");
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_leaves_nothing() {
    let mut bench = Bench::new().await;
    let ids: Vec<String> = (0..4).map(|number| format!("i-left-{number}")).collect();
    for id in &ids {
        bench.boot(id, &format!("{DAEMON}\nsleep 1000 & setsid sleep 1000 & sleep 1000")).await;
    }
    for _ in &ids {
        assert_eq!(bench.said().await, "daemon");
    }
    let daemons: Vec<String> = ids.iter().map(|id| bench.read(id, "home/daemon.pid")).collect();
    bench.hypervisor.shutdown().await;
    for (id, daemon) in ids.iter().zip(&daemons) {
        assert_eq!(marked(id), [0; 0], "{id}");
        assert!(!lives(daemon), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_machines_boot_at_once() {
    let mut bench = Bench::new().await;
    let ids: BTreeSet<String> = (0..20).map(|number| format!("i-many-{number}")).collect();
    let boots = ids.iter().map(|id| {
        let hypervisor = bench.hypervisor.clone();
        let script = format!("#!/bin/sh\necho {id} > \"$SAY\"\npoweroff\n");
        let machine = machine(id, &script);
        tokio::spawn(async move { hypervisor.boot(machine).await })
    });
    for boot in boots.collect::<Vec<_>>() {
        boot.await.unwrap().unwrap();
    }
    let (mut said, mut off) = (BTreeSet::new(), BTreeSet::new());
    for _ in &ids {
        said.insert(bench.said().await);
        match bench.event().await {
            Event::PoweredOff { id } => off.insert(id),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!((&said, &off), (&ids, &ids));
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_boots_once_at_a_time_and_under_a_fit_name() {
    let bench = Bench::new().await;
    bench.boot("i-one", "sleep 1000").await;
    let twice = bench.hypervisor.boot(machine("i-one", "")).await.unwrap_err();
    assert_eq!(twice.kind(), std::io::ErrorKind::AlreadyExists);
    for id in ["", "../i-one", "i_one", "a b"] {
        let error = bench.hypervisor.boot(machine(id, "")).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{id:?}");
    }
    bench.hypervisor.forget("i-one").await;
    assert_eq!(marked("i-one"), [0; 0]);
    assert!(bench.hypervisor.console("i-one").is_some());
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_that_cannot_be_run_is_told() {
    let mut bench = Bench::new().await;
    for (id, user_data, reason) in [
        ("i-cloud", "#cloud-config\npackages: [curl]\n", "other formats are not simulated"),
        ("i-lost", "#!/opt/no/such/interpreter\n", "/opt/no/such/interpreter is not on this host"),
    ] {
        bench.hypervisor.boot(machine(id, user_data)).await.unwrap();
        match bench.event().await {
            Event::Panicked { id: panicked, reason: told } => {
                assert_eq!(panicked, id);
                assert!(told.contains(reason), "{told}");
                assert!(bench.read(id, "console.log").contains(&told));
            }
            other => panic!("{other:?}"),
        }
        assert!(bench.hypervisor.is_running(id));
    }
    bench.hypervisor.shutdown().await;
}

/// Says to the process of [`a_killed_hypervisor_takes_its_machines_with_it`] what it is for.
const VICTIM: &str = "HYPERVISOR_TO_BE_KILLED";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started, and killed, by another test"]
async fn a_hypervisor_to_be_killed() {
    let Ok(alive) = std::env::var(VICTIM) else { return };
    let bench = Bench::new().await;
    // Every process of the machine holds the pipe open: its end is their end.
    // Killed while it starts more of them, some of which only their descent gives away.
    let script = format!("exec 9> {alive}\necho up >&9\nsetsid sleep 1000 &\nfor n in $(seq 200); do env -i sleep 1000 & done\nsleep 1000");
    bench.boot("i-victim", &script).await;
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_hypervisor_takes_its_machines_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let alive = directory.path().join("alive");
    mknodat(CWD, &alive, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut hypervisor = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power::a_hypervisor_to_be_killed", "--ignored"])
        .env(VICTIM, &alive)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut holders = BufReader::new(pipe::OpenOptions::new().open_receiver(&alive).unwrap());
    // Without a writer yet, reading would report the end at once.
    holders.get_ref().readable().await.unwrap();
    let mut line = String::new();
    holders.read_line(&mut line).await.unwrap();
    assert_eq!(line, "up\n");
    hypervisor.kill().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), holders.read_line(&mut line)).await;
    assert_eq!(ended.unwrap().unwrap(), 0, "{line}");
    assert_eq!(marked("i-victim"), [0; 0]);
}

/// A machine that hibernates stands still, and goes on where it stood: same processes, same memory, and what was due meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_hibernates_goes_on_where_it_stood() {
    let mut bench = Bench::new().await;
    let script = r#"
systemd-run --unit=late --on-active=1 sh -c 'echo late >> "$HOME/late"' 2> /dev/null
n=0
while :; do n=$((n + 1)); echo "$n $$" > "$SAY"; sleep 0.02; done
"#;
    bench.boot("i-bear", script).await;
    let first = bench.said().await;
    let (_, pid) = first.split_once(' ').unwrap();
    bench.hypervisor.hibernate("i-bear").await.unwrap();
    assert!(!bench.hypervisor.is_running("i-bear"));
    // Stopped, or in the kernel on behalf of a child that is.
    let moves = |id: &str| marked(id).into_iter().any(|pid| !matches!(state(&pid.to_string()).as_deref(), Some("T" | "D") | None));
    assert!(!moves("i-bear"));
    // Long enough for the timer, which must not elapse in a machine without power.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!bench.root("i-bear").join("home/late").exists());
    assert!(!moves("i-bear"));
    bench.boot_again("i-bear").await;
    assert!(bench.hypervisor.is_running("i-bear"));
    let mut expected = 2;
    while !bench.root("i-bear").join("home/late").exists() || expected < 50 {
        assert_eq!(bench.said().await, format!("{expected} {pid}"), "it counts on, in the same process");
        expected += 1;
    }
    bench.hypervisor.hibernate("i-bear").await.unwrap();
    bench.hypervisor.forget("i-bear").await;
    assert_eq!(marked("i-bear"), Vec::<i32>::new(), "what stands still can be ended");
    bench.no_event();
    bench.hypervisor.shutdown().await;
}

fn state(pid: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    status.rsplit(')').next()?.split_whitespace().next().map(str::to_owned)
}
