//! How much is asked of AWS before anything is made. It is no field of a fleet.

use clap::{Args, ValueEnum};
use spawn_model::check::Check;

/// How a plan is checked.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct CheckArgs {
    /// What AWS is asked before anything is made
    #[arg(long, value_enum, default_value_t, value_name = "CHECK")]
    check: CheckArg,
}

/// A way to check, on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum CheckArg {
    /// What can be looked at: types, prices, images, networks, names
    #[default]
    Standard,
    /// That, and what can be tried: whether you may launch it, and whether the account's quotas have room
    Strict,
}

impl CheckArgs {
    /// Whether AWS is to try what it tries.
    pub(crate) fn is_strict(self) -> bool {
        Check::from(self.check) == Check::Strict
    }
}

impl From<CheckArg> for Check {
    fn from(check: CheckArg) -> Self {
        match check {
            CheckArg::Standard => Self::Standard,
            CheckArg::Strict => Self::Strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_provider() {
        let named = |check: &CheckArg| check.to_possible_value().map(|value| value.get_name().to_owned());
        let words: Vec<Option<String>> = CheckArg::value_variants().iter().map(named).collect();
        assert_eq!(words, Check::WORDS.iter().map(|word| Some((*word).to_owned())).collect::<Vec<_>>());
    }
}
