//! What a timer unit says, and when it elapses next.

use std::time::Duration;

use jiff::Timestamp;

use super::failure::Failure;
use super::time::parse_point;
use super::unit_file::{Assignment, Common, boolean, span};

/// A timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) common: Common,
    /// The unit it starts.
    pub(crate) unit: String,
    /// Points in time.
    pub(crate) calendar: Vec<Timestamp>,
    /// Spans, by what they count from.
    pub(crate) spans: Vec<(Base, Duration)>,
    /// Whether a point in time that passed while the machine was off is made up for.
    pub(crate) persistent: bool,
}

/// What a span of a timer counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The activation of the timer.
    Active,
    /// The boot of the machine.
    Boot,
    /// The last activation of the unit.
    UnitActive,
    /// The last deactivation of the unit.
    UnitInactive,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    /// When the machine booted.
    pub(crate) boot: Timestamp,
    /// When the timer was activated.
    pub(crate) activated: Timestamp,
    /// When it last elapsed; of a persistent timer also in an earlier boot.
    pub(crate) elapsed: Option<Timestamp>,
    /// Whether it has elapsed in this activation.
    pub(crate) fired: bool,
    /// When its unit was last activated in this boot.
    pub(crate) unit_active: Option<Timestamp>,
    /// When its unit last ended in this boot; none while it runs.
    pub(crate) unit_inactive: Option<Timestamp>,
}

/// A time in which the machine was asleep, perhaps until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nap {
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
}

/// When a span is over that counts only the time in which the machine is awake, as the kernel's monotonic clock does.
fn awake_for(from: Timestamp, span: Duration, naps: &[Nap]) -> Option<Timestamp> {
    let mut end = from.checked_add(span).ok()?;
    for nap in naps {
        let (asleep, awake) = (nap.from.max(from), nap.to.unwrap_or(Timestamp::MAX));
        if asleep < end && awake > asleep {
            end = end.checked_add(awake.duration_since(asleep)).ok()?;
        }
    }
    Some(end)
}

impl Timer {
    /// Makes a timer from the assignments of its file.
    pub(crate) fn define(name: &str, assignments: &[Assignment]) -> Result<Self, Failure> {
        let unit = name.strip_suffix(".timer").map(|stem| format!("{stem}.service")).unwrap_or_default();
        let mut timer = Self { unit, ..Self::default() };
        for assignment in assignments {
            match assignment.section.as_str() {
                "Timer" => timer.set(&assignment.key, &assignment.value)?,
                _ => timer.common.set(assignment)?,
            }
        }
        if timer.calendar.is_empty() && timer.spans.is_empty() {
            return Err(Failure::error(1, "timer has no value"));
        }
        Ok(timer)
    }

    /// Takes one assignment of `[Timer]`, from a file or from a command line.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        let base = match key {
            "OnActiveSec" => Base::Active,
            "OnBootSec" | "OnStartupSec" => Base::Boot,
            "OnUnitActiveSec" => Base::UnitActive,
            "OnUnitInactiveSec" => Base::UnitInactive,
            "OnCalendar" => {
                let point = parse_point(value).ok_or_else(|| Failure::gap(format!("OnCalendar={value}: only a point in time")))?;
                self.calendar.push(point);
                return Ok(());
            }
            "Persistent" => {
                self.persistent = boolean(key, value)?;
                return Ok(());
            }
            "Unit" => {
                value.clone_into(&mut self.unit);
                return Ok(());
            }
            // Timers here are exact, which every accuracy allows.
            "AccuracySec" => return span(key, value).map(drop),
            "RandomizedDelaySec" if span(key, value)?.is_zero() => return Ok(()),
            "RemainAfterElapse" if boolean(key, value)? => return Ok(()),
            _ => return Err(Failure::gap(format!("setting [Timer] {key}={value}"))),
        };
        self.spans.push((base, span(key, value)?));
        Ok(())
    }

    /// When it elapses next: perhaps in the past, which means now; never, if none. Of points the time counts in which the machine was asleep, of
    /// spans it does not (systemd.timer(5)).
    pub(crate) fn next(&self, history: &History, naps: &[Nap]) -> Option<Timestamp> {
        // A point counts if it comes after the last time the timer elapsed, or else after its activation: as systemd does, a timer
        // that is first activated after its point never elapses, persistent or not.
        let since = history.elapsed.unwrap_or(history.activated);
        let points = self.calendar.iter().copied().filter(|point| *point > since);
        let spans = self.spans.iter().filter_map(|(base, span)| {
            let from = match base {
                Base::Active | Base::Boot if history.fired => {
                    let from = if *base == Base::Active { history.activated } else { history.boot };
                    return awake_for(from, *span, naps).filter(|point| Some(*point) > history.elapsed);
                }
                Base::Active => history.activated,
                Base::Boot => history.boot,
                // A unit that still runs when its timer elapses is not activated again, yet the next span counts from there.
                Base::UnitActive => history.unit_active.max(history.elapsed.filter(|_| history.fired))?,
                Base::UnitInactive => history.unit_inactive?,
            };
            awake_for(from, *span, naps)
        });
        points.chain(spans).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn fresh() -> History {
        History { boot: at(0), activated: at(10), elapsed: None, fired: false, unit_active: None, unit_inactive: None }
    }

    fn calendar(seconds: i64) -> Timer {
        Timer { calendar: vec![at(seconds)], persistent: true, ..Timer::default() }
    }

    #[test]
    fn a_point_elapses_once_even_if_it_passed_while_the_machine_was_off() {
        let timer = calendar(60);
        assert_eq!(timer.next(&fresh(), &[]), Some(at(60)));
        // The stamp of the first activation is older than the point, which therefore is made up for on a later boot.
        let late = History { boot: at(100), activated: at(110), elapsed: Some(at(10)), ..fresh() };
        assert_eq!(timer.next(&late, &[]), Some(at(60)));
        let done = History { elapsed: Some(at(60)), fired: true, ..fresh() };
        assert_eq!(timer.next(&done, &[]), None);
    }

    #[test]
    fn a_point_before_the_first_activation_never_elapses() {
        assert_eq!(calendar(5).next(&fresh(), &[]), None);
    }

    #[test]
    fn spans_count_from_their_base() {
        let span = |base| Timer { spans: vec![(base, Duration::from_secs(30))], ..Timer::default() };
        assert_eq!(span(Base::Active).next(&fresh(), &[]), Some(at(40)));
        assert_eq!(span(Base::Boot).next(&fresh(), &[]), Some(at(30)));
        assert_eq!(span(Base::UnitActive).next(&fresh(), &[]), None);
        let used = History { elapsed: Some(at(40)), fired: true, unit_active: Some(at(40)), unit_inactive: Some(at(45)), ..fresh() };
        assert_eq!(span(Base::Active).next(&used, &[]), None);
        assert_eq!(span(Base::UnitActive).next(&used, &[]), Some(at(70)));
        assert_eq!(span(Base::UnitInactive).next(&used, &[]), Some(at(75)));
    }

    #[test]
    fn spans_stand_still_while_the_machine_is_asleep_and_points_do_not() {
        let nap = |from: i64, to: Option<i64>| Nap { from: at(from), to: to.map(at) };
        let timer = Timer { spans: vec![(Base::Active, Duration::from_secs(30))], ..Timer::default() };
        for (naps, expected) in [
            (vec![nap(20, Some(25))], Some(at(45))),
            (vec![nap(20, Some(25)), nap(44, Some(100))], Some(at(101))),
            (vec![nap(0, Some(15))], Some(at(45))),
            (vec![nap(0, Some(5)), nap(40, Some(90))], Some(at(40))),
            (vec![nap(20, None)], None),
        ] {
            assert_eq!(timer.next(&fresh(), &naps), expected, "{naps:?}");
        }
        assert_eq!(calendar(60).next(&fresh(), &[nap(20, Some(100))]), Some(at(60)));
    }
}
