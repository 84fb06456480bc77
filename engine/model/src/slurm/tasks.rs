//! The tasks of an array, and what runs the script for one of them.

use std::fmt::Write;

use super::Memory;

/// The most tasks: what the largest array of a fleet has.
const TASKS_MAX: usize = 10_000;

/// The ids of an array's tasks, by rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tasks {
    ids: Vec<u64>,
    /// What separates them, if that is the same everywhere.
    step: Option<u64>,
}

impl Tasks {
    /// Reads `0-15`, `1-9:2`, `1,3,7-9`; a `%` and how many may run at once is of no use where every task has its own machine.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no array: write one like 0-15, 1-9:2 or 1,3,7");
        let (written, _) = text.split_once('%').unwrap_or((text, ""));
        let mut ids = Vec::new();
        for part in written.split(',') {
            let (range, step) = part.split_once(':').unwrap_or((part, "1"));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
            let (first, last, step) = (number(first)?, number(last)?, number(step)?);
            if step == 0 || first > last {
                return Err(wrong());
            }
            let count = usize::try_from((last - first) / step).unwrap_or(usize::MAX).saturating_add(1);
            if ids.len().saturating_add(count) > TASKS_MAX {
                return Err(format!("{text:?} has more than {TASKS_MAX} tasks: split it into several arrays"));
            }
            let range = (first..=last).step_by(usize::try_from(step).unwrap_or(usize::MAX));
            ids.extend(range);
        }
        ids.sort_unstable();
        ids.dedup();
        let steps: Vec<u64> = ids.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let step = steps.first().copied().unwrap_or(1);
        let is_even = steps.iter().all(|other| *other == step);
        Ok(Self { ids, step: is_even.then_some(step) })
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }
}

/// A script that sets what Slurm would set, and runs the one that it is given with its own interpreter.
pub(super) fn runner(job_name: &str, tasks: Option<&Tasks>, ntasks: u64, per_task: Option<u64>, memory: Option<Memory>) -> String {
    let mut script = String::from("#!/bin/sh\n# Sets what Slurm would set, and runs the script as it was written.\n");
    let mut set = |name: &str, value: String| {
        writeln!(script, "export {name}={value}").expect("text can be written to");
    };
    set("SLURM_JOB_NAME", format!("'{}'", job_name.replace('\'', r"'\''")));
    // A number of its own for each task, as Slurm gives one; rank 0 has that of the whole array.
    set("SLURM_ARRAY_JOB_ID", "\"$(printf %s \"$SPAWN_RUN\" | cksum | cut -d ' ' -f 1)\"".to_owned());
    set("SLURM_JOB_ID", "$((SLURM_ARRAY_JOB_ID + SPAWN_RANK))".to_owned());
    set("SLURM_JOBID", "\"$SLURM_JOB_ID\"".to_owned());
    set("SLURMD_NODENAME", "\"$(uname -n)\"".to_owned());
    for name in ["SLURM_JOB_NODELIST", "SLURM_NODELIST"] {
        set(name, "\"$SLURMD_NODENAME\"".to_owned());
    }
    for name in ["SLURM_CLUSTER_NAME", "SLURM_JOB_PARTITION"] {
        set(name, "spawn".to_owned());
    }
    set("SLURM_SUBMIT_DIR", "\"$PWD\"".to_owned());
    for (name, value) in [("SLURM_NNODES", 1), ("SLURM_JOB_NUM_NODES", 1), ("SLURM_NODEID", 0), ("SLURM_PROCID", 0), ("SLURM_LOCALID", 0)] {
        set(name, value.to_string());
    }
    for name in ["SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE"] {
        set(name, ntasks.to_string());
    }
    if let Some(per_task) = per_task {
        set("SLURM_CPUS_PER_TASK", per_task.to_string());
    }
    match memory {
        Some(Memory::PerNode(mib)) => set("SLURM_MEM_PER_NODE", mib.to_string()),
        Some(Memory::PerCpu(mib)) => set("SLURM_MEM_PER_CPU", mib.to_string()),
        None => {}
    }
    set("SLURM_CPUS_ON_NODE", "\"$(nproc --all)\"".to_owned());
    if let Some(tasks) = tasks {
        let (first, last) = (tasks.ids.first().copied().unwrap_or_default(), tasks.ids.last().copied().unwrap_or_default());
        set("SLURM_ARRAY_TASK_COUNT", tasks.count().to_string());
        set("SLURM_ARRAY_TASK_MIN", first.to_string());
        set("SLURM_ARRAY_TASK_MAX", last.to_string());
        set("SLURM_ARRAY_TASK_STEP", tasks.step.unwrap_or(1).to_string());
        match tasks.step {
            Some(step) => set("SLURM_ARRAY_TASK_ID", format!("$(({first} + SPAWN_RANK * {step}))")),
            None => {
                let ids: Vec<String> = tasks.ids.iter().map(u64::to_string).collect();
                let pick = format!("\"$(echo {} | cut -d ' ' -f $((SPAWN_RANK + 1)))\"", ids.join(" "));
                set("SLURM_ARRAY_TASK_ID", pick);
            }
        }
    }
    // Its first line says by what it is run; it need not be executable.
    script.push_str("interpreter=$(sed -n '1s/^#! *//p' \"$1\")\nexec $interpreter \"$@\"\n");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_as_slurm_reads_them() {
        for (text, expected, step) in [
            ("0-3", vec![0, 1, 2, 3], Some(1)),
            ("1-9:4%2", vec![1, 5, 9], Some(4)),
            ("7", vec![7], Some(1)),
            ("1,3,7-8", vec![1, 3, 7, 8], None),
            ("3,1,3", vec![1, 3], Some(2)),
        ] {
            let tasks = Tasks::parse(text).expect("an array");
            assert_eq!((tasks.ids, tasks.step), (expected, step), "{text}");
        }
        for text in ["", "5-1", "a", "1-9:0", "1-99999", "0-18446744073709551615", "-3"] {
            assert!(Tasks::parse(text).is_err(), "{text}");
        }
    }
}
