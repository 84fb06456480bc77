//! What machines see of themselves.

use crate::support::{Bench, marked};

/// Works, writes and speaks to itself, and says its port and process once the machine's own view shows the work.
const AT_WORK: &str = r#"
exec python3 - <<'END'
import os, socket, time
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
other, _ = server.accept()
with open(os.environ["HOME"] + "/data", "wb") as file:
    file.write(b"x" * (4 << 20))
    file.flush()
    os.fsync(file.fileno())
while time.process_time() < 1.5:
    pass
def used():
    fields = open(os.environ["HOST_PROC"] + "/stat").read().split()
    return int(fields[1]) + int(fields[3])
while used() < 100:
    time.sleep(0.1)
with open(os.environ["SAY"], "w") as say:
    say.write(f"{server.getsockname()[1]} {os.getpid()}\n")
time.sleep(1000)
END"#;

fn number(text: &str, field: usize) -> u64 {
    text.split_whitespace().nth(field).unwrap().parse().unwrap()
}

/// Of all processors together: used, and all.
fn ticks(stat: &str) -> (u64, u64) {
    let used = number(stat, 1) + number(stat, 3);
    (used, used + number(stat, 4))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_sees_itself_alone() {
    let mut bench = Bench::new().await;
    bench.boot("i-quiet", "echo up > $SAY; exec sleep 1000").await;
    assert_eq!(bench.said().await, "up");
    bench.boot("i-busy", AT_WORK).await;
    let said = bench.said().await;
    let (port, pid) = said.split_once(' ').unwrap();
    let port = format!(":{:04X} ", port.parse::<u16>().unwrap());

    let (busy, quiet) = (bench.read("i-busy", "proc/stat"), bench.read("i-quiet", "proc/stat"));
    assert!(ticks(&busy).0 >= 100 && ticks(&quiet).0 < 100, "{busy}{quiet}");
    assert!(ticks(&quiet).1 > 100 && ticks(&busy).1 > 100, "{busy}{quiet}");
    let cores = quiet.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    assert_eq!(cores, std::thread::available_parallelism().unwrap().get());

    let written = |id: &str| number(&bench.read(id, "proc/diskstats"), 9) * 512;
    assert!(written("i-busy") >= 4 << 20 && written("i-quiet") < 4 << 20, "{} {}", written("i-busy"), written("i-quiet"));
    assert!(bench.read("i-busy", "proc/net/tcp").contains(&port));
    assert!(!bench.read("i-quiet", "proc/net/tcp").contains(&port));
    assert!(bench.read("i-quiet", "proc/net/dev").contains("ens5:"));

    let seen = |id: &str| {
        let entries = std::fs::read_dir(bench.root(id).join("proc")).unwrap();
        entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok()).collect::<Vec<_>>()
    };
    assert_eq!(seen("i-busy"), [pid.parse::<i32>().unwrap()]);
    assert!(bench.read("i-busy", &format!("proc/{pid}/comm")).starts_with("python"));
    assert_eq!(seen("i-quiet"), marked("i-quiet"));
    bench.hypervisor.shutdown().await;
}
