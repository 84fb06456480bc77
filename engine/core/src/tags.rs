//! The tags that things of a fleet are found by, and changing those of the user's.

use jiff::Timestamp;
use spawn_model::ids::{FleetId, RunId};
use spawn_model::record::{FleetRecord, SCHEMA};
use spawn_model::tag;

use crate::ports::{Aws, Result, Tags};

/// `CreateTags` and `DeleteTags` take at most this many resources.
const RESOURCES_MAX: usize = 1_000;

/// What everything of a fleet carries.
pub(crate) fn of_fleet(fleet: &FleetId) -> Tags {
    Tags::from([(tag::FLEET.to_owned(), fleet.to_string())])
}

/// What everything carries that is ours, and no fleet's alone.
pub(crate) fn ours() -> Tags {
    Tags::from([(tag::MANAGED.to_owned(), "true".to_owned()), (tag::SCHEMA.to_owned(), SCHEMA.to_string())])
}

/// What everything carries that a launch makes for a fleet, the user's own tags among it.
pub(crate) fn of_parts(record: &FleetRecord) -> Tags {
    let mut tags = record.spec.tags.clone();
    tags.extend(ours());
    tags.extend([(tag::FLEET.to_owned(), record.fleet.to_string()), (tag::NAME.to_owned(), record.spec.name.clone())]);
    tags
}

/// What finds everything of spawn's.
pub(crate) fn managed() -> Tags {
    Tags::from([(tag::MANAGED.to_owned(), "true".to_owned())])
}

/// What the instances of a run carry.
pub(crate) fn of_run(run: &RunId) -> Tags {
    Tags::from([(tag::RUN.to_owned(), run.to_string())])
}

/// Whether something carries the tag of a run.
pub(crate) fn is_of_run(tags: &Tags, run: &RunId) -> bool {
    tags.get(tag::RUN).is_some_and(|tagged| tagged == run.as_str())
}

/// The end that tags tell.
pub(crate) fn deadline(tags: &Tags) -> Option<Timestamp> {
    tags.get(tag::DEADLINE)?.parse().ok()
}

/// The keys of `old` that `new` has not.
pub(crate) fn removed(old: &Tags, new: &Tags) -> Vec<String> {
    old.keys().filter(|key| !new.contains_key(*key)).cloned().collect()
}

/// What the instances of every run carry.
pub(crate) fn of_any_run() -> Tags {
    Tags::from([(tag::RUN.to_owned(), "*".to_owned())])
}

/// Gives resources that carry `old` the tags of `new`.
pub(crate) async fn change(aws: &Aws, ids: &[String], old: &Tags, new: &Tags) -> Result<()> {
    let removed = removed(old, new);
    for ids in ids.chunks(RESOURCES_MAX) {
        if !new.is_empty() {
            aws.instances.tag(ids, new).await?;
        }
        if !removed.is_empty() {
            aws.instances.untag(ids, &removed).await?;
        }
    }
    Ok(())
}
