//! A provider's side of Terraform's plugin protocol, for any provider.
//!
//! ```text
//! terraform ──starts──▶ handshake ──one line──▶ server ──gRPC over a unix socket, both sides pinned──▶ service
//!                                                                │ codec: msgpack ⇄ Value
//!                                                                │ planning: defaults, unknowns, replacement
//!                                                                ▼
//!                                                   Provider and its table of Resources
//! ```
//!
//! Invariants: nothing is written to standard output before the handshake line; a panic in one call is an error
//! diagnostic of that call, never the end of the process; the process ends as soon as Terraform has no more use for it.

pub mod codec;
mod connection;
mod diagnostic;
#[doc(hidden)]
pub mod handshake;
mod identity;
mod log;
mod panics;
mod path;
mod planning;
mod plugin;
pub mod proto;
mod provider;
mod schema;
mod server;
mod service;
mod socket;
#[doc(hidden)]
pub mod tls;
mod validation;

pub use diagnostic::{Diagnostic, Severity};
pub use identity::Identity;
pub use path::{Path, Step};
pub use planning::{Prepared, forget_run, prepare};
pub use provider::{
    ApplyRequest, ApplyResponse, BadArgument, DataSource, Function, Imported, Parameter, PlanRequest, PlanResponse, Provider, ReadRequest,
    ReadResponse, Resource,
};
pub use schema::{attributes, block, schema, type_json};
pub use server::serve;
