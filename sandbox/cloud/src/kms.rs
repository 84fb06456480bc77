//! Keys that volumes are encrypted with. EC2 looks at a key only when it uses it: a launch with one that is not there begins
//! like any other, and fails.

use std::collections::BTreeMap;

use crate::catalogue::REGIONS;
use crate::identity::{mix, stable_hash};

/// The key of the account that EBS uses unless told otherwise.
pub(crate) const DEFAULT: &str = "alias/aws/ebs";
/// A key of the account's own, so that there is one.
const OWN: &str = "alias/data";

/// The keys of an account: by region and alias, their ARNs.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    account: String,
    by_alias: BTreeMap<(String, String), String>,
    others: Vec<String>,
}

fn arn(region: &str, account: &str, alias: &str) -> String {
    let first = stable_hash(&[region, account, alias]);
    let digits = format!("{first:016x}{:016x}", mix(first));
    let id = format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..]);
    format!("arn:aws:kms:{region}:{account}:key/{id}")
}

impl Keys {
    pub(crate) fn new(account: &str) -> Keys {
        let mut by_alias = BTreeMap::new();
        for region in REGIONS {
            for alias in [DEFAULT, OWN] {
                by_alias.insert((region.name.to_owned(), alias.to_owned()), arn(region.name, account, alias));
            }
        }
        Keys { account: account.to_owned(), by_alias, others: Vec::new() }
    }

    pub(crate) fn add(&mut self, arn: &str) {
        self.others.push(arn.to_owned());
    }

    /// The ARN of a key in a region that is named by ARN, id or alias; none if it is not there.
    pub(crate) fn find(&self, region: &str, named: &str) -> Option<String> {
        let alias = named.strip_prefix(&format!("arn:aws:kms:{region}:{}:", self.account)).filter(|rest| rest.starts_with("alias/"));
        if let Some(arn) = self.by_alias.get(&(region.to_owned(), alias.unwrap_or(named).to_owned())) {
            return Some(arn.clone());
        }
        let here = format!("arn:aws:kms:{region}:");
        let is_it = |arn: &&String| arn.starts_with(&here) && (*arn == named || arn.rsplit('/').next() == Some(named));
        self.by_alias.values().chain(&self.others).find(is_it).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_several_names() {
        let keys = Keys::new("123456789012");
        let arn = keys.find("us-east-1", OWN).unwrap();
        let id = arn.rsplit('/').next().unwrap().to_owned();
        for name in [&arn, &id, "arn:aws:kms:us-east-1:123456789012:alias/data"] {
            assert_eq!(keys.find("us-east-1", name).as_ref(), Some(&arn), "{name}");
        }
        assert_eq!(id.len(), 36);
        for (region, name) in [("eu-west-1", arn.as_str()), ("us-east-1", "alias/none"), ("us-east-1", "")] {
            assert_eq!(keys.find(region, name), None, "{name} in {region}");
        }
    }
}
