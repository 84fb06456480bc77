//! When a job of a queue file runs again.

use super::{Object, Told, text};
use crate::duration::Seconds;
use crate::problem::Path;
use crate::queue::Backoff;
use crate::value::Value;
use crate::words::refused;

const FIELDS: [&str; 7] = ["max_attempts", "backoff", "base_delay", "max_delay", "jitter", "retry_on_codes", "dont_retry_on_codes"];

/// How a pause grew, and left something to chance.
const WITH_JITTER: &str = "exponential-jitter";

/// The pauses where none were written.
const BASE_DELAY: Seconds = Seconds(5);
const MAX_DELAY: Seconds = Seconds(300);

/// The rule of a job; nothing if it runs once.
pub(super) fn retry(job: &Object<'_>, told: &mut Told) -> Option<Value> {
    let written = job.entries.get("retry").filter(|written| !written.is_null())?;
    let retry = Object::new(written, job.path.key("retry"), told)?;
    retry.tell_others(&FIELDS, told);
    let attempts = retry.required::<u32>("max_attempts", told);
    let backoff = backoff(&retry, told);
    let jitter = jitter(&retry, told);
    let most = retry.length("max_delay", told).unwrap_or(MAX_DELAY);
    // A longer one was cut off at the longest.
    let base = retry.length("base_delay", told).unwrap_or(BASE_DELAY).min(most);
    let codes = codes(&retry, told);
    if codes.as_ref().is_some_and(Vec::is_empty) {
        told.left_out(&retry.path, "no exit code is left after which the job would run again");
        return None;
    }
    let fields = [
        ("attempts", attempts.map(|attempts| Value::Int(attempts.into()))),
        ("backoff", Some(backoff.word().into())),
        ("base_delay", Some(text(base))),
        ("max_delay", Some(text(most))),
        ("jitter", jitter.map(Value::Float)),
        ("on_exit_codes", codes.map(|codes| Value::List(codes.into_iter().map(Value::Int).collect()))),
    ];
    Some(Value::Map(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()))
}

fn backoff(retry: &Object<'_>, told: &mut Told) -> Backoff {
    match retry.get::<String>("backoff", told).as_deref() {
        None | Some("fixed") => Backoff::Fixed,
        Some("exponential" | WITH_JITTER) => Backoff::Exponential,
        Some(other) => {
            let path = retry.path.key("backoff");
            told.problems.push(refused(&other.into(), "no way to grow", &["fixed", "exponential", WITH_JITTER], &path));
            Backoff::Fixed
        }
    }
}

fn jitter(retry: &Object<'_>, told: &mut Told) -> Option<f64> {
    let jitter = retry.get::<f64>("jitter", told)?;
    let path = retry.path.key("jitter");
    if retry.entries.get("backoff").and_then(Value::as_str) != Some(WITH_JITTER) {
        told.left_out(&path, "only exponential-jitter has it");
        return None;
    }
    told.note("jitter makes a pause shorter by up to that part of it, and never longer");
    Some(jitter)
}

/// The exit codes after which the job runs again; nothing if that is after every failure.
fn codes(retry: &Object<'_>, told: &mut Told) -> Option<Vec<i64>> {
    let [only, never] = ["retry_on_codes", "dont_retry_on_codes"].map(|name| {
        let codes = retry.get::<Vec<i64>>(name, told).unwrap_or_default();
        check(&codes, &retry.path.key(name), told);
        codes
    });
    if only.is_empty() && never.is_empty() {
        return None;
    }
    if only.is_empty() {
        told.note(
            "with dont_retry_on_codes a job does not run again that was ended after its timeout, or by a signal: it has no exit code",
        );
    }
    let wanted = if only.is_empty() { (1..=255).collect() } else { only };
    // After 0, which is no failure, nothing runs again anyway.
    Some(wanted.into_iter().filter(|code| (1..=255).contains(code) && !never.contains(code)).collect())
}

fn check(codes: &[i64], path: &Path, told: &mut Told) {
    for (index, code) in codes.iter().enumerate().filter(|(_, code)| !(0..=255).contains(*code)) {
        let help = "Write numbers from 1 to 255; what was ended after its timeout, or by a signal, has no exit code here";
        told.refuse(&path.index(index), format!("{code} is no exit code"), help);
    }
}
