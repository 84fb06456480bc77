//! S3, with conditional writes.

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_core::ports::{Condition, Objects, Result, Written};
use spawn_model::record::{FleetRecord, Heartbeat, NameClaim};

use super::door::Door;
use super::{State, refusal, tolerate};

/// The most keys in a page, and in a deletion.
const PAGE: usize = 1000;

impl State {
    fn bucket(&mut self, name: &str) -> Result<&mut std::collections::BTreeMap<String, (Vec<u8>, String)>> {
        self.buckets.get_mut(name).ok_or_else(|| refusal("NoSuchBucket", 404, "The specified bucket does not exist"))
    }

    /// `PutObject`.
    pub(crate) fn put(&mut self, bucket: &str, key: &str, body: Vec<u8>, condition: &Condition) -> Result<String> {
        let etag = self.etag();
        let objects = self.bucket(bucket)?;
        let holds = match (condition, objects.get(key)) {
            (Condition::Always, _) | (Condition::Absent, None) => true,
            (Condition::Unchanged(wanted), Some((_, there))) => wanted == there,
            (Condition::Unchanged(_), None) => return Err(refusal("NoSuchKey", 404, "The specified key does not exist")),
            (Condition::Absent, Some(_)) => false,
        };
        if !holds {
            return Err(refusal("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"));
        }
        objects.insert(key.to_owned(), (body, etag.clone()));
        Ok(etag)
    }

    /// The keys under a prefix, in order.
    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let objects = self.buckets.get(bucket);
        objects
            .into_iter()
            .flat_map(|o| o.range(prefix.to_owned()..))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Makes every launcher's sign of life that of a process which is gone, as the kernel would say.
    pub(crate) fn bury_launchers(&mut self) {
        self.edit_claims(|claim| claim.heartbeat.start_ticks += 1);
        self.edit_intents(|beat| beat.start_ticks += 1);
    }

    /// Makes every launcher one of another host, of which nothing but its heartbeat can be seen.
    pub(crate) fn move_launchers(&mut self) {
        self.edit_claims(|claim| claim.heartbeat.boot_id = "another host".to_owned());
        self.edit_intents(|beat| beat.boot_id = "another host".to_owned());
    }

    /// Changes the sign of life in every intent to run a fleet again behind everybody's back.
    pub(crate) fn edit_intents(&mut self, edit: impl Fn(&mut Heartbeat)) {
        self.edit_records(|record| record.next.iter_mut().filter_map(|next| next.heartbeat.as_mut()).for_each(&edit));
    }

    /// Changes what was recorded of every fleet behind everybody's back.
    pub(crate) fn edit_records(&mut self, edit: impl Fn(&mut FleetRecord)) {
        for objects in self.buckets.values_mut() {
            for (_, (body, _)) in objects.iter_mut().filter(|(key, _)| key.ends_with("/fleet.json")) {
                let mut record: FleetRecord = serde_json::from_slice(body).unwrap();
                edit(&mut record);
                *body = serde_json::to_vec(&record).unwrap();
            }
        }
    }

    /// Changes every claim of a name behind everybody's back.
    pub(crate) fn edit_claims(&mut self, edit: impl Fn(&mut NameClaim)) {
        for objects in self.buckets.values_mut() {
            for (_, (body, _)) in objects.iter_mut().filter(|(key, _)| key.starts_with("names/") && !key.starts_with("names/.")) {
                let mut claim: NameClaim = serde_json::from_slice(body).unwrap();
                edit(&mut claim);
                *body = serde_json::to_vec(&claim).unwrap();
            }
        }
    }
}

#[async_trait]
impl Objects for Door {
    async fn put(&self, bucket: &str, key: &str, body: Vec<u8>, condition: Condition) -> Result<Written> {
        let call = if condition == Condition::Always { "s3:PutObject" } else { "s3:PutObject conditional" };
        let written = self.call(call, |s, _: Timestamp| s.put(bucket, key, body, &condition)).await;
        let refusals: &[&str] = if condition == Condition::Always { &[] } else { &["PreconditionFailed", "NoSuchKey"] };
        Ok(tolerate(written, refusals)?.map_or(Written::Refused, Written::Done))
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.call("s3:GetObject", |s, _| Ok(s.bucket(bucket)?.get(key).cloned())).await
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool> {
        // An answer to HEAD has no body that could tell a missing bucket from a missing key.
        self.call("s3:HeadObject", |s, _| Ok(s.bucket(bucket).is_ok_and(|objects| objects.contains_key(key)))).await
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let page: Vec<String> = self
                .call("s3:ListObjectsV2", |s, _| {
                    s.bucket(bucket)?;
                    let there = s.keys(bucket, prefix);
                    Ok(there.into_iter().filter(|key| keys.last().is_none_or(|last| key > last)).take(PAGE).collect())
                })
                .await?;
            let full = page.len() == PAGE;
            keys.extend(page);
            if !full {
                return Ok(keys);
            }
        }
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<()> {
        for batch in keys.chunks(PAGE) {
            let name = if keys.len() == 1 { "s3:DeleteObject" } else { "s3:DeleteObjects" };
            self.call(name, |s, _| {
                let objects = s.bucket(bucket)?;
                batch.iter().for_each(|key| drop(objects.remove(key)));
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn delete_unchanged(&self, bucket: &str, key: &str, etag: &str) -> Result<bool> {
        let deleted = self.call("s3:DeleteObject conditional", |s, _| {
            let objects = s.bucket(bucket)?;
            match objects.get(key) {
                None => Err(refusal("NoSuchKey", 404, "The specified key does not exist")),
                Some((_, there)) if there != etag => {
                    Err(refusal("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"))
                }
                Some(_) => {
                    objects.remove(key);
                    Ok(())
                }
            }
        });
        match deleted.await {
            Err(error) if error.code == "PreconditionFailed" => Ok(false),
            deleted => tolerate(deleted, &["NoSuchKey"]).map(|_| true),
        }
    }

    async fn bucket_ensure(&self, bucket: &str, policy: &str) -> Result<()> {
        self.call("s3:CreateBucket", |s, _| {
            s.buckets.entry(bucket.to_owned()).or_default();
            Ok(())
        })
        .await?;
        for part in ["s3:PutPublicAccessBlock", "s3:PutBucketEncryption", "s3:PutBucketOwnershipControls"] {
            self.call(part, |s, _| s.bucket(bucket).map(drop)).await?;
        }
        self.call("s3:PutBucketPolicy", |s, _| {
            s.bucket(bucket)?;
            s.bucket_policies.insert(bucket.to_owned(), policy.to_owned());
            Ok(())
        })
        .await
    }

    async fn bucket_delete(&self, bucket: &str) -> Result<()> {
        let gone: &[&str] = &["NoSuchBucket"];
        let Some(keys) = tolerate(self.list(bucket, "").await, gone)? else { return Ok(()) };
        if !keys.is_empty() {
            tolerate(self.delete(bucket, &keys).await, gone)?;
        }
        let deleted = self
            .call("s3:DeleteBucket", |s, _| {
                if !s.bucket(bucket)?.is_empty() {
                    return Err(refusal("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"));
                }
                s.buckets.remove(bucket);
                Ok(())
            })
            .await;
        tolerate(deleted, gone).map(drop)
    }
}
