//! How much a plan asks AWS before anything is made.

use crate::words::words;

words! {
    /// How a plan is checked.
    pub enum Check, "no way to check a plan" {
        /// What can be looked at: types, prices, images, networks, names.
        Standard = "standard",
        /// That, and what can be tried: whether the caller may launch it, and whether the account's quotas have room.
        Strict = "strict",
    }
}
