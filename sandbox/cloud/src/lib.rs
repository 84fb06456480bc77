//! A simulated EC2, and the Auto Scaling on it: a pure, seeded state machine.
//!
//! Nothing here does I/O, reads a clock or draws from the system's randomness: time is handed in with every call, and
//! everything that looks random follows from [`Config::seed`]. The same seed and the same calls at the same times give
//! the same world, so a failure found once can be replayed.
//!
//! It is as strict as AWS: what AWS refuses is refused with AWS's code and wording, and what is not simulated is refused
//! as well ([`ApiError::gap`]) instead of being ignored.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cloud`](Cloud), `dispatch` | the world, and which operation is done where |
//! | [`config`](Config) | seed, delays, throttling, late reads |
//! | [`request`], [`reply`], `operations` | one type per operation, and what it answers |
//! | [`model`] | what exists: instances, volumes, groups, subnets, images |
//! | [`catalogue`] | instance types, images and prices |
//! | `instances` | launch, describe, stop, start, reboot, terminate, attributes |
//! | `offers`, `images`, `regions` | what can be had, and where |
//! | `spot` | spot prices, spot requests, and how instances are taken back |
//! | `network` | networks: subnets, gateways, routes, endpoints |
//! | `placement`, `keys`, `kms` | what launches name: placement groups, key pairs, encryption keys |
//! | `templates` | launches that were described in advance |
//! | `groups`, `volumes`, `tags` | the rest of what EC2 keeps |
//! | [`scaling`] | Auto Scaling: groups of instances that keep their size |
//! | `transition` | what happens by itself as time passes |
//! | `buckets` | EC2's published token buckets |
//! | [`faults`](Fault) | trouble on request |
//! | `shelf` | storage whose readers may be late |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say"))]

mod buckets;
pub mod catalogue;
mod cloud;
mod config;
mod dispatch;
mod error;
mod faults;
mod filter;
mod groups;
mod identity;
mod images;
mod instances;
mod keys;
mod kms;
mod machine;
pub mod model;
mod network;
mod offers;
mod operations;
mod paging;
mod placement;
mod regions;
pub mod reply;
pub mod request;
pub mod scaling;
mod shelf;
mod snapshot;
mod spot;
mod subject;
mod tags;
mod templates;
mod transition;
mod volumes;

pub use buckets::{Limit, TokenBucket};
pub use cloud::Cloud;
pub use config::Config;
pub use error::ApiError;
pub use faults::{Effect, Fault};
pub use filter::wildcard_matches;
pub use machine::Machine;
pub use reply::Reply;
pub use request::Request;
pub use subject::Subject;
pub use transition::{Change, HaltReason};
