//! Processor time, as `/proc/stat` tells it (proc_stat(5)).

/// Processor time since boot, in the kernel's ticks, of all cores together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cpu {
    /// Time in which there was something to do.
    busy: u64,
    /// All time.
    all: u64,
    /// How many cores have a part in it.
    cores: u32,
}

/// Reads `/proc/stat`.
///
/// Waiting for disks is idle time: what waits does not work, and whether there was any such wait the kernel hardly knows. Stolen time is
/// busy: the machine had something to do, and its host let it wait, as it does to a burstable type without credits. Guests' time is part
/// of `user` and `nice` already.
pub(super) fn read(text: &str) -> Result<Cpu, String> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu ")).ok_or("there is no line of all processors")?;
    let ticks: Option<Vec<u64>> = line.split_whitespace().map(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = *ticks.unwrap_or_default() else {
        return Err(format!("{line:?} has not the eight times that it should"));
    };
    let cores = text.lines().filter(|line| line.starts_with("cpu") && line.as_bytes().get(3).is_some_and(u8::is_ascii_digit)).count();
    let busy = user + nice + system + irq + softirq + steal;
    Ok(Cpu { busy, all: busy + idle + iowait, cores: u32::try_from(cores.max(1)).unwrap_or(u32::MAX) })
}

/// How busy the machine was between two looks, in percent of one core: the kernel's own time is the measure, so no clock can be wrong.
/// An error if no time has passed, which a kernel that runs never says.
pub(super) fn percent(before: Cpu, now: Cpu) -> Result<f64, String> {
    let Some(all) = now.all.checked_sub(before.all).filter(|all| *all > 0) else {
        return Err("the time of the processors stands still".to_owned());
    };
    let busy = now.busy.saturating_sub(before.busy);
    #[expect(clippy::cast_precision_loss, reason = "ticks between two looks")]
    let share = busy as f64 / all as f64;
    Ok(share * f64::from(now.cores) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(cores: usize, times: &str) -> Cpu {
        let lines: String = (0..cores).map(|core| format!("cpu{core} 0 0 0 0 0 0 0 0 0 0\n")).collect();
        read(&format!("cpu  {times}\n{lines}intr 1 2 3\n")).unwrap()
    }

    #[test]
    fn what_is_work_and_what_is_not() {
        //         user nice system idle iowait irq softirq steal guest guest_nice
        let before = "10000 200 3000 500000 700 10 20 30 5000 100";
        for (what, cores, now, percent_of_a_core) in [
            ("nothing", 2, "10000 200 3000 504000 700 10 20 30 5000 100", 0.0),
            ("one core of two", 2, "11000 200 3000 501000 700 10 20 30 5000 100", 100.0),
            ("all of both", 2, "12000 200 3000 500000 700 10 20 30 5000 100", 200.0),
            ("one core of 96", 96, "10100 200 3000 509500 700 10 20 30 5000 100", 100.0),
            ("nice, system and interrupts", 1, "10000 225 3025 500900 700 35 45 30 5000 100", 10.0),
            ("waiting for disks", 1, "10000 200 3000 500000 1700 10 20 30 5000 100", 0.0),
            ("stolen", 1, "10000 200 3000 500500 700 10 20 530 5000 100", 50.0),
            ("a guest, counted once", 1, "10500 200 3000 500500 700 10 20 30 5500 100", 50.0),
            ("waiting that is taken back", 1, "10000 200 3000 501010 690 10 20 30 5000 100", 0.0),
        ] {
            let found = percent(stat(cores, before), stat(cores, now)).unwrap();
            assert!((found - percent_of_a_core).abs() < 1e-9, "{what}: {found}");
        }
    }

    #[test]
    fn what_is_no_measure_is_said() {
        let some = stat(1, "1 1 1 1 1 1 1 1");
        assert!(percent(some, some).is_err());
        assert!(percent(stat(1, "9 1 1 1 1 1 1 1"), some).is_err());
        for text in ["", "cpu0 1 2 3 4 5 6 7 8\n", "cpu  1 2 3 4\n", "cpu  1 2 x 4 5 6 7 8\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
