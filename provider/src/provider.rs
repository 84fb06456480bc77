//! The provider block, and what its resources share while a process lives.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use futures::future::{join, join_all};
use spawn_aws::ConnectOptions;
use spawn_core::claim::{Claim, KeptAlive};
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports;
use spawn_model::check::Check;
use spawn_model::error::{Class, Error};
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::ids::{AlertId, FleetId};
use spawn_model::problem::{Path, Problem};
use spawn_model::read::FieldType;
use spawn_model::record::Keeper;
use spawn_model::value::Value;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::wire::{DataSource, Diagnostic, Function, Provider, Resource};
use crate::{data, functions, resources};

const FIELDS: &[Field] = &[
    Field {
        name: "region",
        doc: "The region fleets live in, such as `us-east-1`. Left out: what the environment or the profile says (`AWS_REGION`).",
        kind: Kind::String,
        presence: Presence::Optional,
        change: Change::InPlace,
        sensitive: false,
    },
    Field {
        name: "profile",
        doc: "The profile in the AWS configuration files to take credentials and region from. Left out: `AWS_PROFILE`, or the default.",
        kind: Kind::String,
        presence: Presence::Optional,
        change: Change::InPlace,
        sensitive: false,
    },
    Field {
        name: "check",
        doc: "What a plan asks AWS: `standard`, or `strict`. Left out: `standard`. A strict plan of a fleet that is to be made, made anew or run \
              again by its `triggers` also has EC2 try its launch, and what is made before it (`DryRun`), so that a right that is missing is an \
              error before anything is made; and it compares the vCPUs that the fleet needs, and those that run, with the account's quotas. It \
              is tried with the credentials of whoever plans, and once more when it is applied. What cannot be tried is told as a warning: \
              before the first fleet in a network, whether its role may be handed to instances (`iam:PassRole`) and, to whoever may launch only \
              into security groups of spawn's, whether it may be launched; the quotas, to whoever may not look (`servicequotas:GetServiceQuota`). \
              Nothing tries what IAM, S3, EventBridge Scheduler and Auto Scaling are asked for: of a service, its launch template and a launch \
              are tried, not its group. The runs of a schedule are launched with other rights, and not tried.",
        kind: Kind::String,
        presence: Presence::Optional,
        change: Change::InPlace,
        sensitive: false,
    },
];

/// How plans are checked, as the provider block says.
fn checked(config: &Value) -> (Option<Check>, Vec<Problem>) {
    let mut problems = Vec::new();
    let written = config.get("check");
    let check = if written.is_null() { Some(Check::Standard) } else { Check::read(written, &Path::field("check"), &mut problems) };
    (check, problems)
}

/// What the resources of a process share: the engine, and the fleets that are launched and not yet in Terraform's state.
#[derive(Default)]
pub(crate) struct Session {
    engine: OnceLock<Result<Option<Engine>, Error>>,
    /// Who knows whose credentials these are.
    identity: OnceLock<Arc<dyn ports::Identity>>,
    account: OnceCell<String>,
    check: OnceLock<Check>,
    cancel: CancellationToken,
    launched: Mutex<Vec<(Arc<Claim>, KeptAlive)>>,
    alerts: Mutex<Vec<(String, AlertId)>>,
    alerts_in_state: Mutex<BTreeSet<AlertId>>,
    in_state: Mutex<BTreeSet<FleetId>>,
    to_be_made: Mutex<BTreeSet<String>>,
}

impl Session {
    /// The engine; nothing while the provider's configuration is unknown.
    pub(crate) fn engine(&self) -> Result<Option<Engine>, Error> {
        self.engine.get().cloned().unwrap_or(Ok(None))
    }

    /// The engine, for what cannot wait until the provider's configuration is known.
    pub(crate) fn configured(&self) -> Result<Engine, Error> {
        self.engine()?.ok_or_else(not_configured)
    }

    /// Remembers whose account this is, as something tells that lives in it: all that a process meets lives in one.
    pub(crate) fn lives_in(&self, account: &str) {
        // Set already, it was set by something else in it.
        drop(self.account.set(account.to_owned()));
    }

    /// The account's id, if anything has told it yet.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.get().map(String::as_str)
    }

    /// The account's id, asked for if nothing has told it yet.
    pub(crate) async fn account_asked(&self) -> Result<&str, Error> {
        self.account.get_or_try_init(|| self.ask_account()).await.map(String::as_str)
    }

    async fn ask_account(&self) -> Result<String, Error> {
        let identity = self.identity.get().ok_or_else(not_configured)?;
        Ok(identity.caller().await?.account)
    }

    /// Whether plans also have AWS try what it tries.
    pub(crate) fn is_strict(&self) -> bool {
        self.check.get() == Some(&Check::Strict)
    }

    /// An operation that Ctrl-C stops and that tells its progress to the log.
    pub(crate) fn operation(&self) -> Operation {
        Operation::new(self.cancel.clone(), |line| tracing::info!("{line}"))
    }

    /// Keeps a fleet's claim alive until Terraform has the fleet in its state.
    pub(crate) fn launched(&self, claim: Arc<Claim>, kept_alive: KeptAlive) {
        self.launched.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((claim, kept_alive));
    }

    /// Remembers an alert until Terraform has it in its state.
    pub(crate) fn alert_made(&self, name: &str, id: AlertId) {
        self.alerts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((name.to_owned(), id));
    }

    /// Remembers an alert that Terraform has in its state.
    pub(crate) fn alert_in_state(&self, id: AlertId) {
        self.alerts_in_state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id);
    }

    /// The alerts that this process has seen in Terraform's state: as with fleets, what replaces one is planned while that has its name.
    pub(crate) fn alerts_in_state(&self) -> BTreeSet<AlertId> {
        self.alerts_in_state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Says that Terraform has them.
    async fn keep_alerts(&self) {
        let made = std::mem::take(&mut *self.alerts.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let Ok(Some(engine)) = self.engine() else { return };
        for error in join_all(made.iter().map(|(name, id)| engine.alert_keep(name, id))).await.into_iter().filter_map(Result::err) {
            tracing::warn!("an alert could not be acknowledged; the next refresh does it: {error}");
        }
    }

    /// Remembers the name of a fleet that is planned to be made; fails if another one was planned under it.
    pub(crate) fn to_be_made(&self, name: &str) -> Result<(), Error> {
        if self.to_be_made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name.to_owned()) {
            return Ok(());
        }
        let message = format!("the name {name:?} is that of another resource in this configuration");
        let help = "A name is unique in an account and region: choose another one";
        Err(Error::new(Class::Conflict, "NameInUse", message, help).at(Path::field("name")))
    }

    /// Remembers a fleet that Terraform has in its state.
    pub(crate) fn seen_in_state(&self, fleet: FleetId) {
        self.in_state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(fleet);
    }

    /// The fleets that this process has seen in Terraform's state. Terraform asks for the second half of a replacement as if it
    /// were a creation, while the first half's fleet still has its name.
    pub(crate) fn in_state(&self) -> BTreeSet<FleetId> {
        self.in_state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn not_configured() -> Error {
    let help = "Set region and profile to values that are known when planning";
    Error::new(Class::Invalid, "ProviderUnknown", "the provider's configuration is not known yet", help)
}

/// The provider.
pub struct SpawnProvider {
    session: Arc<Session>,
    resources: Vec<Box<dyn Resource>>,
    data_sources: Vec<Box<dyn DataSource>>,
    functions: Vec<Box<dyn Function>>,
}

impl Default for SpawnProvider {
    fn default() -> Self {
        let session = Arc::default();
        let (resources, data_sources) = (resources::all(&session), data::all(&session));
        Self { resources, data_sources, functions: functions::all(), session }
    }
}

#[async_trait]
impl Provider for SpawnProvider {
    fn schema(&self) -> &'static [Field] {
        FIELDS
    }

    fn doc(&self) -> &'static str {
        include_str!("doc.md")
    }

    fn resources(&self) -> &[Box<dyn Resource>] {
        &self.resources
    }

    fn data_sources(&self) -> &[Box<dyn DataSource>] {
        &self.data_sources
    }

    fn functions(&self) -> &[Box<dyn Function>] {
        &self.functions
    }

    async fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        checked(config).1.iter().map(resources::problem).collect()
    }

    async fn configure(&self, config: Value, _terraform_version: String) -> Vec<Diagnostic> {
        let check = checked(&config).0.unwrap_or(Check::Standard);
        let engine = if config.has_unknown() {
            Ok(None)
        } else {
            let text = |name: &str| config.get(name).as_str().map(str::to_owned);
            let options = ConnectOptions { region: text("region"), profile: text("profile"), ..ConnectOptions::default() };
            spawn_aws::connect(&options).await.map(|aws| {
                drop(self.session.identity.set(aws.identity.clone()));
                Some(Engine::new(aws, None))
            })
        };
        // Terraform configures a process once; one that is attached to, again for each walk over the resources.
        drop(self.session.engine.set(engine));
        self.session.check.get_or_init(|| check);
        self.session.to_be_made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        Vec::new()
    }

    async fn stop(&self) {
        self.session.cancel.cancel();
    }

    /// Terraform has the answers of Create in its state now: acknowledge them, so that nobody adopts these fleets.
    async fn shutdown(&self) {
        let launched = std::mem::take(&mut *self.session.launched.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let acknowledged = join_all(launched.iter().map(|(claim, _)| claim.acknowledge(Keeper::State)));
        let (acknowledged, ()) = join(acknowledged, self.session.keep_alerts()).await;
        for error in acknowledged.into_iter().filter_map(Result::err) {
            tracing::warn!("a fleet could not be acknowledged; the next refresh does it: {error}");
        }
    }
}
