//! Objects in the bucket that say who does something: made once, and written again only over what was read. So nothing has two holders.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spawn_model::layout::RunKeys;

use crate::aws::Session;
use crate::aws::s3::{Bucket, Condition};
use crate::failure::{Class, Failure};
use crate::retry::retry;

/// How long one call is tried while S3 is in trouble. Whoever takes or holds a claim tries again for longer.
pub(crate) const TROUBLE: Duration = Duration::from_secs(10);

/// Claims by their key. A trait, so that taking and holding can be tested with every order of events.
pub(crate) trait Claims<K: ?Sized, C> {
    /// Reads a claim.
    async fn read(&self, key: &K) -> Result<Found<C>, Failure>;
    /// Claims what nobody has claimed, and gives the claim's tag. [`Class::Taken`] if somebody has.
    async fn make(&self, key: &K, claim: &C) -> Result<String, Failure>;
    /// Writes over the claim with a tag, and gives the new tag. [`Class::Taken`] if the claim is another by now.
    async fn replace(&self, key: &K, tag: &str, claim: &C) -> Result<String, Failure>;
}

/// A claim as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Found<C> {
    pub(crate) claim: C,
    pub(crate) tag: String,
    /// How old it was then; nothing if that is not known.
    pub(crate) age: Option<Duration>,
}

/// Why a claim was not written again.
pub(crate) enum Problem<C> {
    /// It is somebody else's: this is what is there.
    Lost(C),
    /// Nobody knows whether it was heard.
    Unheard(Failure),
}

impl<C> From<Failure> for Problem<C> {
    fn from(failure: Failure) -> Self {
        Self::Unheard(failure)
    }
}

/// Writes a claim again, over the one with `tag`, which becomes the new one's. `is_own` tells of what else may be there whether it is this holder's:
/// an earlier writing whose answer was lost.
pub(crate) async fn renew<K: ?Sized, C>(
    claims: &impl Claims<K, C>,
    key: &K,
    tag: &mut String,
    claim: &C,
    is_own: impl Fn(&C) -> bool,
) -> Result<(), Problem<C>> {
    loop {
        match claims.replace(key, tag, claim).await {
            Ok(new) => {
                *tag = new;
                return Ok(());
            }
            Err(failure) if failure.class == Class::Taken => {}
            Err(failure) => return Err(failure.into()),
        }
        let found = claims.read(key).await?;
        if !is_own(&found.claim) {
            return Err(Problem::Lost(found.claim));
        }
        *tag = found.tag;
    }
}

/// The claims in the bucket.
#[derive(Clone)]
pub(crate) struct BucketClaims {
    pub(crate) session: Rc<Session>,
    pub(crate) bucket: Rc<Bucket>,
    pub(crate) keys: RunKeys,
}

/// A claim as it is written. Content decides an object's tag, so two signs of life that said the same would have the same tag, and whoever read
/// the first could write over the second.
#[derive(Serialize)]
struct SignOfLife<'a, C> {
    #[serde(flatten)]
    claim: &'a C,
    renewed_at: Timestamp,
}

impl BucketClaims {
    /// Writes a claim under a condition, and gives its tag.
    pub(crate) async fn put<C: Serialize>(&self, key: &str, claim: &C, condition: Condition<'_>) -> Result<String, Failure> {
        let sign = SignOfLife { claim, renewed_at: Timestamp::now() };
        let content = Bytes::from(serde_json::to_vec(&sign).map_err(|error| Failure::new(Class::Invalid, error.to_string()))?);
        retry(self.session.patience(TROUBLE), async || self.bucket.put_if(key, content.clone(), condition).await).await
    }

    /// Reads the claim of `whom`.
    pub(crate) async fn get<C: DeserializeOwned>(&self, key: &str, whom: &str) -> Result<Found<C>, Failure> {
        let object = retry(self.session.patience(TROUBLE), async || self.bucket.get_object(key).await).await?;
        let claim = serde_json::from_slice(&object.content)
            .map_err(|error| Failure::new(Class::Invalid, format!("the claim of {whom} cannot be read: {error}")))?;
        Ok(Found { claim, tag: object.tag, age: object.age })
    }

    /// The keys below a prefix.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        retry(self.session.patience(TROUBLE), async || self.bucket.list(prefix).await).await
    }
}
