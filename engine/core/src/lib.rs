//! Makes a plan true.
//!
//! Every operation is observe → plan → record the intent → act → record what came back. A launcher that is killed at any
//! point leaves something the next one recognises and finishes or removes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`engine`] | what the faces call |
//! | [`ports`] | what the engine needs of AWS, as traits |
//! | `ask` | what a fleet would cost and be launched from, without making anything |
//! | [`rehearsal`], `quota` | what strict plans have AWS try, and whether the account may run so much |
//! | [`plan`], [`pools`] | what a launch will do, and where: pure |
//! | `types`, `image`, `network` | what it is launched from and into, looked at before |
//! | `launch`, [`wait`](mod@wait), [`end`](mod@end) | the launcher, what it waits for, and the way back |
//! | [`service`] | runs that an Auto Scaling group keeps at their size |
//! | `machine`, `disks`, [`user_data`] | what an instance is, its disks, and what it boots with |
//! | `change`, `power`, [`rerun`] | what may change of a fleet while it lives, stopping and starting, and the same fleet once more |
//! | [`schedule`] | fleets whose runs the clock starts |
//! | [`alert`] | what people are told of fleets |
//! | [`dns`] | names in DNS |
//! | [`shell`] | what people do on its instances |
//! | [`reap`] | ends what is past its lease, and removes what nobody keeps |
//! | [`claim`] | names and adoption |
//! | [`lease`], [`cost`] | when a run ends, the schedules that see to it, and the budget that may end it sooner |
//! | [`fleet`], `drift`, `spent`, `snapshot` | a fleet as it is now, what somebody changed of its instances, what it has cost, and what the looks of one refresh share |
//! | [`setup`], [`artifacts`] | what every fleet of an account shares |
//! | `rights` | what the command of a fleet may do |
//! | [`policies`] | what whoever uses spawn may do |
//! | [`ledger`] | the bucket as a ledger |
//! | [`written`], [`fetched`] | what somebody has written into files of his own, and results that go into his directory |
//! | [`classes`] | what AWS's error codes mean |
//!
//! Only `alert`, `claim`, `end`, `launch`, `power`, `reap`, `rehearsal`, `rerun`, `service`, `shell` and `wait` wait for anything, and only through [`ports::Clock`].

pub mod alert;
mod around;
pub mod artifacts;
mod ask;
mod bucket;
mod change;
pub mod claim;
pub mod classes;
pub mod cost;
mod disks;
pub mod dns;
mod drift;
pub mod end;
pub mod engine;
pub mod fetched;
pub mod fleet;
mod full;
mod image;
mod launch;
pub mod lease;
pub mod ledger;
pub mod log;
mod machine;
mod network;
pub mod operation;
pub mod plan;
pub mod policies;
pub mod pools;
pub mod ports;
mod power;
pub mod process;
pub mod queue;
mod quota;
pub mod reap;
pub mod rehearsal;
pub mod rerun;
mod retry;
mod rights;
pub mod schedule;
pub mod service;
pub mod setup;
pub mod shell;
mod snapshot;
mod spent;
mod tags;
mod types;
pub mod user_data;
pub mod wait;
pub mod written;
