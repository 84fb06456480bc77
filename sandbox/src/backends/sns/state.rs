//! Topics and who listens.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// How long a subscription waits for whoever is to confirm it (AWS, May 2023).
const CONFIRMED_WITHIN: SignedDuration = SignedDuration::from_hours(48);

/// Everything there is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By ARN.
    pub(super) topics: BTreeMap<String, Topic>,
}

/// A topic.
#[derive(Debug, Default)]
pub(super) struct Topic {
    /// Its tags.
    pub(super) tags: BTreeMap<String, String>,
    /// By ARN.
    pub(super) subscriptions: BTreeMap<String, Subscription>,
}

/// A subscription.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// `email`, `http` or `https`.
    pub(super) protocol: String,
    /// Where to.
    pub(super) endpoint: String,
    /// What whoever confirms it has to know.
    pub(super) token: String,
    /// Whether somebody has.
    pub(super) is_confirmed: bool,
    /// When it was asked for.
    pub(super) asked_at: Timestamp,
}

impl Topic {
    /// Forgets what nobody has confirmed in time.
    pub(super) fn forget_unconfirmed(&mut self, now: Timestamp) {
        self.subscriptions.retain(|_, known| known.is_confirmed || now < known.asked_at + CONFIRMED_WITHIN);
    }
}
