//! What is done in a machine from outside: commands, terminals, and whose they are.

use std::io::ErrorKind;
use std::time::Duration;

use sandbox_hypervisor::{Errand, Event, Halt, Line, Signal};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::support::{Bench, lives};

/// Only a guard against waiting for ever; nothing here takes this long.
const GUARD: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Errand {
    Errand { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), ..Errand::default() }
}

fn of_user(script: &str) -> Errand {
    Errand { user: Some("ssm-user".to_owned()), ..shell(script) }
}

/// Reads a terminal until a text has come, and answers everything until then.
async fn until(line: &Line, wanted: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        let mut buffer = [0; 1024];
        let count = timeout(GUARD, line.read(&mut buffer)).await.unwrap_or_else(|_| panic!("no {wanted:?} in {seen:?}")).unwrap();
        assert!(count > 0, "no {wanted:?} in {seen:?}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    seen
}

#[tokio::test]
async fn a_command_runs_as_user_data_does_and_tells_its_streams_apart() {
    let mut bench = Bench::new().await;
    bench.boot("i-1", "env | grep -v -e ^_= -e ^SHLVL= -e ^PWD= | sort > env.user-data; pwd > pwd.user-data; echo up > \"$SAY\"").await;
    assert_eq!(bench.said().await, "up");
    let script =
        "env | grep -v -e ^_= -e ^SHLVL= -e ^PWD= -e ^MINE= | sort > env.errand; pwd > pwd.errand; echo out; echo err $MINE >&2; exit 3";
    let errand = Errand { environment: vec![("MINE".to_owned(), "own".to_owned())], ..shell(script) };
    let mut running = bench.hypervisor.execute("i-1", errand).await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    running.take_output().unwrap().read_to_string(&mut out).await.unwrap();
    running.take_errors().unwrap().read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err own\n"));
    assert_eq!(running.ended().await.unwrap().code(), Some(3));
    assert!(!running.is_machine_off());
    assert_eq!(bench.read("i-1", "env.errand"), bench.read("i-1", "env.user-data"));
    assert_eq!(bench.read("i-1", "pwd.errand"), bench.read("i-1", "pwd.user-data"));

    let unknown = bench.hypervisor.execute("i-1", Errand { argv: vec!["no-such-program".to_owned()], ..Errand::default() }).await;
    assert_eq!(unknown.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    bench.hypervisor.shutdown().await;
}

#[tokio::test]
async fn a_signal_reaches_the_whole_group_and_the_end_of_the_machine_everything() {
    let mut bench = Bench::new().await;
    bench.boot("i-1", "echo up > \"$SAY\"").await;
    assert_eq!(bench.said().await, "up");
    let script = "setsid sh -c 'echo wandered $$ > \"$SAY\"; exec sleep 600' & sleep 600 & echo child $! > \"$SAY\"; wait";
    let mut running = bench.hypervisor.execute("i-1", shell(script)).await.unwrap();
    let mut said = [bench.said().await, bench.said().await];
    said.sort_unstable();
    let [child, wandered] = said.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned());
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.unwrap().code(), None);
    assert!(lives(&wandered));
    while lives(&child) {
        tokio::task::yield_now().await;
    }

    let mut other = bench.hypervisor.execute("i-1", shell("echo on > \"$SAY\"; exec sleep 600")).await.unwrap();
    assert_eq!(bench.said().await, "on");
    bench.hypervisor.halt("i-1", Halt::Pull).await;
    assert!(!lives(&wandered));
    assert_eq!(other.ended().await.unwrap().code(), None);
    assert!(other.is_machine_off());
    for refused in [bench.hypervisor.execute("i-1", shell("true")).await, bench.hypervisor.execute("i-2", shell("true")).await] {
        assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::NotConnected));
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test]
async fn a_terminal_is_one_has_a_size_and_hangs_up() {
    let mut bench = Bench::new().await;
    bench.boot("i-1", "echo up > \"$SAY\"").await;
    assert_eq!(bench.said().await, "up");
    let script = r#"exec python3 -c '
import os, signal, sys
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"size %d %d\n" % os.get_terminal_size()))
with open(os.environ["SAY"], "w") as say: print(os.getpid(), file=say)
os.write(1, ("at %s %s\n" % (os.ttyname(0), os.environ["USER"])).encode())
for line in iter(sys.stdin.readline, ""): os.write(1, b"got " + line.encode())
'"#;
    let mut terminal = bench.hypervisor.open_terminal("i-1", of_user(script)).await.unwrap();
    let line = terminal.line();
    assert!(until(&line, "ssm-user").await.contains("at /dev/pts/"));
    let pid = bench.said().await;
    line.resize(97, 31).unwrap();
    until(&line, "size 97 31").await;
    line.write_all(b"hello\n").await.unwrap();
    let seen = until(&line, "got hello").await;
    // What is typed is echoed, as on any terminal.
    assert!(seen.contains("hello\r\n"), "{seen:?}");
    line.write_all(b"\x04").await.unwrap();
    assert_eq!(timeout(GUARD, terminal.ended()).await.unwrap().unwrap().code(), Some(0));
    assert_eq!(line.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(!lives(&pid));
    assert!(bench.read("i-1", "etc/passwd").contains("\nssm-user:x:1000:"));

    // The second has a process group of its own, in the foreground: only the hang-up reaches it.
    for script in ["echo $$ > \"$SAY\"; exec sleep 600", "set -m; sh -c 'echo $$ > \"$SAY\"; exec sleep 600'; true"] {
        let held = bench.hypervisor.open_terminal("i-1", of_user(script)).await.unwrap();
        let pid = bench.said().await;
        assert!(lives(&pid));
        held.hang_up();
        while lives(&pid) {
            tokio::task::yield_now().await;
        }
    }
    bench.hypervisor.shutdown().await;
}

/// The test above once more, by itself and started as `nohup` and shells in the background start programs.
#[test]
fn what_the_hypervisor_ignores_its_machines_do_not() {
    let again = ["-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh"];
    let itself = std::env::current_exe().unwrap();
    let test = ["--exact", "errands::a_terminal_is_one_has_a_size_and_hangs_up"];
    let ran = std::process::Command::new("timeout").arg("60").arg("sh").args(again).arg(itself).args(test).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn an_ordinary_user_needs_sudo_and_has_it() {
    let mut bench = Bench::new().await;
    bench.boot("i-1", "echo up > \"$SAY\"").await;
    assert_eq!(bench.said().await, "up");
    let mut asked = bench
        .hypervisor
        .execute("i-1", of_user("poweroff; echo $?; sudo -n echo $(command -v sudo); sudo -x true; echo $?"))
        .await
        .unwrap();
    let mut out = String::new();
    asked.take_output().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(out, format!("1\n{}\n1\n", bench.root("i-1").canonicalize().unwrap().join("bin/sudo").display()));
    let gaps = bench.hypervisor.gaps();
    assert!(gaps.len() == 1 && gaps[0].starts_with("sudo: "), "{gaps:?}");
    bench.no_event();
    bench.hypervisor.execute("i-1", of_user("sudo poweroff")).await.unwrap();
    assert_eq!(bench.event().await, Event::PoweredOff { id: "i-1".to_owned() });
    bench.hypervisor.shutdown().await;
}
