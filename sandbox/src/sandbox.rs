//! A sandbox's life: start, use, stop.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::control::Control;
use crate::control::client::CredentialsFile;
use crate::world::World;
use crate::{driver, server};

/// How a sandbox is started. Durations are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where it keeps its files; made if it is not there, readable by its user alone.
    pub dir: PathBuf,
    /// Port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// The account, twelve digits.
    pub account_id: String,
    /// The region clients use unless told otherwise.
    pub region: String,
    /// Everything in EC2 that looks random follows from it.
    pub seed: u64,
    /// From `pending` to `running`.
    pub boot_delay_ms: u64,
    /// The most that EC2's describe calls lag behind the truth.
    pub reads_lag_ms: u64,
    /// Whether the token buckets of EC2 and of Route 53 are enforced.
    pub throttle: bool,
    /// vCPUs that on-demand instances of a region may use together, of each kind of types; none is no limit.
    pub on_demand_vcpu_limit: Option<u32>,
    /// vCPUs that spot instances of a region may use together, of each kind of types; none is no limit.
    pub spot_vcpu_limit: Option<u32>,
    /// Whether instances really run, and functions with them. Without, instances run in name only, and functions cannot be invoked.
    pub boot_machines: bool,
    /// How late a new role or profile becomes usable.
    pub iam_delay_ms: u64,
    /// Whether roles may only do what their policies allow, and the policies of buckets and of roles bind everybody.
    pub enforce_iam: bool,
    /// Host and port of an SMTP server on loopback that gets the mail of SNS. Without one it lies in the directory's `mail`.
    pub smtp: Option<String>,
    /// A file of certificates (PEM) that functions trust, as they would those of the internet; without one, the machine's.
    pub trusted: Option<PathBuf>,
    /// Whether the directory goes away when the sandbox stops.
    pub remove_dir: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: std::env::temp_dir().join(format!("spawn-sandbox-{}", std::process::id())),
            port: 0,
            account_id: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            seed: 0,
            boot_delay_ms: 2_000,
            reads_lag_ms: 0,
            throttle: true,
            on_demand_vcpu_limit: None,
            spot_vcpu_limit: None,
            boot_machines: true,
            iam_delay_ms: 0,
            enforce_iam: true,
            smtp: None,
            trusted: None,
            remove_dir: false,
        }
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Another one lives in the directory.
    #[error("a sandbox runs already in {dir} (process {pid})")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process it lives in.
        pid: u32,
    },
    /// The host refuses something.
    #[error("the sandbox cannot start: {0}")]
    Io(#[from] std::io::Error),
}

/// A running sandbox. Dropping it stops it, but does not wait; [`Sandbox::stop`] does.
pub struct Sandbox {
    world: Arc<World>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox.
    ///
    /// # Errors
    /// When one runs in the directory already, or the host refuses a file, a port or a process.
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&options.dir)?;
        refuse_second(&options)?;
        forget_predecessor(&options.dir)?;
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let endpoint = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let world = Arc::new(World::new(options, endpoint).await?);
        write_credentials(&world)?;
        let tasks = vec![tokio::spawn(server::serve(Arc::clone(&world), listener)), tokio::spawn(driver::drive(Arc::clone(&world)))];
        Ok(Self { world, tasks })
    }

    /// Where it listens, such as `http://127.0.0.1:9000`.
    pub fn endpoint(&self) -> String {
        self.world.endpoint.clone()
    }

    /// The keys of this sandbox, as the credentials file has them.
    pub fn credentials(&self) -> CredentialsFile {
        credentials(&self.world)
    }

    /// What points SDKs and the aws command at it.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.credentials().environment()
    }

    /// The control API.
    pub fn control(&self) -> Control {
        Control { world: Arc::clone(&self.world) }
    }

    /// Stops it, and returns when nothing runs any more.
    pub async fn stop(mut self) {
        self.world.stop.cancel();
        for task in self.tasks.drain(..) {
            // A task that panicked has told so; the rest still has to end.
            task.await.ok();
        }
        self.world.lambda.stop().await;
        self.world.ssm.stop().await;
        self.world.machines.shutdown().await;
        let dir = &self.world.options.dir;
        let removed =
            if self.world.options.remove_dir { std::fs::remove_dir_all(dir) } else { std::fs::remove_file(self.world.credentials_path()) };
        if let Err(error) = removed {
            tracing::warn!(%error, dir = %dir.display(), "not removed");
        }
    }

    /// Runs until SIGTERM, SIGINT, or a stop through the control API, and stops.
    ///
    /// # Errors
    /// When signals cannot be listened to; the sandbox has stopped then, too.
    pub async fn run_until_signal(self) -> std::io::Result<()> {
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            self.stop().await;
            return Err(std::io::Error::other("signals cannot be listened to"));
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = self.world.stop.cancelled() => {}
        }
        self.stop().await;
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.world.stop.cancel();
    }
}

/// What a sandbox left in its directory is no part of the next one's world: an instance id that comes again is another machine.
fn forget_predecessor(dir: &Path) -> std::io::Result<()> {
    let gone = |error: std::io::Error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    for name in ["machines", "functions"] {
        std::fs::remove_dir_all(dir.join(name)).or_else(gone)?;
    }
    std::fs::remove_file(dir.join("calls.jsonl")).or_else(gone)
}

fn credentials(world: &World) -> CredentialsFile {
    let keys = world.callers.controller();
    CredentialsFile {
        endpoint: world.endpoint.clone(),
        pid: std::process::id(),
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: keys.secret_access_key.clone(),
        region: world.options.region.clone(),
        account_id: world.options.account_id.clone(),
        control_token: world.control_token.clone(),
    }
}

/// A sandbox that was killed leaves its file behind; one whose process lives is in the way.
fn refuse_second(options: &Options) -> Result<(), SandboxError> {
    let Ok(file) = CredentialsFile::read(&options.dir) else { return Ok(()) };
    let address = file.endpoint.trim_start_matches("http://");
    let answers =
        address.parse().is_ok_and(|address| std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(200)).is_ok());
    if answers {
        return Err(SandboxError::InUse { dir: options.dir.clone(), pid: file.pid });
    }
    Ok(())
}

fn write_credentials(world: &World) -> Result<(), SandboxError> {
    let path = world.credentials_path();
    // A new file, so that the mode is ours and not that of whatever lay there.
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let text = serde_json::to_vec_pretty(&credentials(world)).map_err(std::io::Error::other)?;
    file.write_all(&text)?;
    Ok(())
}
