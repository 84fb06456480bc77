//! `mode: sweep`: ends what is past its lease, whoever launched it, and removes what nobody keeps.

use std::collections::BTreeSet;

use spawn_core::engine::Engine;
use spawn_core::reap::{Reaped, everywhere};
use spawn_model::error::Error;

use super::{DONE, Ended};
use crate::failure::Failure;
use crate::given::parts;
use crate::step::Step;
use crate::summary::counted;

/// Reaps in every region, or in those that are named.
pub(super) async fn perform(step: &Step) -> Ended {
    let mut problems = Vec::new();
    let is_dry = step.given.flag("dry-run", &mut problems);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let named: BTreeSet<String> = step.given.text("regions").into_iter().flat_map(parts).map(str::to_owned).collect();
    let first = step.given.text("region").or_else(|| named.first().map(String::as_str));
    let here = step.connect_in(first).await?.engine;
    let regions = if named.is_empty() { here.regions().await?.into_iter().collect() } else { named };
    let mut engines: Vec<Engine> = Vec::new();
    // A region that is out of reach keeps none of the others from being swept.
    let mut errors: Vec<Error> = Vec::new();
    for region in regions {
        if region == here.region() {
            engines.push(here.clone());
            continue;
        }
        match step.connect_in(Some(&region)).await {
            Ok(session) => engines.push(session.engine),
            Err(error) => errors.push(error.context(&format!("sweeping {region}"))),
        }
    }
    let reaped = everywhere(&engines, is_dry, &step.operation()).await;
    reaped.iter().flat_map(lines).for_each(|line| step.console.line(&line));
    step.console.line(&told(&reaped, is_dry));
    errors.extend(reaped.into_iter().flat_map(|reaped| reaped.errors));
    if errors.is_empty() { Ok(DONE) } else { Err(Failure { errors }) }
}

/// A line for each thing that is no more.
fn lines(reaped: &Reaped) -> Vec<String> {
    let of = |id: &str, name: Option<&String>, why: &str| {
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        format!("{}: {id}{name}: {why}", reaped.region)
    };
    let groups = reaped.groups.iter().map(|group| of(&group.group, group.name.as_ref(), &format!("its lease ended at {}", group.deadline)));
    let instances = reaped.instances.iter().map(|one| of(&one.id.0, one.name.as_ref(), &format!("its lease ended at {}", one.deadline)));
    let fleets = reaped.fleets.iter().map(|fleet| of(fleet.fleet.as_str(), fleet.name.as_ref(), "nobody keeps it"));
    groups.chain(instances).chain(fleets).collect()
}

/// All of it in a line.
fn told(reaped: &[Reaped], is_dry: bool) -> String {
    let count = |of: fn(&Reaped) -> usize| reaped.iter().map(of).sum::<usize>();
    let verb = if is_dry { "would be " } else { "" };
    format!(
        "{}: {} {verb}deleted, {} {verb}ended, {} {verb}removed; {} within their lease",
        counted(reaped.len(), "region"),
        counted(count(|one| one.groups.len()), "group"),
        counted(count(|one| one.instances.len()), "instance"),
        counted(count(|one| one.fleets.len()), "fleet"),
        counted(count(|one| one.living), "instance"),
    )
}
