//! The AWS on your own machine.
//!
//! A [`Sandbox`] speaks AWS's wire protocols on a loopback port and makes what the API says come true: instances are process trees that
//! run their user data, functions run their programs, schedules fire, automation documents are carried out step by step. Clients are ordinary ones: SDKs, the aws
//! command, Terraform providers; only the endpoint differs.
//!
//! Invariants:
//! - Nobody asks without a signature made with this sandbox's own keys, which are random and readable by one user alone.
//! - Whatever the sandbox does not know is refused and listed ([`Control::gaps`]); nothing is accepted and ignored.
//! - AWS's side lives by a clock that can be put forward ([`Control::clock_advance`]); what becomes due happens in order.
//! - Nothing is left running when it ends.
//!
//! | module | what it holds |
//! |---|---|
//! | `server`, `router` | HTTP, signatures, faults and the call log around every call |
//! | `sigv4`, `chunked`, `callers` | who asks |
//! | `authority` | what they may do: policies with their conditions |
//! | `backends` | one folder or file for each service |
//! | `automation`, `schedules` | documents step by step, and when schedules fire |
//! | `driver`, `clock`, `machines` | time, and the machines that follow it |
//! | [`control`] | the sandbox's own API, in the process and from others |
//!
//! Services are ours rather than a library's where they must live by the clock, refuse what they do not know, or answer who asked.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say"))]

mod authority;
mod automation;
mod backends;
mod callers;
mod calls;
mod checksums;
mod chunked;
mod clock;
pub mod control;
mod driver;
mod faults;
mod form;
mod gaps;
mod json;
mod machines;
mod protocol;
mod refusals;
mod router;
mod sandbox;
mod schedules;
mod server;
mod sigv4;
mod times;
mod world;
mod xml;

pub use calls::CallRecord;
pub use control::client::{ControlClient, ControlError, CredentialsFile};
pub use control::{ClockReading, Control, FaultScript, Status};
pub use faults::{Fault, FaultRule};
pub use gaps::Gap;
pub use sandbox::{Options, Sandbox, SandboxError};
