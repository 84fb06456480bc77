//! What strict plans ask beside what can be looked at: whether EC2 would let the caller launch it, and whether the account's quotas have room.
//!
//! EC2 is asked as the launcher asks it, with `DryRun`. What the launcher makes first is not there yet: the fleet's security group, and
//! its role. Those of another fleet in the same network stand for them, whose names and tags differ in the ids alone. Where there are
//! none, or EC2 refuses that group, something stays untried, and is told. IAM, S3, EventBridge Scheduler and Auto Scaling try nothing.

use std::collections::BTreeSet;

use futures::join;
use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout;
use spawn_model::market::MarketType;
use spawn_model::problem::Path;
use spawn_model::record::FleetRecord;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::tag;

use crate::cost;
use crate::dns;
use crate::engine::{Engine, random};
use crate::fleet;
use crate::launch::group_description;
use crate::lease;
use crate::machine::Machine;
use crate::operation::Operation;
use crate::plan::{Plan, plan};
use crate::pools::Pool;
use crate::ports::{Aws, LaunchRequest, Result, TaggedGroup, Tags, Template};
use crate::quota;
use crate::retry::Patience;
use crate::rights;
use crate::service;
use crate::setup::Setup;
use crate::tags;
use crate::types::By;

/// How many pools of a market are tried, where EC2 has none of what the first ones are of. Tries count against the account's rates.
const POOLS_MAX: usize = 3;

/// What is to be done about a refusal, beside what AWS says.
const BY_WHOM: &str = "A strict plan is tried with the credentials that it is made with: they have to be those that apply it";

/// The field that EC2 finds fault with, by what its code begins with.
const BY_CODE: [(&str, &[&str]); 10] = [
    ("InvalidAMIID", &["ami"]),
    ("InvalidBlockDeviceMapping", &["volumes"]),
    ("InvalidGroup", &["network", "security_groups"]),
    ("InvalidInstanceType", &["instance_types"]),
    ("InvalidKeyPair", &["ssh_key"]),
    ("InvalidPlacementGroup", &["placement"]),
    ("InvalidSnapshot", &["volumes"]),
    ("InvalidSubnet", &["network", "subnets"]),
    ("InvalidTag", &["tags"]),
    ("UnsupportedHibernationConfiguration", &["lease"]),
];

/// The same where the code says only that a value is wrong, by the parameter that the message names.
const BY_PARAMETER: [(&str, &[&str]); 4] = [
    ("parameter iops", &["root_volume"]),
    ("parameter price", &["market", "max_price"]),
    ("parameter throughput", &["root_volume"]),
    ("parameter volumeSize", &["root_volume"]),
];

/// What was found of a launch that nothing speaks against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// What it would leave out.
    pub notes: Vec<String>,
    /// What could not be known.
    pub untried: Vec<String>,
}

impl Engine {
    /// As [`Engine::check`], and has AWS try what it tries of the launch. Nothing is made.
    ///
    /// # Errors
    /// See [`Engine::check`]; what AWS would refuse the caller; `QuotaTooSmall`.
    pub async fn check_strictly(&self, kind: FleetKind, spec: &FleetSpec, own: &BTreeSet<FleetId>) -> Result<Checked> {
        // By price, as the launch: what it asks first is tried.
        let plan = self.unpriced(kind, spec, Some(own), By::Price).await?;
        self.rehearsed(spec, plan, None, own).await
    }

    /// As [`Engine::plan`], and has AWS try what it tries of the launch. Nothing is made.
    ///
    /// # Errors
    /// See [`Engine::check_strictly`].
    pub async fn plan_strictly(&self, kind: FleetKind, spec: &FleetSpec) -> Result<Plan> {
        let plan = self.plan(kind, spec).await?;
        let Checked { notes, untried } = self.rehearsed(spec, plan.clone(), None, &BTreeSet::new()).await?;
        Ok(Plan { notes: notes.into_iter().chain(untried).collect(), ..plan })
    }

    /// Has AWS try what it tries of running a fleet again. Nothing is made.
    ///
    /// # Errors
    /// Whatever would keep it from running again and can be seen before; see [`Engine::check_strictly`].
    pub async fn check_rerun(&self, fleet: &FleetId, spec: &FleetSpec) -> Result<Checked> {
        let setup = self.warm().await?;
        let record = self.ledger(&setup).fleet(fleet).await?.ok_or_else(|| fleet::no_such_fleet(fleet.as_str()))?;
        lease::check(Some(&setup), record.kind, &spec.lease)?;
        rights::check(self.aws(), Some(&setup), spec).await?;
        let observed = self.observe(spec, &record.instance_types, setup.architectures()).await?;
        let dns_name = dns::planned(self.aws(), Some(&setup), spec, &observed.subnets).await?;
        let plan = cost::budgeted(self.aws(), spec, plan(record.kind, spec, &observed)?.named(dns_name)).await?;
        self.rehearsed(spec, plan, Some(fleet), &BTreeSet::new()).await
    }

    /// Tries the launch of a plan, of a fleet that is there if it is to run again.
    async fn rehearsed(&self, spec: &FleetSpec, plan: Plan, fleet: Option<&FleetId>, own: &BTreeSet<FleetId>) -> Result<Checked> {
        let (caller, setup) = join!(self.aws().identity.caller(), self.found());
        let (caller, setup) = (caller?, setup?);
        let fleet = fleet.cloned().unwrap_or_else(|| FleetId::from_random(random()));
        let record = self.record(plan.kind, spec, &caller, &plan, (fleet, RunId::from_random(random())));
        let rehearsal = Rehearsal { aws: self.aws(), setup: setup.as_ref(), plan: &plan, record: &record };
        // Joined, not raced: where both refuse, the same input is told the same thing each time.
        let (tried, counted) = join!(rehearsal.tried(), quota::checked(self.aws(), spec, &plan, own));
        let mut untried = tried?;
        untried.extend(counted?);
        Ok(Checked { notes: plan.notes, untried })
    }
}

/// A launch that is only tried.
struct Rehearsal<'a> {
    aws: &'a Aws,
    /// Nothing if the launch would make it.
    setup: Option<&'a Setup>,
    plan: &'a Plan,
    record: &'a FleetRecord,
}

/// What stands for what the launcher makes before it launches.
#[derive(Clone, Debug, Default, PartialEq)]
struct StandIn {
    /// It is the fleet's own, which runs again.
    is_own: bool,
    /// A security group.
    group_id: Option<String>,
    /// An instance profile.
    profile: Option<String>,
}

impl StandIn {
    /// The fleet's own, if it is there; else another fleet's, if possible one with the same tags of the user's.
    fn among(groups: &[TaggedGroup], fleet: &FleetId, tags: &Tags) -> Self {
        let fleet_of = |group: &TaggedGroup| group.tags.get(tag::FLEET).and_then(|id| FleetId::parse(id));
        let is_like = |group: &TaggedGroup| tags.iter().all(|(key, value)| group.tags.get(key) == Some(value));
        let own = groups.iter().find(|group| fleet_of(group).as_ref() == Some(fleet));
        let others = groups.iter().filter(|group| fleet_of(group).is_some());
        let nearest = others.min_by(|one, other| (!is_like(one), &one.id).cmp(&(!is_like(other), &other.id)));
        let Some(found) = own.or(nearest) else { return Self::default() };
        let profile = fleet_of(found).map(|fleet| layout::role_name(&fleet));
        Self { is_own: own.is_some(), group_id: Some(found.id.clone()), profile }
    }
}

/// What one try has told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Told {
    /// Whether instances may be launched.
    launch: bool,
    /// Whether they may be handed their role.
    role: bool,
}

impl Rehearsal<'_> {
    /// Fails if AWS would refuse the launch; else tells what could not be tried.
    async fn tried(&self) -> Result<Vec<String>> {
        let ours = Tags::from([(tag::MANAGED.to_owned(), "true".to_owned())]);
        let groups = self.aws.networks.groups_tagged(&self.plan.vpc_id, &ours).await?;
        let stand_in = StandIn::among(&groups, &self.record.fleet, &self.record.spec.tags);
        let tries = join!(self.group(&stand_in), self.placement_group(), self.template(&stand_in), self.launches(&stand_in));
        let (group, placement_group, template, launches) = tries;
        group.and(placement_group).and(template)?;
        launches
    }

    async fn group(&self, stand_in: &StandIn) -> Result<()> {
        if stand_in.is_own {
            return Ok(());
        }
        let (name, description) = (layout::group_name(&self.record.fleet), group_description(self.record));
        let tried = self.aws.trials.group(&name, &self.plan.vpc_id, &description, &tags::of_parts(self.record)).await;
        tried.map_err(|error| refused(error, "making the fleet's security group"))
    }

    async fn placement_group(&self) -> Result<()> {
        let Some(placement) = self.record.spec.placement.filter(|_| !service::is_service(self.record)) else { return Ok(()) };
        let name = layout::group_name(&self.record.fleet);
        let tried = self.aws.trials.placement_group(&name, placement, &tags::of_parts(self.record)).await;
        tried.map_err(|error| refused(error, "making the fleet's placement group"))
    }

    async fn template(&self, stand_in: &StandIn) -> Result<()> {
        if !service::is_service(self.record) {
            return Ok(());
        }
        let template = Template { user_data: self.user_data(), ..self.machine().template(self.group_ids(stand_in)) };
        self.aws.trials.template(&template).await.map_err(|error| refused(error, "making the launch template"))
    }

    /// In each market that the plan buys in. A service too: who may not launch what its group launches, may not make the group.
    async fn launches(&self, stand_in: &StandIn) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut all = Told { launch: true, role: true };
        for market in [MarketType::Spot, MarketType::OnDemand] {
            for pool in self.plan.pools.all().iter().filter(|pool| pool.market == market).take(POOLS_MAX) {
                match self.launch(pool, stand_in).await {
                    // As the launcher does.
                    Err(error) if matches!(error.class, Class::Capacity | Class::Quota) => {
                        found.push(format!("{}: {}", pool.title(), error.message));
                    }
                    Err(error) => return Err(refused(error, &format!("launching {}", pool.title()))),
                    Ok(told) => {
                        all = Told { launch: all.launch && told.launch, role: all.role && told.role };
                        break;
                    }
                }
            }
        }
        found.extend(self.untold(all));
        Ok(found)
    }

    /// One instance: rights do not depend on how many are asked for, a dry run counts none, and what EC2 lets an account launch at once is
    /// left to the launch.
    async fn launch(&self, pool: &Pool, stand_in: &StandIn) -> Result<Told> {
        let whole = self.machine().launch(self.plan, pool, (0, 1), self.group_ids(stand_in));
        // Its placement group is not there either, and nobody else's is like it.
        let request = LaunchRequest { profile: stand_in.profile.clone(), placement_group: None, user_data: self.user_data(), ..whole };
        match self.try_launch(&request).await {
            // The other fleet is going.
            Err(error) if error.code == "ProfileNotReady" && request.profile.is_some() => {
                let request = LaunchRequest { profile: None, ..request };
                let tried = self.try_launch(&request).await;
                self.told(&request, stand_in, tried)
            }
            tried => self.told(&request, stand_in, tried),
        }
    }

    /// EC2 lets an account try five launches at once and then two a second: a plan of many fleets waits for its turns.
    async fn try_launch(&self, request: &LaunchRequest) -> Result<()> {
        let quiet = Operation::quiet();
        let mut patience = Patience::new(self.aws, &quiet);
        loop {
            match self.aws.trials.launch(request).await {
                Err(error) if error.class == Class::Throttled => patience.after(error).await?,
                tried => return tried,
            }
        }
    }

    fn told(&self, request: &LaunchRequest, stand_in: &StandIn, tried: Result<()>) -> Result<Told> {
        match tried {
            Ok(()) => Ok(Told { launch: true, role: request.profile.is_some() }),
            Err(error) if is_about_stand_in(&error, stand_in, &self.record.spec.network.security_groups) => {
                Ok(Told { launch: false, role: false })
            }
            Err(error) => Err(error),
        }
    }

    fn untold(&self, told: Told) -> Option<String> {
        let rights = [(!told.launch).then_some("ec2:RunInstances"), (!told.role).then_some("iam:PassRole")];
        let rights: Vec<&str> = rights.into_iter().flatten().collect();
        (!rights.is_empty()).then(|| {
            format!(
                "{} could not be tried: the security group and the role of {} are made first, and those of no other fleet in {} can stand for them",
                rights.join(" and "),
                self.record.spec.name,
                self.plan.vpc_id
            )
        })
    }

    fn machine(&self) -> Machine<'_> {
        Machine { record: self.record }
    }

    fn group_ids(&self, stand_in: &StandIn) -> Vec<String> {
        stand_in.group_id.iter().chain(&self.record.spec.network.security_groups).cloned().collect()
    }

    /// Nothing where the set-up, which it names, is not made yet.
    fn user_data(&self) -> Vec<u8> {
        self.setup.map(|setup| self.machine().user_data(setup, 0)).unwrap_or_default()
    }
}

/// Whether a refusal is about a security group that only stands for the fleet's own, which will have other tags. Where nothing stands for it, nor is
/// one `named`, EC2 takes the network's default one, and older refusals do not say what they are about.
fn is_about_stand_in(error: &Error, stand_in: &StandIn, named: &[String]) -> bool {
    let says = |words: &str| error.message.contains(words);
    if stand_in.is_own || named.iter().any(|id| says(id)) {
        return false;
    }
    let is_default = stand_in.group_id.is_none() && named.is_empty();
    match error.class {
        Class::Denied => error.code == "UnauthorizedOperation" && (says(":security-group/") || (is_default && !says(" on resource: "))),
        _ => error.code.starts_with("InvalidGroup") || (is_default && says("default security group")),
    }
}

/// What was only tried and refused, blamed on the field that EC2 finds fault with.
fn refused(error: Error, doing: &str) -> Error {
    let error = if error.class == Class::Denied { error.helped(BY_WHOM) } else { error };
    let found = BY_CODE.iter().find(|(code, _)| error.code.starts_with(*code)).or_else(|| {
        let is_value = error.code.starts_with("InvalidParameter");
        BY_PARAMETER.iter().find(|(parameter, _)| is_value && error.message.contains(*parameter))
    });
    let error = match found {
        Some((_, steps)) if error.path == Path::default() => error.at(steps.iter().fold(Path::default(), |path, step| path.key(step))),
        _ => error,
    };
    error.context(&format!("{doing}, which was only tried"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, fleet: Option<u8>, team: &str) -> TaggedGroup {
        let fleet = fleet.map(|byte| (tag::FLEET.to_owned(), FleetId::from_random([byte; 8]).to_string()));
        let tags = fleet.into_iter().chain([("team".to_owned(), team.to_owned())]).collect();
        TaggedGroup { id: id.to_owned(), tags }
    }

    #[test]
    fn the_fleets_own_group_stands_for_itself_and_the_nearest_for_one_that_is_not_there() {
        let (own, other) = (FleetId::from_random([1; 8]), FleetId::from_random([2; 8]));
        let wanted = Tags::from([("team".to_owned(), "maps".to_owned())]);
        let stranger = group("sg-0", None, "maps");
        let [mine, near, far] =
            [("sg-3", 1, "ops"), ("sg-2", 2, "maps"), ("sg-1", 3, "ops")].map(|(id, fleet, team)| group(id, Some(fleet), team));
        let of = |groups: &[&TaggedGroup]| {
            let groups: Vec<TaggedGroup> = groups.iter().map(|group| (*group).clone()).collect();
            let found = StandIn::among(&groups, &own, &wanted);
            (found.is_own, found.group_id, found.profile)
        };
        let told = |is_own: bool, id: &str, fleet: &FleetId| (is_own, Some(id.to_owned()), Some(layout::role_name(fleet)));
        assert_eq!(of(&[&stranger, &far, &near, &mine]), told(true, "sg-3", &own));
        assert_eq!(of(&[&stranger, &far, &near]), told(false, "sg-2", &other));
        assert_eq!(of(&[&stranger, &far]), told(false, "sg-1", &FleetId::from_random([3; 8])));
        // Whose it is nobody knows, and so not what role would go with it.
        assert_eq!(of(&[&stranger]), (false, None, None));
        assert_eq!(of(&[]), (false, None, None));
    }

    #[test]
    fn a_refusal_of_what_only_stands_for_the_fleets_own_says_nothing_of_the_launch() {
        let own = StandIn { is_own: true, group_id: Some("sg-1".to_owned()), profile: None };
        let near = StandIn { is_own: false, ..own.clone() };
        let none = StandIn::default();
        let (users, nobodys): (&[String], &[String]) = (&["sg-9".to_owned()], &[]);
        let denied = |on: &str| {
            let message = format!("the permission ec2:RunInstances is missing: User: x is not authorized to perform: ec2:RunInstances{on}");
            Error::new(Class::Denied, "UnauthorizedOperation", message, "")
        };
        let of_group = |id: &str| denied(&format!(" on resource: arn:aws:ec2:us-east-1:123456789012:security-group/{id} because"));
        let of_instance = denied(" on resource: arn:aws:ec2:us-east-1:123456789012:instance/* because");
        let nameless = denied("");
        let gone = Error::new(Class::NotFound, "InvalidGroup.NotFound", "The security group 'sg-1' does not exist", "");
        let message = "You do not have access to a default security group in VPC vpc-1. Specify a security group, and try again";
        let no_default = Error::new(Class::Invalid, "InvalidParameterValue", message, "");
        let expired = Error::new(Class::Denied, "ExpiredToken", "the credentials have expired", "");
        for (error, stand_in, named, expected) in [
            (&of_group("sg-0"), &none, nobodys, true),
            (&of_group("sg-1"), &near, nobodys, true),
            (&of_group("sg-1"), &own, nobodys, false),
            (&of_group("sg-9"), &none, users, false),
            (&of_group("sg-9"), &near, users, false),
            (&of_group("sg-1"), &near, users, true),
            (&of_instance, &none, nobodys, false),
            (&of_instance, &near, nobodys, false),
            // It may be about the group, if nothing better was there.
            (&nameless, &none, nobodys, true),
            (&nameless, &near, nobodys, false),
            (&nameless, &none, users, false),
            (&gone, &near, nobodys, true),
            (&gone, &own, nobodys, false),
            (&no_default, &none, nobodys, true),
            (&no_default, &near, nobodys, false),
            (&expired, &none, nobodys, false),
        ] {
            assert_eq!(is_about_stand_in(error, stand_in, named), expected, "{error}, {stand_in:?}, {named:?}");
        }
    }

    #[test]
    fn a_refusal_is_blamed_on_the_field_that_it_is_about() {
        for (class, code, message, field) in [
            (Class::NotFound, "InvalidSubnetID.NotFound", "no", "network.subnets"),
            (Class::NotFound, "InvalidGroup.NotFound", "no", "network.security_groups"),
            (Class::NotFound, "InvalidKeyPair.NotFound", "no", "ssh_key"),
            (Class::NotFound, "InvalidAMIID.NotFound", "no", "ami"),
            (Class::Invalid, "InvalidTagKey.Malformed", "no", "tags"),
            (Class::Invalid, "UnsupportedHibernationConfiguration", "no", "lease"),
            (Class::Invalid, "InvalidParameterValue", "Value (0) for parameter price is invalid", "market.max_price"),
            (Class::Invalid, "InvalidParameterCombination", "these two do not go together", ""),
            (Class::Denied, "UnauthorizedOperation", "the permission ec2:RunInstances is missing", ""),
        ] {
            let error = refused(Error::new(class, code, message, "Do"), "launching");
            assert_eq!((error.path.to_string().as_str(), error.class), (field, class), "{code}");
            assert_eq!(error.message, format!("launching, which was only tried: {message}"));
            assert_eq!(error.help.contains(BY_WHOM), class == Class::Denied, "{code}");
        }
        let known = Error::new(Class::Invalid, "InvalidSubnetID.NotFound", "no", "").at(Path::field("dns"));
        assert_eq!(refused(known, "launching").path.to_string(), "dns", "who knows better is believed");
    }
}
