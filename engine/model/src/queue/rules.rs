//! The rules of a queue.

use std::collections::{BTreeMap, BTreeSet};

use super::{JobSpec, cycle};
use crate::duration::Seconds;
use crate::problem::{Path, Problem};
use crate::read::FieldType;
use crate::rules::{TTL_MAX, check_command, check_env};
use crate::value::Value;

/// The most workers of a queue: one schedule ends them.
pub const WORKERS_MAX: u32 = crate::layout::SHARD_SIZE;
/// The most jobs of a queue.
pub const JOBS_MAX: usize = 10_000;
/// The most bytes of their text, names included: every worker reads all of it.
const JOBS_BYTES_MAX: usize = 4 << 20;
/// The most attempts of a job.
const ATTEMPTS_MAX: u32 = 100;
/// The longest pause between two attempts.
const DELAY_MAX: Seconds = Seconds(3600);
/// The most stars between two slashes of a pattern, and the most `**` in it: 255 bytes of a name are then told in well under a second.
const STARS_MAX: usize = 3;
const DEEP_MAX: usize = 3;
/// The longest name of a job: it is part of keys and of directories.
const NAME_MAX: usize = 100;

/// What other fleets have, and one that drains jobs has not.
const NOT_OF_QUEUES: [(&str, &str); 8] = [
    ("size", "a queue has workers, and jobs in any number"),
    ("min_size", "a queue has workers, and jobs in any number"),
    ("gang", "workers do not wait for each other"),
    ("placement", "workers do not work together"),
    ("command", "a queue runs its jobs' commands"),
    ("pre_stop", "a job whose machine ends is run again by another worker"),
    ("checkpoint", "a job whose machine ends is run again by another worker"),
    ("peer_notice", "a job whose machine ends is run again by another worker"),
];

/// The rules of what only queues have, and of what they have not.
pub(crate) fn check_queue(is_queue: bool, fleet: &Value, root: &Path, problems: &mut Vec<Problem>) {
    let is_asked_for = |name: &str| fleet.get(name).is_written() && *fleet.get(name) != Value::Bool(false);
    if !is_queue {
        for name in ["workers", "jobs", "on_failure"].into_iter().filter(|name| is_asked_for(name)) {
            let help = format!("Make a queue, or leave {name} out");
            problems.push(Problem::new(&root.key(name), "only a queue has jobs and workers", help));
        }
        return;
    }
    for (name, why) in NOT_OF_QUEUES.into_iter().filter(|(name, _)| is_asked_for(name)) {
        problems.push(Problem::new(&root.key(name), why, format!("Leave {name} out")));
    }
    if let Value::Int(workers) = fleet.get("workers")
        && !(1..=i64::from(WORKERS_MAX)).contains(workers)
    {
        let path = root.key("workers");
        problems.retain(|problem| problem.path != path);
        let help = format!("Write a number from 1 to {WORKERS_MAX}");
        problems.push(Problem::new(&path, format!("{workers} workers are not possible"), help));
    }
    if let Value::Map(jobs) = fleet.get("jobs") {
        check_jobs(jobs, &root.key("jobs"), problems);
    }
}

fn check_jobs(jobs: &BTreeMap<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    if jobs.is_empty() || jobs.len() > JOBS_MAX {
        let help = format!("Write 1 to {JOBS_MAX} jobs");
        problems.push(Problem::new(path, format!("{} jobs make no queue", jobs.len()), help));
    }
    let bytes: usize = jobs.iter().map(|(name, job)| name.len() + text_bytes(job)).sum();
    if bytes > JOBS_BYTES_MAX {
        let help = "Put scripts and large values into files, or into S3, and let the commands fetch them";
        problems.push(Problem::new(path, format!("{bytes} bytes of jobs are more than the {JOBS_BYTES_MAX} that fit"), help));
    }
    for (name, job) in jobs {
        let path = path.key(name);
        check_name(name, &path, problems);
        check_job(job, &path, problems);
        check_needs(name, job, jobs, &path, problems);
    }
    let depends_on = jobs.iter().map(|(name, job)| (name.as_str(), needs(job).filter_map(Value::as_str).collect())).collect();
    if let Some(circle) = cycle(&depends_on) {
        let steps = circle.iter().zip(circle.iter().skip(1));
        let shown: Vec<String> = steps.map(|(job, needed)| format!("{job} waits for {needed}")).collect();
        let message = format!("none of these jobs could ever begin: {}", shown.join(", "));
        problems.push(Problem::new(&path.key(circle[0]).key("depends_on"), message, "Break the circle at one of them"));
    }
}

fn check_name(name: &str, path: &Path, problems: &mut Vec<Problem>) {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if !plain || !begins || name.len() > NAME_MAX {
        let help = format!("Use letters, digits, and between them -, _ and ., at most {NAME_MAX} characters");
        problems.push(Problem::new(path, format!("{name:?} cannot be a job's name"), help));
    }
}

fn check_job(job: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if let Value::List(words) = job.get("command") {
        check_command(words, &path.key("command"), problems);
    }
    if let Value::Map(env) = job.get("env") {
        check_env(env, &path.key("env"), problems);
    }
    if let Value::Map(params) = job.get("params") {
        // They become variables.
        check_env(params, &path.key("params"), problems);
    }
    if let Some((written, timeout)) = duration(job.get("timeout"))
        && !(1..=TTL_MAX.0).contains(&timeout.0)
    {
        let message = format!("{written:?} is not between 1s and {TTL_MAX}");
        problems.push(Problem::new(&path.key("timeout"), message, "Write one between them, or leave it out"));
    }
    if let Value::List(patterns) = job.get("results") {
        for (index, pattern) in patterns.iter().enumerate() {
            check_pattern(pattern.as_str().unwrap_or("*"), &path.key("results").index(index), problems);
        }
    }
    check_retry(job.get("retry"), &path.key("retry"), problems);
}

fn check_pattern(pattern: &str, path: &Path, problems: &mut Vec<Problem>) {
    if pattern.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let help = "Write a path below the directory that the job starts in, such as \"raw/*.csv\"";
        problems.push(Problem::new(path, format!("{pattern:?} matches no file there"), help));
    } else if let Err(error) = glob::Pattern::new(pattern) {
        let help = "Write one like \"raw/*.csv\" or \"out/**/*.png\"; [*] stands for the character *";
        problems.push(Problem::new(path, format!("{pattern:?} is no pattern: {}", error.msg), help));
    } else if branches(pattern) {
        let message = format!("{pattern:?} may mean so much that looking for it would take too long");
        let help = format!(
            "Write at most {STARS_MAX} stars between two slashes, and ** at most {DEEP_MAX} times: another pattern is one more in the list"
        );
        problems.push(Problem::new(path, message, &help));
    }
}

/// Whether telling that a path does not match takes long: each more star may stand for something else in as many ways as a name is long.
fn branches(pattern: &str) -> bool {
    let deep = pattern.split('/').filter(|part| *part == "**").count();
    let stars = pattern.split('/').map(|part| part.matches('*').count() - 2 * usize::from(part == "**")).max();
    deep > DEEP_MAX || stars.unwrap_or_default() > STARS_MAX
}

fn check_retry(retry: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if let Value::List(codes) = retry.get("on_exit_codes") {
        for (index, code) in codes.iter().enumerate() {
            if let Value::Int(code) = code
                && !(1..=255).contains(code)
            {
                let path = path.key("on_exit_codes").index(index);
                problems.push(Problem::new(&path, format!("{code} is no exit code of a failure"), "Write numbers from 1 to 255"));
            }
        }
    }
    if let Value::Int(attempts) = retry.get("attempts")
        && !(1..=i64::from(ATTEMPTS_MAX)).contains(attempts)
    {
        let path = path.key("attempts");
        problems.retain(|problem| problem.path != path);
        problems.push(Problem::new(
            &path,
            format!("{attempts} attempts are not possible"),
            format!("Write a number from 1 to {ATTEMPTS_MAX}"),
        ));
    }
    for field in ["base_delay", "max_delay"] {
        if let Some((written, _)) = duration(retry.get(field)).filter(|(_, delay)| *delay > DELAY_MAX) {
            let message = format!("{written:?} is longer than {DELAY_MAX}");
            problems.push(Problem::new(&path.key(field), message, "Write less"));
        }
    }
    if let (Some((written, base)), Some((_, most))) = (duration(retry.get("base_delay")), duration(retry.get("max_delay")))
        && base > most
    {
        let message = format!("{written:?} is longer than max_delay, {most}");
        problems.push(Problem::new(&path.key("base_delay"), message, "Write less, or a longer max_delay"));
    }
    if let Some(jitter) = f64::read(retry.get("jitter"), path, &mut Vec::new())
        && !(0.0..=1.0).contains(&jitter)
    {
        problems.push(Problem::new(&path.key("jitter"), format!("{jitter} is no part of a pause"), "Write a number from 0 to 1"));
    }
}

fn check_needs(name: &str, job: &Value, jobs: &BTreeMap<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    let path = path.key("depends_on");
    let mut named = BTreeSet::new();
    for (index, needed_name) in needs(job).enumerate().filter_map(|(index, needed)| Some((index, needed.as_str()?))) {
        let path = path.index(index);
        if !jobs.contains_key(needed_name) {
            let message = format!("{name:?} depends on {needed_name:?}, and there is no such job");
            problems.push(Problem::new(&path, message, "Name a job of this queue"));
        } else if !named.insert(needed_name) {
            problems.push(Problem::new(&path, format!("{needed_name:?} is named twice"), "Name each job once"));
        }
    }
}

/// How many bytes of text a value holds.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(text_bytes).sum(),
        Value::Map(entries) => entries.iter().map(|(key, entry)| key.len() + text_bytes(entry)).sum(),
        Value::Null | Value::Unknown | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
    }
}

fn needs(job: &Value) -> impl Iterator<Item = &Value> {
    match job.get("depends_on") {
        Value::List(needed) => needed.iter(),
        _ => [].iter(),
    }
}

fn duration(value: &Value) -> Option<(&str, Seconds)> {
    value.as_str().and_then(|text| Some((text, Seconds::parse(text)?)))
}

impl JobSpec {
    /// Tells which paths below the directory that it starts in are results.
    pub fn result_filter(&self) -> impl Fn(&str) -> bool + use<> {
        let options = glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
        let patterns: Vec<glob::Pattern> = self.results.iter().filter_map(|pattern| glob::Pattern::new(pattern).ok()).collect();
        move |path| patterns.iter().any(|pattern| pattern.matches_with(path, options))
    }
}
