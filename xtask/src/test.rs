//! Every test: what needs installing is installed, what needs building is built, what needs starting is started and ended.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::workspace::{Profile, Workspace, run, say};

/// moto answers its first request after some seconds on a busy machine.
const MOTO_START_MAX: Duration = Duration::from_secs(60);

/// How libtest is told how many tests to run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// How many for each processor: the longest of them wait for machines, half of the time.
const THREADS_EACH: usize = 2;

/// How many random lives every change has to pass.
const SIMULATED_LIVES: &str = "1000";

pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    tools::require(&[tools::TERRAFORM, tools::PYTHON])?;
    let workspace = Workspace::find()?;
    let python = tools::python(&workspace)?;
    say("Building every program (the first time takes some minutes: the AWS SDK is large)");
    workspace.build_programs()?;
    say("Starting moto, an AWS that others wrote, for the contract tests");
    let moto = Moto::start(&python, &workspace)?;
    say("Running every test");
    let mut cargo = workspace.cargo("test");
    cargo.args(["--workspace", "--no-fail-fast"]).args(filter);
    cargo.env("SPAWN_SIMULATE_SEEDS", SIMULATED_LIVES);
    if std::env::var_os(THREADS).is_none() {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cargo.env(THREADS, (THREADS_EACH * processors).to_string());
    }
    cargo.env("PATH", path_with(&python)?).env("MOTO_ENDPOINT", &moto.endpoint);
    cargo.env("SPAWN_TEST_PROGRAMS", workspace.programs(Profile::Dev));
    // Whoever runs the tests may have an AWS account; the tests must not find it.
    for variable in [
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ] {
        cargo.env_remove(variable);
    }
    run(&mut cargo)
}

fn path_with(first: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(first.to_owned()).chain(std::env::split_paths(&path)))?)
}

struct Moto {
    process: Child,
    endpoint: String,
}

impl Moto {
    fn start(python: &Path, workspace: &Workspace) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let directory = workspace.target().join("test");
        std::fs::create_dir_all(&directory)?;
        let log = std::fs::File::create(directory.join("moto.log"))?;
        let process = Command::new(python.join("python3"))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting moto")?;
        let mut moto = Self { process, endpoint: format!("http://127.0.0.1:{port}") };
        let give_up = Instant::now() + MOTO_START_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if moto.process.try_wait()?.is_some() || Instant::now() > give_up {
                bail!("moto did not start; see target/test/moto.log");
            }
            // A process of others that tells nobody when it listens.
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
