//! `spawn schedule pause` and `spawn schedule resume`.

use clap::Args;
use spawn_core::engine::Engine;

use super::show::ScheduleView;
use super::{DONE, Outcome};
use crate::output::Output;
use crate::session::Session;

/// Pause a schedule: nothing is started until it is resumed
///
/// A run that goes on is not touched, and what would have started meanwhile is left out.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The schedule's name or id
    name: String,
}

/// Let a paused schedule go on
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The schedule's name or id
    name: String,
}

impl Pause {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        enable(&session.engine, &self.name, false, output).await
    }
}

impl Resume {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        enable(&session.engine, &self.name, true, output).await
    }
}

async fn enable(engine: &Engine, name: &str, is_enabled: bool, output: &Output) -> Outcome {
    let fleet = engine.schedule_find(name).await?.record.fleet;
    engine.schedule_enable(&fleet, is_enabled).await?;
    let look = engine.schedule_find(fleet.as_str()).await?;
    output.result(&ScheduleView::new(&look, engine.now()), ScheduleView::text)?;
    Ok(DONE)
}
