//! `mode: stop`: ends what a run has launched, found by its tags alone. No output of the step that has launched it is needed, and none may be there.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::json;
use spawn_core::fleet::Fleet;
use spawn_model::error::Error;
use tokio::task::JoinSet;

use super::{DONE, Ended};
use crate::ask::name;
use crate::failure::Failure;
use crate::outputs;
use crate::runner::Job;
use crate::step::{Session, Step};
use crate::summary::counted;

/// How long instances may take to go away.
const GONE_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Ends every fleet of the run.
pub(super) async fn perform(step: &Step) -> Ended {
    let Session { engine, .. } = step.connect().await?;
    let run_id = step.given.text("run-id").unwrap_or(&step.job.run_id);
    let of_run = Job { run_id: run_id.to_owned(), ..step.job.clone() };
    let (fleets, unread) = engine.list().await?;
    // Whether it is one of this run's, nobody knows; its lease does.
    unread.iter().for_each(|error| step.warn_of("a fleet cannot be looked at", error));
    let mut ends = JoinSet::new();
    for fleet in fleets.into_iter().filter(|fleet| is_meant(fleet, &of_run, step.given.text("name"))) {
        let (engine, operation) = (engine.clone(), step.operation().about(&fleet.record.spec.name));
        ends.spawn(async move {
            let ended = engine.end(&fleet.record.fleet, GONE_WITHIN, &operation).await;
            ended.map(|_| fleet.record.clone()).map_err(|error| error.context(&fleet.record.spec.name))
        });
    }
    let (mut ended, mut errors): (BTreeMap<String, serde_json::Value>, Vec<Error>) = (BTreeMap::new(), Vec::new());
    for result in ends.join_all().await {
        match result {
            Ok(record) => {
                let told = json!({ "name": record.spec.name, "fleet": record.fleet, "region": record.region });
                ended.insert(record.spec.name, told);
            }
            Err(error) => errors.push(error),
        }
    }
    let names: Vec<&str> = ended.keys().map(String::as_str).collect();
    let listed = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    step.console.line(&format!("run {run_id}: {} ended in {}{listed}", counted(ended.len(), "fleet"), engine.region()));
    step.files.output(outputs::ENDED, &json!(ended.values().collect::<Vec<_>>()).to_string())?;
    if errors.is_empty() { Ok(DONE) } else { Err(Failure { errors }) }
}

/// Whether a fleet was launched by the run, and under the name that is asked for, if one is.
fn is_meant(fleet: &Fleet, of_run: &Job, base: Option<&str>) -> bool {
    let spec = &fleet.record.spec;
    name::are_of_run(&spec.tags, &of_run.repository, &of_run.run_id) && base.is_none_or(|base| name::is_of_run(&spec.name, base, of_run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::tests::job;
    use crate::summary::tests::fleet;

    #[test]
    fn a_run_ends_what_carries_its_tags_and_nothing_else() {
        let job = job("/work");
        let mut fleet = fleet();
        assert!(!is_meant(&fleet, &job, None), "a name alone says nothing");
        fleet.record.spec.tags = name::tags(&Job { attempt: "1".to_owned(), job: "other".to_owned(), ..job.clone() });
        assert!(is_meant(&fleet, &job, None) && is_meant(&fleet, &job, Some("tests")) && !is_meant(&fleet, &job, Some("sums")));
        assert!(!is_meant(&fleet, &Job { run_id: "1".to_owned(), ..job.clone() }, None));
        assert!(!is_meant(&fleet, &Job { repository: "mallory/octo-repo".to_owned(), ..job }, None));
    }
}
