//! Terminals: where somebody who is logged in can type.
//!
//! A terminal is there if a process has it as its own (`/proc/<pid>/stat`), and was used if its device says that something was read
//! from it since the last look. So a shell that was left open is idle, and neither a login's kind nor its bookkeeping matters: sessions of
//! SSM are not in utmp, newer distributions have no utmp, and not every login is one of systemd's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// When each terminal was last read from, by the name of its device: seconds, and nanoseconds.
pub(super) type Terminals = BTreeMap<String, (i64, i64)>;

/// Looks at the terminals of these numbers. One that has no device here is another name space's, and its user is seen by what runs there.
pub(super) fn look(numbers: &BTreeSet<u32>, devices: &Path) -> Result<Terminals, String> {
    let mut terminals = Terminals::new();
    for number in numbers {
        let name = name(*number).ok_or_else(|| format!("a process has a terminal of an unknown kind, {number:#x}"))?;
        match std::fs::metadata(devices.join(&name)) {
            Ok(device) => drop(terminals.insert(name, (device.atime(), device.atime_nsec()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", devices.join(&name).display())),
        }
    }
    Ok(terminals)
}

/// Whether somebody has typed, or has come, between two looks.
pub(super) fn were_used(before: &Terminals, now: &Terminals) -> bool {
    now.iter().any(|(name, read)| before.get(name) != Some(read))
}

/// The name of a terminal's device, from its number as the kernel writes it in `stat`: bits 8 to 19 are the driver's, the others the
/// terminal's (the kernel's Documentation/admin-guide/devices.txt has the drivers).
fn name(number: u32) -> Option<String> {
    let (driver, index) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
    match (driver, index) {
        (136, index) => Some(format!("pts/{index}")),
        (4, 0..64) => Some(format!("tty{index}")),
        (4, 64..) => Some(format!("ttyS{}", index - 64)),
        (204, 64..) => Some(format!("ttyAMA{}", index - 64)),
        (229, index) => Some(format!("hvc{index}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_a_device() {
        for (number, expected) in [
            (0x8800, Some("pts/0")),
            (0x8803, Some("pts/3")),
            (0x0010_8801, Some("pts/257")),
            (0x0401, Some("tty1")),
            (0x0440, Some("ttyS0")),
            (0xcc40, Some("ttyAMA0")),
            (0xe500, Some("hvc0")),
            (0x0500, None),
        ] {
            assert_eq!(name(number).as_deref(), expected, "{number:#x}");
        }
    }

    #[test]
    fn an_open_terminal_is_not_a_used_one() {
        let terminals = |pairs: &[(&str, i64)]| pairs.iter().map(|(name, at)| ((*name).to_owned(), (*at, 0))).collect::<Terminals>();
        let open = terminals(&[("pts/0", 100)]);
        for (what, now, used) in [
            ("left open", open.clone(), false),
            ("typed at", terminals(&[("pts/0", 108)]), true),
            ("another one", terminals(&[("pts/0", 100), ("pts/1", 90)]), true),
            ("closed", terminals(&[]), false),
            // Whatever the clock says by now: it is another time than before.
            ("typed at after the clock was put back", terminals(&[("pts/0", 50)]), true),
        ] {
            assert_eq!(were_used(&open, &now), used, "{what}");
        }
    }

    #[test]
    fn devices_are_looked_at_where_they_are() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("pts")).unwrap();
        std::fs::write(directory.path().join("pts/0"), "").unwrap();
        let found = look(&BTreeSet::from([0x8800, 0x8801]), directory.path()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["pts/0"]);
        assert!(look(&BTreeSet::from([0x0500]), directory.path()).is_err());
    }
}
