//! What the Action can be asked for: one file per mode, and one for what two of them share.

mod cluster;
mod doctor;
mod launching;
mod run;
mod stop;
mod sweep;

use spawn_model::problem::{Path, Problem};

use crate::failure::Failure;
use crate::given::Given;
use crate::inputs::MODE;
use crate::step::Step;

pub(crate) use launching::{OUTCOME, Outcome, STATE_FLEET, STATE_MODE, STATE_NAME, STATE_REGION, ways_in};

/// How a mode ends: the exit code of the step, or why it failed.
pub(crate) type Ended = Result<u8, Failure>;

/// The exit code of a step that did what it was asked.
pub(crate) const DONE: u8 = 0;

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Launch(Launched),
    Stop,
    Sweep,
    Doctor,
}

/// What a fleet is launched for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Launched {
    /// To run a command, and to be gone.
    ToRun,
    /// To be there for the steps that follow.
    ToStay,
}

impl Launched {
    /// The mode, as it is written.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::ToRun => "run",
            Self::ToStay => "cluster",
        }
    }
}

impl Mode {
    fn of(given: &Given) -> Result<Self, Failure> {
        let refused = |message: &str, help: &str| Err(vec![Problem::new(&Path::field(MODE), message, help)].into());
        let all = "Write `run`, `cluster`, `stop`, `sweep` or `doctor`";
        match given.text(MODE) {
            Some("run") => Ok(Self::Launch(Launched::ToRun)),
            Some("cluster") => Ok(Self::Launch(Launched::ToStay)),
            Some("stop") => Ok(Self::Stop),
            Some("sweep") => Ok(Self::Sweep),
            Some("doctor") => Ok(Self::Doctor),
            // Its place is a file beside the others.
            Some("runner") => refused("runners of one's own are not there yet", all),
            Some(other) => refused(&format!("{other:?} is no mode"), all),
            None => refused("is required", all),
        }
    }
}

/// Does what the step was asked.
pub(crate) async fn perform(step: &Step) -> Ended {
    match Mode::of(&step.given)? {
        Mode::Launch(launched) => launching::perform(step, launched).await,
        Mode::Stop => stop::perform(step).await,
        Mode::Sweep => sweep::perform(step).await,
        Mode::Doctor => doctor::perform(step).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_one_of_a_few_words() {
        let of = |given: Given| Mode::of(&given).map_err(|failure| failure.errors[0].to_string());
        for launched in [Launched::ToRun, Launched::ToStay] {
            assert_eq!(of(Given::from([(MODE, launched.word())])), Ok(Mode::Launch(launched)));
        }
        let told = [Given::from([(MODE, "start")]), Given::from([(MODE, "runner")]), Given::default()].map(|given| of(given).unwrap_err());
        let all = "Write `run`, `cluster`, `stop`, `sweep` or `doctor`";
        assert_eq!(
            told,
            [
                format!("mode: \"start\" is no mode. {all}"),
                format!("mode: runners of one's own are not there yet. {all}"),
                format!("mode: is required. {all}")
            ]
        );
    }
}
