//! What the account holds, compared: after a fleet ended for good nothing is left but records, results and logs.

use serde_json::Value;

use crate::World;

/// Everything the account holds but what stays on purpose: the records and results of ended fleets, their output, the entries
/// of terminated instances, which EC2 too shows for an hour, and the roles of AWS's own services.
pub fn holdings(world: &World) -> Value {
    let mut snapshot = world.control().snapshot();
    for bucket in objects_of(&mut snapshot["s3"]) {
        if let Some(objects) = bucket["objects"].as_object_mut() {
            objects.retain(|key, _| !key.starts_with("fleets/"));
        }
    }
    for group in objects_of(&mut snapshot["logs"]) {
        if let Some(streams) = group.as_object_mut() {
            streams.retain(|name, _| !name.starts_with("fleet-") && !name.contains("/aws-runShellScript/"));
        }
    }
    if let Some(roles) = snapshot["iam"]["roles"].as_object_mut() {
        roles.retain(|_, role| !role["path"].as_str().is_some_and(|path| path.starts_with("/aws-service-role/")));
    }
    snapshot
}

fn objects_of(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(|map| map.values_mut())
}

/// What an account holds, but for what functions have said.
///
/// # Panics
/// If these are no holdings.
pub fn silent(mut holdings: Value) -> Value {
    holdings["logs"].as_object_mut().expect("log groups").retain(|group, _| !group.contains("/aws/lambda/"));
    holdings
}

/// Asserts that the account holds what it held before.
///
/// # Panics
/// If it does not, with both.
#[track_caller]
pub fn assert_same(before: &Value, after: &Value) {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let (before, after) = (pretty(before), pretty(after));
    if before != after {
        let old: Vec<&str> = before.lines().collect();
        let new: Vec<&str> = after.lines().collect();
        let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}"));
        let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}"));
        panic!("the account holds something else:\n{}", gone.chain(come).collect::<Vec<_>>().join("\n"));
    }
}
