//! The GitHub Action: machines for one job, gone when the job is, whatever happens to it.
//!
//! The runner starts `spawn-action main` as the step, and `spawn-action post` when the job is over; see `action.yml` and its shim.
//!
//! | module | what it holds |
//! |---|---|
//! | [`inputs`], [`outputs`] | what a workflow may write, and what it gets: `action.yml` is made of both |
//! | `given`, `ask` | what it has written, and the one checked fleet that becomes of it |
//! | `modes` | one file per mode |
//! | `post` | the end |
//! | `step` | the engine on the AWS of the job, and whom the step answers |
//! | `token`, `http` | the job's ID token, by which a role is assumed |
//! | `follow`, `results` | what ranks print and leave |
//! | `summary`, `cost` | what is shown on the page of the run |
//! | `runner`, `console`, `signals`, `failure` | how a runner talks to a step: variables, files, commands, signals, annotations |
//!
//! Nothing about launching is here: that is the engine's, as for every other face.

mod ask;
mod console;
mod cost;
mod failure;
mod follow;
mod given;
mod http;
pub mod inputs;
mod modes;
pub mod outputs;
mod post;
mod results;
mod runner;
mod signals;
mod step;
mod summary;
mod token;

use std::process::ExitCode;

use console::{Console, Level, Mark};
use failure::{Failure, Sources};
use runner::Environment;
use step::Step;

/// The exit code of whoever starts this in a way that nobody does.
const USAGE: u8 = 2;

/// Does what the runner starts the program for: `main` or `post`.
#[must_use]
pub fn run(verb: Option<&str>) -> ExitCode {
    let console = Console::stdout();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.annotate(Level::Error, &Mark::titled("spawn"), &format!("no threads could be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match verb {
            Some("main") => main(&console).await,
            Some("post") => post(&console).await,
            _ => {
                console.line("spawn-action main|post: what `action.yml` starts in a job of GitHub's; at a terminal, use `spawn`");
                USAGE
            }
        }
    });
    // What is still asked for, nobody waits for any more.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn main(console: &Console) -> u8 {
    let step = match Step::of(Environment::of_process(), console.clone()) {
        Ok(step) => step,
        Err(error) => return failed(&error.into(), console, &Sources::default()),
    };
    match modes::perform(&step).await {
        Ok(code) => code,
        Err(failure) => failed(&failure, console, &step.sources()),
    }
}

async fn post(console: &Console) -> u8 {
    match Step::of(Environment::of_process(), console.clone()) {
        Ok(step) => post::perform(&step).await,
        Err(error) => console.annotate(Level::Warning, &Mark::titled("spawn"), &error.to_string()),
    }
    modes::DONE
}

fn failed(failure: &Failure, console: &Console, sources: &Sources) -> u8 {
    failure.tell(console, sources);
    failure.exit_code()
}
