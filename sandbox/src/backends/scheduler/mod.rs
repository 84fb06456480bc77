//! EventBridge Scheduler: schedules, groups, and what fires when.

mod groups;
mod state;
mod target;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::authority::trust;
use crate::backends::iam::Iam;
use crate::json::{page, read, validation};
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
use crate::times::epoch;
pub(crate) use state::Firing;
use state::{Asked, Group, Key, Schedule, State};

/// EventBridge Scheduler of one account.
#[derive(Debug)]
pub(crate) struct Scheduler {
    account: String,
    iam: Arc<Iam>,
    state: Mutex<State>,
}

impl Scheduler {
    /// A scheduler with the default group and nothing in it.
    pub(crate) fn new(account: &str, iam: Arc<Iam>) -> Self {
        Self { account: account.to_owned(), iam, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Schedules by `region/group/name` with their expressions.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, String> {
        let state = self.lock();
        let name = |key: &Key| format!("{}/{}/{}", key.region, key.group, key.name);
        state.schedules.iter().map(|(key, schedule)| (name(key), schedule.asked.schedule_expression.clone())).collect()
    }

    /// What fires next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let state = self.lock();
        let schedules = state.schedules.values().filter_map(|schedule| schedule.next);
        schedules.chain(state.retries.iter().map(|firing| firing.at)).min()
    }

    /// What is due at `now`, with the schedules put forward to their next time.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<Firing> {
        let mut state = self.lock();
        let (mut due, later): (Vec<Firing>, Vec<Firing>) =
            std::mem::take(&mut state.retries).into_iter().partition(|firing| firing.at <= now);
        state.retries = later;
        for (key, schedule) in &mut state.schedules {
            let Some(at) = schedule.next.filter(|at| *at <= now) else { continue };
            let behind = at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX);
            schedule.next = schedule.timing.next(behind);
            due.push(Firing {
                key: key.clone(),
                at,
                planned: at,
                attempt: 1,
                call: schedule.asked.target.call(&self.arn(key), &self.account, key, at),
                role: schedule.asked.target.role_arn.clone(),
                max_age: schedule.asked.target.max_age(),
                max_retries: schedule.asked.target.max_retries(),
                last: schedule.next.is_none(),
                delete: schedule.asked.action_after_completion.as_deref() == Some("DELETE"),
            });
        }
        due.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        due
    }

    /// What became of a firing: a failed one may be tried again, and the last one may end its schedule.
    pub(crate) fn fired(&self, firing: Firing, retry: bool, now: Timestamp) {
        let mut state = self.lock();
        if retry && firing.attempt <= firing.max_retries {
            // Doubling from one second, at most five minutes apart.
            let wait = SignedDuration::from_secs(1i64 << firing.attempt.min(9).saturating_sub(1)).min(SignedDuration::from_mins(5));
            let at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
            if at.duration_since(firing.planned) <= firing.max_age {
                state.retries.push(Firing { at, attempt: firing.attempt + 1, ..firing });
                return;
            }
        }
        if firing.last && firing.delete {
            state.schedules.remove(&firing.key);
        }
    }

    /// Whether the role of a schedule can be assumed; an error names what is not known of its trust policy.
    pub(crate) fn role_usable(&self, arn: &str, key: &Key, now: Timestamp) -> Result<bool, String> {
        let Some(role) = self.iam.role_by_arn(arn).filter(|role| role.usable <= now) else { return Ok(false) };
        // Scheduler acts for the group, not for the schedule.
        let source = format!("arn:aws:scheduler:{}:{}:schedule-group/{}", key.region, self.account, key.group);
        trust::lets(&role, "scheduler.amazonaws.com", Some(&source))
    }

    fn arn(&self, key: &Key) -> String {
        format!("arn:aws:scheduler:{}:{}:schedule/{}/{}", key.region, self.account, key.group, key.name)
    }

    fn key(&self, request: &Request, name: &str, group: Option<&str>) -> Key {
        Key { region: request.region.clone(), group: group.unwrap_or("default").to_owned(), name: name.to_owned() }
    }

    fn put(&self, request: &Request, name: &str, update: bool) -> Result<Value, Failure> {
        let asked: Asked = read(request)?;
        check_name(name)?;
        let timing = asked.timing(request.now)?;
        asked.check()?;
        let key = self.key(request, name, asked.group_name.as_deref());
        let usable = self.role_usable(&asked.target.role_arn, &key, request.now);
        if !usable.map_err(|what| Failure::gap(format!("{what} of a role's trust policy")))? {
            return Err(validation("The execution role you provide must allow AWS EventBridge Scheduler to assume the role."));
        }
        let mut state = self.lock();
        if !state.has_group(&key.region, &key.group) {
            return Err(no_group(&key.group));
        }
        let before = state.schedules.get(&key);
        let created = match (before, update) {
            (None, true) => return Err(no_schedule(name)),
            (Some(schedule), false) if asked.client_token.is_some() && schedule.asked.client_token == asked.client_token => {
                return Ok(json!({"ScheduleArn": self.arn(&key)}));
            }
            (Some(_), false) => return Err(Failure::new(409, "ConflictException", format!("Schedule {name} already exists."))),
            (Some(schedule), true) => schedule.created,
            (None, false) => request.now,
        };
        let enabled = asked.state.as_deref() != Some("DISABLED");
        // An update counts as new: what is due from now on, not what was missed.
        let next = if enabled { timing.next(request.now) } else { None };
        let answer = json!({"ScheduleArn": self.arn(&key)});
        state.schedules.insert(key, Schedule { asked, timing, created, modified: request.now, next });
        Ok(answer)
    }

    fn get(&self, request: &Request, name: &str) -> Result<Value, Failure> {
        let key = self.key(request, name, request.query("groupName"));
        let state = self.lock();
        let schedule = state.schedules.get(&key).ok_or_else(|| no_schedule(name))?;
        Ok(schedule.render(&key, &self.arn(&key)))
    }

    fn delete(&self, request: &Request, name: &str) -> Result<Value, Failure> {
        let key = self.key(request, name, request.query("groupName"));
        let mut state = self.lock();
        state.retries.retain(|firing| firing.key != key);
        state.schedules.remove(&key).map(|_| json!({})).ok_or_else(|| no_schedule(name))
    }

    fn list(&self, request: &Request) -> Result<Value, Failure> {
        for (name, _) in &request.query {
            if !matches!(name.as_str(), "ScheduleGroup" | "NamePrefix" | "State" | "MaxResults" | "NextToken") {
                return Err(Failure::gap(format!("query parameter {name} of scheduler ListSchedules")));
            }
        }
        let prefix = request.query("NamePrefix").unwrap_or_default();
        let state = self.lock();
        let list: Vec<(String, Value)> = state
            .schedules
            .iter()
            .filter(|(key, schedule)| {
                key.region == request.region
                    && request.query("ScheduleGroup").is_none_or(|group| group == key.group)
                    && request.query("State").is_none_or(|state| state == schedule.state())
                    && key.name.starts_with(prefix)
            })
            .map(|(key, schedule)| {
                let entry = json!({
                    "Arn": self.arn(key), "Name": key.name, "GroupName": key.group, "State": schedule.state(),
                    "CreationDate": epoch(schedule.created), "LastModificationDate": epoch(schedule.modified),
                    "Target": {"Arn": schedule.asked.target.arn},
                });
                (format!("{}/{}", key.group, key.name), entry)
            })
            .collect();
        paged(request, "Schedules", &list)
    }
}

fn paged(request: &Request, list: &str, items: &[(String, Value)]) -> Result<Value, Failure> {
    let most = request.query("MaxResults").map_or(Some(100), |text| text.parse().ok()).filter(|n| (1..=100).contains(n));
    let most = most.ok_or_else(|| validation("MaxResults must be between 1 and 100"))?;
    let bad = || validation("Invalid NextToken");
    let (page, next) = page(items, |item| item.0.clone(), request.query("NextToken"), most, bad)?;
    let mut answer = json!({list: page.iter().map(|item| item.1.clone()).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(valid) {
        return Err(validation(format!(
            "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [0-9a-zA-Z-_.]+ and have length between 1 and 64"
        )));
    }
    Ok(())
}

fn no_schedule(name: &str) -> Failure {
    Failure::new(404, "ResourceNotFoundException", format!("Schedule {name} does not exist."))
}

fn no_group(name: &str) -> Failure {
    Failure::new(404, "ResourceNotFoundException", format!("Schedule group {name} does not exist."))
}

/// The kind of resource and the name in a path.
fn place(request: &Request) -> (String, Option<String>) {
    let mut parts = request.path.trim_start_matches('/').splitn(2, '/');
    let kind = parts.next().unwrap_or_default().to_owned();
    let name = parts.next().filter(|name| !name.is_empty()).map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned());
    (kind, name)
}

#[async_trait]
impl Backend for Scheduler {
    fn operation(&self, request: &Request) -> String {
        let (kind, name) = place(request);
        let operation = match (kind.as_str(), name.is_some(), &request.method) {
            ("schedules", true, &Method::POST) => "CreateSchedule",
            ("schedules", true, &Method::PUT) => "UpdateSchedule",
            ("schedules", true, &Method::GET) => "GetSchedule",
            ("schedules", true, &Method::DELETE) => "DeleteSchedule",
            ("schedules", false, &Method::GET) => "ListSchedules",
            ("schedule-groups", true, &Method::POST) => "CreateScheduleGroup",
            ("schedule-groups", true, &Method::GET) => "GetScheduleGroup",
            ("schedule-groups", true, &Method::DELETE) => "DeleteScheduleGroup",
            ("schedule-groups", false, &Method::GET) => "ListScheduleGroups",
            ("tags", true, &Method::GET) => "ListTagsForResource",
            _ => return format!("{} {}", request.method, request.path),
        };
        operation.to_owned()
    }

    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let name = place(request).1.unwrap_or_default();
        let answer = match request.operation.as_str() {
            "CreateSchedule" => self.put(request, &name, false)?,
            "UpdateSchedule" => self.put(request, &name, true)?,
            "GetSchedule" => self.get(request, &name)?,
            "DeleteSchedule" => self.delete(request, &name)?,
            "ListSchedules" => self.list(request)?,
            "CreateScheduleGroup" => self.create_group(request, &name)?,
            "GetScheduleGroup" => self.get_group(request, &name)?,
            "DeleteScheduleGroup" => self.delete_group(request, &name)?,
            "ListScheduleGroups" => self.list_groups(request)?,
            "ListTagsForResource" => self.tags(request, &name)?,
            other => return Err(Failure::gap(format!("scheduler {other}"))),
        };
        let mut answer = Answer::json(&answer);
        answer.headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(answer)
    }
}
