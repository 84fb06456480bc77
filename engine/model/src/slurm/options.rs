//! What becomes of each option of sbatch (its manual, "OPTIONS").

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    Name,
    Time,
    Array,
    Nodes,
    Ntasks,
    TasksPerNode,
    CpusPerTask,
    MinCpus,
    Memory,
    MemoryPerCpu,
    Gres,
    Gpus,
    GpusPerTask,
    Export,
    /// It changes nothing that the job computes.
    LeftOut(&'static str),
    /// Without it the job would be another one.
    Refused(&'static str),
}

use Disposition::{
    Array, CpusPerTask, Export, Gpus, GpusPerTask, Gres, LeftOut, Memory, MemoryPerCpu, MinCpus, Name, Nodes, Ntasks, Refused,
    TasksPerNode, Time,
};

/// Options of one letter.
pub(super) const SHORT: [(char, &str); 33] = [
    ('A', "account"),
    ('B', "extra-node-info"),
    ('C', "constraint"),
    ('D', "chdir"),
    ('F', "nodefile"),
    ('G', "gpus"),
    ('H', "hold"),
    ('I', "immediate"),
    ('J', "job-name"),
    ('L', "licenses"),
    ('M', "clusters"),
    ('N', "nodes"),
    ('O', "overcommit"),
    ('Q', "quiet"),
    ('S', "core-spec"),
    ('W', "wait"),
    ('a', "array"),
    ('b', "begin"),
    ('c', "cpus-per-task"),
    ('d', "dependency"),
    ('e', "error"),
    ('i', "input"),
    ('k', "no-kill"),
    ('m', "distribution"),
    ('n', "ntasks"),
    ('o', "output"),
    ('p', "partition"),
    ('q', "qos"),
    ('s', "oversubscribe"),
    ('t', "time"),
    ('v', "verbose"),
    ('w', "nodelist"),
    ('x', "exclude"),
];

const CLUSTER: &str = "there is no cluster to share";
const OUTPUT: &str = "output goes to CloudWatch Logs (`spawn logs`), and what is to be kept to $SPAWN_RESULTS";
const MAIL: &str = "`spawn_alert` tells people";
const LAYOUT: &str = "each task has a machine of its own";

/// Every option that is known, without its hyphens.
const OPTIONS: &[(&str, Disposition)] = &[
    ("account", LeftOut(CLUSTER)),
    ("array", Array),
    ("begin", LeftOut("`spawn_schedule` starts at a time")),
    ("chdir", LeftOut("the script runs where its files are")),
    ("clusters", LeftOut(CLUSTER)),
    ("comment", LeftOut("tags say whose a fleet is")),
    ("constraint", LeftOut("`requirements` say what a machine has")),
    ("contiguous", LeftOut(CLUSTER)),
    ("core-spec", LeftOut(LAYOUT)),
    ("cores-per-socket", LeftOut(LAYOUT)),
    ("cpus-per-gpu", Refused("write --cpus-per-task")),
    ("cpus-per-task", CpusPerTask),
    ("deadline", LeftOut("the lease ends it")),
    ("dependency", Refused("jobs that depend on each other are a `spawn_queue`")),
    ("distribution", LeftOut(LAYOUT)),
    ("error", LeftOut(OUTPUT)),
    ("exclude", LeftOut(CLUSTER)),
    ("exclusive", LeftOut(LAYOUT)),
    ("export", Export),
    ("export-file", Refused("write --export")),
    ("extra-node-info", LeftOut(LAYOUT)),
    ("get-user-env", LeftOut("the environment is what `env` says")),
    ("gpu-bind", LeftOut(LAYOUT)),
    ("gpu-freq", LeftOut(LAYOUT)),
    ("gpus", Gpus),
    ("gpus-per-node", Gpus),
    ("gpus-per-task", GpusPerTask),
    ("gres", Gres),
    ("gres-flags", LeftOut(LAYOUT)),
    ("het-group", Refused("a fleet has machines of one kind")),
    ("hint", LeftOut(LAYOUT)),
    ("hold", LeftOut("nothing is launched before it is applied")),
    ("immediate", LeftOut(CLUSTER)),
    ("input", Refused("write `< FILE` in the script")),
    ("job-name", Name),
    ("kill-on-invalid-dep", LeftOut(CLUSTER)),
    ("licenses", LeftOut(CLUSTER)),
    ("mail-type", LeftOut(MAIL)),
    ("mail-user", LeftOut(MAIL)),
    ("mem", Memory),
    ("mem-bind", LeftOut(LAYOUT)),
    ("mem-per-cpu", MemoryPerCpu),
    ("mem-per-gpu", Refused("write --mem")),
    ("mincpus", MinCpus),
    ("nice", LeftOut(CLUSTER)),
    ("no-kill", LeftOut(LAYOUT)),
    ("no-requeue", LeftOut(CLUSTER)),
    ("nodefile", LeftOut(CLUSTER)),
    ("nodelist", LeftOut(CLUSTER)),
    ("nodes", Nodes),
    ("ntasks", Ntasks),
    ("ntasks-per-core", LeftOut(LAYOUT)),
    ("ntasks-per-node", TasksPerNode),
    ("ntasks-per-socket", LeftOut(LAYOUT)),
    ("open-mode", LeftOut(OUTPUT)),
    ("output", LeftOut(OUTPUT)),
    ("overcommit", LeftOut(LAYOUT)),
    ("oversubscribe", LeftOut(LAYOUT)),
    ("parsable", LeftOut(CLUSTER)),
    ("partition", LeftOut(CLUSTER)),
    ("priority", LeftOut(CLUSTER)),
    ("propagate", LeftOut(CLUSTER)),
    ("qos", LeftOut(CLUSTER)),
    ("quiet", LeftOut(CLUSTER)),
    ("reboot", LeftOut(CLUSTER)),
    ("requeue", LeftOut("`triggers` run an array again")),
    ("reservation", LeftOut(CLUSTER)),
    ("signal", LeftOut("`pre_stop` runs before the end")),
    ("sockets-per-node", LeftOut(LAYOUT)),
    ("spread-job", LeftOut(LAYOUT)),
    ("switches", LeftOut(CLUSTER)),
    ("tasks-per-node", TasksPerNode),
    ("threads-per-core", LeftOut(LAYOUT)),
    ("time", Time),
    ("time-min", LeftOut("--time is the limit")),
    ("tmp", LeftOut("`root_volume` says how large the disk is")),
    ("verbose", LeftOut(CLUSTER)),
    ("wait", LeftOut("`wait_for` says what apply waits for")),
    ("wckey", LeftOut(CLUSTER)),
    ("wrap", Refused("it is the script itself")),
];

/// Options that are alone, or may be.
const FLAGS: [&str; 17] = [
    "contiguous",
    "exclusive",
    "get-user-env",
    "hold",
    "no-kill",
    "no-requeue",
    "nice",
    "overcommit",
    "oversubscribe",
    "parsable",
    "propagate",
    "quiet",
    "reboot",
    "requeue",
    "spread-job",
    "verbose",
    "wait",
];

/// Whether a value follows an option that has none yet.
pub(super) fn takes_value(option: &str) -> bool {
    !FLAGS.contains(&option.trim_start_matches('-'))
}

/// What becomes of an option.
pub(super) fn disposition(option: &str) -> Result<Disposition, String> {
    let name = option.trim_start_matches('-');
    let found = OPTIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, disposition)| *disposition).ok_or_else(|| {
        let near = OPTIONS.iter().find(|(known, _)| is_near(known, name));
        let hint = near.map_or_else(|| "leave it out".to_owned(), |(known, _)| format!("did you mean --{known}?"));
        format!("{option} is no option of sbatch that is known here: {hint}")
    })
}

/// Whether two names are the same but for letters that changed places or one that is another.
fn is_near(known: &str, name: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let differ = known.chars().zip(name.chars()).filter(|(one, other)| one != other).count();
    sorted(known) == sorted(name) || known.len() == name.len() && differ == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_option_is_a_long_one() {
        for (short, long) in SHORT {
            assert!(OPTIONS.iter().any(|(known, _)| *known == long), "-{short}");
        }
        assert!(OPTIONS.is_sorted_by_key(|(name, _)| name) && SHORT.is_sorted());
        assert!(FLAGS.iter().all(|flag| OPTIONS.iter().any(|(known, _)| known == flag)));
    }
}
