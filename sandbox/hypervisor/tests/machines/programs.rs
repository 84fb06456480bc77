//! Programs beside the machines: their surroundings, their output, their end.

use sandbox_hypervisor::{Program, Running};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Bench, lives, marked};

fn program(id: &str, script: &str) -> Program {
    Program {
        id: id.to_owned(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        environment: vec![("OWN".to_owned(), "value".to_owned())],
        directory: std::env::temp_dir(),
    }
}

/// Everything it says until nothing of it runs any more.
async fn says(running: &mut Running) -> String {
    let mut text = String::new();
    running.take_output().unwrap().read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_program_has_its_own_surroundings_and_says_things_in_order() {
    let bench = Bench::new().await;
    let mut running = bench.hypervisor.run(program("p-1", "env -u PWD -u SHLVL -u _; echo two >&2; echo three; exit 3")).await.unwrap();
    let text = says(&mut running).await;
    let (environment, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains('='));
    let names: Vec<&str> = environment.iter().filter_map(|line| line.split('=').next()).collect();
    assert!(["OWN", "PATH", "SANDBOX_MACHINE"].iter().all(|name| names.contains(name)) && names.len() == 3, "{names:?}");
    assert_eq!(rest, ["two", "three"]);
    assert_eq!(running.ended().await.unwrap().code(), Some(3));
    assert_eq!(running.peak_memory(), None);
    running.end().await;
    assert!(bench.hypervisor.run(program("no name", "true")).await.is_err());
    bench.hypervisor.shutdown().await;
}

#[tokio::test]
async fn the_end_of_a_program_is_the_end_of_all_it_started_and_of_no_other() {
    let bench = Bench::new().await;
    let wanders = "setsid sh -c 'exec env -i sleep 600' & echo $!; exec sleep 600";
    let mut one = bench.hypervisor.run(program("p-1", wanders)).await.unwrap();
    let mut other = bench.hypervisor.run(program("p-2", wanders)).await.unwrap();
    let mut children = Vec::new();
    for running in [&mut one, &mut other] {
        let mut line = String::new();
        BufReader::new(running.take_output().unwrap()).read_line(&mut line).await.unwrap();
        children.push(line);
    }
    assert!(one.peak_memory().is_some_and(|bytes| bytes > 0));
    one.end().await;
    assert!(!lives(&children[0]) && lives(&children[1]));
    drop(other);
    bench.hypervisor.shutdown().await;
    assert!(!lives(&children[1]));
    assert_eq!(marked("p-1").len() + marked("p-2").len(), 0);
}

#[tokio::test]
async fn a_connection_is_known_to_be_a_programs_own() {
    let bench = Bench::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let connect =
        format!("python3 -c 'import socket, time; s = socket.create_connection((\"127.0.0.1\", {})); time.sleep(600)'", local.port());
    let running = bench.hypervisor.run(program("p-1", &connect)).await.unwrap();
    let tree = running.tree();
    let (_stream, peer) = listener.accept().await.unwrap();
    assert!(tree.holds(peer, local).await);
    let _own = TcpStream::connect(local).await.unwrap();
    let (_stream, peer) = listener.accept().await.unwrap();
    assert!(!tree.holds(peer, local).await);
    running.end().await;
    bench.hypervisor.shutdown().await;
}
