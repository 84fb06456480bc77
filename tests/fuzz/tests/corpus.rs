//! The committed corpus keeps every law, as it is and damaged: what libFuzzer looks for further is not here to hold these true.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use spawn_fuzz::{TARGETS, Target};

/// In how many places an input is damaged, at most.
const PLACES_MAX: usize = 48;

/// What is done to a byte: its neighbour, the letter of the other case, a control character, and what is no text.
const DAMAGES: [u8; 4] = [0x01, 0x20, 0x60, 0x80];

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What is in a directory, by name.
fn entries(directory: &Path) -> BTreeSet<String> {
    let found = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    found.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn names() -> BTreeSet<String> {
    TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Every input of the corpus: what it is called, its target, and the input.
fn inputs() -> impl Iterator<Item = (String, Target, Vec<u8>)> {
    TARGETS.iter().flat_map(|(name, target)| {
        let inputs = directory("corpus").join(name);
        let files = entries(&inputs).into_iter();
        files.map(move |file| (format!("{name}/{file}"), *target, std::fs::read(inputs.join(file)).expect("an input")))
    })
}

/// Whether all laws hold for an input; what is wrong has been printed.
fn holds(target: Target, input: &[u8]) -> bool {
    catch_unwind(|| target(input)).is_ok()
}

/// An input with its end cut off, and with a byte changed, in places all over it.
fn damaged(input: &[u8]) -> Vec<(String, Vec<u8>)> {
    let places = (0..input.len()).step_by(input.len().div_ceil(PLACES_MAX).max(1));
    let at = |place: usize| {
        let changed = move |damage: u8| {
            let mut bytes = input.to_vec();
            bytes[place] ^= damage;
            (format!("byte {place} ^ {damage:#04x}"), bytes)
        };
        DAMAGES.into_iter().map(changed).chain([(format!("cut off at {place}"), input[..place].to_vec())])
    };
    places.flat_map(at).collect()
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    assert_eq!(names().len(), TARGETS.len(), "each name is there once");
    assert_eq!(entries(&directory("corpus")), names(), "corpus/, and the targets");
    for name in names() {
        assert!(!entries(&directory("corpus").join(&name)).is_empty(), "{name} has no corpus");
    }
    let files: BTreeSet<String> = names().into_iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(entries(&directory("libfuzzer/fuzz_targets")), files, "libfuzzer/fuzz_targets/, and the targets");
    let manifest = std::fs::read_to_string(directory("libfuzzer/Cargo.toml")).expect("the manifest");
    let programs = manifest.split("[[bin]]").skip(1).filter_map(|part| part.split('"').nth(1).map(str::to_owned));
    assert_eq!(programs.collect::<BTreeSet<_>>(), names(), "the programs of libfuzzer/Cargo.toml, and the targets");
    for name in names() {
        let program = std::fs::read_to_string(directory("libfuzzer/fuzz_targets").join(format!("{name}.rs"))).expect("a program");
        assert!(program.contains(&format!("spawn_fuzz::{name}::target")), "the program {name} runs another target");
    }
}

#[test]
fn the_corpus_keeps_the_laws() {
    let broken: Vec<String> = inputs().filter(|(_, target, input)| !holds(*target, input)).map(|(name, _, _)| name).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_is_damaged_keeps_them_too() {
    let mut broken = Vec::new();
    for (name, target, input) in inputs() {
        let found = damaged(&input).into_iter().filter(|(_, damaged)| !holds(target, damaged));
        broken.extend(found.map(|(how, _)| format!("{name}, {how}")));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
