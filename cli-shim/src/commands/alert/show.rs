//! `spawn alert show`.

use clap::Args;
use serde::Serialize;
use spawn_core::alert::AlertLook;
use spawn_model::alert::AlertSpec;

use super::{DONE, Outcome};
use crate::output::Output;
use crate::output::table::labelled;
use crate::session::Session;

/// Show what an alert watches and tells, and how its channels are
///
/// As JSON: `{"name": "render", "status": "ok", "watch": {...}, "on": ["failed"], "notify": {...}, ...}`. Secrets are not shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The alert's name or id
    name: String,
}

/// An alert, as programs read it.
#[derive(Serialize)]
pub(super) struct AlertView {
    pub(super) id: String,
    region: String,
    pub(super) status: String,
    status_reason: String,
    topic_arn: Option<String>,
    pending_confirmation: Vec<String>,
    told: usize,
    #[serde(flatten)]
    spec: AlertSpec,
    #[serde(skip)]
    pub(super) name: String,
}

impl AlertView {
    pub(super) fn new(look: &AlertLook) -> Self {
        let report = look.report();
        Self {
            id: report.id,
            region: report.region,
            status: report.status,
            status_reason: report.status_reason,
            topic_arn: report.topic_arn,
            pending_confirmation: report.pending_confirmation,
            told: look.told.occurrences.len(),
            spec: look.seen.clone(),
            name: look.record.spec.name.clone(),
        }
    }

    /// What it watches, in a line.
    pub(super) fn watches(&self) -> String {
        let watch = &self.spec.watch;
        if watch.everything {
            return "everything".to_owned();
        }
        let tags: Vec<String> = watch.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        watch.fleets.iter().cloned().chain((!tags.is_empty()).then(|| tags.join(" and "))).collect::<Vec<_>>().join(", ")
    }

    /// What it tells of, in a line.
    pub(super) fn tells(&self) -> String {
        let on = self.spec.on.iter().map(|on| on.word().to_owned());
        let cost = self.spec.cost_above.map(|limit| format!("cost above ${limit}"));
        let longer = self.spec.longer_than.map(|longer| format!("longer than {longer}"));
        on.chain(cost).chain(longer).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn text(&self) -> String {
        let notify = &self.spec.notify;
        let mut rows = vec![
            ("alert", format!("{} ({})", self.name, self.id)),
            ("status", format!("{}: {}", self.status, self.status_reason)),
            ("watches", self.watches()),
            ("tells of", self.tells()),
        ];
        let address = |address: &String| {
            let is_pending = self.pending_confirmation.contains(address);
            if is_pending { format!("{address} (not confirmed yet)") } else { address.clone() }
        };
        rows.extend(notify.email.iter().map(|to| ("email", address(to))));
        rows.extend(notify.sns.iter().map(|arn| ("sns", arn.clone())));
        let put =
            |version: u32| if version == 0 { "its secret was changed by somebody else".to_owned() } else { format!("version {version}") };
        rows.extend(notify.slack.iter().map(|slack| ("slack", put(slack.webhook_url_version))));
        rows.extend(notify.webhook.iter().map(|webhook| ("webhook", format!("{} ({})", webhook.url, put(webhook.secret_version)))));
        rows.push(("told", format!("{} in 90 days", self.told)));
        labelled(&rows)
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session, output: &Output) -> Outcome {
        let look = session.engine.alert_find(&self.name).await?;
        output.result(&AlertView::new(&look), AlertView::text)?;
        Ok(DONE)
    }
}
