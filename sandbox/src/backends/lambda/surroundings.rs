//! What Lambda needs of the sandbox around it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use jiff::Timestamp;
use sandbox_hypervisor::Hypervisor;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::authority::trust;
use crate::backends::iam::{Iam, Role};
use crate::callers::Callers;
use crate::clock::Clock;
use crate::protocol::Failure;
use crate::router::Router;

/// The sandbox around Lambda.
pub(crate) struct Surroundings {
    /// The account.
    pub(crate) account: String,
    /// Where functions reach the sandbox.
    pub(crate) endpoint: String,
    /// Where code and environments lie.
    pub(crate) dir: PathBuf,
    /// Roles.
    pub(crate) iam: Arc<Iam>,
    /// Whose keys are whose.
    pub(crate) callers: Arc<Callers>,
    /// AWS's time.
    pub(crate) clock: Arc<Clock>,
    /// Tells the driver that something is due.
    pub(crate) wake: Arc<Notify>,
    /// Runs the processes; without it functions can be kept but not invoked.
    pub(crate) hypervisor: Option<Hypervisor>,
    /// Where calls go that Lambda makes for a function.
    pub(crate) router: OnceLock<Weak<Router>>,
    /// A file of certificates that functions trust.
    pub(crate) trusted: Option<PathBuf>,
    /// The sandbox ends.
    pub(crate) stop: CancellationToken,
}

impl Surroundings {
    /// A directory for the code of one version.
    pub(super) fn code_dir(&self) -> PathBuf {
        self.dir.join("code").join(uuid::Uuid::new_v4().simple().to_string())
    }

    /// A directory for one environment.
    pub(super) fn environment_dir(&self, id: &str) -> PathBuf {
        self.dir.join("environments").join(id)
    }

    /// The role with this ARN, if Lambda may assume it for a function.
    pub(super) fn assume(&self, arn: &str, function: &str, now: Timestamp) -> Result<Option<Role>, Failure> {
        let Some(role) = self.iam.role_by_arn(arn).filter(|role| role.usable <= now) else { return Ok(None) };
        let trusted = trust::lets(&role, "lambda.amazonaws.com", Some(function));
        match trusted.map_err(|what| Failure::gap(format!("{what} of the trust policy of role {}", role.name)))? {
            true => Ok(Some(role)),
            false => Ok(None),
        }
    }

    /// Lists something as missing.
    pub(super) fn record_gap(&self, what: &str) {
        if let Some(router) = self.router.get().and_then(Weak::upgrade) {
            router.gaps().record(what);
        }
    }
}
