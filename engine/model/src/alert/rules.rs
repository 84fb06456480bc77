//! The rules of an alert.

use super::{AlertSpec, NotifySpec, Secret};
use crate::duration::Seconds;
use crate::ids::FleetId;
use crate::problem::{Path, Problem};
use crate::read::FieldType;
use crate::rules::check_name;
use crate::value::Value;

/// The secrets of an alert: channel, field, and the field with its version.
pub const SECRETS_OF: [(&str, &str, &str); 2] = [("slack", "webhook_url", "webhook_url_version"), ("webhook", "secret", "secret_version")];

/// The channel of mail.
pub(super) const EMAIL: &str = "email";
/// The channel of Slack.
pub(super) const SLACK: &str = "slack";
/// The channel of a webhook.
pub(super) const WEBHOOK: &str = "webhook";

/// Addresses of mail, and topics.
const ADDRESSES_MAX: usize = 50;

/// Characters of an address of mail (RFC 5321) and of one of the web.
const EMAIL_MAX: usize = 254;
const URL_MAX: usize = 2_048;

/// The shortest time that a run is given: it is looked at every two minutes.
const LONGER_MIN: Seconds = Seconds(60);

/// Headers that say what a request is.
const HEADERS_TAKEN: [&str; 7] =
    ["connection", "content-length", "content-type", "host", "transfer-encoding", "user-agent", "x-spawn-occurrence"];

/// Reads an alert as it was written, secrets included, and says everything that is wrong with it.
#[must_use]
pub fn read_alert(value: &Value) -> (Option<AlertSpec>, Vec<Problem>) {
    let mut problems = Vec::new();
    let root = Path::default();
    let spec = AlertSpec::read(value, &root, &mut problems);
    if let Some(name) = value.get("name").as_str() {
        check_name(name, &root.key("name"), &mut problems);
    }
    check_watch(value.get("watch"), &root.key("watch"), &mut problems);
    check_tells(value, &root, &mut problems);
    check_notify(value.get("notify"), &root.key("notify"), &mut problems);
    (spec.filter(|_| problems.is_empty()), problems)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn texts<'v>(value: &'v Value, path: &Path) -> Vec<(&'v str, Path)> {
    let Value::List(items) = value else { return Vec::new() };
    items.iter().enumerate().filter_map(|(at, item)| Some((item.as_str()?, path.index(at)))).collect()
}

fn check_watch(watch: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if !matches!(watch, Value::Map(_)) {
        return;
    }
    let (fleets, tags, everything) = (watch.get("fleets"), watch.get("tags"), watch.get("everything"));
    if is_empty(fleets) && is_empty(tags) && matches!(everything, Value::Null | Value::Bool(false)) {
        let help = "Name fleets, or tags that they have, or write everything = true";
        problems.push(Problem::new(path, "an alert that watches nothing tells nothing", help));
    }
    let is_named = |value: &Value| value.is_written() && !is_empty(value);
    if *everything == Value::Bool(true) && (is_named(fleets) || is_named(tags)) {
        let help = "Leave fleets and tags out, or everything";
        problems.push(Problem::new(&path.key("everything"), "everything is watched, whatever else is named", help));
    }
    for (fleet, path) in texts(fleets, &path.key("fleets")) {
        if FleetId::parse(fleet).is_none() {
            check_name(fleet, &path, problems);
        }
    }
}

fn check_tells(value: &Value, root: &Path, problems: &mut Vec<Problem>) {
    let (on, cost, longer) = (value.get("on"), value.get("cost_above"), value.get("longer_than"));
    if is_empty(on) && cost.is_null() && longer.is_null() {
        let help = "Write on = [\"failed\"], or cost_above, or longer_than";
        problems.push(Problem::new(&root.key("on"), "an alert has something to tell of", help));
    }
    let dollars = match cost {
        #[expect(clippy::cast_precision_loss, reason = "dollars")]
        Value::Int(dollars) => Some(*dollars as f64),
        Value::Float(dollars) => Some(*dollars),
        _ => None,
    };
    if let Some(dollars) = dollars.filter(|dollars| !(dollars.is_finite() && *dollars > 0.0)) {
        let help = "Write US dollars, such as 20";
        problems.push(Problem::new(&root.key("cost_above"), format!("{dollars} is no cost that anything could be above"), help));
    }
    if let Some(longer) = longer.as_str().and_then(Seconds::parse).filter(|longer| *longer < LONGER_MIN) {
        let message = format!("{longer} is shorter than anybody looks");
        problems.push(Problem::new(&root.key("longer_than"), message, format!("Write at least \"{LONGER_MIN}\"")));
    }
}

fn check_notify(notify: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if !matches!(notify, Value::Map(_)) {
        return;
    }
    if ["email", "sns", "slack", "webhook"].into_iter().all(|channel| is_empty(notify.get(channel))) {
        let help = "Write email, sns, slack or webhook";
        problems.push(Problem::new(path, "an alert without a channel reaches nobody", help));
    }
    for channel in [EMAIL, "sns"] {
        if matches!(notify.get(channel), Value::List(items) if items.len() > ADDRESSES_MAX) {
            let help = "Send it to a list of mail, or to a topic, that has them all";
            problems.push(Problem::new(&path.key(channel), format!("more than {ADDRESSES_MAX} are too many"), help));
        }
    }
    let addresses = texts(notify.get(EMAIL), &path.key(EMAIL));
    for (at, (address, path)) in addresses.iter().enumerate() {
        if !is_address(address) {
            let help = "Write an address such as \"ops@example.com\"";
            problems.push(Problem::new(path, format!("{address:?} is no address of mail"), help));
        }
        if addresses[..at].iter().any(|(known, _)| known.eq_ignore_ascii_case(address)) {
            problems.push(Problem::new(path, format!("{address:?} is there twice"), "Leave one of them out"));
        }
    }
    for (arn, path) in texts(notify.get("sns"), &path.key("sns")) {
        if !is_topic(arn) {
            let help = "Write the ARN of a standard topic, such as \"arn:aws:sns:us-east-1:123456789012:ops\"";
            problems.push(Problem::new(&path, format!("{arn:?} is no topic of Amazon SNS"), help));
        }
    }
    for (channel, field) in [(SLACK, "webhook_url"), (WEBHOOK, "url")] {
        // An address that is a secret is not shown.
        if let Some(url) = notify.get(channel).get(field).as_str()
            && !is_url(url)
        {
            let help = "Write an address that begins with https:// and has no user in it, at most 2048 characters";
            problems.push(Problem::new(&path.key(channel).key(field), "this is no address that can be sent to", help));
        }
    }
    if matches!(notify.get(SLACK), Value::Map(_)) && notify.get(SLACK).get("webhook_url").is_null() {
        let help = "Write the address of an incoming webhook";
        problems.push(Problem::new(&path.key(SLACK).key("webhook_url"), "is required", help));
    }
    check_header(notify.get(WEBHOOK), &path.key(WEBHOOK), problems);
    for (channel, _, version) in SECRETS_OF {
        if *notify.get(channel).get(version) == Value::Int(0) {
            problems.push(Problem::new(&path.key(channel).key(version), "versions begin with 1", "Write 1, and raise it later"));
        }
    }
}

fn check_header(webhook: &Value, path: &Path, problems: &mut Vec<Problem>) {
    if let Some(header) = webhook.get("header").as_str() {
        let is_token = !header.is_empty() && header.len() <= 64 && header.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_token || HEADERS_TAKEN.contains(&header.to_ascii_lowercase().as_str()) {
            let help = "Write one such as \"Authorization\" or \"X-Spawn-Secret\"";
            problems.push(Problem::new(&path.key("header"), format!("{header:?} is no header that can carry a secret"), help));
        }
    }
    if let Some(secret) = webhook.get("secret").as_str()
        && (secret.is_empty() || secret.len() > 4_000 || !secret.bytes().all(|b| (b' '..=b'~').contains(&b)))
    {
        let help = "Write 1 to 4000 characters of ASCII, without line breaks";
        problems.push(Problem::new(&path.key("secret"), "this cannot be sent in a header", help));
    }
}

fn is_address(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"()<>[],;:\\\"@".contains(c));
    text.len() <= EMAIL_MAX && plain(user) && plain(host) && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
}

fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, partition, "sns", region, account, name] = parts[..] else { return false };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    arn.starts_with("arn:")
        && partition.starts_with("aws")
        && !region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && is_name
}

fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "443"));
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    // What RFC 3986 lets stand in an address.
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b));
    text.len() <= URL_MAX && is_host && port.parse::<u16>().is_ok() && is_plain
}

impl NotifySpec {
    /// The channels, each by the name under which its deliveries are remembered. A topic is known by its ARN.
    #[must_use]
    pub fn channels(&self) -> Vec<String> {
        let email = (!self.email.is_empty()).then(|| EMAIL.to_owned());
        let slack = self.slack.as_ref().map(|_| SLACK.to_owned());
        let webhook = self.webhook.as_ref().map(|_| WEBHOOK.to_owned());
        email.into_iter().chain(self.sns.iter().cloned()).chain(slack).chain(webhook).collect()
    }

    /// The secrets: channel, version, and the secret itself if it was written.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, u32, Option<&Secret>)> {
        let slack = self.slack.as_ref().map(|slack| (SLACK, slack.webhook_url_version, slack.webhook_url.as_ref()));
        let webhook = self.webhook.as_ref().map(|webhook| (WEBHOOK, webhook.secret_version, webhook.secret.as_ref()));
        slack.into_iter().chain(webhook).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_can_be_sent_to() {
        for (text, expected) in [
            ("ops@example.com", true),
            ("o.p-s+spawn@mail.example.com", true),
            ("ops", false),
            ("ops@", false),
            ("@example.com", false),
            ("ops@example", false),
            ("ops@example.com\nBcc: eve@example.com", false),
            ("o ps@example.com", false),
            ("ops@.com", false),
            ("a@b@example.com", false),
        ] {
            assert_eq!(is_address(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("https://example.com", true),
            ("https://example.com:8443/a?b=c", true),
            ("http://example.com", false),
            ("https://", false),
            ("https:///a", false),
            ("https://user@example.com/", false),
            ("https://exa mple.com/", false),
            ("https://example.com:99999/", false),
            ("https://example.com/<a>", false),
            ("https://example.com/\u{fc}", false),
        ] {
            assert_eq!(is_url(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("arn:aws:sns:us-east-1:123456789012:ops", true),
            ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:o_p-s", true),
            ("arn:aws:sns:us-east-1:123456789012:ops.fifo", false),
            ("arn:aws:sqs:us-east-1:123456789012:ops", false),
            ("arn:aws:sns:us-east-1:1234:ops", false),
            ("arn:aws:sns:us-east-1:123456789012:ops:1", false),
            ("ops", false),
        ] {
            assert_eq!(is_topic(text), expected, "{text:?}");
        }
    }
}
