//! The flags that describe a fleet. Their help is the field's own documentation.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use clap::{Args, ValueEnum};
use spawn_model::market::{Fallback, MarketType};
use spawn_model::problem::{Path, Problem};
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

use super::declared::{doc, first_sentence};
use super::hooks::HookArgs;
use super::idle::IdleArgs;
use super::place::PlaceArgs;
use super::requirements::RequirementsArgs;
use super::{Fields, name_of, program, read_text};

/// A fleet: from a file, from flags, or from a file with flags over it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FleetArgs {
    /// A YAML file with the fields of the Terraform resource
    ///
    /// And `kind: job_array`, `kind: instance`, `kind: service` or `kind: queue`. Where text is expected, `!file PATH` reads it from a file beside the YAML
    /// file. Flags come before what the file says; --env, --file, --tag and --trigger add to it. A JSON file of jobs as `spawn launch --batch-queue` took it
    /// is read as a queue.
    #[arg(short = 'f', long = "fleet-file", value_name = "FLEET.YAML")]
    pub(super) fleet_file: Option<PathBuf>,
    /// What kind of fleet: left out, a queue if there are jobs, a job array if there is a size or a command, else an instance
    #[arg(long, value_enum, value_name = "KIND")]
    pub(super) kind: Option<KindArg>,
    #[arg(long, help = first_sentence("name") + "; left out, the program's name and a random number", value_name = "NAME")]
    name: Option<String>,
    #[arg(long, help = first_sentence("size") + "; left out, 1", value_name = "N", allow_negative_numbers = true)]
    size: Option<i64>,
    #[arg(long, help = first_sentence("workers"), long_help = doc("workers"), value_name = "N", allow_negative_numbers = true)]
    workers: Option<i64>,
    #[arg(long, help = first_sentence("on_failure"), long_help = doc("on_failure"), value_name = "WORD")]
    on_failure: Option<String>,
    #[arg(long, help = first_sentence("min_size"), long_help = doc("min_size"), value_name = "N")]
    min_size: Option<u32>,
    #[arg(long = "type", help = first_sentence("instance_types") + "; repeat it, or use commas", long_help = doc("instance_types") + " Repeat it, or use commas.", value_name = "TYPE", value_delimiter = ',')]
    instance_types: Vec<String>,
    #[arg(long, help = "Spot instances; left out, on demand", long_help = doc("market.type"))]
    spot: bool,
    #[arg(long, help = first_sentence("market.max_price"), long_help = doc("market.max_price"), value_name = "USD")]
    max_price: Option<f64>,
    #[arg(long, help = "On demand where no spot pool has room", long_help = doc("market.fallback"))]
    fallback: bool,
    #[arg(long, help = first_sentence("market.on_demand_base"), long_help = doc("market.on_demand_base"), value_name = "N")]
    on_demand_base: Option<u32>,
    #[arg(long, help = first_sentence("market.rebalance"), long_help = doc("market.rebalance"))]
    rebalance: bool,
    #[arg(long, help = first_sentence("gang"), long_help = doc("gang"))]
    gang: bool,
    #[command(flatten)]
    requirements: RequirementsArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[arg(long, help = first_sentence("ami"), long_help = doc("ami"), value_name = "AMI")]
    ami: Option<String>,
    #[arg(long, help = first_sentence("lease.ttl"), long_help = doc("lease.ttl"), value_name = "DURATION")]
    ttl: Option<String>,
    #[arg(long, help = first_sentence("lease.budget"), long_help = doc("lease.budget"), value_name = "USD")]
    budget: Option<f64>,
    #[arg(long, help = first_sentence("lease.on_expiry"), long_help = doc("lease.on_expiry"), value_name = "END")]
    on_expiry: Option<String>,
    #[arg(long, help = first_sentence("lease.on_idle"), long_help = doc("lease.on_idle"), value_name = "END")]
    on_idle: Option<String>,
    #[arg(long, help = first_sentence("lease.retain"), long_help = doc("lease.retain"), value_name = "DURATION")]
    retain: Option<String>,
    #[command(flatten)]
    idle: IdleArgs,
    #[arg(long, help = first_sentence("connect"), long_help = doc("connect") + " `--connect=false` keeps them out.", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    connect: Option<bool>,
    #[command(flatten)]
    hooks: HookArgs,
    #[arg(long, help = first_sentence("policies") + "; repeat it", long_help = doc("policies") + " A document is read from a file: `@FILE`.", value_name = "POLICY|@FILE")]
    policy: Vec<String>,
    #[arg(long, help = first_sentence("env"), long_help = doc("env"), value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Files to put into the directory the command starts in: a path, and a name there if it is another
    ///
    /// A relative path below this directory keeps its path, any other file its name. The program after `--` goes along by
    /// itself if it is a script here. 1 MiB in all.
    #[arg(long, value_name = "PATH[=NAME]")]
    file: Vec<String>,
    #[arg(long, help = first_sentence("wait_for"), long_help = doc("wait_for"), value_name = "GOAL")]
    wait: Option<String>,
    #[arg(long, help = first_sentence("tags"), long_help = doc("tags"), value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    #[arg(long, help = first_sentence("triggers"), long_help = doc("triggers"), value_name = "KEY=VALUE", value_parser = pair)]
    trigger: Vec<(String, String)>,
    #[arg(long, help = first_sentence("delete_results"), long_help = doc("delete_results"))]
    delete_results: bool,
    #[arg(last = true, help = first_sentence("command"), long_help = doc("command"), value_name = "COMMAND")]
    command: Vec<String>,
}

/// A kind of fleet on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum KindArg {
    /// Ranks that each run the command once, and are gone
    #[value(name = "job_array", alias = "job-array")]
    JobArray,
    /// One machine that stays until its lease ends
    Instance,
    /// Ranks that run the command until the lease ends, and are replaced when they are lost
    Service,
    /// Workers that drain the jobs of a file, and are gone when there are none left
    Queue,
}

impl From<KindArg> for FleetKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::JobArray => Self::JobArray,
            KindArg::Instance => Self::Instance,
            KindArg::Service => Self::Service,
            KindArg::Queue => Self::Queue,
        }
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

/// A policy, or the document in a file. One that is a problem is `Unknown`, about which nothing more is said.
fn document(policy: &str, path: &Path, problems: &mut Vec<Problem>) -> Value {
    let Some(file) = policy.strip_prefix('@') else { return Value::String(policy.to_owned()) };
    match std::fs::read_to_string(file) {
        Ok(text) => Value::String(text),
        Err(error) => {
            problems.push(Problem::new(path, format!("{file} cannot be read: {error}"), "Name a file with a policy document"));
            Value::Unknown
        }
    }
}

impl FleetArgs {
    /// Writes what the flags say over `fields`.
    pub(super) fn apply(&self, fields: &mut Fields, problems: &mut Vec<Problem>) {
        let text = |text: &String| Value::String(text.clone());
        let words = |words: &Vec<String>| (!words.is_empty()).then(|| Value::List(words.iter().map(text).collect()));
        for (name, value) in [
            ("name", self.name.as_ref().map(text)),
            ("size", self.size.map(Value::Int)),
            ("workers", self.workers.map(Value::Int)),
            ("on_failure", self.on_failure.as_ref().map(text)),
            ("min_size", self.min_size.map(|least| Value::Int(least.into()))),
            ("instance_types", words(&self.instance_types)),
            ("ami", self.ami.as_ref().map(text)),
            ("command", words(&self.command)),
            ("wait_for", self.wait.as_ref().map(text)),
            ("connect", self.connect.map(Value::Bool)),
            ("gang", self.gang.then_some(Value::Bool(true))),
            ("delete_results", self.delete_results.then_some(Value::Bool(true))),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
        let texts = |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let lease = [
            ("ttl", self.ttl.as_ref().map(text)),
            ("budget", self.budget.map(Value::Float)),
            ("on_expiry", self.on_expiry.as_ref().map(text)),
            ("on_idle", self.on_idle.as_ref().map(text)),
            ("retain", self.retain.as_ref().map(text)),
        ];
        if !self.policy.is_empty() {
            let path = Path::field("policies");
            let read = self.policy.iter().enumerate().map(|(number, policy)| document(policy, &path.index(number), problems));
            fields.insert("policies".to_owned(), Value::List(read.collect()));
        }
        add(fields, "lease", lease.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect());
        add(fields, "market", self.market());
        self.idle.apply(fields);
        self.requirements.apply(fields);
        self.place.apply(fields, problems);
        self.hooks.apply(fields, problems);
        add(fields, "env", texts(&self.env));
        add(fields, "tags", texts(&self.tag));
        add(fields, "triggers", texts(&self.trigger));
        add(fields, "files", self.files(problems));
        if let Some(program) = self.command.first() {
            program::take_along(program, &Path::field("command").index(0), fields, problems);
        }
    }

    fn market(&self) -> Vec<(String, Value)> {
        let word = |word: &str| Value::String(word.to_owned());
        let written = [
            ("type", self.spot.then(|| word(MarketType::Spot.word()))),
            ("max_price", self.max_price.map(Value::Float)),
            ("fallback", self.fallback.then(|| word(Fallback::OnDemand.word()))),
            ("on_demand_base", self.on_demand_base.map(|base| Value::Int(base.into()))),
            ("rebalance", self.rebalance.then_some(Value::Bool(true))),
        ];
        written.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// The files by name. One that is a problem is `Unknown`, about which nothing more is said.
    fn files(&self, problems: &mut Vec<Problem>) -> Vec<(String, Value)> {
        let path = Path::field("files");
        let read = self.file.iter().filter_map(|written| {
            let (file, name) = match written.split_once('=') {
                Some((file, name)) => (file, Some(name.to_owned())),
                None => (written.as_str(), name_of(FilePath::new(written))),
            };
            let Some(name) = name else {
                problems.push(Problem::new(&path, format!("{written:?} names no file"), "Write a path, or PATH=NAME"));
                return None;
            };
            let text = read_text(FilePath::new(file), &path.key(&name), problems);
            Some((name, text.map_or(Value::Unknown, Value::String)))
        });
        read.collect()
    }
}

/// Adds entries to a map field, over those of the same key. What is no map is left for the rules to refuse.
pub(super) fn add(fields: &mut Fields, name: &str, entries: Vec<(String, Value)>) {
    if entries.is_empty() {
        return;
    }
    let field = fields.entry(name.to_owned()).or_default();
    if field.is_null() {
        *field = Value::Map(BTreeMap::new());
    }
    if let Value::Map(map) = field {
        map.extend(entries);
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};
    use spawn_model::spec::FleetSpec;

    use super::*;

    /// The flag of each field. `files` has help of its own: a flag names a path, where the field holds the content.
    const FLAGS: &[(&str, &str)] = &[
        ("name", "name"),
        ("size", "size"),
        ("workers", "workers"),
        ("on_failure", "on_failure"),
        ("min_size", "min_size"),
        ("instance_types", "instance_types"),
        ("ami", "ami"),
        ("command", "command"),
        ("connect", "connect"),
        ("policy", "policies"),
        ("file", "files"),
        ("env", "env"),
        ("spot", "market.type"),
        ("fallback", "market.fallback"),
        ("on_demand_base", "market.on_demand_base"),
        ("max_price", "market.max_price"),
        ("rebalance", "market.rebalance"),
        ("gang", "gang"),
        ("vcpu", "requirements.vcpu"),
        ("memory_gib", "requirements.memory_gib"),
        ("gpu", "requirements.gpu"),
        ("architecture", "requirements.architecture"),
        ("exclude", "requirements.exclude"),
        ("placement", "placement"),
        ("subnet", "network.subnets"),
        ("security_group", "network.security_groups"),
        ("public_address", "network.public_address"),
        ("dns_zone", "dns.zone"),
        ("ssh_key", "ssh_key"),
        ("root_gib", "root_volume.size_gib"),
        ("volume", "volumes"),
        ("pre_stop", "pre_stop"),
        ("pre_stop_timeout", "pre_stop.timeout"),
        ("checkpoint", "checkpoint"),
        ("checkpoint_timeout", "checkpoint.timeout"),
        ("peer_notice", "peer_notice"),
        ("peer_notice_timeout", "peer_notice.timeout"),
        ("ttl", "lease.ttl"),
        ("budget", "lease.budget"),
        ("on_expiry", "lease.on_expiry"),
        ("on_idle", "lease.on_idle"),
        ("retain", "lease.retain"),
        ("wait", "wait_for"),
        ("tag", "tags"),
        ("trigger", "triggers"),
        ("delete_results", "delete_results"),
    ];

    #[test]
    fn every_field_has_a_flag_whose_help_is_its_first_sentence() {
        let command = FleetArgs::augment_args(Command::new("up"));
        for &(flag, field) in FLAGS {
            let arg = command.get_arguments().find(|arg| arg.get_id() == flag).unwrap_or_else(|| panic!("no flag {flag}"));
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            if matches!(flag, "spot" | "fallback") {
                assert!(!help.is_empty(), "a switch says what it switches on");
            } else if flag == "file" {
                assert!(help.starts_with("Files to put into the directory the command starts in:"), "{help}");
            } else {
                assert!(help.starts_with(&first_sentence(field)), "--{flag}: {help}");
            }
        }
        // Jobs are written into a file.
        for field in FleetSpec::FIELDS.iter().filter(|field| field.name != "jobs") {
            assert!(FLAGS.iter().any(|(_, path)| path.split('.').next() == Some(field.name)), "no flag for {}", field.name);
        }
    }
}
