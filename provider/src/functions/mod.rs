//! Every function: one file each, and one line in this table.

mod cron_next;
mod duration_seconds;
mod slurm_to_job_array;

use crate::wire::Function;

/// The table.
pub(crate) fn all() -> Vec<Box<dyn Function>> {
    vec![Box::new(cron_next::CronNext), Box::new(duration_seconds::DurationSeconds), Box::new(slurm_to_job_array::SlurmToJobArray)]
}
