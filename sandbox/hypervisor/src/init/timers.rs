//! Running timers.

use std::sync::Arc;

use jiff::Timestamp;

use super::Init;
use super::failure::Failure;
use super::time::until;
use super::timer::{History, Timer};
use super::unit::{Activation, Finish, Outcome, State};
use super::unit_file::Definition;

impl Init {
    /// Starts a timer that is loaded.
    pub(super) fn start_timer(&self, name: &str, timer: Timer) -> Result<(), Failure> {
        // What it starts must be understood now, not when nobody is there to read the refusal.
        self.load(&timer.unit)?;
        let now = Timestamp::now();
        let elapsed = if timer.persistent { self.stamp(name, now)? } else { None };
        let activation = Activation::new();
        let mut units = self.boot.units();
        let Some(unit) = units.get_mut(name) else { return Err(Failure::error(5, format!("Unit {name} not found."))) };
        if unit.state.is_up() || self.boot.stop.is_cancelled() {
            return Ok(());
        }
        unit.state = State::Active;
        unit.activated = Some(now);
        unit.last_elapse = elapsed.or(unit.last_elapse);
        unit.activation = Arc::clone(&activation);
        let history = History {
            boot: self.boot.started,
            activated: now,
            elapsed: unit.last_elapse,
            fired: false,
            unit_active: None,
            unit_inactive: None,
        };
        unit.next_elapse = timer.next(&history, &self.boot.naps());
        drop(units);
        tokio::spawn(self.clone().run_timer(name.to_owned(), activation, history));
        Ok(())
    }

    /// When a persistent timer last elapsed, or was first activated. The first activation is recorded, so that a point that passes while
    /// the machine is off is known to have been missed.
    fn stamp(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let path = self.guest.layout.timer_stamp(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok().filter(|stamp| *stamp <= now)),
            Err(_) => {
                std::fs::write(&path, now.to_string())?;
                Ok(None)
            }
        }
    }

    async fn run_timer(self, name: String, activation: Arc<Activation>, mut history: History) {
        let mut changes = self.boot.changed.subscribe();
        loop {
            changes.mark_unchanged();
            // Its file may have been read again.
            let definition = self.boot.units().get(&name).map(|unit| unit.definition.clone());
            let Some(Definition::Timer(timer)) = definition else { break };
            self.observe(&timer.unit, &mut history);
            let next = timer.next(&history, &self.boot.naps());
            if let Some(unit) = self.boot.units().get_mut(&name) {
                (unit.next_elapse, unit.last_elapse) = (next, history.elapsed);
            }
            let wait = next.map(|next| tokio::time::Instant::now().checked_add(until(next, Timestamp::now())));
            let elapsed = tokio::select! {
                () = self.boot.sleep_until(wait.flatten()) => true,
                // The sender lives in the boot, which lives as long as this.
                _ = changes.changed() => false,
                () = activation.stop.cancelled() => break,
                () = self.boot.stop.cancelled() => break,
            };
            // The clock that sleeps and the clock that shows the time are two; never be early by the one that was asked for. And the machine may have
            // been asleep meanwhile.
            let next = timer.next(&history, &self.boot.naps());
            if elapsed && next.is_some_and(|next| next <= Timestamp::now()) {
                self.elapse(&name, &timer, &mut history);
            }
        }
        activation.finish.send_replace(Some(Finish { outcome: Outcome::Success, exit: None }));
        self.change(&name, |unit| (unit.state, unit.next_elapse) = (State::Inactive, None));
    }

    /// Looks at the unit a timer starts.
    fn observe(&self, unit: &str, history: &mut History) {
        if let Some(unit) = self.boot.units().get(unit) {
            history.unit_active = unit.activated;
            history.unit_inactive = unit.deactivated.filter(|_| !unit.state.is_up());
        }
    }

    fn elapse(&self, name: &str, timer: &Timer, history: &mut History) {
        let now = Timestamp::now();
        (history.elapsed, history.fired) = (Some(now), true);
        if timer.persistent
            && let Err(error) = std::fs::write(self.guest.layout.timer_stamp(name), now.to_string())
        {
            self.guest.layout.say(&format!("{name}: stamp not written: {error}"));
        }
        self.guest.layout.say(&format!("{name}: starting {}", timer.unit));
        let (init, unit) = (self.clone(), timer.unit.clone());
        let starting = async move {
            if let Err(failure) = init.start(&unit).await {
                init.refuse("systemd", &failure);
            }
        };
        tokio::spawn(starting);
    }
}
