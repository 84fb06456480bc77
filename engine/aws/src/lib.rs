//! The engine's ports on the AWS SDKs: one module per capability, and the only crate that names `aws_sdk_*`.
//!
//! What holds here:
//! - The SDKs never repeat a call. `endpoint` does, by the class of the error, and only calls that may be made twice.
//! - Every error leaves as a [`spawn_model::error::Error`], whose class comes from one table in `error`.
//! - Nothing here decides: which pool, when to give up and what to undo is the engine's.
//! - Nothing here knows which AWS it speaks to: real, sandbox or another emulator is a matter of endpoints.

#![allow(clippy::result_large_err, reason = "an error is rare, and worth its size")]

mod clock;
mod config;
mod endpoint;
mod error;
mod functions;
mod http;
mod identity;
mod instances;
mod logs;
mod objects;
mod partition;
mod prices;
mod quotas;
mod scaling;
mod schedules;
mod settings;
mod shells;
mod systems;
mod topics;
mod webhooks;
mod zones;

pub use config::{AccessKey, ConnectOptions, connect};
pub use identity::{Tokens, WebIdentity};

// There is a crate of that name, too.
pub use self::http::tls;
