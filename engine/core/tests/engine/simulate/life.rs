//! One life, from its seed.

use sandbox_cloud::model::Market;
use sandbox_cloud::{Config, Fault};
use spawn_core::operation::Operation;
use spawn_core::ports::Result;
use spawn_core::setup::Choices;
use spawn_model::error::Class;
use spawn_model::ids::FleetId;
use spawn_model::record::Exit;
use spawn_model::spec::FleetKind;

use super::deeds::{Deed, NAMES, end, spec};
use super::dice::Dice;
use super::laws::{claim_of, living, overdue, unreaped};
use crate::simulated::World;
use crate::simulated::agents::Work;
use crate::simulated::door::{Process, Trouble};
use crate::simulated::view::View;

const STEPS: u64 = 10;

/// What was done in a life, and what is wrong with it.
pub(super) struct Life {
    pub(super) story: Vec<String>,
    pub(super) wrong: Vec<String>,
}

impl Life {
    /// Lives the life of a seed.
    pub(super) async fn lived(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let config = Config { seed, reads_lag_ms: dice.of(&[0, 0, 3_000]), throttle: dice.one_in(2), ..Config::default() };
        let mut life = Self {
            story: vec![format!("seed {seed}, reads {} ms late, throttled: {}", config.reads_lag_ms, config.throttle)],
            wrong: Vec::new(),
        };
        let world = World::with(config);
        world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
        world.pass(60).await;
        let before = world.view();
        life.begin(&world, &mut dice);
        for _ in 0..STEPS {
            life.step(&world, &mut dice).await;
            if !life.wrong.is_empty() {
                return life;
            }
        }
        life.end(&world, &before).await;
        life
    }

    /// The story without the ids of fleets and runs, which are drawn anew.
    pub(super) fn without_ids(mut self) -> Vec<String> {
        self.story.append(&mut self.wrong);
        for line in &mut self.story {
            for (kind, length) in [("fleet-", 22), ("run-", 20)] {
                while let Some(at) = line.find(kind).filter(|at| line.len() >= at + length) {
                    line.replace_range(at..at + length, "ID");
                }
            }
        }
        self.story
    }

    /// What this world is like: how late AWS learns of new roles, and what ranks do.
    fn begin(&mut self, world: &World, dice: &mut Dice) {
        let delay = jiff::SignedDuration::from_secs(dice.of(&[0, 0, 9]));
        let work = dice.below(4);
        self.story.push(format!("roles are known after {delay:#}, work {work}"));
        let mut state = world.state();
        state.profile_delay = delay;
        state.role_delay = delay;
        let ends = |code: i32| Work::Ends { after_s: 45, exit: Exit::Code { code } };
        state.agents.work = Box::new(move |rank| match (work, rank % 3) {
            // Nobody is there on some machines: hands 1 and 2 are off, and hand 3 is alone.
            (1, 0) | (2, _) => Work::Absent,
            (3, 0) => ends(0),
            (3, 1) => ends(3),
            _ => Work::GoesOn,
        });
    }

    /// Somebody does something, perhaps two at once, and time passes.
    async fn step(&mut self, world: &World, dice: &mut Dice) {
        self.cloud_trouble(world, dice);
        let together = dice.one_in(5);
        let (first, told) = beset(world.process(), dice, together);
        let deed = Deed::random(dice);
        let first = deed.done_by(first);
        let target = target_of(world, &deed).await;
        let living_before = living(world);
        if together {
            let (second, told_too) = beset(world.process(), dice, true);
            let other = Deed::random(dice);
            let second = other.done_by(second);
            let (engine, engine_too) = (first.engine(), second.engine());
            let (one, two) = futures::join!(first.live(deed.perform(&engine)), second.live(other.perform(&engine_too)));
            self.story.push(format!("{deed}{told}: {}; at once {other}{told_too}: {}", outcome(&one), outcome(&two)));
            second.kill();
        } else {
            let engine = first.engine();
            let past = world.state().past_their_lease(world.now());
            let done = first.live(deed.perform(&engine)).await;
            self.story.push(format!("{deed}{told}: {}", outcome(&done)));
            if let Some(done) = done {
                self.wrong.extend(claim_of(&deed, &done, &living_before, target.as_ref(), world));
                self.wrong.extend(unreaped(&deed, &done, &past, world));
            }
        }
        first.kill();
        world.state().bury_launchers();
        self.machine_trouble(world, dice);
        let seconds = dice.of(&[1, 10, 100, 1_500, 7_000]);
        self.story.push(format!("{seconds} s pass"));
        world.pass(seconds).await;
        self.wrong.append(&mut world.state().violations);
        self.wrong.extend(overdue(world));
    }

    /// EC2 has no room, or fails by itself.
    fn cloud_trouble(&mut self, world: &World, dice: &mut Dice) {
        let fault = match dice.below(8) {
            0 | 1 => {
                let zone = Some(dice.of(&["us-east-1a", "us-east-1b"]).to_owned());
                let above = u32::try_from(dice.below(3)).unwrap();
                Fault::Capacity { region: None, zone, instance_type: None, market: dice.of(&[None, Some(Market::Spot)]), above }
            }
            2 => Fault::error(
                dice.of(&["RunInstances", "TerminateInstances", "DescribeInstances", "CreateTags", "UpdateAutoScalingGroup"]),
                "InternalError",
                1,
            ),
            3 => Fault::error(dice.of(&["RunInstances", "TerminateInstances", "DeleteSecurityGroup"]), "RequestLimitExceeded", 2),
            4 => Fault::lost(
                dice.of(&["RunInstances", "TerminateInstances", "CreateSecurityGroup", "CreateAutoScalingGroup"]),
                sandbox_cloud::Effect::After,
                1,
            ),
            5 => {
                world.state().cloud.clear_faults();
                self.story.push("EC2 is well again".to_owned());
                return;
            }
            _ => return,
        };
        self.story.push(format!("{fault:?}"));
        world.state().cloud.fault(fault);
    }

    /// A machine's host dies, or somebody switches a machine off.
    fn machine_trouble(&mut self, world: &World, dice: &mut Dice) {
        let (now, lost) = (world.now(), dice.one_in(2));
        let mut state = world.state();
        let alive = |id: &String| state.cloud.machine(id).is_some_and(|machine| !machine.state.is_ending());
        let ids: Vec<String> = state.cloud.machine_ids().into_iter().filter(alive).collect();
        if ids.is_empty() || !dice.one_in(6) {
            return;
        }
        let id = dice.of(&ids);
        if state.cloud.recommend_rebalance(now, &id).is_ok() {
            self.story.push(format!("EC2 is likely to take {id} back"));
            // Its group may have ended it already.
            if dice.one_in(2) && state.cloud.interrupt_spot(now, &id, 120_000).is_ok() {
                self.story.push(format!("EC2 takes {id} back in two minutes"));
            }
            return;
        }
        self.story.push(format!("{id} {}", if lost { "loses its host" } else { "is switched off" }));
        state.machine_off(now, &id, lost);
    }

    /// All is well again; every fleet is ended, and the world is what it was.
    async fn end(&mut self, world: &World, before: &View) {
        world.state().cloud.clear_faults();
        for name in NAMES {
            if let Err(error) = clear(world, name).await {
                self.wrong.push(format!("clearing {name}: {error}"));
            }
        }
        world.pass(60).await;
        self.wrong.extend(Some(world.view().against(before)).filter(|left| !left.is_empty()));
        self.wrong.append(&mut world.state().violations);
    }
}

/// Gives a process trouble with some of its calls. One of two at once does not die: its twin would be buried with it.
fn beset(process: Process, dice: &mut Dice, together: bool) -> (Process, String) {
    let refused = [Class::Transient, Class::Denied, Class::Throttled].map(Trouble::Refused);
    let mut troubles = vec![Trouble::Lost];
    troubles.extend(refused);
    if !together {
        troubles.extend([Trouble::DiesBefore, Trouble::DiesAfter, Trouble::DiesAfter]);
    }
    let mut told = String::new();
    let mut process = process;
    for _ in 0..dice.below(3) {
        let (n, trouble) = (dice.index(40), dice.of(&troubles));
        told.push_str(&format!(", call {n} {trouble:?}"));
        process = process.with(n, trouble);
    }
    (process, told)
}

/// The fleet that a deed ends.
async fn target_of(world: &World, deed: &Deed) -> Option<FleetId> {
    let Deed::End { name } = deed else { return None };
    world.engine().find(name).await.ok().map(|fleet| fleet.record.fleet)
}

fn outcome(done: &Option<Result<()>>) -> String {
    match done {
        None => "died".to_owned(),
        Some(Ok(())) => "done".to_owned(),
        Some(Err(error)) => error.to_string(),
    }
}

/// Frees a name: of a fleet by ending it, of a launcher that died before it wrote anything by launching over it.
async fn clear(world: &World, name: &str) -> Result<()> {
    let engine = world.engine();
    end(&engine, name).await?;
    drop(engine.launch(FleetKind::JobArray, &spec(name, 1), &Operation::quiet()).await?);
    end(&engine, name).await
}
