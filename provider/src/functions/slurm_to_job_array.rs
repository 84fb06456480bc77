//! `slurm_to_job_array`: a batch script of Slurm as the fields of a job array.

use spawn_model::field::Kind;
use spawn_model::slurm::{Converted, convert};
use spawn_model::value::Value;

use crate::wire::{BadArgument, Function, Parameter};

pub(super) struct SlurmToJobArray;

impl Function for SlurmToJobArray {
    fn name(&self) -> &'static str {
        "slurm_to_job_array"
    }

    fn summary(&self) -> &'static str {
        "A Slurm batch script as the fields of a job array"
    }

    fn doc(&self) -> &'static str {
        "Reads the `#SBATCH` lines of a batch script and gives `name`, `size`, `command`, `files`, `env`, `requirements` and `ttl` for a `spawn_job_array`, and \
         `notes` about every line that was left out. The script runs as it was written, and finds in its environment what Slurm sets for a task on one node, such as \
         `SLURM_ARRAY_TASK_ID`, `SLURM_JOB_ID`, `SLURM_CPUS_PER_TASK` and `SLURM_MEM_PER_NODE`; `srun` and `sbatch` are not there. `ttl` is null where the script \
         has no `--time`. A script for several machines is refused."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "script", doc: "The text of the script, such as `file(\"render.sbatch\")`.", kind: Kind::String }]
    }

    fn returns(&self) -> Kind {
        Kind::Object(Converted::FIELDS)
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, BadArgument> {
        let script = arguments.first().and_then(Value::as_str).unwrap_or_default();
        let converted = convert(script).map_err(|error| BadArgument { number: 0, text: error.to_string() })?;
        Ok(serde_json::to_value(converted).map(Value::from).unwrap_or_default())
    }
}
