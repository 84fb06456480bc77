//! What S3 keeps.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use crate::protocol::{Failure, Request};

/// All buckets of the world.
#[derive(Debug)]
pub(crate) struct S3 {
    pub(super) account: String,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) uploads: HashMap<String, Upload>,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) owner: String,
    pub(super) region: String,
    pub(super) created: Timestamp,
    pub(super) configurations: BTreeMap<String, Bytes>,
    pub(super) objects: BTreeMap<String, Object>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) data: Bytes,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) modified: Timestamp,
    /// `content-type` and the like, and `x-amz-meta-*`.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) tags: Vec<(String, String)>,
    /// Algorithm in lower case, and value in base64.
    pub(super) checksum: Option<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) parts: BTreeMap<u32, Bytes>,
}

/// One bucket in a snapshot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StoredBucket {
    /// Account that owns it.
    pub(crate) owner: String,
    /// Its region.
    pub(crate) region: String,
    /// Configurations by sub-resource.
    pub(crate) configurations: BTreeMap<String, String>,
    /// Objects by key.
    pub(crate) objects: BTreeMap<String, StoredObject>,
    /// Keys of uploads that were neither completed nor aborted.
    pub(crate) uploads: Vec<String>,
}

/// One object in a snapshot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StoredObject {
    /// Entity tag.
    pub(crate) etag: String,
    /// Bytes.
    pub(crate) size: usize,
}

impl S3 {
    /// An S3 without buckets, as `account` sees it.
    pub(crate) fn new(account: &str) -> Self {
        Self { account: account.to_owned(), state: Mutex::default() }
    }

    /// Makes a bucket of another account: bucket names are shared by the whole world.
    pub(crate) fn add_foreign_bucket(&self, name: &str, owner: &str, region: &str, now: Timestamp) {
        let bucket = Bucket {
            owner: owner.to_owned(),
            region: region.to_owned(),
            created: now,
            configurations: BTreeMap::new(),
            objects: BTreeMap::new(),
        };
        self.lock().buckets.insert(name.to_owned(), bucket);
    }

    /// The policy of a bucket of the account's own. Buckets of others are closed to it anyway.
    pub(crate) fn policy_of(&self, bucket: &str) -> Option<String> {
        let state = self.lock();
        let bucket = state.buckets.get(bucket).filter(|bucket| bucket.owner == self.account)?;
        bucket.configurations.get("policy").map(|policy| String::from_utf8_lossy(policy).into_owned())
    }

    /// Everything that is stored, without the data.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, StoredBucket> {
        let state = self.lock();
        let stored = |name: &String, bucket: &Bucket| StoredBucket {
            owner: bucket.owner.clone(),
            region: bucket.region.clone(),
            configurations: bucket
                .configurations
                .iter()
                .map(|(key, value)| (key.clone(), String::from_utf8_lossy(value).into_owned()))
                .collect(),
            objects: bucket
                .objects
                .iter()
                .map(|(key, object)| (key.clone(), StoredObject { etag: object.etag.clone(), size: object.data.len() }))
                .collect(),
            uploads: state.uploads.values().filter(|upload| upload.bucket == *name).map(|upload| upload.key.clone()).collect(),
        };
        state.buckets.iter().map(|(name, bucket)| (name.clone(), stored(name, bucket))).collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    /// A bucket that the caller's account may use from this region.
    pub(super) fn open(&mut self, account: &str, request: &Request, name: &str) -> Result<&mut Bucket, Failure> {
        self.open_as(account, request, name, "x-amz-expected-bucket-owner")
    }

    pub(super) fn open_as(&mut self, account: &str, request: &Request, name: &str, header: &str) -> Result<&mut Bucket, Failure> {
        let bucket = self.buckets.get_mut(name).ok_or_else(|| Failure::new(404, "NoSuchBucket", "The specified bucket does not exist"))?;
        if request.header(header).is_some_and(|owner| owner != bucket.owner) || bucket.owner != account {
            return Err(Failure::new(403, "AccessDenied", "Access Denied"));
        }
        if bucket.region != request.region {
            return Err(Failure::new(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint. \
                 Please send all future requests to this endpoint.",
            )
            .header("x-amz-bucket-region", bucket.region.clone()));
        }
        Ok(bucket)
    }
}

impl Bucket {
    pub(super) fn object(&self, key: &str) -> Result<&Object, Failure> {
        self.objects.get(key).ok_or_else(no_such_key)
    }
}

pub(super) fn no_such_key() -> Failure {
    Failure::new(404, "NoSuchKey", "The specified key does not exist.")
}
