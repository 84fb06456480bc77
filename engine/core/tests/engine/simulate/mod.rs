//! Random lives: fleets are launched, changed and ended by processes that meet trouble and die, on a cloud that fails, while agents
//! are dead and hosts are lost; and the laws hold after every step.
//!
//! `cargo xtask simulate --seeds N --from SEED` lives as many as one likes. A life that goes wrong prints the line that lives it again.

mod deeds;
mod dice;
mod laws;
mod life;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::simulated::run;
use life::Life;

/// What the inner loop has time for. `cargo xtask test`, which every change has to pass, lives a thousand.
const SEEDS: u64 = 100;

/// Lives a life. What panics is wrong with it, and costs the others nothing.
fn lived(seed: u64) -> Life {
    std::panic::catch_unwind(|| run(Life::lived(seed)))
        .unwrap_or_else(|_| Life { story: vec![format!("seed {seed}")], wrong: vec!["it panicked; see above".to_owned()] })
}

/// A number of the environment: how `cargo xtask simulate` hands over what it was asked for.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn lives() {
    let (seeds, from) = (number("SPAWN_SIMULATE_SEEDS").unwrap_or(SEEDS), number("SPAWN_SIMULATE_FROM").unwrap_or(0));
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let failures = Mutex::new(Vec::new());
    let steps = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let life = lived(seed);
                    steps.fetch_add(life.story.len() as u64, Ordering::Relaxed);
                    if !life.wrong.is_empty() {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push((seed, life));
                    }
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate to be read")]
    let rate = seeds as f64 / began.elapsed().as_secs_f64();
    eprintln!("{seeds} lives of {} steps, {rate:.0} a second", steps.into_inner());
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(seed, _)| *seed);
    if let Some((seed, first)) = failures.first() {
        let all: Vec<u64> = failures.iter().map(|(seed, _)| *seed).collect();
        panic!(
            "{} of {seeds} lives went wrong ({all:?}); the first:\n{}\n{}\n\nlive it again: cargo xtask simulate --seeds 1 --from {seed}",
            failures.len(),
            first.story.join("\n"),
            first.wrong.join("\n")
        );
    }
}

#[test]
fn a_life_can_be_told_again() {
    // The same seed must lead to the same story, or a failure could not be looked into. Only ids are drawn anew.
    for seed in [3, 4, 5, 6] {
        let tell = || run(async move { Life::lived(seed).await.without_ids() });
        assert_eq!(tell(), tell());
    }
}
