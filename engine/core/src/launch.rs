//! The launcher: the one way by which instances come to be.
//!
//! Every step may be repeated: names derive from ids that were recorded before anything was made, and a repeated `RunInstances`
//! has the client token of the first. So a launcher that takes over a dead one's fleet runs the same steps again.

use futures::try_join;
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::layout;
use spawn_model::market::MarketType;
use spawn_model::problem::Path;
use spawn_model::record::{Attempt, Batch, FleetRecord, Launched, Payload, SCHEMA, Settled};

use crate::bucket::Bucket;
use crate::dns::Names;
use crate::full::Full;
use crate::lease;
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::operation::Operation;
use crate::plan::{Plan, batch_size};
use crate::pools::Pool;
use crate::ports::{Aws, LaunchRequest, Result, Tags};
use crate::retry::{Patience, patiently};
use crate::rights;
use crate::service;
use crate::setup::Setup;
use crate::tags;

/// A launch under way.
pub(crate) struct Launcher<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) full: &'a Full,
    pub(crate) ledger: &'a Ledger,
    pub(crate) setup: &'a Setup,
    pub(crate) plan: &'a Plan,
    pub(crate) record: &'a FleetRecord,
    pub(crate) operation: &'a Operation,
    /// False if another launcher may have made part of it.
    pub(crate) first: bool,
}

/// Which pools have had their turn.
#[derive(Default)]
struct Turns {
    /// Whose it is: the pool's place in the plan, or that and the number of pools for its second turn.
    turn: usize,
    /// The places of those that get a second one.
    passed_over: Vec<usize>,
    /// Whether an earlier launcher may have taken this turn already.
    resumed: bool,
}

impl Launcher<'_> {
    /// Makes the plan true, from wherever an earlier launcher of the same run left off.
    /// If fewer do than were asked for, says so.
    pub(crate) async fn launch(&self, payload: &Payload) -> Result<Option<String>> {
        let (fleet, deadline) = (&self.record.fleet, lease::deadline_of(self.record));
        self.operation.say(&format!("recording what is asked for: {fleet}, until {deadline}"));
        self.ledger.fleet_write(self.record).await?;
        self.operation.go_on()?;
        self.operation.say("making role, security group and the schedule that ends the fleet");
        self.named().await?;
        let ((), group_id) = try_join!(self.records(payload), self.surroundings())?;
        self.instances(&group_id).await
    }

    /// What the ranks run, and until when.
    pub(crate) async fn records(&self, payload: &Payload) -> Result<()> {
        let (fleet, run) = (&self.record.fleet, &self.record.run);
        let lease = lease::object(self.record, lease::deadline_of(self.record), 0);
        try_join!(
            self.patiently(|| self.ledger.payload_write(fleet, run, payload)),
            self.patiently(|| self.ledger.lease_write(fleet, run, &lease)),
        )
        .map(drop)
    }

    /// What every run of the fleet shares: its role and its group, whose id this is.
    pub(crate) async fn surroundings(&self) -> Result<String> {
        let ((), group_id) = try_join!(self.patiently(|| self.identity()), self.patiently(|| self.group()))?;
        Ok(group_id)
    }

    /// Claims the fleet's name in DNS.
    pub(crate) async fn named(&self) -> Result<()> {
        Names { aws: self.aws, ledger: self.ledger, operation: self.operation }.claim(self.record).await
    }

    /// Makes what is missing of that, and gives what is there its rights and tags; it has had `tags`.
    pub(crate) async fn surroundings_again(&self, tags: &Tags) -> Result<()> {
        let mine = tags::of_fleet(&self.record.fleet);
        let group = async {
            let groups = self.patiently(|| self.aws.instances.groups(&mine)).await?;
            if groups.is_empty() {
                return self.patiently(|| self.group()).await.map(drop);
            }
            if *tags == self.record.spec.tags {
                return Ok(());
            }
            self.patiently(|| tags::change(self.aws, &groups, tags, &self.record.spec.tags)).await
        };
        try_join!(self.patiently(|| self.identity()), group).map(drop)
    }

    /// Gives the role that is there what the record says, whatever an older version or somebody else gave it. That it is gone, its profile tells
    /// later.
    pub(crate) async fn rights_again(&self) -> Result<()> {
        let role = rights::role(self.record, self.setup);
        let put = || async {
            match self.aws.identity.role_policy_put(&role.name, &role.policy).await {
                Err(error) if error.class == Class::NotFound => Ok(()),
                put => put.map_err(|e| e.context("changing the fleet's role")),
            }
        };
        self.patiently(put).await
    }

    /// The schedules that end the run, and then its instances. If fewer do than were asked for, says so.
    pub(crate) async fn instances(&self, group_id: &str) -> Result<Option<String>> {
        let deadline = lease::deadline_of(self.record);
        self.patiently(|| lease::schedules_put(self.aws, self.setup, self.record, deadline)).await?;
        if service::is_service(self.record) {
            return self.maintain(group_id).await.map(|()| None);
        }
        if self.record.started_for().is_none() {
            self.patiently(|| self.placement_group()).await?;
        }
        self.batches(group_id).await
    }

    pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        patiently(self.aws, self.operation, call).await
    }

    fn tags(&self) -> Tags {
        tags::of_parts(self.record)
    }

    async fn identity(&self) -> Result<()> {
        let role = rights::role(self.record, self.setup);
        self.aws.identity.role_ensure(&role).await.map_err(|e| e.context("making the fleet's role"))?;
        self.aws.identity.profile_ensure(&role.name, &role.tags).await.map_err(|e| e.context("making the fleet's instance profile"))
    }

    async fn group(&self) -> Result<String> {
        let name = layout::group_name(&self.record.fleet);
        let id = self.aws.instances.group_create(&name, &self.plan.vpc_id, &group_description(self.record), &self.tags()).await;
        let id = id.map_err(|e| e.context("making the fleet's security group"))?;
        self.aws.instances.group_admit_itself(&id).await.map_err(|e| e.context("opening the security group to itself"))?;
        Ok(id)
    }

    /// What holds the instances together or apart. Also for a run again: somebody may have removed it. For a run of a schedule it was made with
    /// that.
    pub(crate) async fn placement_group(&self) -> Result<()> {
        let Some(placement) = self.record.spec.placement else { return Ok(()) };
        let name = layout::group_name(&self.record.fleet);
        let made = self.aws.instances.placement_group_ensure(&name, placement, &self.tags()).await;
        made.map_err(|e| e.context("making the fleet's placement group"))
    }

    /// Asks pool after pool until every rank has an instance, or no pool has room and fewer may do.
    async fn batches(&self, group_id: &str) -> Result<Option<String>> {
        let (fleet, run) = (&self.record.fleet, &self.record.run);
        let least = self.record.spec.min_size;
        // A launcher that came so far has launched all that there will be.
        if let Some(settled) = self.settled().await? {
            return Ok(self.shortfall(settled.size, &[]));
        }
        let (mut base, mut next) = self.progress().await?;
        let mut refusals: Vec<(Pool, Error)> = Vec::new();
        let mut bucket = Bucket::of_launches(self.aws.clock.now());
        while base < self.plan.size {
            self.operation.go_on()?;
            self.in_time()?;
            let Some(place) = self.whose_turn(base, &mut next) else {
                if least.is_some_and(|least| base >= least) {
                    break;
                }
                return Err(no_capacity(self.plan.size - base, &refusals, self.plan.gang));
            };
            // The first pool of a fleet goes without saying, and no other.
            if !refusals.is_empty() || next.turn > 0 || self.plan.pools.change_at(base) {
                let attempt = Attempt { schema: SCHEMA, base, turn: next.turn, passed_over: next.passed_over.clone() };
                self.ledger.attempt_write(fleet, run, &attempt).await?;
            }
            let asked = batch_size(base, self.plan.pools.change_after(base, self.plan.size));
            self.operation.say(&format!("asking for {asked} × {}", place.title()));
            match self.ask(&self.request(place, base, asked, group_id), &mut bucket).await {
                Ok(instances) => {
                    let given = given(&instances);
                    self.operation.say(&format!("{given} × {} launched", place.title()));
                    // EC2 may not list them yet to whoever undoes this.
                    let ids = instances.iter().map(|launched| launched.instance_id.clone()).collect();
                    let batch = Batch { schema: SCHEMA, base, asked, instances, recorded_at: self.aws.clock.now() };
                    self.ledger.batch_write(fleet, run, &batch).await.map_err(|e| e.leaving(Leftover::Remaining(ids)))?;
                    base += given;
                    if given < asked {
                        self.full.refused(place, self.aws.clock.now());
                        next.turn += 1;
                    }
                    if self.plan.pools.change_at(base) {
                        next = Turns::default();
                    }
                }
                Err(error) if matches!(error.class, Class::Capacity | Class::Quota) => {
                    self.operation.say(&format!("{}: {}", place.title(), error.message));
                    if error.class == Class::Capacity {
                        self.full.refused(place, self.aws.clock.now());
                    }
                    refusals.push((place.clone(), error));
                    next.turn += 1;
                }
                Err(error) => return Err(error.context(&format!("launching {asked} × {}", place.title()))),
            }
        }
        if least.is_some() {
            let settled = Settled { schema: SCHEMA, size: base };
            self.patiently(|| self.ledger.settled_write(fleet, run, &settled)).await?;
        }
        Ok(self.shortfall(base, &refusals))
    }

    /// How many ranks there are, if an earlier launcher has come so far as to say so.
    async fn settled(&self) -> Result<Option<Settled>> {
        if self.first || self.record.spec.min_size.is_none() {
            return Ok(None);
        }
        self.ledger.settled(&self.record.fleet, &self.record.run).await
    }

    /// That fewer are there than were asked for, and why.
    fn shortfall(&self, size: u32, refusals: &[(Pool, Error)]) -> Option<String> {
        (size < self.plan.size).then(|| {
            let missing = no_capacity(self.plan.size - size, refusals, false).message;
            format!("{size} of {} instances were launched, which is no fewer than min_size: {missing}", self.plan.size)
        })
    }

    /// The pool whose turn it is for a rank, from `next.turn` on. What was full a moment ago is passed over in the first round, and asked
    /// in the second. Turns only go up, and each is recorded before it is taken: whoever goes on for a dead launcher never asks a pool
    /// again that might by now give what a later one has given already.
    fn whose_turn(&self, base: u32, next: &mut Turns) -> Option<&Pool> {
        let pools: Vec<&Pool> = self.plan.pools.of_rank(base).collect();
        while next.turn < 2 * pools.len() {
            let place = next.turn % pools.len();
            // Where a dead launcher may have launched is asked in any case, and with the same token.
            let is_resumed = std::mem::take(&mut next.resumed);
            let is_second = next.turn >= pools.len();
            let takes_turn =
                if is_second { next.passed_over.contains(&place) } else { !self.full.contains(pools[place], self.aws.clock.now()) };
            if is_resumed || takes_turn {
                return Some(pools[place]);
            }
            if !is_second {
                next.passed_over.push(place);
            }
            next.turn += 1;
        }
        None
    }

    /// Nothing is launched that the lease would end at once.
    pub(crate) fn in_time(&self) -> Result<()> {
        let deadline = lease::deadline_of(self.record);
        if self.aws.clock.now() < deadline {
            return Ok(());
        }
        let message = format!("the lease ended at {deadline}, before every instance was launched");
        let help = "Ask for a longer lease or for fewer instances: EC2 launches 1,000 at once and then two a second";
        Err(Error::new(Class::Invalid, "LeaseOver", message, help).at(Path::field("lease").key("ttl")))
    }

    /// Where a launcher of this run goes on: the first rank without a recorded instance, and whose turn it is.
    async fn progress(&self) -> Result<(u32, Turns)> {
        let (fleet, run) = (&self.record.fleet, &self.record.run);
        if self.first {
            return Ok((0, Turns::default()));
        }
        let batches = self.ledger.batches(fleet, run).await?;
        let base = batches.iter().map(|batch| batch.base + u32::try_from(batch.instances.len()).unwrap_or(0)).max().unwrap_or(0);
        let attempt = self.ledger.attempt(fleet, run).await?;
        if let Some(attempt) = attempt.filter(|attempt| attempt.base == base) {
            return Ok((base, Turns { turn: attempt.turn, passed_over: attempt.passed_over, resumed: true }));
        }
        if self.plan.pools.change_at(base) {
            return Ok((base, Turns { resumed: true, ..Turns::default() }));
        }
        let Some(last) = batches.last() else { return Ok((base, Turns { resumed: true, ..Turns::default() })) };
        let is_of =
            |pool: &Pool, one: &Launched| pool.instance_type == one.instance_type && pool.zone == one.zone && pool.market == one.market;
        let place = last.instances.first().and_then(|one| self.plan.pools.of_rank(base).position(|pool| is_of(pool, one)));
        let turn = place.unwrap_or(0) + usize::from(given(&last.instances) < last.asked);
        // Only the first turn is taken without being recorded.
        Ok((base, Turns { turn, resumed: turn == 0, ..Turns::default() }))
    }

    fn request(&self, pool: &Pool, base: u32, count: u32, group_id: &str) -> LaunchRequest {
        let machine = Machine { record: self.record };
        let launch = machine.launch(self.plan, pool, (base, count), machine.security_groups(group_id));
        LaunchRequest { user_data: machine.user_data(self.setup, base), ..launch }
    }

    /// One `RunInstances`, asked again where the class of its failure says that asking again with the same token is right.
    async fn ask(&self, request: &LaunchRequest, bucket: &mut Bucket) -> Result<Vec<Launched>> {
        let mut patience = Patience::new(self.aws, self.operation);
        loop {
            match self.aws.instances.launch(request).await {
                Ok(instances) => {
                    bucket.take(given(&instances), self.aws.clock.now());
                    return Ok(instances);
                }
                Err(error) => patience.after_asking(error, bucket, request.max_count).await?,
            }
            self.operation.go_on().map_err(|cancelled| cancelled.leaving(Leftover::Unknown))?;
            self.in_time()?;
        }
    }
}

/// What the fleet's security group says that it is for.
pub(crate) fn group_description(record: &FleetRecord) -> String {
    format!("Members of the spawn fleet {} reach each other", record.spec.name)
}

fn given(instances: &[Launched]) -> u32 {
    u32::try_from(instances.len()).unwrap_or(u32::MAX)
}

fn no_capacity(missing: u32, refusals: &[(Pool, Error)], gang: bool) -> Error {
    let class = if refusals.iter().all(|(_, error)| error.class == Class::Quota) { Class::Quota } else { Class::Capacity };
    let tried: Vec<String> = refusals.iter().map(|(pool, error)| format!("{} ({})", pool.title(), error.code)).collect();
    let missing_are = if missing == 1 { "1 instance is".to_owned() } else { format!("{missing} instances are") };
    let message = if tried.is_empty() {
        format!("{missing_are} missing, and every pool gave what it had")
    } else {
        format!("{missing_are} missing after trying {}", tried.join(", "))
    };
    let spot_alone = !refusals.is_empty() && refusals.iter().all(|(pool, _)| pool.market == MarketType::Spot);
    let ways = [
        Some("Add instance types to instance_types"),
        spot_alone.then_some("set market.fallback = \"on_demand\""),
        gang.then_some("leave gang out, so that several pools can share the ranks"),
        Some("ask for fewer"),
    ];
    let ways: Vec<&str> = ways.into_iter().flatten().collect();
    let help = format!("{}, or use another region; a quota is raised in Service Quotas", ways.join(", "));
    Error::new(class, "NoCapacity", message, help)
}
