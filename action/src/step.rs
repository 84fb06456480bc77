//! The step of a workflow that this process is.

use std::sync::Arc;

use spawn_aws::{ConnectOptions, WebIdentity};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::{Aws, Result};
use spawn_model::error::Error;
use tokio_util::sync::CancellationToken;

use crate::console::{Console, Level, Mark};
use crate::failure::Sources;
use crate::given::Given;
use crate::runner::{Environment, Files, Job};
use crate::token::IdTokens;

/// The longest name of a session that STS takes.
const SESSION_MAX: usize = 64;

/// A step: what it was given, and whom it answers.
pub(crate) struct Step {
    pub(crate) environment: Environment,
    pub(crate) given: Given,
    pub(crate) job: Job,
    pub(crate) files: Files,
    pub(crate) console: Console,
}

/// An AWS, and the engine on it.
pub(crate) struct Session {
    pub(crate) aws: Aws,
    pub(crate) engine: Engine,
}

impl Step {
    /// The step that an environment is of.
    ///
    /// # Errors
    /// `NoRunner`.
    pub(crate) fn of(environment: Environment, console: Console) -> Result<Self> {
        let job = Job::of(&environment)?;
        let (given, files) = (Given::of(&environment), Files::of(&environment));
        Ok(Self { environment, given, job, files, console })
    }

    /// What its author has written, for who has to say where something is wrong.
    pub(crate) fn sources(&self) -> Sources {
        Sources::of(&self.given, &self.job)
    }

    /// Where this job's ID tokens come from.
    pub(crate) fn tokens(&self) -> IdTokens {
        let audience = self.given.text("audience").unwrap_or("sts.amazonaws.com");
        IdTokens::of(&self.environment, audience, &self.console)
    }

    /// Connects as the role that is to be assumed, or as the environment says.
    ///
    /// # Errors
    /// If there is no region, or the role cannot be assumed; other credentials are looked at by the first call.
    pub(crate) async fn connect(&self) -> Result<Session> {
        self.connect_in(self.given.text("region")).await
    }

    /// The same in a region.
    pub(crate) async fn connect_in(&self, region: Option<&str>) -> Result<Session> {
        let mut options = ConnectOptions { region: region.map(str::to_owned), ..ConnectOptions::default() };
        let tokens = self.given.text("role-to-assume").map(|role| (role, Arc::new(self.tokens())));
        if let Some((role, tokens)) = &tokens {
            options.web_identity = Some(WebIdentity { role: (*role).to_owned(), session: session(&self.job), tokens: tokens.clone() });
        }
        let aws = spawn_aws::connect(&options).await.map_err(in_a_workflow)?;
        if let Some((_, tokens)) = &tokens {
            // Whether the role trusts this job is told before anything is begun, and with what the token says.
            aws.identity.caller().await.map_err(|error| tokens.explained(error))?;
        }
        Ok(Session { engine: Engine::new(aws.clone(), None), aws })
    }

    /// An operation that says its progress in the log.
    pub(crate) fn operation(&self) -> Operation {
        let console = self.console.clone();
        Operation::new(CancellationToken::new(), move |line| console.line(line))
    }

    /// Says what goes on although it is not right.
    pub(crate) fn warn(&self, message: &str) {
        self.console.annotate(Level::Warning, &Mark::titled("spawn"), message);
    }

    /// The same of an error.
    pub(crate) fn warn_of(&self, what: &str, error: &Error) {
        self.warn(&format!("{what}: {error}"));
    }
}

/// What the session of a role is called: whoever reads CloudTrail finds the run by it.
fn session(job: &Job) -> String {
    let name = job.repository.rsplit('/').next().unwrap_or_default();
    let whole = format!("spawn-{}-{}-{name}", job.run_id, job.attempt);
    whole.chars().filter(|c| c.is_ascii_alphanumeric() || "_=,.@-".contains(*c)).take(SESSION_MAX).collect()
}

/// In a workflow, settings are inputs.
fn in_a_workflow(error: Error) -> Error {
    if error.code != "NoRegion" {
        return error;
    }
    Error { help: "Write the input `region`, such as us-east-1, or set AWS_REGION for the job".to_owned(), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::tests::job;

    #[test]
    fn a_session_is_found_by_its_run() {
        assert_eq!(session(&job("/work")), "spawn-1234567890-2-octo-repo");
        let long = Job { repository: format!("o/{}", "r".repeat(100)), ..job("/work") };
        assert_eq!(session(&long).len(), SESSION_MAX);
    }
}
