//! Every function: one file each, and one line in this table.

mod cron_next;
mod duration_seconds;

use crate::wire::Function;

/// The table.
pub(crate) fn all() -> Vec<Box<dyn Function>> {
    vec![Box::new(cron_next::CronNext), Box::new(duration_seconds::DurationSeconds)]
}
