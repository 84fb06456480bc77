//! What launches name: placement groups and key pairs.

use sandbox_cloud::model::{KeyPair, PlacementGroup, Strategy, format_time};

use super::tags;
use crate::xml::Xml;

pub(super) fn placement_group(xml: &mut Xml, group: &PlacementGroup) {
    xml.leaf("groupName", &group.name);
    xml.leaf("groupId", &group.id);
    xml.leaf("groupArn", &group.arn);
    xml.leaf("state", "available");
    xml.leaf("strategy", group.strategy.name());
    xml.maybe("spreadLevel", (group.strategy == Strategy::Spread).then_some("rack"));
    tags(xml, &group.tags);
}

pub(super) fn imported(xml: &mut Xml, key: &KeyPair) {
    xml.leaf("keyPairId", &key.id);
    xml.leaf("keyName", &key.name);
    xml.leaf("keyFingerprint", &key.fingerprint);
    tags(xml, &key.tags);
}

pub(super) fn key_pair(xml: &mut Xml, key: &KeyPair) {
    imported(xml, key);
    xml.leaf("keyType", key.key_type);
    xml.leaf("createTime", format_time(key.create_time));
    xml.maybe("publicKey", (!key.public_key.is_empty()).then_some(&key.public_key));
}
