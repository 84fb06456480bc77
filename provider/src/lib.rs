//! The Terraform provider.
//!
//! [`wire`] is the protocol server: it knows how Terraform starts, asks and ends a provider, and nothing of AWS or
//! fleets. What is served is a [`wire::Provider`] with a table of [`wire::Resource`]s and one of
//! [`wire::Function`]s: `resources` has a folder for each, `data` and `functions` a file.

#[cfg(feature = "aws")]
mod data;
#[cfg(feature = "aws")]
pub mod docs;
mod functions;
#[cfg(feature = "aws")]
mod provider;
#[cfg(feature = "aws")]
mod resources;
pub mod wire;

#[cfg(feature = "aws")]
pub use provider::SpawnProvider;
