//! Alerts in the ledger.

use spawn_model::alert::{AlertRecord, Told};
use spawn_model::ids::AlertId;
use spawn_model::layout;

use crate::ledger::Ledger;
use crate::ports::{Condition, Result, Written};

impl Ledger {
    /// An alert by its name, and its ETag.
    pub(super) async fn alert(&self, name: &str) -> Result<Option<(AlertRecord, String)>> {
        self.read(&layout::alert_key(name)).await
    }

    /// Writes an alert under a condition: the ETag, or nothing if the condition did not hold.
    pub(super) async fn alert_write(&self, record: &AlertRecord, condition: Condition) -> Result<Option<String>> {
        match self.write(&layout::alert_key(&record.spec.name), record, condition).await? {
            Written::Done(etag) => Ok(Some(etag)),
            Written::Refused => Ok(None),
        }
    }

    /// Deletes an alert if it is still the one with this ETag; says whether it was.
    pub(super) async fn alert_delete(&self, name: &str, etag: &str) -> Result<bool> {
        self.objects.delete_unchanged(self.bucket(), &layout::alert_key(name), etag).await
    }

    /// The names of all alerts.
    pub(super) async fn alert_names(&self) -> Result<Vec<String>> {
        let keys = self.objects.list(self.bucket(), layout::ALERTS_PREFIX).await?;
        Ok(keys.iter().filter_map(|key| layout::alert_of_key(key)).map(str::to_owned).collect())
    }

    /// What an alert has told; nothing if it was ended.
    pub(super) async fn told(&self, alert: &AlertId) -> Result<Option<Told>> {
        Ok(self.read(&layout::told_key(alert)).await?.map(|(told, _)| told))
    }

    /// Makes sure that there is something in which is remembered what an alert has told.
    pub(super) async fn told_begin(&self, alert: &AlertId) -> Result<()> {
        self.write(&layout::told_key(alert), &Told::new(), Condition::Absent).await.map(drop)
    }

    /// Forgets what an alert has told.
    pub(super) async fn told_delete(&self, alert: &AlertId) -> Result<()> {
        self.objects.delete(self.bucket(), &[layout::told_key(alert)]).await
    }

    /// Changes what an alert has told, whoever else changes it at the same time; nothing if it was ended. An edit that says it has changed
    /// nothing is not written.
    pub(super) async fn told_edit(&self, alert: &AlertId, mut edit: impl FnMut(&mut Told) -> bool + Send) -> Result<Option<Told>> {
        self.edit(&layout::told_key(alert), &format!("what {alert} has told"), None, |told| Ok(edit(told))).await
    }
}
