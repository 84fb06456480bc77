//! The whole world as lines of text in which ids, addresses and moments no longer tell two runs of the same thing apart.
//!
//! Two worlds are compared by their lines, so that a difference reads as what is too much and what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::model::Tags;
use sandbox_cloud::request::{
    DescribeById, DescribeLaunchTemplateVersions, DescribeLaunchTemplates, DescribePlacementGroups, DescribeSecurityGroups, NamedTemplate,
};
use sandbox_cloud::scaling::{AutoScalingGroup, GroupTags, LaunchSource};
use sandbox_cloud::{Machine, Reply, Request};
use serde_json::Value;
use spawn_core::ports::{FunctionRequest, Target, Times};
use spawn_model::alert::{AlertRecord, Occurrence, Told};
use spawn_model::ids::FleetId;
use spawn_model::layout;
use spawn_model::record::{Batch, FleetRecord, NameClaim, RankClaim};
use spawn_model::tag;

use super::agents::config;
use super::invariants::GROUP_TAG;
use super::notices::{Posted, Topic};
use super::{REGION, State, World};

/// A world, to be compared with another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct View(BTreeMap<String, usize>);

impl View {
    /// What this has and `other` has not (`+`), and the reverse (`-`).
    pub(crate) fn against(&self, other: &Self) -> String {
        let mut told = String::new();
        let lines: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        for line in lines {
            let (here, there) = (self.0.get(line).copied().unwrap_or(0), other.0.get(line).copied().unwrap_or(0));
            if here != there {
                told.push_str(&format!("{} {}× {line}\n", if here > there { '+' } else { '-' }, here.abs_diff(there)));
            }
        }
        told
    }

    /// Only the lines that begin so.
    pub(crate) fn only(&self, what: &str) -> Self {
        Self(self.0.iter().filter(|(line, _)| line.starts_with(what)).map(|(line, count)| (line.clone(), *count)).collect())
    }

    /// How many lines begin so.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.only(what).0.values().sum()
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(line, count)| writeln!(f, "{count}× {line}"))
    }
}

/// Makes sure that two worlds are the same.
#[track_caller]
pub(crate) fn assert_same(what: &str, found: &View, expected: &View) {
    assert!(found == expected, "{what}: the world is not what it should be\n{}", found.against(expected));
}

/// The names that ids and moments get in a view.
#[derive(Default)]
struct Names {
    words: Vec<(String, String)>,
}

impl Names {
    fn fleet(&mut self, record: &FleetRecord) {
        let name = &record.spec.name;
        self.words.push((record.fleet.to_string(), format!("FLEET({name})")));
        self.words.push((record.run.to_string(), format!("RUN({name})")));
        let asked = record.asked_at;
        let deadline = spawn_core::lease::deadline_of(record);
        for (at, word) in [
            (record.leased_from(), "LEASED"),
            (asked, "ASKED"),
            (deadline, "DEADLINE"),
            (deadline + SignedDuration::from_hours(1), "DEADLINE+1h"),
            // Of what is kept for an hour, when the last strike of its end is.
            (deadline + SignedDuration::from_hours(2), "DEADLINE+2h"),
            // Of what hibernates, when it is stopped that does not.
            (deadline + SignedDuration::from_mins(15), "DEADLINE+15m"),
            (deadline + SignedDuration::from_mins(75), "DEADLINE+75m"),
        ] {
            let whole = Timestamp::from_second(at.as_second()).unwrap();
            self.words.push((at.to_string(), format!("{word}({name})")));
            self.words.push((whole.to_string(), format!("{word}({name})")));
        }
    }

    /// Runs that were the fleet's: whichever they are, there is one at most.
    fn former_runs(&mut self, record: &FleetRecord, runs: BTreeSet<String>) {
        let name = &record.spec.name;
        self.words.extend(runs.into_iter().filter(|run| run != record.run.as_str()).map(|run| (run, format!("FORMER({name})"))));
    }

    fn apply(&self, text: &str) -> String {
        self.words
            .iter()
            .fold(text.to_owned(), |text, (id, name)| if text.contains(id.as_str()) { text.replace(id.as_str(), name) } else { text })
    }
}

impl World {
    /// Everything there is, but for what fleets that were ended for good leave on purpose.
    pub(crate) fn view(&self) -> View {
        let now = self.now();
        self.state().view(now)
    }
}

impl State {
    /// What was recorded of every fleet.
    pub(crate) fn records(&self) -> Vec<FleetRecord> {
        let keys = self.buckets.values().flat_map(|objects| objects.iter());
        keys.filter(|(key, _)| key.ends_with("/fleet.json")).filter_map(|(_, (body, _))| serde_json::from_slice(body).ok()).collect()
    }

    /// What was recorded of every alert, and whether its secrets are what was put there.
    fn alert_records(&self) -> Vec<(AlertRecord, bool)> {
        let keys = self.buckets.values().flatten().filter(|(key, _)| key.starts_with(layout::ALERTS_PREFIX));
        let records = keys.filter_map(|(_, (body, _))| serde_json::from_slice::<AlertRecord>(body).ok());
        let is_as_put = |record: &AlertRecord| {
            record.secrets.iter().all(|(channel, version)| {
                self.secrets.get(&layout::secret_name(&record.id, channel)).is_some_and(|(_, found)| found == version)
            })
        };
        records.map(|record| (record.clone(), is_as_put(&record))).collect()
    }

    /// The runs of a fleet that something is recorded of, and the one that its name was claimed with.
    fn run_ids(&self, fleet: &FleetId) -> BTreeSet<String> {
        let prefix = format!("{}runs/", layout::fleet_prefix(fleet));
        let names = self.buckets.values().flat_map(|objects| objects.range(layout::NAMES_PREFIX.to_owned()..));
        let claims = names.filter_map(|(_, (body, _))| serde_json::from_slice::<NameClaim>(body).ok());
        let claimed = claims.filter(|claim| claim.fleet == *fleet).map(|claim| claim.run.to_string());
        let keys = self.buckets.values().flat_map(BTreeMap::keys);
        let recorded = keys.filter_map(|key| key.strip_prefix(&prefix)?.split('/').next().map(str::to_owned));
        recorded.chain(claimed).collect()
    }

    fn ended(&self, key: &str) -> bool {
        let fleet = key.split('/').nth(1).and_then(FleetId::parse);
        fleet.is_some_and(|fleet| self.buckets.values().any(|objects| objects.contains_key(&layout::ended_key(&fleet))))
    }

    fn view(&mut self, now: Timestamp) -> View {
        let mut names = Names::default();
        for record in self.records() {
            names.fleet(&record);
            names.former_runs(&record, self.run_ids(&record.fleet));
        }
        for (record, _) in self.alert_records() {
            names.words.push((record.id.to_string(), format!("ALERT({})", record.spec.name)));
        }
        let machines: Vec<Machine> = self.cloud.machine_ids().into_iter().filter_map(|id| self.cloud.machine(&id)).collect();
        let held = self.ranks_held();
        let numbers: BTreeMap<String, String> = machines.iter().map(|machine| (machine.id.clone(), rank(machine, &held))).collect();
        let mut lines = Vec::new();
        view_instances(&machines, &numbers, &mut lines);
        let ranks = numbers.into_iter().map(|(id, rank)| (id, format!("instance of rank {rank}"))).collect();
        self.view_ec2(now, &mut lines);
        self.view_templates(now, &mut lines);
        lines.extend(self.cloud.scaling_groups(REGION).map(scaling_group));
        self.view_placement(now, &mut lines);
        self.view_identity(&mut lines);
        self.view_rest(&mut lines);
        self.view_objects(&ranks, &mut lines);
        let mut counted = BTreeMap::new();
        for line in lines {
            *counted.entry(names.apply(&line)).or_default() += 1;
        }
        View(counted)
    }

    /// Volumes and security groups.
    fn view_ec2(&mut self, now: Timestamp, lines: &mut Vec<String>) {
        let volumes = self.cloud.call(now, REGION, Request::DescribeVolumes(DescribeById::default()));
        let Ok(Reply::Volumes(volumes)) = volumes else { panic!("volumes cannot be listed: {volumes:?}") };
        for volume in volumes.items {
            let attached = volume.attachment.is_some();
            let kind = format!("{} {} GiB {:?} {:?}", volume.volume_type, volume.size, volume.iops, volume.snapshot_id);
            let machine = volume.attachment.as_ref().and_then(|attachment| self.cloud.machine(&attachment.instance_id));
            let zone = zone(&volume.availability_zone, machine.is_some_and(|machine| machine.tags.contains_key(GROUP_TAG)));
            lines.push(format!("volume {kind} attached={attached} encrypted={} {zone} {:?}", volume.encrypted, given(&volume.tags)));
        }
        let groups = self.cloud.call(now, REGION, Request::DescribeSecurityGroups(DescribeSecurityGroups::default()));
        let Ok(Reply::Groups(groups)) = groups else { panic!("groups cannot be listed: {groups:?}") };
        for group in groups.items {
            let rules = group
                .rules
                .iter()
                .map(|rule| format!("egress={} {} {:?}", rule.egress, rule.protocol, rule.target).replace(&group.id, "itself"));
            lines.push(format!("group {} {} {:?} {:?}", group.name, group.description, rules.collect::<Vec<_>>(), group.tags));
        }
    }

    /// Launch templates, by what a group launches from them.
    fn view_templates(&mut self, now: Timestamp, lines: &mut Vec<String>) {
        let groups = self.cloud.call(now, REGION, Request::DescribeSecurityGroups(DescribeSecurityGroups::default()));
        let Ok(Reply::Groups(groups)) = groups else { panic!("groups cannot be listed: {groups:?}") };
        let names: BTreeMap<String, String> = groups.items.into_iter().map(|group| (group.id, group.name)).collect();
        let templates = self.cloud.call(now, REGION, Request::DescribeLaunchTemplates(DescribeLaunchTemplates::default()));
        let Ok(Reply::LaunchTemplates(templates)) = templates else { panic!("templates cannot be listed: {templates:?}") };
        let template_names: BTreeMap<String, String> = templates.items.iter().map(|t| (t.id.clone(), t.name.clone())).collect();
        let tags: BTreeMap<String, Tags> = templates.items.into_iter().map(|template| (template.id, template.tags)).collect();
        // The version that its group launches, whatever its number: what was made after a lost answer is one more.
        let launched = |group: &AutoScalingGroup| (group.name.clone(), group.source.template().version_text().to_owned());
        let launched: BTreeMap<String, String> = self.cloud.scaling_groups(REGION).map(launched).collect();
        for (id, name) in template_names {
            let version = launched.get(&name).cloned().unwrap_or_else(|| "$Latest".to_owned());
            let template = NamedTemplate { id: Some(id), name: None };
            let versions =
                DescribeLaunchTemplateVersions { template, versions: vec![version], ..DescribeLaunchTemplateVersions::default() };
            let found = self.cloud.call(now, REGION, Request::DescribeLaunchTemplateVersions(versions));
            let Ok(Reply::LaunchTemplateVersions(found)) = found else { panic!("versions cannot be listed: {found:?}") };
            let version = found.items.into_iter().next().expect("a version that is launched");
            let data = version.data;
            let groups = data.security_group_ids.iter().chain(data.network_interfaces.iter().flat_map(|interface| &interface.groups));
            let groups: Vec<&str> = groups.map(|id| names.get(id).map_or("no group", String::as_str)).collect();
            let public: Vec<Option<bool>> = data.network_interfaces.iter().map(|interface| interface.associate_public_ip_address).collect();
            lines.push(format!(
                "template {} {:?} {:?} {:?} {:?} {groups:?} {public:?} {:?} {:?} {:?} {} {:?}",
                version.template_name,
                data.image_id,
                data.key_name,
                data.iam_instance_profile,
                data.block_device_mappings,
                data.metadata_options,
                data.instance_initiated_shutdown_behavior,
                data.tag_specifications,
                // As `told` keeps it: the agent's configuration.
                String::from_utf8_lossy(data.user_data.as_deref().unwrap_or_default()),
                tags.get(&version.template_id),
            ));
        }
    }

    /// The ranks that instances of services hold.
    fn ranks_held(&self) -> BTreeMap<String, u32> {
        let ranks = self.buckets.values().flatten().filter(|(key, _)| key.contains("/ranks/"));
        let claims =
            ranks.filter_map(|(key, (body, _))| Some((layout::rank_of_key(key)?, serde_json::from_slice::<RankClaim>(body).ok()?)));
        claims.filter(|(_, claim)| claim.service.is_some()).map(|(rank, claim)| (claim.instance_id.0, rank)).collect()
    }

    /// Placement groups.
    fn view_placement(&mut self, now: Timestamp, lines: &mut Vec<String>) {
        let all = Request::DescribePlacementGroups(DescribePlacementGroups::default());
        let groups = self.cloud.call(now, REGION, all);
        let Ok(Reply::PlacementGroups(groups)) = groups else { panic!("placement groups cannot be listed: {groups:?}") };
        lines.extend(groups.iter().map(|group| format!("placement group {} {:?} {:?}", group.name, group.strategy, group.tags)));
    }

    fn view_identity(&self, lines: &mut Vec<String>) {
        for (name, role) in &self.roles {
            lines.push(format!("role {name} {} {:?} {:?} {:?} {:?}", role.service, role.boundary, role.policy, role.managed, role.tags));
        }
        for (name, profile) in &self.profiles {
            lines.push(format!("profile {name} {:?} {:?}", profile.role, profile.tags));
        }
        lines.extend(self.service_roles.iter().map(|service| format!("role of {service}")));
        for (arn, document) in &self.policies {
            lines.push(format!("policy {arn} {document}"));
        }
    }

    fn view_rest(&self, lines: &mut Vec<String>) {
        lines.extend(self.schedule_groups.iter().map(|group| format!("schedule group {group}")));
        for ((group, name), alarm) in &self.schedules {
            let schedule = &alarm.schedule;
            lines.push(format!(
                "schedule {group}/{name} {} {} {} {}",
                times(&schedule.times),
                if alarm.is_enabled { "enabled" } else { "disabled" },
                schedule.role_arn,
                target(&schedule.target)
            ));
        }
        lines.extend(self.functions.values().map(|function| {
            let FunctionRequest { name, role_arn, package, architecture, memory_mib, timeout_s, tags, .. } = function;
            format!("function {name} {role_arn} {} bytes {architecture} {memory_mib} MiB {timeout_s} s {tags:?}", package.len())
        }));
        lines.extend(self.parameters.iter().map(|(name, value)| format!("parameter {name} {value}")));
        lines.extend(self.secrets.iter().map(|(name, (value, _))| format!("secret {name} {value}")));
        for (arn, Topic { tags, addresses, published }) in &self.topics {
            // At least once: who died before it could be noted tells it again.
            let published: BTreeSet<&(String, String)> = published.iter().collect();
            lines.push(format!("topic {arn} {tags:?} {addresses:?} {published:?}"));
        }
        let posted: BTreeSet<String> = self.posted.iter().map(posted).collect();
        lines.extend(posted);
        for (record, is_as_put) in self.alert_records() {
            lines.push(format!("alert {} secrets of {:?} as put: {is_as_put}", record.id, record.secrets.keys().collect::<Vec<_>>()));
        }
        for (id, hosted) in &self.zones {
            let ranks = self.ranks_by_address();
            for set in hosted.records.values() {
                let mut values: Vec<&str> =
                    set.values.iter().map(|value| ranks.get(value).map_or(value.as_str(), String::as_str)).collect();
                values.sort_unstable();
                // How often a claim was renewed is nobody's business.
                let values: Vec<&str> = values
                    .iter()
                    .map(|value| {
                        if value.starts_with("\"spawn ") { value.trim_end_matches(|c: char| c == '"' || c.is_ascii_digit()) } else { value }
                    })
                    .collect();
                lines.push(format!("record {id} {} {:?} {} s {values:?}", set.name, set.kind, set.ttl_s));
            }
        }
        lines.extend(self.documents.iter().map(|(name, content)| format!("document {name} {content}")));
        lines.extend(self.log_groups.iter().map(|(name, days)| format!("log group {name} {days} days")));
    }

    /// Of each address that an instance has, which rank of which fleet that is.
    fn ranks_by_address(&self) -> BTreeMap<String, String> {
        let batches = self.buckets.values().flatten().filter(|(key, _)| key.contains("/batches/"));
        let batches = batches.filter_map(|(key, (body, _))| Some((key, serde_json::from_slice::<Batch>(body).ok()?)));
        let of_batch = |(key, batch): (&String, Batch)| {
            let run = key.split("/batches/").next().unwrap_or_default().to_owned();
            let rank = move |launched: &spawn_model::record::Launched| {
                (launched.private_ip.clone(), format!("rank {} of {run}", batch.base + launched.launch_index))
            };
            batch.instances.iter().map(rank).collect::<Vec<_>>()
        };
        batches.flat_map(of_batch).collect()
    }

    fn is_of_a_former_run(&self, key: &str) -> bool {
        let Some((fleet, rest)) = key.strip_prefix("fleets/").and_then(|key| key.split_once("/runs/")) else { return false };
        let record = FleetId::parse(fleet).and_then(|fleet| self.record(&fleet));
        record.is_some_and(|record| !rest.starts_with(record.run.as_str()))
    }

    fn view_objects(&self, ranks: &BTreeMap<String, String>, lines: &mut Vec<String>) {
        for (bucket, objects) in &self.buckets {
            lines.push(format!("bucket {bucket}"));
            for (key, (body, _)) in objects.iter().filter(|(key, _)| !self.ended(key)) {
                let former = self.is_of_a_former_run(key);
                lines.push(format!("object {key} {}", object(key, body, ranks, former)));
            }
        }
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Automation { document, parameters } => format!("{document} {parameters:?}"),
        Target::Function { arn, input } => format!("{arn} {input:?}"),
    }
}

fn times(times: &Times) -> String {
    match times {
        Times::Every { minutes, span: None } => format!("always every {minutes} min"),
        Times::Every { minutes, span: Some(span) } => format!("{} to {} every {minutes} min", span.start, span.end),
        Times::By(calendar) => format!("{calendar:?}"),
    }
}

/// An instance's rank: by what a launch writes on it, and in a service by what it holds.
fn rank(machine: &Machine, held: &BTreeMap<String, u32>) -> String {
    if machine.tags.contains_key(GROUP_TAG) {
        return held.get(&machine.id).map_or_else(|| "none".to_owned(), u32::to_string);
    }
    (machine.tags[tag::RANK_BASE].parse::<u32>().unwrap() + machine.ami_launch_index).to_string()
}

/// A zone, unless Auto Scaling threw dice for it.
fn zone(name: &str, is_of_a_group: bool) -> &str {
    if is_of_a_group { "some zone" } else { name }
}

/// Tags without those of AWS, which name templates and their versions.
fn given(tags: &Tags) -> Tags {
    tags.iter().filter(|(key, _)| !key.starts_with("aws:ec2launchtemplate:")).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A group, and how many instances it has; they are told themselves.
fn scaling_group(group: &AutoScalingGroup) -> String {
    let source = match &group.source {
        LaunchSource::Mixed { template, overrides, distribution } => {
            format!("{:?} {overrides:?} {distribution:?}", template.name)
        }
        LaunchSource::Template(template) => format!("{:?}", template.name),
    };
    let actions = group.actions.values().map(|action| {
        format!("{} at {}: {:?} to {:?}, {:?}", action.name, action.start, action.min_size, action.max_size, action.desired_capacity)
    });
    format!(
        "scaling group {} of {} to {}, {} wanted, {} there, deleting={} {source} {:?} {:?} {:?} without {:?}",
        group.name,
        group.min_size,
        group.max_size,
        group.desired_capacity,
        group.capacity(),
        group.deleting,
        group.subnets,
        group_tags(group),
        actions.collect::<Vec<_>>(),
        group.suspended.keys().collect::<Vec<_>>(),
    )
}

/// The tags of a group; of the version that it was told to launch, whether it launches that.
fn group_tags(group: &AutoScalingGroup) -> GroupTags {
    let mut tags = group.tags.clone();
    if let Some(told) = tags.get_mut(tag::TEMPLATE_VERSION) {
        let is_launched = told.value == group.source.template().version_text();
        told.value = if is_launched { "the one that it launches".to_owned() } else { format!("{}, which it does not launch", told.value) };
    }
    tags
}

fn view_instances(machines: &[Machine], ranks: &BTreeMap<String, String>, lines: &mut Vec<String>) {
    // Instances of one launch have one configuration.
    let mut told: BTreeMap<&str, String> = BTreeMap::new();
    for machine in machines {
        let told = told.entry(&machine.reservation_id).or_insert_with(|| {
            let config = config(machine.user_data.as_deref().unwrap_or_default()).expect("an agent on every machine");
            format!("told base {} until {}", config.rank_base, config.deadline)
        });
        lines.push(format!(
            "instance rank {} {:?} {} {} {} {:?} {:?} {:?} {:?} {told} {:?}",
            ranks[&machine.id],
            machine.state,
            machine.instance_type,
            if machine.spot { "spot" } else { "on demand" },
            zone(&machine.availability_zone, machine.tags.contains_key(GROUP_TAG)),
            machine.iam_instance_profile_arn,
            machine.security_groups,
            machine.shutdown_behavior,
            machine.metadata_options,
            given(&machine.tags),
        ));
    }
}

/// What was posted, but for when it was noticed, and by which alert.
fn posted(posted: &Posted) -> String {
    let mut document: Value = serde_json::from_str(&posted.body).unwrap();
    let id = document["occurrence_id"].as_str().unwrap_or_default().to_owned();
    for field in ["at", "alert_id"] {
        document.as_object_mut().map(|fields| fields.remove(field));
    }
    format!("posted {} {:?} {document}", posted.url, posted.headers).replace(&id, "OCCURRENCE")
}

/// What an alert has told, however often it tried.
fn told(told: Told) -> String {
    let occurrence = |known: Occurrence| {
        let deliveries: Vec<String> =
            known.deliveries.iter().map(|(channel, d)| format!("{channel} {} {:?}", d.delivered_at.is_some(), d.refusal)).collect();
        format!("{} {} {deliveries:?}", known.kind, known.subject)
    };
    let occurrences: Vec<String> = told.occurrences.into_iter().map(occurrence).collect();
    format!("{occurrences:?} watching {:?} over {:?}", told.watching, told.over.keys().collect::<Vec<_>>())
}

/// What an object holds, without what is another one's each time.
fn object(key: &str, body: &[u8], ranks: &BTreeMap<String, String>, former: bool) -> String {
    if key.starts_with("agents/") {
        return format!("{} bytes", body.len());
    }
    if former && key.contains("/batches/") {
        return "instances that were".to_owned();
    }
    if key.contains("/batches/") {
        let batch: Batch = serde_json::from_slice(body).unwrap();
        let members: Vec<&str> =
            batch.instances.iter().map(|i| ranks.get(&i.instance_id.0).map_or("somebody else", String::as_str)).collect();
        return format!("{members:?}");
    }
    let mut json: Value = serde_json::from_slice(body).unwrap();
    if let Some(fields) = json.as_object_mut() {
        // Signs of life, moments of work, and a price that may not have been told.
        for field in ["heartbeat", "started_at", "ended_at", "private_ip", "price_usd_per_hour", "generation", "counted_from"] {
            fields.remove(field);
        }
        if key.starts_with(layout::ALERTS_PREFIX) {
            // Versions are told apart from what was put.
            for field in ["created_at", "touched_at", "secrets", "maker"] {
                fields.remove(field);
            }
        }
        if key.starts_with("told/") {
            return told(serde_json::from_slice(body).unwrap());
        }
        if former {
            // When it was ended, and by whom it was run.
            fields.remove("deadline");
            fields.remove("instance_id");
        }
        if let Some(id) = fields.get("instance_id").and_then(Value::as_str) {
            let rank = ranks.get(id).cloned().unwrap_or_else(|| "somebody else".to_owned());
            fields.insert("instance_id".to_owned(), rank.into());
        }
    }
    json.to_string()
}
