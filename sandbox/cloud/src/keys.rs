//! Key pairs: imported ones. EC2 can also make them, which takes cryptography that is not here.

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::filter::{Table, by_id, one};
use crate::identity::{mix, stable_hash};
use crate::model::KeyPair;
use crate::request::{DeleteKeyPair, DescribeKeyPairs, ImportKeyPair};
use crate::tags;

pub(crate) fn unknown(name: &str) -> ApiError {
    ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"))
}

fn unknown_id(id: &str) -> ApiError {
    ApiError::new("InvalidKeyPair.NotFound", format!("The key pair ID '{id}' does not exist"))
}

pub(crate) fn import(cloud: &mut Cloud, now: Timestamp, region: &str, request: &ImportKeyPair) -> Result<KeyPair, ApiError> {
    let name = &request.key_name;
    if name.is_empty() || name.len() > 255 || !name.is_ascii() || name.trim() != name {
        return Err(ApiError::value(format!("Value ({name}) for parameter KeyName is invalid. It must be 1 to 255 ASCII characters.")));
    }
    let (key_type, public_key) = read(&request.public_key_material)?;
    let tags = tags::specified(&request.tag_specifications, "key-pair")?;
    if cloud.region(region).key_pairs.contains_key(name) {
        return Err(ApiError::new("InvalidKeyPair.Duplicate", format!("The key pair '{name}' already exists.")));
    }
    let fingerprint = fingerprint(&public_key);
    let key = KeyPair { id: cloud.generator.id("key"), name: name.clone(), key_type, public_key, fingerprint, create_time: now, tags };
    cloud.region_mut(region).key_pairs.insert(name.clone(), key.clone());
    Ok(key)
}

/// Reads a line of `authorized_keys`.
fn read(material: &[u8]) -> Result<(&'static str, String), ApiError> {
    let invalid = || ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    let text = std::str::from_utf8(material).map_err(|_| invalid())?.trim();
    let mut words = text.split_ascii_whitespace();
    let key_type = match words.next() {
        Some("ssh-rsa") => "rsa",
        Some("ssh-ed25519") => "ed25519",
        _ => return Err(invalid()),
    };
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let body = words.next().filter(|body| body.chars().all(is_base64)).ok_or_else(invalid)?;
    // The body begins with the length and the name of its kind.
    let begins = if key_type == "rsa" { "AAAAB3NzaC1yc2E" } else { "AAAAC3NzaC1lZDI1NTE5" };
    let whole = body.starts_with(begins) && body.len() % 4 == 0 && text.lines().count() == 1;
    if whole { Ok((key_type, text.to_owned())) } else { Err(invalid()) }
}

fn fingerprint(public_key: &str) -> String {
    let first = stable_hash(&[public_key]);
    let bytes: Vec<String> = [first, mix(first)].iter().flat_map(|n| n.to_be_bytes()).map(|b| format!("{b:02x}")).collect();
    bytes.join(":")
}

pub(crate) fn delete(region: &mut Region, request: &DeleteKeyPair) -> Result<Option<String>, ApiError> {
    let name = match (&request.key_name, &request.key_pair_id) {
        (Some(name), None) => name.clone(),
        (None, Some(id)) => {
            let found = region.key_pairs.values().find(|k| k.id == *id);
            found.map(|k| k.name.clone()).ok_or_else(|| unknown_id(id))?
        }
        (Some(_), Some(_)) => return Err(ApiError::combination("You may specify KeyName or KeyPairId, but not both.")),
        (None, None) => return Err(ApiError::missing("KeyName")),
    };
    Ok(region.key_pairs.remove(&name).map(|k| k.id))
}

const FILTERS: Table<KeyPair> = Table {
    columns: &[("fingerprint", |k| one(&k.fingerprint)), ("key-name", |k| one(&k.name)), ("key-pair-id", |k| one(&k.id))],
    tags: Some(|k| &k.tags),
};

pub(crate) fn describe(region: &Region, request: &DescribeKeyPairs) -> Result<Vec<KeyPair>, ApiError> {
    FILTERS.check(&request.filters)?;
    let all = region.key_pairs.values().cloned().collect();
    let named = by_id(all, &request.key_names, |k: &KeyPair| k.name.clone(), "", |missing| unknown(missing[0]))?;
    let mut found = by_id(named, &request.key_pair_ids, |k| k.id.clone(), "", |missing| unknown_id(missing[0]))?;
    found.retain(|k| FILTERS.passes(&request.filters, k));
    if !request.include_public_key {
        found.iter_mut().for_each(|k| k.public_key.clear());
    }
    Ok(found)
}
