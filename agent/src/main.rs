//! The agent on every instance: runs the workload, keeps its records, ends the machine.
//!
//! It is a lease's second hand. Everything it knows at first is in the configuration that user data wrote; everything else it reads
//! from the bucket with the instance's own credentials. It needs no permission to end the machine: it powers it off.
//!
//! | duty | file |
//! |---|---|
//! | the order of everything | `agent` |
//! | when to end, and why | `lease`, `spot`, `idle`, `ending`, `hibernation`, `power` |
//! | which rank this is, and who the others are | `rank`, `tenure`, `claims`, `peers` |
//! | which job of a queue is next, and whose it is | `queue`, `claims` |
//! | what to run, and running it, again if need be | `payload`, `environment`, `workload`, `exec`, `hook`, `restart` |
//! | what is kept | `output`, `results`, `completion`, `stop` |
//! | AWS without an SDK | `aws`, `metadata`, `http`, `failure`, `retry` |

mod agent;
mod aws;
mod claims;
mod completion;
mod config;
mod ending;
mod environment;
mod exec;
mod failure;
mod hibernation;
mod hook;
mod http;
mod idle;
mod lease;
mod metadata;
mod notices;
mod output;
mod payload;
mod peers;
mod power;
mod queue;
mod rank;
mod restart;
mod results;
mod retry;
mod spot;
mod stop;
mod tenure;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: spored run --config FILE [--lease-interval SECONDS] [--look-interval SECONDS]
                  [--renew-interval SECONDS] [--claim-interval SECONDS]
       spored exec --job FILE --report FILE
       spored --version";

/// How often something is looked at or said.
#[derive(Clone, Copy, Debug)]
struct Intervals {
    /// The lease object.
    lease: Duration,
    /// Whether anything happens on the machine.
    look: Duration,
    /// How often a member of a service gives a sign of life; everything that follows from one that is missing is counted in these.
    renew: Duration,
    /// The same of a job of a queue.
    claim: Duration,
}

impl Intervals {
    /// Reads the options that say so.
    fn read(options: &[&str]) -> Option<Self> {
        let mut intervals = Self { lease: lease::INTERVAL, look: idle::INTERVAL, renew: tenure::INTERVAL, claim: queue::INTERVAL };
        for option in options.chunks(2) {
            let [name, seconds] = option else { return None };
            let interval = Duration::from_secs(seconds.parse().ok().filter(|seconds| *seconds > 0)?);
            match *name {
                "--lease-interval" => intervals.lease = interval,
                "--look-interval" => intervals.look = interval,
                "--renew-interval" => intervals.renew = interval,
                "--claim-interval" => intervals.claim = interval,
                _ => return None,
            }
        }
        Some(intervals)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--version"] => {
            println!("spored {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        ["exec", "--job", job, "--report", report] => in_runtime(exec::run(job.as_ref(), report.as_ref())),
        ["run", "--config", config, options @ ..] => match Intervals::read(options) {
            Some(intervals) => in_runtime(agent::run(config.as_ref(), intervals)),
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Runs on one thread: there is one task at a time to do, and every thread costs memory on each machine of a fleet.
fn in_runtime(task: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = tokio::task::LocalSet::new().block_on(&runtime, task);
            // A read of a file that hangs must not keep the process.
            runtime.shutdown_timeout(Duration::from_millis(100));
            code
        }
        Err(error) => {
            eprintln!("spored: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
