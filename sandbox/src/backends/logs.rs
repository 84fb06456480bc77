//! CloudWatch Logs: groups, streams and events.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{page, read};
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;

/// Limits of PutLogEvents, from CloudWatch Logs' quotas page.
const MOST_EVENTS: usize = 10_000;
const MOST_BYTES: usize = 1_048_576;
/// Each event counts this much more than its message.
const EVENT_OVERHEAD: usize = 26;
const DAY_MS: i64 = 86_400_000;
const RETENTIONS: [u32; 23] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653, 0];

/// The logs of one account.
#[derive(Debug)]
pub(crate) struct Logs {
    account: String,
    groups: Mutex<BTreeMap<(String, String), Group>>,
}

#[derive(Debug)]
struct Group {
    created: Timestamp,
    retention: Option<u32>,
    tags: BTreeMap<String, String>,
    streams: BTreeMap<String, Stream>,
}

#[derive(Debug)]
struct Stream {
    created: Timestamp,
    events: Vec<Event>,
    last_ingestion: Option<i64>,
}

#[derive(Debug, Clone)]
struct Event {
    timestamp: i64,
    ingested: i64,
    message: String,
    id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateGroup {
    log_group_name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    log_group_class: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupName {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Retention {
    log_group_name: String,
    retention_in_days: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StreamName {
    log_group_name: String,
    log_stream_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DescribeGroups {
    log_group_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DescribeStreams {
    log_group_name: String,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PutEvents {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<InputEvent>,
    /// Accepted and ignored, as AWS has done since 2023.
    #[serde(rename = "sequenceToken")]
    _sequence_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetEvents {
    log_group_name: String,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilterEvents {
    log_group_name: String,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    /// Always true since 2019.
    #[serde(rename = "interleaved")]
    _interleaved: Option<bool>,
}

impl Logs {
    /// Logs without groups.
    pub(crate) fn new(account: &str) -> Self {
        Self { account: account.to_owned(), groups: Mutex::default() }
    }

    /// Groups and the streams in them with the number of their events, by `region/group`.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let streams = |group: &Group| group.streams.iter().map(|(name, stream)| (name.clone(), stream.events.len())).collect();
        self.lock().iter().map(|((region, name), group)| (format!("{region}/{name}"), streams(group))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Group>> {
        self.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Works on a group.
    fn with<T>(&self, request: &Request, name: &str, work: impl FnOnce(&mut Group) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut groups = self.lock();
        let group = groups
            .get_mut(&(request.region.clone(), name.to_owned()))
            .ok_or_else(|| not_found("The specified log group does not exist."))?;
        work(group)
    }

    fn arn(&self, request: &Request, group: &str) -> String {
        format!("arn:aws:logs:{}:{}:log-group:{group}", request.region, self.account)
    }

    fn create_group(&self, request: &Request) -> Result<Value, Failure> {
        let asked: CreateGroup = read(request)?;
        if asked.log_group_class.as_deref().is_some_and(|class| class != "STANDARD") {
            return Err(Failure::gap("log group classes other than STANDARD"));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || "_-/.#".contains(c);
        if asked.log_group_name.is_empty() || asked.log_group_name.len() > 512 || !asked.log_group_name.chars().all(valid) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern: [\\.\\-_/#A-Za-z0-9]+",
                asked.log_group_name
            )));
        }
        let key = (request.region.clone(), asked.log_group_name);
        let mut groups = self.lock();
        if groups.contains_key(&key) {
            return Err(Failure::new(400, "ResourceAlreadyExistsException", "The specified log group already exists"));
        }
        groups.insert(key, Group { created: request.now, retention: None, tags: asked.tags, streams: BTreeMap::new() });
        Ok(Value::Null)
    }

    fn delete_group(&self, request: &Request) -> Result<Value, Failure> {
        let asked: GroupName = read(request)?;
        let gone = self.lock().remove(&(request.region.clone(), asked.log_group_name));
        gone.map(|_| Value::Null).ok_or_else(|| not_found("The specified log group does not exist."))
    }

    fn describe_groups(&self, request: &Request) -> Result<Value, Failure> {
        let asked: DescribeGroups = read(request)?;
        let prefix = asked.log_group_name_prefix.unwrap_or_default();
        let groups = self.lock();
        let list: Vec<(String, Value)> = groups
            .iter()
            .filter(|((region, name), _)| *region == request.region && name.starts_with(&prefix))
            .map(|((_, name), group)| {
                let arn = self.arn(request, name);
                let bytes: usize = group.streams.values().flat_map(|stream| &stream.events).map(Event::size).sum();
                let mut entry = json!({
                    "logGroupName": name, "arn": format!("{arn}:*"), "logGroupArn": arn,
                    "creationTime": group.created.as_millisecond(), "metricFilterCount": 0, "storedBytes": bytes,
                    "logGroupClass": "STANDARD",
                });
                if let Some(days) = group.retention {
                    entry["retentionInDays"] = days.into();
                }
                (name.clone(), entry)
            })
            .collect();
        paged("logGroups", &list, asked.next_token.as_deref(), limit(asked.limit, 50, 50)?)
    }

    fn put_retention(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Retention = read(request)?;
        if asked.retention_in_days == 0 || !RETENTIONS.contains(&asked.retention_in_days) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set",
                asked.retention_in_days
            )));
        }
        self.with(request, &asked.log_group_name, |group| {
            group.retention = Some(asked.retention_in_days);
            Ok(Value::Null)
        })
    }

    fn delete_retention(&self, request: &Request) -> Result<Value, Failure> {
        let asked: GroupName = read(request)?;
        self.with(request, &asked.log_group_name, |group| {
            group.retention = None;
            Ok(Value::Null)
        })
    }

    fn list_tags(&self, request: &Request) -> Result<Value, Failure> {
        let asked: GroupName = read(request)?;
        self.with(request, &asked.log_group_name, |group| Ok(json!({"tags": group.tags})))
    }

    fn create_stream(&self, request: &Request) -> Result<Value, Failure> {
        let asked: StreamName = read(request)?;
        let name = asked.log_stream_name;
        if name.is_empty() || name.len() > 512 || name.contains([':', '*']) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{name}' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern: [^:*]*"
            )));
        }
        self.with(request, &asked.log_group_name, |group| {
            if group.streams.contains_key(&name) {
                return Err(Failure::new(400, "ResourceAlreadyExistsException", "The specified log stream already exists"));
            }
            group.streams.insert(name, Stream { created: request.now, events: Vec::new(), last_ingestion: None });
            Ok(Value::Null)
        })
    }

    fn delete_stream(&self, request: &Request) -> Result<Value, Failure> {
        let asked: StreamName = read(request)?;
        self.with(request, &asked.log_group_name, |group| {
            let gone = group.streams.remove(&asked.log_stream_name);
            gone.map(|_| Value::Null).ok_or_else(|| not_found("The specified log stream does not exist."))
        })
    }

    fn describe_streams(&self, request: &Request) -> Result<Value, Failure> {
        let asked: DescribeStreams = read(request)?;
        if asked.descending.unwrap_or(false) || asked.order_by.as_deref().is_some_and(|order| order != "LogStreamName") {
            return Err(Failure::gap("an order of logs DescribeLogStreams other than ascending by name"));
        }
        let prefix = asked.log_stream_name_prefix.unwrap_or_default();
        let most = limit(asked.limit, 50, 50)?;
        let arn = self.arn(request, &asked.log_group_name);
        self.with(request, &asked.log_group_name, |group| {
            let list: Vec<(String, Value)> = group
                .streams
                .iter()
                .filter(|(name, _)| name.starts_with(&prefix))
                .map(|(name, stream)| (name.clone(), stream.describe(name, &arn)))
                .collect();
            paged("logStreams", &list, asked.next_token.as_deref(), most)
        })
    }

    fn put_events(&self, request: &Request) -> Result<Value, Failure> {
        let asked: PutEvents = read(request)?;
        check_batch(&asked.log_events)?;
        let now = request.now.as_millisecond();
        let count = asked.log_events.len();
        // 14 days back and 2 hours ahead; what lies outside is rejected, and the rest is kept.
        let old = asked.log_events.iter().take_while(|event| event.timestamp < now - 14 * DAY_MS).count();
        let new = asked.log_events.iter().rev().take_while(|event| event.timestamp > now + DAY_MS / 12).count();
        self.with(request, &asked.log_group_name, |group| {
            let stream =
                group.streams.get_mut(&asked.log_stream_name).ok_or_else(|| not_found("The specified log stream does not exist."))?;
            for event in asked.log_events.into_iter().take(count - new).skip(old) {
                let id = stream.events.len() as u64;
                stream.events.push(Event { timestamp: event.timestamp, ingested: now, message: event.message, id });
            }
            // Readers want them by time; of one time, as they came.
            stream.events.sort_by_key(|event| event.timestamp);
            stream.last_ingestion = Some(now);
            let mut answer = json!({"nextSequenceToken": "sequence tokens are ignored"});
            if old > 0 {
                answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] = old.into();
            }
            if new > 0 {
                answer["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] = (count - new).into();
            }
            Ok(answer)
        })
    }

    fn get_events(&self, request: &Request) -> Result<Value, Failure> {
        let asked: GetEvents = read(request)?;
        let most = limit(asked.limit, 10_000, 10_000)?;
        self.with(request, &asked.log_group_name, |group| {
            let stream = group.streams.get(&asked.log_stream_name).ok_or_else(|| not_found("The specified log stream does not exist."))?;
            let events: Vec<&Event> = stream.events.iter().filter(|event| event.within(asked.start_time, asked.end_time)).collect();
            let (start, end) = match asked.next_token.as_deref() {
                Some(token) => window(token, events.len(), most)?,
                None if asked.start_from_head => (0, most.min(events.len())),
                None => (events.len().saturating_sub(most), events.len()),
            };
            let list: Vec<Value> = events[start..end]
                .iter()
                .map(|event| json!({"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested}))
                .collect();
            Ok(json!({
                "events": list,
                "nextForwardToken": format!("f/{end:056}/s"),
                "nextBackwardToken": format!("b/{start:056}/s"),
            }))
        })
    }

    fn filter_events(&self, request: &Request) -> Result<Value, Failure> {
        let asked: FilterEvents = read(request)?;
        let most = limit(asked.limit, 10_000, 10_000)?;
        if asked.log_stream_names.is_some() && asked.log_stream_name_prefix.is_some() {
            return Err(invalid("logStreamNamePrefix and logStreamNames are mutually exclusive".to_owned()));
        }
        let terms = simple_pattern(asked.filter_pattern.as_deref().unwrap_or_default())?;
        let bad = || invalid("The specified nextToken is invalid.".to_owned());
        let after = asked.next_token.as_deref().map(|token| Place::read(token).ok_or_else(bad)).transpose()?;
        self.with(request, &asked.log_group_name, |group| {
            let mut found: Vec<(Place, &Event)> = Vec::new();
            for (name, stream) in &group.streams {
                let named = asked.log_stream_names.as_ref().is_none_or(|names| names.contains(name));
                if !named || !asked.log_stream_name_prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix)) {
                    continue;
                }
                let matches = |event: &&Event| {
                    event.within(asked.start_time, asked.end_time) && terms.iter().all(|term| event.message.contains(term))
                };
                let follows = |event: &&Event| after.as_ref().is_none_or(|after| after.is_before(event, name));
                // No page shows more of one stream; one event more says that another page follows.
                let next = stream.events.iter().filter(follows).filter(matches).take(most + 1);
                found.extend(next.map(|event| (Place::of(event, name), event)));
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let has_more = found.len() > most;
            found.truncate(most);
            let events: Vec<Value> = found.iter().map(|(place, event)| event.filtered(&place.stream)).collect();
            let mut answer = json!({"events": events, "searchedLogStreams": []});
            if let Some((last, _)) = found.last().filter(|_| has_more) {
                answer["nextToken"] = last.token().into();
            }
            Ok(answer)
        })
    }
}

/// Where an event stands among those of a group: by time; the rest tells it from every other, so that a page never splits or repeats.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    timestamp: i64,
    stream: String,
    id: u64,
}

impl Place {
    fn of(event: &Event, stream: &str) -> Self {
        Self { timestamp: event.timestamp, stream: stream.to_owned(), id: event.id }
    }

    /// Whether an event of a stream comes after this one.
    fn is_before(&self, event: &Event, stream: &str) -> bool {
        (self.timestamp, self.stream.as_str(), self.id) < (event.timestamp, stream, event.id)
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{} {} {}", self.timestamp, self.id, self.stream))
    }

    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (timestamp, rest) = text.split_once(' ')?;
        let (id, stream) = rest.split_once(' ')?;
        Some(Self { timestamp: timestamp.parse().ok()?, stream: stream.to_owned(), id: id.parse().ok()? })
    }
}

impl Event {
    fn size(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD
    }

    /// Start is included, end is not.
    fn within(&self, start: Option<i64>, end: Option<i64>) -> bool {
        start.is_none_or(|start| self.timestamp >= start) && end.is_none_or(|end| self.timestamp < end)
    }

    fn filtered(&self, stream: &str) -> Value {
        let id = format!("{}{:018}", &crate::checksums::sha256_hex(stream.as_bytes())[..38], self.id);
        json!({"logStreamName": stream, "timestamp": self.timestamp, "message": self.message, "ingestionTime": self.ingested, "eventId": id})
    }
}

impl Stream {
    fn describe(&self, name: &str, group_arn: &str) -> Value {
        let mut entry = json!({
            "logStreamName": name, "creationTime": self.created.as_millisecond(), "arn": format!("{group_arn}:log-stream:{name}"),
            "storedBytes": 0, "uploadSequenceToken": "sequence tokens are ignored",
        });
        if let Some(first) = self.events.iter().map(|event| event.timestamp).min() {
            entry["firstEventTimestamp"] = first.into();
        }
        if let Some(last) = self.events.iter().map(|event| event.timestamp).max() {
            entry["lastEventTimestamp"] = last.into();
        }
        if let Some(last) = self.last_ingestion {
            entry["lastIngestionTime"] = last.into();
        }
        entry
    }
}

fn check_batch(events: &[InputEvent]) -> Result<(), Failure> {
    if events.is_empty() || events.len() > MOST_EVENTS {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and {MOST_EVENTS}"
        )));
    }
    if events.iter().any(|event| event.message.is_empty()) {
        return Err(invalid("1 validation error detected: Value '' at 'logEvents.message' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned()));
    }
    if events.windows(2).any(|pair| pair[0].timestamp > pair[1].timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order.".to_owned()));
    }
    let (first, last) = (events[0].timestamp, events[events.len() - 1].timestamp);
    if last - first > DAY_MS {
        return Err(invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.".to_owned()));
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD).sum();
    if bytes > MOST_BYTES {
        return Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of {MOST_BYTES}")));
    }
    Ok(())
}

/// The words of a pattern; anything with syntax is a gap.
fn simple_pattern(pattern: &str) -> Result<Vec<String>, Failure> {
    let trimmed = pattern.trim();
    if let Some(quoted) = trimmed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Ok(vec![quoted.to_owned()]);
    }
    if trimmed.contains(|c: char| "{}[]?%\"-*".contains(c)) {
        return Err(Failure::gap("the syntax of filter patterns of logs FilterLogEvents, other than words"));
    }
    Ok(trimmed.split_whitespace().map(str::to_owned).collect())
}

/// Which events a forward or backward token means.
fn window(token: &str, count: usize, most: usize) -> Result<(usize, usize), Failure> {
    let bad = || invalid("The specified nextToken is invalid.".to_owned());
    let position = |text: &str| text.strip_suffix("/s").and_then(|digits| digits.parse::<usize>().ok()).ok_or_else(bad);
    if let Some(text) = token.strip_prefix("f/") {
        let start = position(text)?.min(count);
        Ok((start, count.min(start + most)))
    } else if let Some(text) = token.strip_prefix("b/") {
        let end = position(text)?.min(count);
        Ok((end.saturating_sub(most), end))
    } else {
        Err(bad())
    }
}

fn paged(list: &str, items: &[(String, Value)], token: Option<&str>, most: usize) -> Result<Value, Failure> {
    let bad = || invalid("The specified nextToken is invalid.".to_owned());
    let (page, next) = page(items, |item| item.0.clone(), token, most, bad)?;
    let mut answer = json!({list: page.iter().map(|item| item.1.clone()).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

fn limit(asked: Option<usize>, default: usize, most: usize) -> Result<usize, Failure> {
    let value = asked.unwrap_or(default);
    if (1..=most).contains(&value) { Ok(value) } else { Err(invalid(format!("limit must be between 1 and {most}, but is {value}"))) }
}

fn invalid(message: String) -> Failure {
    Failure::new(400, "InvalidParameterException", message)
}

fn not_found(message: &str) -> Failure {
    Failure::new(400, "ResourceNotFoundException", message)
}

#[async_trait]
impl Backend for Logs {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = match request.operation.as_str() {
            "CreateLogGroup" => self.create_group(request)?,
            "DeleteLogGroup" => self.delete_group(request)?,
            "DescribeLogGroups" => self.describe_groups(request)?,
            "PutRetentionPolicy" => self.put_retention(request)?,
            "DeleteRetentionPolicy" => self.delete_retention(request)?,
            "ListTagsLogGroup" => self.list_tags(request)?,
            "CreateLogStream" => self.create_stream(request)?,
            "DeleteLogStream" => self.delete_stream(request)?,
            "DescribeLogStreams" => self.describe_streams(request)?,
            "PutLogEvents" => self.put_events(request)?,
            "GetLogEvents" => self.get_events(request)?,
            "FilterLogEvents" => self.filter_events(request)?,
            other => return Err(Failure::gap(format!("logs {other}"))),
        };
        Ok(if answer.is_null() { Answer::json(&json!({})).with_body("") } else { Answer::json(&answer) })
    }
}
