//! Every operation, with trouble at every call it makes: refused, its answer lost, or the process dead before or after it.
//!
//! After each the operation is done again, as the next apply would, and the whole world is compared with that of an operation
//! that nothing went wrong with; then the fleet is ended, and the world is compared with the one before.

use jiff::SignedDuration;
use spawn_core::engine::Engine;
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Leftover};

use crate::simulated::door::Trouble;
use crate::simulated::view::{View, assert_same};
use crate::simulated::{World, run};
use crate::{array, launch, warm};

const TROUBLES: [Trouble; 5] =
    [Trouble::Refused(Class::Transient), Trouble::Refused(Class::Denied), Trouble::Lost, Trouble::DiesBefore, Trouble::DiesAfter];

/// What somebody can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deed {
    Launch(u32),
    End(u32),
    Extend(u32),
    Shorten(u32),
    Retag(u32),
    SetUp,
    TearDown,
}

impl Deed {
    /// The world before.
    async fn prepare(self) -> World {
        match self {
            Self::SetUp => World::new(),
            Self::Launch(_) | Self::TearDown => warm().await,
            Self::End(size) | Self::Extend(size) | Self::Shorten(size) | Self::Retag(size) => {
                let world = warm().await;
                launch(&world.process(), &array(size)).await.unwrap();
                world.pass(60).await;
                world
            }
        }
    }

    async fn perform(self, engine: &Engine) -> Result<()> {
        let quiet = Operation::quiet();
        match self {
            Self::Launch(size) => engine.launch(spawn_model::spec::FleetKind::JobArray, &array(size), &quiet).await.map(drop),
            Self::SetUp => engine.setup(&quiet).await.map(drop),
            Self::TearDown => engine.setup_remove(&quiet).await,
            Self::Extend(_) => engine.lease_change(&engine.find("tiles").await?, Seconds(3600)).await.map(drop),
            Self::Shorten(_) => engine.lease_change(&engine.find("tiles").await?, Seconds(600)).await.map(drop),
            Self::Retag(size) => {
                let mut spec = array(size);
                spec.tags = [("owner".to_owned(), "ada".to_owned())].into();
                engine.update(&engine.find("tiles").await?, &spec).await
            }
            Self::End(_) => end(engine).await,
        }
    }
}

/// Ends the fleet as a face does that knows its id, whatever else is left of it.
async fn end(engine: &Engine) -> Result<()> {
    let found = match engine.find("tiles").await {
        Err(error) if error.class == Class::NotFound => return Ok(()),
        found => found?,
    };
    engine.end(&found.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await
}

/// What a deed comes to when nothing goes wrong.
struct Expected {
    before: View,
    after: View,
    end: View,
    calls: usize,
}

async fn expected(deed: Deed) -> Expected {
    let world = deed.prepare().await;
    let before = world.view();
    let process = world.process();
    deed.perform(&process.engine()).await.unwrap();
    world.pass(60).await;
    let after = world.view();
    world.assert_lawful();
    Expected { before, after, end: finish(deed, &world).await, calls: process.calls().len() }
}

/// Takes back what a deed made, and says what is left.
async fn finish(deed: Deed, world: &World) -> View {
    match deed {
        Deed::SetUp => world.engine().setup_remove(&Operation::quiet()).await.unwrap(),
        Deed::TearDown => {}
        _ => end(&world.engine()).await.unwrap(),
    }
    world.pass(10).await;
    world.assert_lawful();
    world.view()
}

async fn survive(deed: Deed, n: usize, trouble: Trouble, expected: &Expected) {
    let what = format!("{deed:?} with call {n} {trouble:?}");
    let world = deed.prepare().await;
    let process = world.process().with(n, trouble);
    let engine = process.engine();
    let outcome = process.live(deed.perform(&engine)).await;
    let what = format!("{what} ({})", process.calls()[n]);
    if let (Some(Err(error)), Deed::Launch(_), Trouble::Refused(_)) = (&outcome, deed, trouble) {
        assert_eq!(error.left, Leftover::Clear, "{what}: {error}");
        assert_same(&format!("{what}, undone"), &world.view(), &expected.before);
    }
    process.kill();
    world.state().bury_launchers();
    deed.perform(&world.engine()).await.unwrap_or_else(|error| panic!("{what}, again: {error}"));
    world.pass(60).await;
    assert_same(&format!("{what}, again"), &world.view(), &expected.after);
    assert_same(&format!("{what}, ended"), &finish(deed, &world).await, &expected.end);
}

/// Does a deed once for every call it makes and everything that can go wrong with it.
fn survives_everything(deed: Deed, troubles: &[Trouble]) {
    let expected = run(expected(deed));
    assert!(expected.calls > 3, "{deed:?} makes no calls");
    for n in 0..expected.calls {
        for trouble in troubles {
            run(survive(deed, n, *trouble, &expected));
        }
    }
}

#[test]
fn launching_one() {
    survives_everything(Deed::Launch(1), &TROUBLES);
}

#[test]
fn launching_three() {
    survives_everything(Deed::Launch(3), &TROUBLES);
}

#[test]
fn launching_fifteen_hundred() {
    survives_everything(Deed::Launch(1500), &[Trouble::Lost, Trouble::DiesAfter]);
}

#[test]
fn ending() {
    survives_everything(Deed::End(3), &TROUBLES);
}

#[test]
fn extending() {
    survives_everything(Deed::Extend(3), &TROUBLES);
}

#[test]
fn shortening() {
    survives_everything(Deed::Shorten(3), &TROUBLES);
}

#[test]
fn retagging() {
    survives_everything(Deed::Retag(3), &TROUBLES);
}

#[test]
fn setting_up() {
    survives_everything(Deed::SetUp, &TROUBLES);
}

#[test]
fn tearing_down() {
    survives_everything(Deed::TearDown, &TROUBLES);
}
