//! The jobs of a queue file.

use std::collections::{BTreeMap, BTreeSet};

use super::retry::retry;
use super::{Object, Told, text};
use crate::problem::Path;
use crate::value::Value;

const FIELDS: [&str; 7] = ["job_id", "command", "timeout", "env", "depends_on", "retry", "result_paths"];

/// What ran every command.
const SHELL: &str = "/bin/bash";

/// Runs the command `$1`, and copies what the patterns after it match to where results are kept. The trap lets the command end in its own way when it
/// is told to: without it this shell would not wait for that.
const COPYING: &str = "\
trap : TERM
/bin/bash -c \"$1\" || exit
shopt -s dotglob globstar nullglob
IFS=
shift
for pattern; do
  for file in $pattern; do
    if [ -f \"$file\" ]; then cp -- \"$file\" \"$SPAWN_RESULTS/\" || exit; fi
  done
done";

/// The jobs by their ids.
pub(super) fn jobs(items: &[Value], told: &mut Told) -> BTreeMap<String, Value> {
    let all = Path::field("jobs");
    let mut jobs = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(unnamed) = Object::new(item, all.index(index), told) else { continue };
        let Some(id) = unnamed.required::<String>("job_id", told) else { continue };
        if jobs.contains_key(&id) {
            told.refuse(&unnamed.path.key("job_id"), format!("{id:?} is the id of another job too"), "Give each job an id of its own");
            continue;
        }
        let job = Object { path: all.key(&id), ..unnamed };
        jobs.insert(id, Value::Map(fields(&job, told)));
    }
    jobs
}

fn fields(job: &Object<'_>, told: &mut Told) -> BTreeMap<String, Value> {
    let (elsewhere, results) = result_paths(job, told);
    let command = job.required::<String>("command", told).map(|script| command(&script, elsewhere));
    let timeout = job.length("timeout", told).map(text);
    let env = job.get::<BTreeMap<String, String>>("env", told);
    let env = env.map(|env| Value::Map(env.into_iter().map(|(name, value)| (name, Value::String(value))).collect()));
    let mut needed = job.get::<Vec<String>>("depends_on", told).unwrap_or_default();
    let mut named = BTreeSet::new();
    // Named twice it was waited for once.
    needed.retain(|id| named.insert(id.clone()));
    let retry = retry(job, told);
    job.tell_others(&FIELDS, told);
    let written = [
        ("command", command),
        ("depends_on", (!needed.is_empty()).then(|| texts(needed))),
        ("env", env),
        ("timeout", timeout),
        ("retry", retry),
        ("results", (!results.is_empty()).then(|| texts(results))),
    ];
    written.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The patterns that begin at the root, and those below the directory that the job starts in, without the steps that lead nowhere.
fn result_paths(job: &Object<'_>, told: &mut Told) -> (Vec<String>, Vec<String>) {
    let patterns = job.get::<Vec<String>>("result_paths", told).unwrap_or_default();
    let (elsewhere, below): (Vec<String>, Vec<String>) = patterns.into_iter().partition(|pattern| pattern.starts_with('/'));
    if !elsewhere.is_empty() {
        told.note("what result_paths that begin with / match is copied when the job has succeeded, and kept by its file name alone");
    }
    let plain = |pattern: String| pattern.split('/').filter(|step| !matches!(*step, "" | ".")).collect::<Vec<_>>().join("/");
    (elsewhere, below.into_iter().map(plain).collect())
}

fn command(script: &str, elsewhere: Vec<String>) -> Value {
    let words = if elsewhere.is_empty() {
        vec![SHELL.to_owned(), "-c".to_owned(), script.to_owned()]
    } else {
        let copying = [SHELL, "-c", COPYING, "results", script].map(str::to_owned);
        copying.into_iter().chain(elsewhere).collect()
    };
    texts(words)
}

fn texts(texts: Vec<String>) -> Value {
    Value::List(texts.into_iter().map(Value::String).collect())
}
