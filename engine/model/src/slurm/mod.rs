//! From the batch script of a Slurm cluster to the fields of a job array.
//!
//! The script runs as it was written: what Slurm would have set it finds in its environment. What an array has no word for is told, line by
//! line; what would run otherwise than Slurm runs it is refused.

mod amounts;
mod directives;
mod options;
mod tasks;

use std::collections::BTreeMap;

use crate::duration::Seconds;
use crate::read::fields;
use crate::rules::TTL_MAX;
use directives::{Directive, directives};
use options::{Disposition, disposition};
use tasks::Tasks;

/// What a script is called beside the command, and what runs it.
const SCRIPT: &str = "job.sbatch";
const RUNNER: &str = "slurm";

/// What a machine needs before the command begins and after it has ended: Slurm counts neither.
const AROUND: u64 = 5 * 60;

/// Where a script cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconverted {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong, and the way out.
    pub message: String,
}

impl std::fmt::Display for Unconverted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

fields! {
    /// What a machine has to have.
    pub struct Wanted {
        /// vCPUs, as `requirements` of a fleet says it.
        vcpu: Option<String> => Computed, InPlace;
        /// Memory in GiB, as `requirements` of a fleet says it.
        memory_gib: Option<String> => Computed, InPlace;
        /// GPUs, as `requirements` of a fleet says it.
        gpu: Option<String> => Computed, InPlace;
    }
}

fields! {
    /// A batch script as the fields of a job array.
    pub struct Converted {
        /// The name of the job.
        name: String => Computed, InPlace;
        /// How many tasks the array has.
        size: u32 => Computed, InPlace;
        /// What runs the script with the environment that Slurm would have set.
        command: Vec<String> => Computed, InPlace;
        /// The script, and what runs it.
        files: BTreeMap<String, String> => Computed, InPlace;
        /// What `--export` sets.
        env: BTreeMap<String, String> => Computed, InPlace;
        /// What each machine has to have.
        requirements: Wanted => Computed, InPlace;
        /// The time limit, and five minutes to boot; null without one, and then `lease.ttl` has to be written, or its default counts.
        ttl: Option<String> => Computed, InPlace;
        /// What was left out, with the line.
        notes: Vec<String> => Computed, InPlace;
    }
}

/// What the directives say together. A later one replaces an earlier one, as Slurm has it.
#[derive(Default)]
struct Asked {
    name: Option<String>,
    limit_s: Option<u64>,
    tasks: Option<Tasks>,
    ntasks: Option<u64>,
    per_task: Option<u64>,
    per_node: Option<u64>,
    min_cpus: Option<u64>,
    memory: Option<Memory>,
    gpus: Option<u64>,
    gpus_per_task: Option<u64>,
    env: BTreeMap<String, String>,
    notes: Vec<String>,
}

/// How much memory is asked for, in MiB.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    PerNode(u64),
    PerCpu(u64),
}

/// Converts a script.
///
/// # Errors
/// The first line that cannot be read, or that asks for what a job array does not do.
pub fn convert(script: &str) -> Result<Converted, Unconverted> {
    let interpreter = script.lines().next().and_then(|line| line.strip_prefix("#!")).unwrap_or_default();
    if !interpreter.trim_start().starts_with('/') {
        let message = "a batch script begins with its interpreter: write a first line such as #!/bin/bash".to_owned();
        return Err(Unconverted { line: 1, column: 1, message });
    }
    if script.contains("\r\n") {
        let message = "the script has the line breaks of DOS, which its interpreter would not take: convert them with dos2unix".to_owned();
        return Err(Unconverted { line: 1, column: 1, message });
    }
    let (directives, ignored) = directives(script)?;
    let mut asked = Asked::default();
    for directive in &directives {
        asked.take(directive).map_err(|message| directive.refused(message))?;
    }
    if let (Some(ntasks), Some(per_node)) = (asked.ntasks, asked.per_node)
        && ntasks > per_node
        && let Some(directive) = directives.iter().rev().find(|directive| directive.option.ends_with("tasks-per-node"))
    {
        return Err(directive.refused(several_machines(&format!("--ntasks={ntasks} with --ntasks-per-node={per_node}"))));
    }
    for line in ignored {
        asked.notes.push(format!("line {line}: Slurm reads no #SBATCH after the first command"));
    }
    asked.notes.extend(commands_of_slurm(script));
    Ok(asked.converted(script))
}

impl Asked {
    fn take(&mut self, directive: &Directive) -> Result<(), String> {
        let value = directive.value.as_str();
        match disposition(&directive.option)? {
            Disposition::Name => self.name = Some(value.to_owned()),
            Disposition::Time => {
                self.limit_s = amounts::time_s(value)?;
                if self.limit_s.is_some_and(|limit_s| limit_s + AROUND > TTL_MAX.0) {
                    return Err(format!("{value} is longer than the longest lease, {TTL_MAX}: write less"));
                }
            }
            Disposition::Array => {
                self.tasks = Some(Tasks::parse(value)?);
                if value.contains('%') {
                    let why = "all tasks run at once, each on a machine of its own";
                    self.notes.push(format!("line {}: the limit of {value} is left out: {why}", directive.line));
                }
            }
            Disposition::Nodes => {
                let (least, most) = value.split_once('-').unwrap_or((value, value));
                if (amounts::count(least)?, amounts::count(most)?) != (1, 1) {
                    return Err(several_machines(&directive.option));
                }
            }
            Disposition::Ntasks => self.ntasks = Some(amounts::count(value)?),
            Disposition::TasksPerNode => self.per_node = Some(amounts::count(value)?),
            Disposition::CpusPerTask => self.per_task = Some(amounts::count(value)?),
            Disposition::MinCpus => self.min_cpus = Some(amounts::count(value)?),
            Disposition::Memory => {
                self.memory = amounts::memory_mib(value)?.map(Memory::PerNode);
                if self.memory.is_none() {
                    self.left_out(directive, "a machine here has what `requirements` say; write how much the job needs");
                }
            }
            Disposition::MemoryPerCpu => self.memory = amounts::memory_mib(value)?.map(Memory::PerCpu),
            Disposition::Gres => {
                let (gpus, others): (Vec<_>, Vec<_>) = amounts::generic(value)?.into_iter().partition(|found| found.kind == "gpu");
                if !others.is_empty() {
                    self.left_out(directive, "there is no such resource here");
                }
                if !gpus.is_empty() {
                    self.gpus = Some(self.count_of(directive, &gpus));
                }
            }
            Disposition::Gpus => self.gpus = Some(self.count_of(directive, &amounts::gpus(value)?)),
            Disposition::GpusPerTask => self.gpus_per_task = Some(self.count_of(directive, &amounts::gpus(value)?)),
            Disposition::Export => self.export(directive),
            Disposition::LeftOut(why) => self.left_out(directive, why),
            Disposition::Refused(why) => return Err(format!("{} cannot be converted: {why}", directive.option)),
        }
        Ok(())
    }

    fn left_out(&mut self, directive: &Directive, why: &str) {
        self.notes.push(format!("line {}: {} is left out: {why}", directive.line, directive.option));
    }

    /// How many there are of all; which model they are is told, and not asked for.
    fn count_of(&mut self, directive: &Directive, found: &[amounts::Resource]) -> u64 {
        for model in found.iter().filter_map(|resource| resource.model.as_ref()) {
            let why = "name types that have it with `instance_types`";
            self.notes.push(format!("line {}: the model {model} of {} is left out: {why}", directive.line, directive.option));
        }
        found.iter().map(|resource| resource.count).sum()
    }

    fn export(&mut self, directive: &Directive) {
        self.env.clear();
        for part in amounts::list(&directive.value) {
            let part = part.as_str();
            match part.split_once('=') {
                Some((name, value)) => drop(self.env.insert(name.to_owned(), value.to_owned())),
                // Whose environment it would be, there is nobody to ask.
                None if matches!(part, "ALL" | "NONE" | "NIL") => {}
                None => self.notes.push(format!("line {}: {part} of --export is left out: its value is not written here", directive.line)),
            }
        }
    }

    fn converted(self, script: &str) -> Converted {
        let tasks_here = self.ntasks.or(self.per_node).unwrap_or(1);
        let vcpus = (tasks_here * self.per_task.unwrap_or(1)).max(self.min_cpus.unwrap_or(1));
        let memory_mib = self.memory.map(|memory| match memory {
            Memory::PerNode(mib) => mib,
            Memory::PerCpu(mib) => mib.saturating_mul(vcpus),
        });
        let gpus = self.gpus.or(self.gpus_per_task.map(|gpus| gpus * tasks_here));
        let mut notes = self.notes;
        if self.limit_s.is_none() {
            notes.push("there is no --time: without a `ttl` of your own the lease ends each task after its default of an hour".to_owned());
        }
        let at_least = |count: u64| format!("{count}..");
        let written = self.name.as_deref().unwrap_or("slurm");
        let name = name_of(written);
        let runner = tasks::runner(written, self.tasks.as_ref(), tasks_here, self.per_task, self.memory);
        Converted {
            size: self.tasks.as_ref().map_or(1, Tasks::count),
            name,
            command: vec!["sh".to_owned(), RUNNER.to_owned(), SCRIPT.to_owned()],
            files: BTreeMap::from([(SCRIPT.to_owned(), script.to_owned()), (RUNNER.to_owned(), runner)]),
            env: self.env,
            requirements: Wanted {
                vcpu: Some(at_least(vcpus)),
                memory_gib: memory_mib.map(|mib| at_least(mib.div_ceil(1024))),
                gpu: gpus.filter(|gpus| *gpus > 0).map(at_least),
            },
            ttl: self.limit_s.map(|limit_s| Seconds(limit_s + AROUND).to_string()),
            notes,
        }
    }
}

/// What the script calls that is not there, once for each line.
fn commands_of_slurm(script: &str) -> Vec<String> {
    let calls = |line: &str| {
        let words = line.split(|c: char| c.is_whitespace() || ";&|()`".contains(c));
        words.map(str::to_owned).find(|word| ["srun", "sbatch", "scontrol", "squeue", "sacct", "scancel"].contains(&word.as_str()))
    };
    let found = script.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    found.filter_map(|(at, line)| Some(format!("line {}: {} is not there: call the program itself", at + 1, calls(line)?))).collect()
}

fn several_machines(option: &str) -> String {
    format!(
        "{option} asks for several machines, on one of which Slurm runs the script, and `srun` starts the rest; a job array runs its command on every \
         rank. Write a job array with `gang = true` whose command starts each rank (SPAWN_RANK, SPAWN_HOSTFILE)"
    )
}

/// A name for DNS and S3.
fn name_of(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let name = if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("job-{name}") };
    name.chars().take(63).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(script: &str) -> String {
        convert(script).map(|converted| format!("{converted:?}")).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_script_becomes_an_array() {
        let script = "#!/bin/bash\n\
                      #SBATCH --job-name=\"Render Tiles\"\n\
                      #SBATCH -a 1-9:2%3   # odd ones\n\
                      #SBATCH --time=1-02:30 --mem=6500M\n\
                      #SBATCH -c 4 -p short\n\
                      #SBATCH --gres=gpu:a100:2\n\
                      #SBATCH --export=ALL,PALETTE=fire,HOME\n\
                      #SBATCH --mail-user=ada@example.com\n\
                      \n\
                      # what is done\n\
                      ./render $SLURM_ARRAY_TASK_ID\n\
                      #SBATCH --time=5\n";
        let converted = convert(script).expect("a job");
        assert_eq!((converted.name.as_str(), converted.size), ("render-tiles", 5));
        assert_eq!(converted.ttl.as_deref(), Some("1d2h35m"));
        let Wanted { vcpu, memory_gib, gpu } = &converted.requirements;
        assert_eq!((vcpu.as_deref(), memory_gib.as_deref(), gpu.as_deref()), (Some("4.."), Some("7.."), Some("2..")));
        assert_eq!(converted.env, BTreeMap::from([("PALETTE".to_owned(), "fire".to_owned())]));
        assert_eq!(converted.command, ["sh", "slurm", "job.sbatch"]);
        assert_eq!(converted.files["job.sbatch"], script);
        insta::assert_snapshot!("slurm_notes", converted.notes.join("\n"));
        insta::assert_snapshot!("slurm_runner", converted.files["slurm"]);
    }

    #[test]
    fn what_is_asked_for_in_other_ways_is_understood() {
        let script = "#!/bin/bash\n\
                      #SBATCH -n 4 --gpus-per-task=1 --mem-per-cpu=2G --mincpus=2\n\
                      #SBATCH --nice --exclusive -v\n\
                      #SBATCH --export=\"A=1,B='x,y'\"\n\
                      srun ./prog\n";
        let converted = convert(script).expect("a job");
        let Wanted { vcpu, memory_gib, gpu } = &converted.requirements;
        assert_eq!((vcpu.as_deref(), memory_gib.as_deref(), gpu.as_deref()), (Some("4.."), Some("8.."), Some("4..")));
        let env = [("A", "1"), ("B", "x,y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(converted.env, BTreeMap::from(env));
        assert!(converted.notes.contains(&"line 5: srun is not there: call the program itself".to_owned()), "{:?}", converted.notes);
        let gpus = convert("#!/bin/sh\n#SBATCH --gres=gpu:a100:2,gpu:v100:1 -t 5\n").expect("a job");
        assert_eq!((gpus.requirements.gpu.as_deref(), gpus.notes.len()), (Some("3.."), 2));
    }

    #[test]
    fn the_least_is_one_task() {
        let converted = convert("#!/bin/sh\necho hello\n").expect("a job");
        assert_eq!((converted.name.as_str(), converted.size, &converted.ttl), ("slurm", 1, &None));
        assert_eq!(converted.requirements.vcpu.as_deref(), Some("1.."));
        assert_eq!(converted.notes.len(), 1, "{:?}", converted.notes);
    }

    #[test]
    fn what_cannot_be_converted_is_refused_with_its_place() {
        let lines = [
            "",
            "#SBATCH --tiem=5",
            "#SBATCH --time=soon",
            "#SBATCH -c none",
            "#SBATCH --array=5-1",
            "#SBATCH -a",
            "#SBATCH   --nodes=4",
            "#SBATCH -N 1 -n 2 --mem=12Q",
            "#SBATCH 17",
            "#SBATCH --job-name='open",
            "#SBATCH --gres=gpu:",
            "#SBATCH --het-group=1",
            "#SBATCH --nodes=4-1",
            "#SBATCH --ntasks=8 --ntasks-per-node=4",
            "#SBATCH --time=31-0",
            "#SBATCH --mem=99999T",
        ];
        assert!(refused("#!/bin/sh\r\necho\r\n").starts_with("line 1, column 1: the script has the line breaks of DOS"));
        assert!(refused("#!\necho\n").starts_with("line 1, column 1: a batch script begins with its interpreter"));
        let found: Vec<String> = lines.iter().map(|line| refused(&format!("#!/bin/sh\n{line}\n"))).collect();
        insta::assert_snapshot!("slurm_refused", found[1..].join("\n"));
        assert_eq!(
            refused("echo hello"),
            "line 1, column 1: a batch script begins with its interpreter: write a first line such as #!/bin/bash"
        );
    }

    #[test]
    fn names_are_made_of_what_dns_takes() {
        for (name, expected) in [("Render Tiles", "render-tiles"), ("42", "job-42"), ("a__b", "a-b"), ("-x-", "x"), ("", "job")] {
            assert_eq!(name_of(name).trim_end_matches('-'), expected, "{name:?}");
        }
        assert_eq!(name_of(&"x".repeat(100)).len(), 63);
    }
}
