//! What the faces call: one method for each thing a person can want.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{future, join};
use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::market::MarketType;
use spawn_model::problem::Path;
use spawn_model::record::{FleetRecord, Keeper, Payload, SCHEMA};
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::WaitFor;

use crate::artifacts::{self, Artifacts};
use crate::claim::{self, Claim, Claimant, Claiming, KeptAlive, caller_identity};
use crate::cost;
use crate::dns::{self, Names};
use crate::fleet::{self, Fleet, Look};
use crate::full::Full;
use crate::image;
use crate::launch::Launcher;
use crate::lease;
use crate::ledger::Ledger;
use crate::network;
use crate::operation::Operation;
use crate::plan::{Observed, Plan, plan};
use crate::policies::{self, Audience};
use crate::ports::{Aws, Caller, LogPage, Result};
use crate::rights;
use crate::service;
use crate::setup::{self, Choices, Setup};
use crate::snapshot::{Snapshots, WriteInvalidate};
use crate::types::{self, By};
use crate::wait::{self, Waited};
use tokio::sync::OnceCell;

/// How often a name is claimed again after the dead launch that had it was undone.
pub(crate) const CLAIMS_MAX: u32 = 3;

/// How long undoing a failed launch may wait for instances to go away.
pub(crate) const UNDO_TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// The engine, in one region of one account.
#[derive(Clone)]
pub struct Engine {
    aws: Aws,
    artifacts: Option<PathBuf>,
    /// Read once: it changes with a new version of spawn, not within a process.
    setup: Arc<OnceCell<Setup>>,
    /// What was full lately.
    pub(crate) full: Arc<Full>,
    /// What refreshes share.
    snapshots: Arc<Snapshots>,
}

/// A fleet that was just launched.
pub struct Launch {
    /// What was recorded of it.
    pub record: FleetRecord,
    /// Its name's claim, to be acknowledged when the caller has stored the fleet.
    pub claim: Arc<Claim>,
    /// The claim's heartbeat: keep it until then.
    pub kept_alive: KeptAlive,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Engine {
    /// An engine on `aws`. `artifacts` is the directory with the agents; nothing means `SPAWN_ARTIFACTS`, else beside the program.
    #[must_use]
    pub fn new(aws: Aws, artifacts: Option<PathBuf>) -> Self {
        let snapshots = Arc::new(Snapshots::new(&aws));
        let instances = Arc::new(WriteInvalidate::new(aws.instances, snapshots.clone()));
        Self { aws: Aws { instances, ..aws }, artifacts, setup: Arc::default(), full: Arc::default(), snapshots }
    }

    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// What looks at many fleets share.
    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.aws.region
    }

    /// Now, by the clock that leases go by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.aws.clock.now()
    }

    /// Makes or completes the account set-up.
    ///
    /// # Errors
    /// See [`setup::ensure`].
    pub async fn setup(&self, choices: &Choices, operation: &Operation) -> Result<Setup> {
        let caller = self.aws.identity.caller().await?;
        self.setup_as(&caller, choices, operation).await.map_err(needs_administrator)
    }

    async fn setup_as(&self, caller: &Caller, choices: &Choices, operation: &Operation) -> Result<Setup> {
        let artifacts = Artifacts::find(self.artifacts.as_deref())?;
        setup::ensure(&self.aws, caller, &artifacts, choices, operation).await
    }

    /// Removes the account set-up.
    ///
    /// # Errors
    /// See [`setup::remove`].
    pub async fn setup_remove(&self, operation: &Operation) -> Result<()> {
        let caller = self.aws.identity.caller().await?;
        setup::remove(&self.aws, &caller, operation).await
    }

    /// The policy document for somebody, in this account and region.
    ///
    /// # Errors
    /// If it is not known whose account this is.
    pub async fn policy(&self, audience: Audience) -> Result<serde_json::Value> {
        let caller = self.aws.identity.caller().await?;
        Ok(policies::document(audience, &caller.account, self.region()))
    }

    /// Plans a launch and creates nothing. Also says if the name is taken.
    ///
    /// # Errors
    /// Whatever would keep the launch from succeeding and can be seen before.
    pub async fn plan(&self, kind: FleetKind, spec: &FleetSpec) -> Result<Plan> {
        let plan = self.unpriced(kind, spec, Some(&BTreeSet::new()), By::Price).await?;
        self.costed(spec, plan).await
    }

    /// Says what a launch would leave out, and fails if it could not succeed. It may follow on the end of one of the caller's own
    /// fleets, and so may have its name. Asks for no price: whoever only wants to know this makes one call fewer.
    ///
    /// # Errors
    /// See [`Engine::plan`].
    pub async fn check(&self, kind: FleetKind, spec: &FleetSpec, own: &BTreeSet<FleetId>) -> Result<Vec<String>> {
        Ok(self.unpriced(kind, spec, Some(own), By::Size).await?.notes)
    }

    /// Plans a launch. `own` are the fleets that may have its name; nothing if it has none that counts.
    pub(crate) async fn unpriced(&self, kind: FleetKind, spec: &FleetSpec, own: Option<&BTreeSet<FleetId>>, by: By) -> Result<Plan> {
        let (caller, setup) = join!(self.aws.identity.caller(), self.found());
        let (caller, setup) = (caller?, setup?);
        let architectures = match &setup {
            Some(setup) => setup.architectures(),
            None => artifacts::machines(self.artifacts.as_deref())?.iter().map(|machine| setup::ec2_architecture(machine)).collect(),
        };
        let mut own = own.cloned();
        if let (Some(setup), Some(own)) = (&setup, &mut own) {
            own.extend(self.name_free(setup, &caller, spec, own).await?);
        }
        lease::check(setup.as_ref(), kind, &spec.lease)?;
        if let Some(setup) = &setup {
            service::check(setup, kind, spec)?;
        }
        rights::check(&self.aws, setup.as_ref(), spec).await?;
        let names = types::names(&self.aws, spec, by).await?;
        let observed = self.observe(spec, &names, architectures).await?;
        let dns_name = dns::planned(&self.aws, setup.as_ref(), spec, &observed.subnets).await?;
        if let (Some(place), Some(own)) = (&dns_name, &own) {
            dns::free(&self.aws, place, own).await?;
        }
        let mut plan = plan(kind, spec, &observed)?.named(dns_name);
        if setup.is_none() {
            plan.notes.push(format!(
                "the account set-up of {} in {} is not there yet; the first launch makes it",
                caller.account, self.aws.region
            ));
        }
        cost::budgeted(&self.aws, spec, plan).await
    }

    /// Whether a name is free, or that of one of `own`; or whose it is, if the caller may go on with that or undo it.
    async fn name_free(&self, setup: &Setup, caller: &Caller, spec: &FleetSpec, own: &BTreeSet<FleetId>) -> Result<Option<FleetId>> {
        let ledger = self.ledger(setup);
        match ledger.claim(&spec.name).await? {
            Some((claim, _)) if own.contains(&claim.fleet) => Ok(None),
            Some((claim, _)) => claim::never_adoptable(&spec.name, &claim, &caller_identity(caller)).map(|()| Some(claim.fleet)),
            None => Ok(None),
        }
    }

    /// Looks at what a plan is made of. `names` are the types to launch from, in order.
    pub(crate) async fn observe(&self, spec: &FleetSpec, names: &[String], architectures: Vec<String>) -> Result<Observed> {
        let types_and_image = async {
            let mut types = self.aws.instances.types(names).await.map_err(|e| blame(e, "InvalidInstanceType", "instance_types"))?;
            types.sort_by_key(|found| names.iter().position(|name| *name == found.name));
            let architecture = types.first().map_or("x86_64", |preferred| preferred.architecture.as_str());
            let image = image::find(&self.aws, spec.ami.as_deref(), architecture).await?;
            Ok::<_, Error>((types, image))
        };
        // Joined, not raced: where both fail, the same input is told the same thing each time.
        let spot_prices = async {
            match spec.market.r#type {
                MarketType::OnDemand => Ok(Vec::new()),
                MarketType::Spot => self.aws.instances.spot_prices(names, self.now()).await,
            }
        };
        let (subnets, key_pair) = (network::find(&self.aws, spec), network::key_pair(&self.aws, spec.ssh_key.as_deref()));
        let (types_and_image, subnets, spot_prices, key_pair) = join!(types_and_image, subnets, spot_prices, key_pair);
        let ((types, image), subnets, spot_prices) = (types_and_image?, subnets?, spot_prices?);
        key_pair?;
        Ok(Observed { types, image, subnets, architectures, spot_prices })
    }

    /// On-demand price of an instance-hour of the preferred type. One that cannot be had is unknown; it never keeps a fleet from being
    /// launched.
    async fn price(&self, names: &[String]) -> Option<f64> {
        self.aws.prices.on_demand_usd_per_hour(&self.aws.region, names.first()?).await.ok().flatten()
    }

    /// Launches a fleet, or goes on with one whose launcher died.
    ///
    /// # Errors
    /// What failed, after everything it had made was undone; the error says what is left if that failed too.
    pub async fn launch(&self, kind: FleetKind, spec: &FleetSpec, operation: &Operation) -> Result<Launch> {
        let mut warnings = Vec::new();
        let (caller, setup) = join!(self.aws.identity.caller(), self.found());
        let (caller, setup) = (caller?, setup?);
        let setup = self.set_up(&caller, setup, &mut warnings, operation).await?;
        let ledger = self.ledger(&setup);
        let plan = self.launchable(kind, spec, &setup).await?;
        warnings.extend(plan.notes.iter().cloned());
        let hash = spec.hash(kind);
        for _ in 0..CLAIMS_MAX {
            let claimant = Claimant {
                fleet: FleetId::from_random(random()),
                run: RunId::from_random(random()),
                caller: caller_identity(&caller),
                spec_hash: hash.clone(),
            };
            let Some((claim, first)) = self.claimed(&ledger, &setup, &spec.name, claimant, operation).await? else { continue };
            let kept_alive = claim.keep_alive();
            let (fleet, run) = claim.fleet().await;
            // A launcher that died may have recorded what it was to make: that counts, with its moment.
            let recorded = if first { None } else { ledger.fleet(&fleet).await? };
            let record = recorded.unwrap_or_else(|| self.record(kind, spec, &caller, &plan, (fleet, run)));
            let plan = match self.begun(&plan, &record, spec, &setup).await {
                Ok(plan) => plan,
                Err(error) => return Err(self.undo(&ledger, &setup, &record, error, operation).await),
            };
            if lease::deadline_of(&record) <= self.now() {
                operation.say("the lease of the dead launch is over; undoing it");
                crate::end::end(&self.aws, &ledger, &setup, &record.fleet, UNDO_TIMEOUT, operation).await?;
                continue;
            }
            let (aws, full) = (&self.aws, &*self.full);
            let launcher = Launcher { aws, full, ledger: &ledger, setup: &setup, plan: &plan, record: &record, operation, first };
            return match launcher.launch(&payload(spec)).await {
                Ok(shortfall) => {
                    warnings.extend(shortfall);
                    Ok(Launch { record, claim, kept_alive, warnings })
                }
                Err(error) => Err(self.undo(&ledger, &setup, &record, error, operation).await),
            };
        }
        Err(taken_again(&spec.name))
    }

    /// The set-up, made if it is not there; of which it tells.
    pub(crate) async fn set_up(
        &self,
        caller: &Caller,
        found: Option<Setup>,
        warnings: &mut Vec<String>,
        operation: &Operation,
    ) -> Result<Setup> {
        if let Some(setup) = found {
            return Ok(setup);
        }
        let setup = self.setup_as(caller, &Choices::default(), operation).await.map_err(needs_administrator)?;
        let reaper = if setup.reaper_arn.is_some() { " With it came a function that reaps every 15 minutes." } else { "" };
        warnings.push(format!("The account set-up of {} in {} was not there, so it was made.{reaper}", caller.account, self.aws.region));
        Ok(setup)
    }

    /// How a fleet would be launched now.
    pub(crate) async fn launchable(&self, kind: FleetKind, spec: &FleetSpec, setup: &Setup) -> Result<Plan> {
        lease::check(Some(setup), kind, &spec.lease)?;
        rights::check(&self.aws, Some(setup), spec).await?;
        self.priced(kind, spec, setup).await
    }

    /// As [`Engine::launchable`], for who has looked before whether the set-up can do it.
    pub(crate) async fn priced(&self, kind: FleetKind, spec: &FleetSpec, setup: &Setup) -> Result<Plan> {
        service::check(setup, kind, spec)?;
        let names = types::names(&self.aws, spec, By::Price).await?;
        let (price, observed) = join!(self.price(&names), self.observe(spec, &names, setup.architectures()));
        let observed = observed?;
        let dns_name = dns::planned(&self.aws, Some(setup), spec, &observed.subnets).await?;
        cost::budgeted(&self.aws, spec, plan(kind, spec, &observed)?.named(dns_name).priced(price)).await
    }

    /// Claims a name, and says whether it was free; nothing if it was that of a dead launch, which is undone.
    pub(crate) async fn claimed(
        &self,
        ledger: &Ledger,
        setup: &Setup,
        name: &str,
        claimant: Claimant,
        operation: &Operation,
    ) -> Result<Option<(Arc<Claim>, bool)>> {
        Ok(match claim::claim_name(&self.aws, ledger, name, claimant, operation).await? {
            Claiming::Fresh(claim) => Some((claim, true)),
            Claiming::Adopt(claim) => {
                operation.say("going on with a launch whose launcher died");
                Some((claim, false))
            }
            Claiming::Undo(dead) => {
                operation.say(&format!("undoing {dead}, a launch under this name whose launcher died"));
                crate::end::end(&self.aws, ledger, setup, &dead, UNDO_TIMEOUT, operation).await?;
                None
            }
        })
    }

    /// The plan of a run that has begun: other types may be cheaper since, and a newer image out, and it is launched from what it began
    /// with.
    pub(crate) async fn begun(&self, plan: &Plan, record: &FleetRecord, spec: &FleetSpec, setup: &Setup) -> Result<Plan> {
        let plan = if record.instance_types == plan.instance_types {
            plan.clone()
        } else {
            let observed = self.observe(spec, &record.instance_types, setup.architectures()).await?;
            crate::plan::plan(record.kind, spec, &observed)?
        };
        Ok(plan.booting(&record.image))
    }

    pub(crate) fn record(
        &self,
        kind: FleetKind,
        spec: &FleetSpec,
        caller: &Caller,
        plan: &Plan,
        (fleet, run): (FleetId, RunId),
    ) -> FleetRecord {
        let record = FleetRecord {
            schema: SCHEMA,
            fleet,
            run,
            kind,
            spec: spec.without_files(),
            region: self.aws.region.clone(),
            account: caller.account.clone(),
            caller: caller_identity(caller),
            asked_at: whole_second(self.now()),
            started_at: None,
            price_usd_per_hour: plan.price_usd_per_hour,
            ended: false,
            next: None,
            rate_usd_per_hour: plan.rate.filter(|_| spec.lease.budget.is_some()).map(|rate| rate.usd_per_hour()),
            instance_types: plan.instance_types.clone(),
            image: plan.image.clone(),
            rights_sha256: None,
            dns: plan.dns_name.clone(),
            scheduled: None,
            resumed: None,
        };
        rights::noted(record)
    }

    pub(crate) async fn undo(&self, ledger: &Ledger, setup: &Setup, record: &FleetRecord, error: Error, operation: &Operation) -> Error {
        operation.say(&format!("undoing the launch: {}", error.message));
        let quiet = Operation::quiet();
        match crate::end::end(&self.aws, ledger, setup, &record.fleet, UNDO_TIMEOUT, &quiet).await {
            Ok(_) => error.helped("Nothing of the launch is left").leaving(Leftover::Clear),
            Err(failed) => {
                let left = crate::end::left_by_both(&error.left, failed.left);
                let again = format!("Undoing it failed too ({}); `spawn down {}` tries again", failed.message, record.fleet);
                error.helped(&again).leaving(left)
            }
        }
    }

    /// Waits for a launch to come as far as `goal`, and writes its names in DNS, if it is to have any. Why they could not be written is
    /// [`Fleet::unnamed`]: whoever keeps names right tries again.
    ///
    /// # Errors
    /// See [`wait::wait`].
    pub async fn wait(&self, fleet: &FleetId, goal: WaitFor, until: Timestamp, operation: &Operation) -> Result<Option<Waited>> {
        let ledger = self.ledger(&self.warm().await?);
        let Some(mut waited) = wait::wait(&self.aws, &ledger, fleet, goal, until, operation).await? else { return Ok(None) };
        let fleet = waited.fleet_mut();
        if fleet.record.dns_name().is_some() && !fleet.record.ended && !operation.cancel.is_cancelled() {
            operation.say("writing its names in DNS");
            let kept = Names { aws: &self.aws, ledger: &ledger, operation }.keep(fleet).await;
            fleet.unnamed = kept.err().map(|error| error.message);
        }
        Ok(Some(waited))
    }

    /// Looks at a fleet; nothing if it is not there any more. Whoever is about to change it goes by this.
    ///
    /// # Errors
    /// See [`fleet::look`].
    pub async fn look(&self, fleet: &FleetId) -> Result<Option<Fleet>> {
        let Some(setup) = self.found().await? else { return Ok(None) };
        fleet::look(&self.aws, &self.ledger(&setup), fleet).await
    }

    /// Looks at a fleet as one of many; nothing if it is not there any more. It may be shown as it was some seconds ago, but for what
    /// this process has done to it.
    ///
    /// # Errors
    /// See [`fleet::look`].
    pub async fn refresh(&self, fleet: &FleetId) -> Result<Option<Fleet>> {
        let Some(setup) = self.found().await? else { return Ok(None) };
        fleet::refresh(&self.aws, &self.ledger(&setup), &self.snapshots, fleet).await
    }

    /// The fleet with an id or a name.
    ///
    /// # Errors
    /// `NoSuchFleet`.
    pub async fn find(&self, id_or_name: &str) -> Result<Fleet> {
        let ledger = self.ledger(&self.warm().await?);
        let id = fleet::find(&ledger, id_or_name).await?;
        fleet::look(&self.aws, &ledger, &id).await?.ok_or_else(|| fleet::no_such_fleet(id_or_name))
    }

    /// The fleet with an id or a name, to be looked at and nothing else: by its id also one that was ended for good.
    ///
    /// # Errors
    /// `NoSuchFleet`.
    pub async fn inspect(&self, id_or_name: &str) -> Result<Fleet> {
        self.inspected(Look::Members, id_or_name).await
    }

    /// As [`Engine::inspect`], and at what it hangs on, which somebody may have changed.
    ///
    /// # Errors
    /// `NoSuchFleet`.
    pub async fn examine(&self, id_or_name: &str) -> Result<Fleet> {
        self.inspected(Look::Everything, id_or_name).await
    }

    async fn inspected(&self, look: Look<'_>, id_or_name: &str) -> Result<Fleet> {
        let ledger = self.ledger(&self.warm().await?);
        let id = fleet::find(&ledger, id_or_name).await?;
        fleet::inspect(&self.aws, &ledger, look, &id).await?.ok_or_else(|| fleet::no_such_fleet(id_or_name))
    }

    /// The id of a fleet, even if its end was begun and interrupted: then the name still leads to it.
    ///
    /// # Errors
    /// `NoSuchFleet`.
    pub async fn identify(&self, id_or_name: &str) -> Result<FleetId> {
        let Some(setup) = self.found().await? else { return Err(fleet::no_such_fleet(id_or_name)) };
        let ledger = self.ledger(&setup);
        let id = fleet::find(&ledger, id_or_name).await?;
        // A name leads to a fleet that died before it was recorded too; an id is only known by its record, readable or not.
        let is_known = FleetId::parse(id_or_name).is_none() || ledger.is_recorded(&id).await?;
        if is_known { Ok(id) } else { Err(fleet::no_such_fleet(id_or_name)) }
    }

    /// Every fleet that has a name, each as in [`Engine::refresh`], and what is wrong with those that cannot be looked at: a damaged
    /// record of one hides no other.
    ///
    /// # Errors
    /// If the bucket cannot be read, or no fleet can be looked at.
    pub async fn list(&self) -> Result<(Vec<Fleet>, Vec<Error>)> {
        let Some(setup) = self.found().await? else { return Ok((Vec::new(), Vec::new())) };
        let ledger = self.ledger(&setup);
        let names = ledger.names().await?;
        let looks = names.iter().map(|name| async {
            let Some((claim, _)) = ledger.claim(name).await? else { return Ok(None) };
            let look = fleet::refresh(&self.aws, &ledger, &self.snapshots, &claim.fleet).await;
            look.map_err(|error| error.context(name))
        });
        let (mut fleets, mut errors) = (Vec::new(), Vec::new());
        for look in future::join_all(looks).await {
            match look {
                Ok(fleet) => fleets.extend(fleet),
                Err(error) => errors.push(error),
            }
        }
        match errors.pop() {
            // Then it is about none of them.
            Some(error) if fleets.is_empty() => Err(error),
            error => Ok((fleets, errors.into_iter().chain(error).collect())),
        }
    }

    /// The files of a fleet, which its record does not hold.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn files(&self, record: &FleetRecord) -> Result<std::collections::BTreeMap<String, String>> {
        let ledger = self.ledger(&self.warm().await?);
        Ok(ledger.payload(&record.fleet, &record.run).await?.map(|payload| payload.files).unwrap_or_default())
    }

    /// Ends a fleet for good. Answers with where its results stay; nothing if they were deleted with it, or nothing is recorded of it.
    ///
    /// # Errors
    /// See [`crate::end::end`].
    pub async fn end(&self, fleet: &FleetId, timeout: SignedDuration, operation: &Operation) -> Result<Option<String>> {
        let Some(setup) = self.found().await? else { return Ok(None) };
        let ledger = self.ledger(&setup);
        let kept = crate::end::end(&self.aws, &ledger, &setup, fleet, timeout, operation).await?;
        Ok(kept.map(|record| fleet::results_uri(&ledger, &record)))
    }

    /// Ends a fleet for good, with its results and records whatever was asked for before.
    ///
    /// # Errors
    /// See [`crate::end::erase`].
    pub async fn erase(&self, fleet: &FleetId, timeout: SignedDuration, operation: &Operation) -> Result<()> {
        let Some(setup) = self.found().await? else { return Ok(()) };
        crate::end::erase(&self.aws, &self.ledger(&setup), &setup, fleet, timeout, operation).await
    }

    /// Says who keeps a fleet: a face that has it in its own state, or a person, if nobody does yet.
    ///
    /// # Errors
    /// If the claim cannot be written.
    pub async fn acknowledge(&self, record: &FleetRecord, keeper: Keeper) -> Result<()> {
        let ledger = self.ledger(&self.warm().await?);
        claim::acknowledge_seen(&ledger, &record.spec.name, &record.fleet, keeper).await
    }

    /// The output of a fleet's ranks from a time on, in order: one page, which follows on the one that told of `next`.
    ///
    /// # Errors
    /// If CloudWatch Logs cannot be read.
    pub async fn output(&self, record: &FleetRecord, from: Timestamp, next: Option<&str>) -> Result<LogPage> {
        let setup = self.warm().await?;
        let prefix = spawn_model::layout::log_stream_prefix(&record.fleet, &record.run);
        self.aws.logs.page(&setup.log_group, &prefix, from, next).await
    }

    /// The set-up, if it is there.
    pub(crate) async fn found(&self) -> Result<Option<Setup>> {
        if let Some(setup) = self.setup.get() {
            return Ok(Some(setup.clone()));
        }
        let found = setup::find(&self.aws).await?;
        if let Some(setup) = &found {
            // A second reader may have been first: they read the same.
            drop(self.setup.set(setup.clone()));
        }
        Ok(found)
    }

    /// The results that the ranks have handed back so far: rank, and path below its `$SPAWN_RESULTS`.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn results(&self, record: &FleetRecord) -> Result<Vec<(u32, String)>> {
        self.ledger(&self.warm().await?).results(&record.fleet, &record.run).await
    }

    /// A result; nothing if there is none.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn result(&self, record: &FleetRecord, rank: u32, path: &str) -> Result<Option<Vec<u8>>> {
        self.ledger(&self.warm().await?).result(&record.fleet, &record.run, rank, path).await
    }

    pub(crate) async fn warm(&self) -> Result<Setup> {
        self.found().await?.ok_or_else(|| {
            let message = format!("the account set-up is not there in {}", self.aws.region);
            Error::new(
                Class::NotFound,
                "NoSetup",
                message,
                "Run `spawn setup`, or launch a fleet; --region or AWS_REGION chooses another region",
            )
        })
    }

    pub(crate) fn ledger(&self, setup: &Setup) -> Ledger {
        Ledger::new(self.aws.objects.clone(), &setup.bucket)
    }
}

/// Deadlines are read by people, and no hand is quicker than a second.
pub(crate) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

pub(crate) fn taken_again(name: &str) -> Error {
    let message = format!("the name {name:?} was taken again and again");
    Error::new(Class::Conflict, "NameInUse", message, "Try again, or choose another name").at(Path::field("name"))
}

pub(crate) fn payload(spec: &FleetSpec) -> Payload {
    Payload {
        schema: SCHEMA,
        command: spec.command.clone(),
        files: spec.files.clone(),
        env: spec.env.clone(),
        size: spec.size,
        fewer_may_do: spec.min_size.is_some(),
        uses_aws: !spec.policies.is_empty(),
        pre_stop: spec.pre_stop.clone(),
        checkpoint: spec.checkpoint.clone(),
        peer_notice: spec.peer_notice.clone(),
        jobs: spec.jobs.clone(),
        on_failure: spec.on_failure.filter(|_| !spec.jobs.is_empty()),
        resumed: false,
        name: spec.name.clone(),
    }
}

pub(crate) fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..8]);
    // The version's bits are not random; XOR with the random second half.
    let more = uuid::Uuid::new_v4();
    for (byte, other) in bytes.iter_mut().zip(&more.as_bytes()[8..]) {
        *byte ^= other;
    }
    bytes
}

fn blame(error: Error, code: &str, field: &str) -> Error {
    if error.code.starts_with(code) { error.at(Path::field(field)) } else { error }
}

fn needs_administrator(error: Error) -> Error {
    if error.class != Class::Denied {
        return error.context("making the account set-up");
    }
    let help = format!(
        "{}. An administrator makes the set-up once with `spawn setup`; `spawn policy administrator` prints what that takes",
        error.help
    );
    Error { help, ..error }.context("making the account set-up")
}
