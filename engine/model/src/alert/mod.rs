//! Alerts: what people are told of fleets, and by which channels.

mod judge;
mod record;
mod retry;
mod rules;
mod text;

use std::collections::BTreeMap;

use crate::duration::Seconds;

use crate::read::fields;
use crate::words::words;

pub use judge::{Cost, Happened, Sight, happened, starts_missed};
pub use record::{AlertKind, AlertRecord, AlertReport, AlertStatus, Delivery, Occurrence, Told};
pub use rules::{SECRETS_OF, read_alert};
pub use secret::Secret;
pub use text::{Message, test_message};

mod secret;

words! {
    /// What an alert tells of.
    pub enum On, "nothing that an alert tells of" {
        /// A run's first instance is launched.
        Started = "started",
        /// Every command of a run has begun.
        Ready = "ready",
        /// Every command ended with exit code 0.
        Succeeded = "succeeded",
        /// A command did not, or a job of a queue has failed for good.
        Failed = "failed",
        /// The lease ended first.
        Expired = "expired",
        /// EC2 takes a machine back.
        Interrupted = "interrupted",
        /// An instance ended, or stopped, for being idle.
        Idle = "idle",
        /// An instance is gone before the deadline, and nobody knows why.
        Lost = "lost",
        /// A start of a schedule failed, or AWS came too late with it.
        Missed = "missed",
    }
}

fields! {
    /// Which fleets an alert watches: those that any of these says.
    pub struct WatchSpec {
        /// Fleets by id or by name, schedules among them, such as `[spawn_job_array.tiles.id]`. By its name a fleet is watched before it is there, and
        /// so is the next one that has it.
        fleets: Vec<String> => Optional, InPlace;
        /// Fleets that have all of these tags.
        tags: BTreeMap<String, String> => Optional, InPlace;
        /// Every fleet of the account in this region.
        everything: bool => Default("false"), InPlace;
    }
}

fields! {
    /// A channel of Slack, or of whatever takes the same messages.
    pub struct SlackSpec {
        /// The address of an incoming webhook, which is a secret: it is kept as an encrypted parameter of Systems Manager, and nowhere else.
        webhook_url: Option<Secret> => WriteOnly, InPlace;
        /// Raise it when `webhook_url` has changed, which nothing else tells.
        webhook_url_version: u32 => Default("1"), InPlace;
    }
}

fields! {
    /// An address that gets a JSON document by POST.
    pub struct WebhookSpec {
        /// The address: `https://`.
        url: String => Required, InPlace;
        /// What is sent in the header `header`, by which the receiver knows the sender: it is kept as an encrypted parameter of Systems Manager, and
        /// nowhere else.
        secret: Option<Secret> => WriteOnly, InPlace;
        /// Raise it when `secret` has changed, which nothing else tells.
        secret_version: u32 => Default("1"), InPlace;
        /// The header that carries the secret, such as `Authorization`.
        header: String => Default("\"X-Spawn-Secret\""), InPlace;
    }
}

fields! {
    /// By which channels an alert tells.
    pub struct NotifySpec {
        /// Addresses of mail. Each gets a mail of Amazon SNS that has to be answered with a click before anything is sent to it.
        email: Vec<String> => Optional, InPlace;
        /// Topics of Amazon SNS of your own, by ARN, in the account and region of the fleets.
        sns: Vec<String> => Optional, InPlace;
        /// A channel of Slack.
        slack: Option<SlackSpec> => Optional, InPlace;
        /// An address that gets a JSON document.
        webhook: Option<WebhookSpec> => Optional, InPlace;
    }
}

fields! {
    /// What a user asks for with an alert.
    pub struct AlertSpec {
        /// The name: unique among the alerts of an account and region.
        name: String => Required, Replace;
        /// Which fleets.
        watch: WatchSpec => Required, InPlace;
        /// What is told of them, each once for a run: `started` and `ready` (of runs that begin after the alert was made), `succeeded`, `failed`
        /// (as soon as one command has), `expired`, `interrupted`, `idle`, `lost` and `missed` (a start of a schedule).
        on: Vec<On> => Optional, InPlace;
        /// Tells when a run may have cost more than this, in US dollars: list prices, volumes included, spot as if it were on demand. A run whose
        /// price nobody knows is told of once, as that.
        cost_above: Option<f64> => Optional, InPlace;
        /// Tells when a run goes on for longer than this, such as `"2h"`.
        longer_than: Option<Seconds> => Optional, InPlace;
        /// By which channels.
        notify: NotifySpec => Required, InPlace;
    }
}
