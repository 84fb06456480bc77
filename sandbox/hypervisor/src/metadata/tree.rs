//! What can be read, by path.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use crate::guest::Notices;
use crate::machine::{Credentials, Lifecycle, Machine, SpotAction};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A value, or the list of what lies below.
    Content(Vec<u8>),
    /// Nothing, and on a real instance in this state there would be nothing either.
    Absent,
    /// Nothing that is simulated.
    Unknown,
}

/// Paths below `meta-data` that many instances do not have.
const OPTIONAL: [&str; 9] =
    ["autoscaling/", "events/", "iam/", "placement/group-name", "public-hostname", "public-ipv4", "public-keys/", "spot/", "tags/"];

/// Looks up a path.
pub(super) fn find(machine: &Machine, notices: Notices, credentials: impl Fn() -> Option<Credentials>, path: &str) -> Found {
    let path = path.trim_start_matches('/');
    match path.strip_prefix("latest").map(|rest| rest.trim_start_matches('/')) {
        None if path.is_empty() => Found::Content(b"latest".to_vec()),
        Some("") => {
            Found::Content(if machine.user_data.is_empty() { "dynamic\nmeta-data" } else { "dynamic\nmeta-data\nuser-data" }.into())
        }
        Some("user-data") if machine.user_data.is_empty() => Found::Absent,
        Some("user-data") => Found::Content(machine.user_data.clone()),
        Some("dynamic" | "dynamic/") => Found::Content("instance-identity/".into()),
        Some("dynamic/instance-identity" | "dynamic/instance-identity/") => Found::Content("document".into()),
        Some("dynamic/instance-identity/document") => Found::Content(pretty(&identity(machine))),
        Some(rest) => match rest.strip_prefix("meta-data") {
            Some(below) if below.is_empty() || below.starts_with('/') => {
                meta_data(machine, notices, credentials, &below[below.len().min(1)..])
            }
            _ => Found::Unknown,
        },
        None => Found::Unknown,
    }
}

fn meta_data(machine: &Machine, notices: Notices, credentials: impl Fn() -> Option<Credentials>, path: &str) -> Found {
    let role = machine.profile.as_ref().and_then(|profile| profile.role.as_deref());
    if role.is_some_and(|role| path.strip_prefix("iam/security-credentials/") == Some(role)) {
        return credentials().map_or(Found::Absent, |credentials| Found::Content(pretty(&role_credentials(&credentials))));
    }
    // The one list whose entries say more than their names.
    if let (Some((name, _)), "public-keys" | "public-keys/") = (&machine.public_key, path) {
        return Found::Content(format!("0={name}").into_bytes());
    }
    let leaves = leaves(machine, notices);
    if let Some(value) = leaves.get(path) {
        return Found::Content(value.clone().into_bytes());
    }
    let below = list(&leaves, path);
    if !below.is_empty() {
        Found::Content(below.join("\n").into_bytes())
    } else if OPTIONAL.iter().any(|optional| path.starts_with(optional) || path == optional.trim_end_matches('/')) {
        Found::Absent
    } else {
        Found::Unknown
    }
}

/// The names directly below a path; those that have something below themselves end with a slash.
fn list(leaves: &BTreeMap<String, String>, path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut names: Vec<String> = Vec::new();
    for rest in leaves.keys().filter_map(|leaf| leaf.strip_prefix(&prefix)) {
        let name = rest.find('/').map_or(rest, |slash| &rest[..=slash]);
        if names.last().is_none_or(|last| last != name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Every value below `meta-data`, credentials aside.
fn leaves(machine: &Machine, notices: Notices) -> BTreeMap<String, String> {
    let life_cycle = if machine.lifecycle == Lifecycle::Spot { "spot" } else { "on-demand" };
    let partition = partition(&machine.region);
    let interface = |name: &str| format!("network/interfaces/macs/{}/{name}", machine.mac);
    let mut leaves = BTreeMap::from(
        [
            ("ami-id", machine.image_id.as_str()),
            ("hostname", &machine.private_dns),
            ("instance-action", "none"),
            ("instance-id", &machine.id),
            ("instance-life-cycle", life_cycle),
            ("instance-type", &machine.instance_type),
            ("local-hostname", &machine.private_dns),
            ("local-ipv4", &machine.private_ip),
            ("mac", &machine.mac),
            ("placement/availability-zone", &machine.zone),
            ("placement/region", &machine.region),
            ("reservation-id", &machine.reservation_id),
            ("services/domain", partition.1),
            ("services/partition", partition.0),
        ]
        .map(|(path, value)| (path.to_owned(), value.to_owned())),
    );
    leaves.insert("ami-launch-index".to_owned(), machine.launch_index.to_string());
    leaves.insert("security-groups".to_owned(), machine.security_groups.join("\n"));
    leaves.insert(interface("device-number"), "0".to_owned());
    leaves.insert(interface("local-hostname"), machine.private_dns.clone());
    leaves.insert(interface("local-ipv4s"), machine.private_ip.clone());
    leaves.insert(interface("mac"), machine.mac.clone());
    leaves.insert(interface("owner-id"), machine.account_id.clone());
    for (path, value) in
        [("placement/group-name", &machine.placement_group), ("public-hostname", &machine.public_dns), ("public-ipv4", &machine.public_ip)]
    {
        leaves.extend(value.iter().map(|value| (path.to_owned(), value.clone())));
    }
    if let Some((_, line)) = &machine.public_key {
        leaves.insert("public-keys/0/openssh-key".to_owned(), line.clone());
    }
    if let Some(zone_id) = &machine.zone_id {
        leaves.insert("placement/availability-zone-id".to_owned(), zone_id.clone());
    }
    if machine.metadata.tags_enabled {
        leaves.extend(machine.tags.iter().map(|(key, value)| (format!("tags/instance/{key}"), value.clone())));
    }
    add_profile(&mut leaves, machine);
    add_notices(&mut leaves, notices);
    leaves
}

fn add_profile(leaves: &mut BTreeMap<String, String>, machine: &Machine) {
    let Some(profile) = &machine.profile else { return };
    let info = json!({
        "Code": "Success",
        "LastUpdated": machine.launch_time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "InstanceProfileArn": profile.arn,
        "InstanceProfileId": profile.id,
    });
    leaves.insert("iam/info".to_owned(), String::from_utf8_lossy(&pretty(&info)).into_owned());
    if let Some(role) = &profile.role {
        // For the list; its value is looked up before, when it exists.
        leaves.insert(format!("iam/security-credentials/{role}"), String::new());
    }
}

fn add_notices(leaves: &mut BTreeMap<String, String>, notices: Notices) {
    let point = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if let Some(notice) = notices.spot {
        let action = match notice.action {
            SpotAction::Terminate => "terminate",
            SpotAction::Stop => "stop",
            SpotAction::Hibernate => "hibernate",
        };
        leaves.insert("spot/instance-action".to_owned(), json!({"action": action, "time": point(notice.time)}).to_string());
        if notice.action == SpotAction::Terminate {
            leaves.insert("spot/termination-time".to_owned(), point(notice.time));
        }
    }
    if let Some(time) = notices.rebalance {
        leaves.insert("events/recommendations/rebalance".to_owned(), json!({"noticeTime": point(time)}).to_string());
    }
}

fn role_credentials(credentials: &Credentials) -> serde_json::Value {
    let point = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "Code": "Success",
        "LastUpdated": point(Timestamp::now()),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": point(credentials.expiration),
    })
}

fn identity(machine: &Machine) -> serde_json::Value {
    json!({
        "accountId": machine.account_id,
        "architecture": machine.architecture,
        "availabilityZone": machine.zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "imageId": machine.image_id,
        "instanceId": machine.id,
        "instanceType": machine.instance_type,
        "kernelId": null,
        "marketplaceProductCodes": null,
        "pendingTime": machine.launch_time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "privateIp": machine.private_ip,
        "ramdiskId": null,
        "region": machine.region,
        "version": "2017-09-30",
    })
}

/// The partition of a region and its domain.
fn partition(region: &str) -> (&'static str, &'static str) {
    match region {
        _ if region.starts_with("cn-") => ("aws-cn", "amazonaws.com.cn"),
        _ if region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com"),
        _ => ("aws", "amazonaws.com"),
    }
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    format!("{value:#}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{MetadataOptions, Profile, SpotNotice};

    fn machine() -> Machine {
        Machine {
            id: "i-1".into(),
            region: "us-east-1".into(),
            zone: "us-east-1a".into(),
            mac: "02:00:00:00:00:01".into(),
            launch_index: 3,
            profile: Some(Profile { arn: "arn:p".into(), id: "AIPA1".into(), name: "p".into(), role: Some("worker".into()) }),
            metadata: MetadataOptions { tags_enabled: true, ..MetadataOptions::default() },
            tags: [("team".to_owned(), "blue".to_owned())].into(),
            ..Machine::default()
        }
    }

    fn read(machine: &Machine, notices: Notices, path: &str) -> Result<String, Found> {
        match find(machine, notices, || None, path) {
            Found::Content(content) => Ok(String::from_utf8(content).unwrap()),
            other => Err(other),
        }
    }

    #[test]
    fn values_and_lists() {
        let machine = machine();
        let table = [
            ("/", "latest"),
            ("/latest/", "dynamic\nmeta-data"),
            ("/latest/meta-data/ami-launch-index", "3"),
            ("/latest/meta-data/instance-life-cycle", "on-demand"),
            ("/latest/meta-data/placement", "availability-zone\nregion"),
            ("/latest/meta-data/placement/", "availability-zone\nregion"),
            ("/latest/meta-data/iam/", "info\nsecurity-credentials/"),
            ("/latest/meta-data/iam/security-credentials/", "worker"),
            ("/latest/meta-data/tags/instance", "team"),
            ("/latest/meta-data/tags/instance/team", "blue"),
            ("/latest/meta-data/services/partition", "aws"),
        ];
        for (path, expected) in table {
            assert_eq!(read(&machine, Notices::default(), path).as_deref(), Ok(expected), "{path}");
        }
        let top = read(&machine, Notices::default(), "/latest/meta-data/").unwrap();
        assert!(top.lines().any(|line| line == "placement/") && top.lines().any(|line| line == "instance-id"), "{top}");
    }

    #[test]
    fn keys_groups_and_public_addresses() {
        let machine = Machine {
            public_key: Some(("me".into(), "ssh-ed25519 AAAA me".into())),
            placement_group: Some("near".into()),
            public_ip: Some("198.18.0.1".into()),
            ..machine()
        };
        let table = [
            ("public-keys/", "0=me"),
            ("public-keys/0/", "openssh-key"),
            ("public-keys/0/openssh-key", "ssh-ed25519 AAAA me"),
            ("placement/group-name", "near"),
            ("public-ipv4", "198.18.0.1"),
        ];
        for (path, expected) in table {
            let path = format!("/latest/meta-data/{path}");
            assert_eq!(read(&machine, Notices::default(), &path).as_deref(), Ok(expected), "{path}");
        }
        for path in ["public-hostname", "public-keys/1/openssh-key"] {
            assert_eq!(read(&machine, Notices::default(), &format!("/latest/meta-data/{path}")), Err(Found::Absent), "{path}");
        }
    }

    #[test]
    fn what_is_absent_is_told_from_what_is_unknown() {
        let machine = Machine { profile: None, metadata: MetadataOptions::default(), ..machine() };
        for path in ["spot/instance-action", "iam/info", "iam/security-credentials/", "tags/instance", "events/recommendations/rebalance"] {
            assert_eq!(read(&machine, Notices::default(), &format!("/latest/meta-data/{path}")), Err(Found::Absent), "{path}");
        }
        for path in ["/latest/meta-data/nonsense", "/latest/meta-datum", "/2009-04-04/meta-data/", "/latest/meta-data/instance-id/"] {
            assert_eq!(read(&machine, Notices::default(), path), Err(Found::Unknown), "{path}");
        }
    }

    #[test]
    fn notices_appear() {
        let time = "2026-11-23T14:00:00Z".parse().unwrap();
        let notices = Notices { spot: Some(SpotNotice { action: SpotAction::Terminate, time }), rebalance: Some(time) };
        let read = |path: &str| read(&machine(), notices, &format!("/latest/meta-data/{path}")).unwrap();
        assert_eq!(read("spot/instance-action"), r#"{"action":"terminate","time":"2026-11-23T14:00:00Z"}"#);
        assert_eq!(read("events/recommendations/rebalance"), r#"{"noticeTime":"2026-11-23T14:00:00Z"}"#);
    }

    #[test]
    fn credentials_have_the_shape_of_aws() {
        let credentials = Credentials {
            access_key_id: "ASIA1".into(),
            secret_access_key: "secret".into(),
            session_token: "token".into(),
            expiration: "2026-11-23T14:00:00Z".parse().unwrap(),
        };
        let path = "/latest/meta-data/iam/security-credentials/worker";
        assert_eq!(find(&machine(), Notices::default(), || None, path), Found::Absent);
        let Found::Content(content) = find(&machine(), Notices::default(), || Some(credentials.clone()), path) else { panic!("absent") };
        let mut read: serde_json::Value = serde_json::from_slice(&content).unwrap();
        assert!(read["LastUpdated"].take().as_str().is_some_and(|text| text.ends_with('Z')));
        let expected = json!({"Code": "Success", "LastUpdated": null, "Type": "AWS-HMAC", "AccessKeyId": "ASIA1",
            "SecretAccessKey": "secret", "Token": "token", "Expiration": "2026-11-23T14:00:00Z"});
        assert_eq!(read, expected);
    }
}
