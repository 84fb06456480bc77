//! What the tests of this crate stand on: a sandbox in the test's own process, and real programs that meet it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`world`] | a sandbox, its control API, and the environment in which programs see it |
//! | [`terraform`] | a directory with a configuration, and Terraform in it |
//! | [`configuration`] | blocks of configurations, from defaults |
//! | [`process`] | programs that are run, bounded in time and never left behind |
//! | [`mirror`] | where Terraform finds the provider under test |
//! | [`programs`] | where the programs under test are |
//! | [`act`] | a repository with workflows, and act, which runs them with the Action |
//! | [`release`] | what is released: xtask's |
//! | [`receivers`] | who gets the mail and the documents that leave the sandbox |
//! | [`shown`] | text as snapshots keep it: without ids, times, addresses and paths |
//! | [`identity`] | somebody who may do what a policy says, and no more |
//! | [`leftovers`] | what the account holds, compared |
//!
//! A test waits for events. Timeouts are guards against hanging, never part of what is tested.

pub mod act;
pub mod configuration;
pub mod identity;
pub mod leftovers;
pub mod mirror;
pub mod process;
pub mod programs;
pub mod receivers;
#[path = "../../xtask/src/dist/release.rs"]
pub mod release;
pub mod shown;
pub mod terraform;
pub mod world;

pub use identity::Identity;
pub use process::{Ran, Running};
pub use terraform::Terraform;
pub use world::World;
