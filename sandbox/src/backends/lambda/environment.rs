//! One execution environment: a directory, credentials, a log stream, and a process that serves one invocation after the other.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sandbox_hypervisor::Hypervisor;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::callers::{Caller, Credentials};
use crate::protocol::Failure;

use super::output::Output;
use super::process::{Process, Start};
use super::report::{End, Phase, Report, init_line};
use super::runtime_api::Work;
use super::state::Version;
use super::surroundings::Surroundings;

/// How long a process may take before it asks for its first invocation; from the developer guide.
const INIT: Duration = Duration::from_secs(10);
/// How long an environment's credentials are valid, and how much of that an invocation may need.
const SESSION: SignedDuration = SignedDuration::from_hours(12);
const LONGEST: SignedDuration = SignedDuration::from_mins(20);

/// What a function is asked.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) client_context: Option<String>,
}

/// What became of an invocation.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) payload: Bytes,
    /// The function, or its process, failed.
    pub(super) failed: bool,
    /// The last of its log.
    pub(super) tail: Vec<u8>,
}

/// One execution environment.
pub(super) struct Environment {
    pub(super) version: Arc<Version>,
    /// When it was used last.
    pub(super) idle_since: Timestamp,
    around: Arc<Surroundings>,
    hypervisor: Hypervisor,
    directory: PathBuf,
    variables: Vec<(String, String)>,
    credentials: Credentials,
    output: Output,
    process: Option<Process>,
    /// How long its start took, until a report has told it.
    init: Option<Duration>,
}

impl Environment {
    /// Makes an environment and starts its process. A process that does not start is tried once more with the first invocation.
    pub(super) async fn make(around: Arc<Surroundings>, version: Arc<Version>, tasks: &TaskTracker) -> Result<Self, Failure> {
        let now = around.clock.now();
        let hypervisor = around.hypervisor.clone().ok_or_else(|| Failure::gap("invocations of functions where no machines run"))?;
        let role = around
            .assume(&version.settings.role, &version.function_arn(), now)?
            .ok_or_else(|| Failure::new(403, "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda."))?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let directory = around.environment_dir(&id);
        let internal = |error: std::io::Error| Failure::new(500, "ServiceException", format!("No environment can be made: {error}"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.join("tmp")).map_err(internal)?;
        let caller = Caller::Function { name: version.name.clone(), role: role.name.clone(), role_id: role.id.clone() };
        let credentials = around.callers.mint(caller, around.clock.real_now(), SESSION);
        let stream = format!("{}/[{}]{id}", now.strftime("%Y/%m/%d"), version.label);
        let writer = Caller::FunctionLog { name: version.name.clone(), role: role.name, role_id: role.id };
        let mut environment = Self {
            variables: variables(&around, &version, &directory, &credentials, &stream),
            output: Output::open(&around, &version, &stream, writer, tasks),
            idle_since: now,
            around,
            hypervisor,
            version,
            directory,
            credentials,
            process: None,
            init: None,
        };
        // Why it failed is in its log, and shows again in the first invocation.
        environment.start(Phase::Init, Instant::now() + INIT).await.ok();
        Ok(environment)
    }

    /// Whether its process waits for an invocation.
    pub(super) fn is_warm(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_alive)
    }

    /// Whether its credentials outlive the longest invocation.
    pub(super) fn is_fresh(&self, real_now: Timestamp) -> bool {
        self.credentials.expires.is_none_or(|end| end.duration_since(real_now) > LONGEST)
    }

    /// Works on an invocation.
    pub(super) async fn invoke(&mut self, invocation: &Invocation) -> Finished {
        let begun = Instant::now();
        let timeout = self.version.settings.timeout;
        let deadline = begun + Duration::from_secs(timeout.into());
        self.output.begin();
        let started = if self.process.is_none() { self.start(Phase::Invoke, deadline).await } else { Ok(()) };
        self.output.say(format!("START RequestId: {} Version: {}\n", invocation.id, self.version.label));
        let (end, peak) = match started {
            Ok(()) => self.work(invocation, deadline).await,
            Err(end) => (end, None),
        };
        let took = begun.elapsed();
        self.output.drain().await;
        if let Some(line) = end.line(&invocation.id, self.around.clock.now(), took) {
            self.output.say(line);
        }
        let report = Report { id: &invocation.id, took, memory: self.version.settings.memory, peak, init: self.init.take() };
        self.output.say(format!("END RequestId: {}\n", invocation.id));
        self.output.say(report.line(&end));
        Finished { payload: end.payload(&invocation.id, timeout), failed: end.is_failure(), tail: self.output.tail() }
    }

    /// Starts its process and waits until it asks for an invocation.
    async fn start(&mut self, phase: Phase, deadline: Instant) -> Result<(), End> {
        let begun = Instant::now();
        let started = self.boot(deadline).await;
        let took = begun.elapsed();
        match &started {
            Ok(()) if phase == Phase::Init => self.init = Some(took),
            Ok(()) => {}
            Err(end) => {
                self.end_process().await;
                self.output.say(init_line(took, phase, end));
            }
        }
        started
    }

    async fn boot(&mut self, deadline: Instant) -> Result<(), End> {
        let program = self.version.code.dir.join("bootstrap");
        match program.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 == 0 => {
                return Err(End::NoEntry(format!("fork/exec {}: permission denied", program.display())));
            }
            Ok(metadata) if metadata.is_file() => {}
            _ => return Err(End::NoEntry(format!("Couldn't find valid bootstrap(s): [{}]", program.display()))),
        }
        let start = Start {
            around: &self.around,
            hypervisor: &self.hypervisor,
            program,
            directory: self.version.code.dir.clone(),
            variables: &self.variables,
        };
        let mut process = start.process(&mut self.output).await.map_err(|error| End::Broken(error.to_string()))?;
        let end = process.hear(deadline).await.end();
        self.process = Some(process);
        end.map_or(Ok(()), Err)
    }

    /// Hands the invocation over, and waits until the process has answered and asks for the next one.
    async fn work(&mut self, invocation: &Invocation, deadline: Instant) -> (End, Option<u64>) {
        let work = self.described(invocation, deadline);
        let Some(process) = &mut self.process else { return (End::Broken("no process".to_owned()), None) };
        process.give(work);
        // A second `next` in place of an answer is refused where it is asked.
        let end = loop {
            if let Some(end) = process.hear(deadline).await.end() {
                break end;
            }
        };
        let peak = process.peak_memory();
        let answered = matches!(end, End::Answered(_) | End::Failed(_) | End::TooLarge);
        // Whoever has answered and then does not ask for more is of no use any more, but its answer counts.
        let goes_on = answered && process.hear(deadline).await.end().is_none();
        if !goes_on {
            self.end_process().await;
        }
        (end, peak)
    }

    /// An invocation as the process is told of it. Its deadline is in the time that processes live in.
    fn described(&self, invocation: &Invocation, deadline: Instant) -> Work {
        let left = SignedDuration::try_from(deadline.saturating_duration_since(Instant::now())).unwrap_or(SignedDuration::ZERO);
        let deadline = self.around.clock.real_now().saturating_add(left).unwrap_or(Timestamp::MAX);
        let mut headers = vec![
            ("lambda-runtime-aws-request-id", invocation.id.clone()),
            ("lambda-runtime-deadline-ms", deadline.as_millisecond().to_string()),
            ("lambda-runtime-invoked-function-arn", self.version.arn()),
            ("lambda-runtime-trace-id", trace_id(self.around.clock.now())),
        ];
        headers.extend(invocation.client_context.clone().map(|context| ("lambda-runtime-client-context", context)));
        Work { id: invocation.id.clone(), payload: invocation.payload.clone(), headers }
    }

    async fn end_process(&mut self) {
        if let Some(process) = self.process.take() {
            process.end().await;
        }
        self.output.drain().await;
    }

    /// Ends its process and removes its directory. Its credentials are no longer anybody's.
    pub(super) async fn end(mut self) {
        self.end_process().await;
        self.around.callers.forget(&self.credentials.access_key_id);
        if let Err(error) = tokio::fs::remove_dir_all(&self.directory).await {
            tracing::warn!(%error, dir = %self.directory.display(), "environment not removed");
        }
    }
}

/// What Lambda sets. A function's own variables may replace the last ones, as on AWS.
fn variables(
    around: &Surroundings,
    version: &Version,
    directory: &std::path::Path,
    keys: &Credentials,
    stream: &str,
) -> Vec<(String, String)> {
    let settings = &version.settings;
    let text = |path: &std::path::Path| path.display().to_string();
    let mut variables = [
        ("_HANDLER", settings.handler.clone()),
        ("AWS_ACCESS_KEY_ID", keys.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", keys.session_token.clone().unwrap_or_default()),
        ("AWS_DEFAULT_REGION", version.region.clone()),
        ("AWS_REGION", version.region.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", version.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.label.clone()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", version.log_group()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream.to_owned()),
        ("LAMBDA_TASK_ROOT", text(&version.code.dir)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let trusted = around.trusted.as_deref().map(|file| ("SSL_CERT_FILE", text(file)));
    let replaceable = [
        ("AWS_ENDPOINT_URL", around.endpoint.clone()),
        ("HOME", text(directory)),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TMPDIR", text(&directory.join("tmp"))),
        ("TZ", ":UTC".to_owned()),
    ];
    for (name, value) in replaceable.into_iter().chain(trusted) {
        if !settings.environment.contains_key(name) {
            variables.push((name.to_owned(), value));
        }
    }
    variables.extend(settings.environment.clone());
    variables
}

/// A trace nobody follows, in X-Ray's form.
fn trace_id(now: Timestamp) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    format!("Root=1-{:08x}-{};Parent={};Sampled=0", now.as_second(), &random[..24], &parent[..16])
}
