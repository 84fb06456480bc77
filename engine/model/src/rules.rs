//! The rules a spec must keep, all checked before anything is created.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::dns::check_dns;
use crate::duration::Seconds;
use crate::hook::check_hooks;
use crate::idle::check_idle;
use crate::image::{Distribution, ImageReference};
use crate::layout::SHARD_SIZE;
use crate::market::check_market;
use crate::network::{check_network, check_ssh_key};
use crate::placement::check_placement;
use crate::policies::check_policies;
use crate::problem::{Path, Problem};
use crate::queue::{OnFailure, check_queue};
use crate::read::FieldType;
use crate::requirements::check_requirements;
use crate::spec::{FleetKind, FleetSpec};
use crate::status::WaitFor;
use crate::stopping::check_stopping;
use crate::tag;
use crate::value::Value;
use crate::volume::{check_root_volume, check_volumes};

/// The most instances of a fleet.
pub const SIZE_MAX: u32 = 10_000;
/// The most instances of a gang: one call launches them, and one schedule ends them.
pub const GANG_MAX: u32 = SHARD_SIZE;
/// The most instances of a service: one schedule ends them.
pub const SERVICE_MAX: u32 = SHARD_SIZE;
/// The shortest lease: what an agent needs to notice an extension.
pub const TTL_MIN: Seconds = Seconds(60);
/// The longest lease.
pub const TTL_MAX: Seconds = Seconds(30 * 86_400);
/// The lease of what says nothing else: a setting that is missing or cannot be read is never one without limit.
pub const TTL_DEFAULT: Seconds = Seconds(3600);
/// The most bytes of files, names and contents together.
pub const FILES_BYTES_MAX: usize = 1 << 20;
/// EC2 takes 50 tags on a resource; spawn needs some, and keeps room for more.
pub const TAGS_MAX: usize = 38;

/// Reads and checks a spec. What is unknown yet is not judged, and then there is no spec.
pub fn read_spec(kind: FleetKind, value: &Value) -> (Option<FleetSpec>, Vec<Problem>) {
    let mut problems = Vec::new();
    let root = Path::default();
    for field in kind.fields().filter(|f| f.presence == crate::field::Presence::Required) {
        if matches!(value, Value::Map(_))
            && value.get(field.name).is_null()
            && FleetSpec::FIELDS.iter().any(|f| f.name == field.name && f.presence != field.presence)
        {
            let path = root.key(field.name);
            problems.push(Problem::new(&path, "is required", format!("Set {path}")));
        }
    }
    if kind == FleetKind::Service {
        check_service(value, &root, &mut problems);
    } else if matches!(value.get("market").get("rebalance"), Value::Bool(true)) {
        let path = root.key("market").key("rebalance");
        problems.push(Problem::new(&path, "only a service replaces what it loses", "Make a service, or leave rebalance out"));
    }
    if kind == FleetKind::Instance && !value.get("size").is_null() {
        problems.push(Problem::new(&root.key("size"), "an instance has no size", "Make a job array, or leave size out"));
    }
    check_queue(kind == FleetKind::Queue, value, &root, &mut problems);
    let spec = FleetSpec::read(value, &root, &mut problems);
    check_known(kind, value, &mut problems);
    let spec = match kind {
        FleetKind::Queue => spec.map(of_queue),
        FleetKind::Instance | FleetKind::JobArray | FleetKind::Service => spec,
    };
    (spec.filter(|_| problems.is_empty()), problems)
}

/// To everything but its jobs a queue is a fleet of its workers.
fn of_queue(spec: FleetSpec) -> FleetSpec {
    let (workers, on_failure) = (spec.workers.unwrap_or(1), spec.on_failure.unwrap_or(OnFailure::Stop));
    FleetSpec { size: workers, workers: Some(workers), on_failure: Some(on_failure), ..spec }
}

/// Each rule looks at one field, so that what is known is judged even while another field is unknown.
fn check_known(kind: FleetKind, value: &Value, problems: &mut Vec<Problem>) {
    let root = Path::default();
    if let Some(name) = value.get("name").as_str() {
        check_name(name, &root.key("name"), problems);
    }
    let (size_max, larger) = match kind {
        FleetKind::Service => (SERVICE_MAX, "a larger one is several services"),
        FleetKind::Instance | FleetKind::JobArray | FleetKind::Queue => (SIZE_MAX, "a larger job is several arrays"),
    };
    if let (FleetKind::JobArray | FleetKind::Service, Value::Int(size)) = (kind, value.get("size"))
        && !(1..=i64::from(size_max)).contains(size)
    {
        let path = root.key("size");
        // One that is no count at all has been found already; this says more.
        problems.retain(|problem| problem.path != path);
        let help = format!("Write a number from 1 to {size_max}; {larger}");
        problems.push(Problem::new(&path, format!("{size} instances are not possible"), help));
    }
    if !matches!(kind, FleetKind::Service | FleetKind::Queue) {
        check_min_size(kind, value, &root.key("min_size"), problems);
    }
    if let Value::List(types) = value.get("instance_types") {
        check_instance_types(types, &root.key("instance_types"), problems);
    }
    let size = match value.get(if kind == FleetKind::Queue { "workers" } else { "size" }) {
        Value::Int(size) => Some(*size),
        Value::Null => Some(1),
        _ => None,
    };
    // A service may be made so small that all of it is on demand for a while.
    let of_size = size.filter(|_| kind != FleetKind::Service);
    check_market(value.get("market"), of_size, &root.key("market"), problems);
    if matches!(value.get("gang"), Value::Bool(true)) {
        check_gang(value, size, problems);
    }
    check_requirements(value, &root.key("requirements"), problems);
    check_placement(value, &root.key("placement"), problems);
    check_network(value.get("network"), &root.key("network"), problems);
    check_dns(value.get("dns"), &root.key("dns"), problems);
    if let Some(name) = value.get("ssh_key").as_str() {
        check_ssh_key(name, &root.key("ssh_key"), problems);
    }
    check_root_volume(value.get("root_volume"), &root.key("root_volume"), problems);
    if let Value::Map(volumes) = value.get("volumes") {
        check_volumes(volumes, &root.key("volumes"), problems);
    }
    check_ami(value.get("ami"), &root.key("ami"), problems);
    if let (Value::List(words), true) = (value.get("command"), kind != FleetKind::Queue) {
        check_command(words, &root.key("command"), problems);
    }
    if let Value::List(policies) = value.get("policies") {
        check_policies(policies, &root.key("policies"), problems);
    }
    if let Value::Map(files) = value.get("files") {
        check_files(files, &root.key("files"), problems);
    }
    if let Value::Map(env) = value.get("env") {
        check_env(env, &root.key("env"), problems);
    }
    if let Some(ttl) = value.get("lease").get("ttl").as_str().and_then(Seconds::parse) {
        check_ttl(ttl, value.get("lease").get("ttl").as_str().unwrap_or_default(), problems);
    }
    check_hooks(value, &root, problems);
    check_idle(value.get("lease"), &root.key("lease"), problems);
    check_stopping(kind, value, &root, problems);
    if matches!(value.get("market").get("rebalance"), Value::Bool(true)) && value.get("lease").get("budget").is_written() {
        let path = root.key("market").key("rebalance");
        let why = "a service that replaces before it ends has more instances for a while, which no budget has counted";
        problems.push(Problem::new(&path, why, "Leave rebalance or lease.budget out"));
    }
    check_budget(value.get("lease").get("budget"), &root.key("lease").key("budget"), problems);
    if let Value::Map(tags) = value.get("tags") {
        check_tags(tags, &root.key("tags"), problems);
    }
}

/// What other fleets have, and one that replaces what it loses cannot.
fn check_service(value: &Value, root: &Path, problems: &mut Vec<Problem>) {
    let is_asked_for = |value: &Value| value.is_written() && *value != Value::Bool(false);
    for (field, why, help) in [
        ("min_size", "a service comes as close to its size as there is room, and goes on trying", "Leave min_size out"),
        ("gang", "a service is launched one by one, and replaced so", "Leave gang out, or make a job array"),
        ("placement", "a service is spread over the zones, and goes on where there is room", "Leave placement out, or make a job array"),
    ] {
        if is_asked_for(value.get(field)) {
            problems.push(Problem::new(&root.key(field), why, help));
        }
    }
    if value.get("lease").get("idle").is_written() {
        let help = "Leave idle out, and let the lease end it, or make it smaller; or make an instance or a job array";
        let path = root.key("lease").key("idle");
        problems.push(Problem::new(&path, "an instance that ended for being idle would be replaced at once", help));
    }
    if value.get("wait_for").as_str() == Some(WaitFor::Completed.word()) {
        let help = "Wait for \"ready\": every command has started";
        problems.push(Problem::new(&root.key("wait_for"), "the commands of a service end only with its lease", help));
    }
}

fn check_min_size(kind: FleetKind, value: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let Value::Int(least) = value.get("min_size") else { return };
    if kind == FleetKind::Instance {
        problems.push(Problem::new(path, "an instance has no size", "Make a job array, or leave min_size out"));
        return;
    }
    if let Value::Int(size) = value.get("size")
        && !(1..=*size).contains(least)
    {
        problems.push(Problem::new(
            path,
            format!("{least} are not between 1 and the size of {size}"),
            "Write fewer, or leave min_size out",
        ));
    }
    if matches!(value.get("gang"), Value::Bool(true)) {
        problems.push(Problem::new(path, "a gang is launched as a whole or not at all", "Leave gang or min_size out"));
    }
}

/// The rule for names: what DNS labels, S3 keys and tags can all carry.
pub fn check_name(name: &str, path: &Path, problems: &mut Vec<Problem>) {
    let shape = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) && !name.ends_with('-');
    if !shape || !ends || name.len() > 63 {
        let help =
            "Use lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen, at most 63 characters";
        problems.push(Problem::new(path, format!("{name:?} cannot be a name in DNS and S3"), help));
    }
}

/// Refuses what refers to no image.
pub(crate) fn check_ami(ami: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if let Some(ami) = ami.as_str()
        && ImageReference::parse(Some(ami)).is_none()
    {
        let names: Vec<&str> = Distribution::ALL.into_iter().map(Distribution::name).collect();
        let help =
            format!("Write an id like \"ami-0123456789abcdef0\", a parameter like \"ssm:/golden/image\", or one of {}", names.join(", "));
        problems.push(Problem::new(path, format!("{ami:?} refers to no image"), help));
    }
}

fn check_instance_types(types: &[Value], path: &Path, problems: &mut Vec<Problem>) {
    if types.is_empty() {
        problems.push(Problem::new(path, "names no instance type", "Name at least one, such as \"c7i.large\""));
    }
    for (index, name) in types.iter().enumerate() {
        let Some(name) = name.as_str() else { continue };
        let valid = name.split_once('.').is_some_and(|(family, size)| {
            let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            plain(family) && plain(size)
        });
        if !valid {
            problems.push(Problem::new(&path.index(index), format!("{name:?} is not an instance type"), "Write one like \"c7i.large\""));
        } else if types[..index].iter().any(|earlier| earlier.as_str() == Some(name)) {
            problems.push(Problem::new(&path.index(index), format!("{name:?} is named twice"), "Name each type once"));
        }
    }
}

/// One call of EC2 launches all or nothing, and it takes no more than a shard has.
fn check_gang(value: &Value, size: Option<i64>, problems: &mut Vec<Problem>) {
    let path = Path::field("gang");
    if let Some(size) = size.filter(|size| *size > i64::from(GANG_MAX)) {
        let help = format!("Write a size of at most {GANG_MAX}, or leave gang out");
        problems.push(Problem::new(&path, format!("{size} instances cannot be asked for in one call"), help));
    }
    if matches!(value.get("market").get("on_demand_base"), Value::Int(1..)) {
        let help = "Leave gang or market.on_demand_base out";
        problems.push(Problem::new(&path, "instances of one pool are all bought in one way", help));
    }
}

pub(crate) fn check_command(words: &[Value], path: &Path, problems: &mut Vec<Problem>) {
    match words.first() {
        None => problems.push(Problem::new(
            path,
            "is empty",
            "Write the program and its arguments, such as [\"./render\", \"--depth\", \"512\"]",
        )),
        Some(Value::String(program)) if program.is_empty() => {
            problems.push(Problem::new(&path.index(0), "names no program", "Write the program first"));
        }
        Some(_) => {}
    }
    for (index, word) in words.iter().enumerate() {
        if word.as_str().is_some_and(|word| word.contains('\0')) {
            problems.push(Problem::new(&path.index(index), "contains a NUL byte", "No program can be given one; put the data into files"));
        }
    }
}

fn check_files(files: &BTreeMap<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    for name in files.keys() {
        let safe = !name.is_empty()
            && name.len() <= 255
            && !name.starts_with('/')
            && !name.contains('\0')
            && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !safe {
            let help = "Use a relative path without \"..\", such as \"render\" or \"data/in.csv\"";
            problems.push(Problem::new(&path.key(name), format!("{name:?} is not a file name below the working directory"), help));
        }
    }
    let bytes: usize = files.iter().map(|(name, text)| name.len() + text.as_str().map_or(0, str::len)).sum();
    if bytes > FILES_BYTES_MAX {
        let help = "Put large inputs into S3 and let the command fetch them";
        problems.push(Problem::new(path, format!("{bytes} bytes of files are more than the {FILES_BYTES_MAX} that fit"), help));
    }
}

pub(crate) fn check_env(env: &BTreeMap<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    for (name, text) in env {
        let valid = name.bytes().enumerate().all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()));
        if name.is_empty() || !valid {
            let help = "Use letters, digits and underscores, not beginning with a digit";
            problems.push(Problem::new(&path.key(name), format!("{name:?} is not a variable's name"), help));
        } else if name.starts_with("SPAWN_") {
            problems.push(Problem::new(
                &path.key(name),
                format!("{name:?} is one that spawn sets"),
                "Choose a name that does not begin with SPAWN_",
            ));
        }
        if text.as_str().is_some_and(|text| text.contains('\0')) {
            problems.push(Problem::new(&path.key(name), "contains a NUL byte", "No variable can hold one"));
        }
    }
}

fn check_ttl(ttl: Seconds, written: &str, problems: &mut Vec<Problem>) {
    let path = Path::field("lease").key("ttl");
    if ttl < TTL_MIN {
        let help = format!("Write {TTL_MIN} or more");
        problems.push(Problem::new(&path, format!("{written:?} is shorter than the shortest lease, {TTL_MIN}"), help));
    } else if ttl > TTL_MAX {
        let help = "Write less, and extend the lease while the fleet is still wanted";
        problems.push(Problem::new(&path, format!("{written:?} is longer than the longest lease, {TTL_MAX}"), help));
    }
}

fn check_budget(budget: &Value, path: &Path, problems: &mut Vec<Problem>) {
    // What is no number at all is told where the field is read.
    if let Some(usd) = f64::read(budget, path, &mut Vec::new())
        && !(usd.is_finite() && usd > 0.0)
    {
        problems.push(Problem::new(
            path,
            format!("{usd} is no budget"),
            "Write US dollars, such as 5 or 0.50; left out, the ttl alone ends the fleet",
        ));
    }
}

fn check_tags(tags: &BTreeMap<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    if tags.len() > TAGS_MAX {
        let help = format!("EC2 takes 50, of which spawn keeps some; use at most {TAGS_MAX}");
        problems.push(Problem::new(path, format!("{} tags are too many", tags.len()), help));
    }
    for (key, text) in tags {
        let path = path.key(key);
        if key.starts_with(tag::RESERVED_PREFIX) || key.to_ascii_lowercase().starts_with("aws:") || key == tag::NAME {
            problems.push(Problem::new(&path, format!("the tag key {key:?} is taken"), "Choose another; Name is the fleet's name"));
        } else if key.is_empty() || key.chars().count() > 128 {
            problems.push(Problem::new(&path, "a tag key has 1 to 128 characters", "Choose a shorter one"));
        }
        if text.as_str().is_some_and(|text| text.chars().count() > 256) {
            problems.push(Problem::new(&path, "a tag value has at most 256 characters", "Shorten it"));
        }
    }
}

/// Fields that were declared after the first claims were written: as long as they are as if nobody had written them, they do not count.
const LATER: &[(&[&str], &str)] = &[
    (&["pre_stop"], "null"),
    (&["checkpoint"], "null"),
    (&["peer_notice"], "null"),
    (&["connect"], "null"),
    (&["lease", "on_expiry"], "\"terminate\""),
    (&["lease", "on_idle"], "\"terminate\""),
    (&["lease", "retain"], "null"),
    (&["market", "rebalance"], "false"),
    (&["workers"], "null"),
    (&["jobs"], "{}"),
    (&["on_failure"], "null"),
    (&["dns"], "null"),
];

impl FleetSpec {
    /// A hash of everything that makes two fleets the same one: two applies of one configuration have equal hashes, whatever version made
    /// them.
    ///
    /// # Panics
    /// Never: a spec is always JSON.
    #[must_use]
    pub fn hash(&self, kind: FleetKind) -> String {
        let mut json = serde_json::to_string(&(kind, self)).expect("a spec is JSON");
        let spec = serde_json::to_value(self).expect("a spec is JSON");
        for (path, unwritten) in LATER {
            let value = path.iter().fold(&spec, |value, step| &value[*step]);
            if serde_json::from_str::<serde_json::Value>(unwritten).is_ok_and(|unwritten| *value == unwritten) {
                // Every one of these follows on another field, and no other text of a spec can look like this: quotes within texts are escaped.
                json = json.replacen(&format!(",\"{}\":{unwritten}", path[path.len() - 1]), "", 1);
            }
        }
        hex::encode(Sha256::digest(json))
    }
}
