//! What a fleet is.
//!
//! Pure data and rules: no I/O, no clock, no async, no AWS. Whatever needs the time is handed it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spec`] | what a user asks for and what spawn reports: every field, declared once |
//! | [`field`], [`value`], [`read`] | the declaration of a field, untyped user data, and the way from one to the other |
//! | [`image`], [`requirements`], [`market`] | which image a fleet boots, on which types, and how its instances are bought |
//! | [`idle`], [`hook`], [`stopping`] | when an instance does nothing, what it runs before it ends, and whether it only stops |
//! | [`network`], [`placement`], [`volume`] | where the instances are, how they lie to each other, and their disks |
//! | [`policies`] | what its commands may do in AWS |
//! | [`queue`] | jobs that depend on each other: their fields, what can run when, and what is recorded of them; and the queue files of the predecessor |
//! | [`alert`] | what people are told of fleets, and how: its fields, what has happened, and what is recorded of it |
//! | [`schedule`] | fleets that are launched by the clock: their times, and what is recorded of their starts |
//! | [`data`], [`check`] | what can be asked without making anything, and how much a plan asks |
//! | [`slurm`] | batch scripts of Slurm as job arrays |
//! | [`rules`] | what a spec must keep, checked before anything is created |
//! | [`record`], [`layout`], [`tag`] | what is written to the bucket, where, and the tags that say whose a thing is |
//! | [`status`] | what has become of a fleet |
//! | [`error`], [`codes`], [`problem`] | what can go wrong, and what to do about it |

pub mod alert;
pub mod check;
pub mod codes;
pub mod data;
pub mod dns;
pub mod duration;
pub mod error;
pub mod field;
pub mod hook;
pub mod idle;
pub mod ids;
pub mod image;
pub mod layout;
pub mod market;
pub mod network;
pub mod placement;
pub mod policies;
pub mod problem;
pub mod queue;
pub mod read;
pub mod record;
pub mod requirements;
pub mod rules;
pub mod schedule;
pub mod slurm;
pub mod spec;
pub mod status;
pub mod stopping;
pub mod tag;
pub mod value;
pub mod volume;
mod words;
