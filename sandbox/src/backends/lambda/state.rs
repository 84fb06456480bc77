//! What Lambda keeps: functions and their versions.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::protocol::Failure;

use super::code::Code;
use super::events::Event;
use super::route::{LATEST, Place, arn};
use super::{conflict, not_found};

/// How long a new function stays `Pending`, and a changed one runs as it was before.
const SETTLING: SignedDuration = SignedDuration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct State {
    /// By region and name.
    pub(super) functions: BTreeMap<(String, String), Function>,
    /// Asynchronous invocations whose time has not come.
    pub(super) events: Vec<Event>,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) latest: Arc<Version>,
    /// What runs until the latest change has taken effect.
    pub(super) before: Option<Arc<Version>>,
    pub(super) published: BTreeMap<u32, Arc<Version>>,
    /// The number of the last version that was published, even if it is gone.
    pub(super) last: u32,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) reserved: Option<u32>,
    pub(super) event_config: Option<EventConfig>,
    /// Statements of its policy, by id.
    pub(super) policy: BTreeMap<String, Value>,
}

/// How its events are treated, where that was said.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventConfig {
    pub(super) retries: Option<u32>,
    pub(super) max_age: Option<SignedDuration>,
    pub(super) modified: Timestamp,
}

/// A function as it is or was at a time. Environments are made of one, and serve no other.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) region: String,
    pub(super) account: String,
    pub(super) name: String,
    /// `$LATEST` or a number.
    pub(super) label: String,
    pub(super) settings: Settings,
    pub(super) code: Arc<Code>,
    pub(super) modified: Timestamp,
    /// From when it can be invoked.
    pub(super) ready: Timestamp,
    /// Whether it is the function's first.
    pub(super) first: bool,
    /// Unique.
    pub(super) revision: String,
}

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) runtime: String,
    pub(super) handler: String,
    pub(super) role: String,
    pub(super) description: String,
    /// Seconds.
    pub(super) timeout: u32,
    /// Megabytes.
    pub(super) memory: u32,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) architecture: String,
}

impl Version {
    /// The latest version with other settings or code.
    pub(super) fn changed(&self, settings: Settings, code: Arc<Code>, now: Timestamp) -> Self {
        Self {
            region: self.region.clone(),
            account: self.account.clone(),
            name: self.name.clone(),
            label: LATEST.to_owned(),
            settings,
            code,
            modified: now,
            ready: settled(now),
            first: false,
            revision: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Itself under a number.
    pub(super) fn published(&self, number: u32, description: Option<String>) -> Self {
        let mut settings = self.settings.clone();
        settings.description = description.unwrap_or(settings.description);
        Self {
            region: self.region.clone(),
            account: self.account.clone(),
            name: self.name.clone(),
            label: number.to_string(),
            settings,
            code: Arc::clone(&self.code),
            modified: self.modified,
            ready: self.ready,
            first: self.first,
            revision: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Its ARN: the latest version's is the function's.
    pub(super) fn arn(&self) -> String {
        let label = Some(self.label.as_str()).filter(|label| *label != LATEST);
        arn(&self.region, &self.account, &self.name, label)
    }

    /// The ARN of the function, whatever the version.
    pub(super) fn function_arn(&self) -> String {
        arn(&self.region, &self.account, &self.name, None)
    }

    /// Its configuration, as every operation answers it.
    pub(super) fn render(&self, now: Timestamp) -> Value {
        let settings = &self.settings;
        let mut entry = json!({
            "FunctionName": self.name, "FunctionArn": self.arn(), "Runtime": settings.runtime, "Role": settings.role,
            "Handler": settings.handler, "CodeSize": self.code.size, "Description": settings.description, "Timeout": settings.timeout,
            "MemorySize": settings.memory, "LastModified": self.modified.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string(),
            "CodeSha256": self.code.sha256, "Version": self.label, "TracingConfig": {"Mode": "PassThrough"},
            "RevisionId": self.revision, "PackageType": "Zip", "Architectures": [settings.architecture],
            "EphemeralStorage": {"Size": 512}, "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": self.log_group()},
        });
        if !settings.environment.is_empty() {
            entry["Environment"] = json!({"Variables": settings.environment});
        }
        let settling = self.ready > now;
        let (state, update) = match (settling, self.first) {
            (true, true) => ("Pending", None),
            (true, false) => ("Active", Some("InProgress")),
            (false, _) => ("Active", Some("Successful")),
        };
        entry["State"] = state.into();
        if state == "Pending" {
            entry["StateReason"] = "The function is being created.".into();
            entry["StateReasonCode"] = "Creating".into();
        }
        if let Some(update) = update {
            entry["LastUpdateStatus"] = update.into();
        }
        if update == Some("InProgress") {
            entry["LastUpdateStatusReason"] = "The function is being created.".into();
            entry["LastUpdateStatusReasonCode"] = "Creating".into();
        }
        entry
    }

    /// Where its output goes.
    pub(super) fn log_group(&self) -> String {
        format!("/aws/lambda/{}", self.name)
    }
}

/// When a change of now has taken effect.
pub(super) fn settled(now: Timestamp) -> Timestamp {
    now.saturating_add(SETTLING).unwrap_or(Timestamp::MAX)
}

impl Function {
    /// A version by its qualifier, as it was written.
    pub(super) fn version(&self, qualifier: Option<&str>) -> Option<&Arc<Version>> {
        match qualifier {
            None | Some(LATEST) => Some(&self.latest),
            Some(number) => self.published.get(&number.parse().ok()?),
        }
    }

    /// What runs when a version is invoked.
    pub(super) fn runnable(&self, qualifier: Option<&str>, now: Timestamp) -> Option<Result<Arc<Version>, Failure>> {
        let version = self.version(qualifier)?;
        if version.ready <= now {
            return Some(Ok(Arc::clone(version)));
        }
        let before = self.before.as_ref().filter(|_| version.label == LATEST);
        Some(before.cloned().ok_or_else(pending))
    }

    /// Refuses a change while one is taking effect, or if it was made for another revision.
    pub(super) fn changeable(&self, revision: Option<&str>, now: Timestamp) -> Result<(), Failure> {
        if self.latest.ready > now {
            if self.latest.first {
                return Err(pending());
            }
            let arn = self.latest.arn();
            return Err(conflict(format!("The operation cannot be performed at this time. An update is in progress for resource: {arn}")));
        }
        if revision.is_some_and(|revision| revision != self.latest.revision) {
            let message = "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve the latest RevisionId";
            return Err(Failure::new(412, "PreconditionFailedException", message));
        }
        Ok(())
    }

    /// Puts another version in the place of the latest.
    pub(super) fn replace(&mut self, version: Version) {
        self.before = Some(std::mem::replace(&mut self.latest, Arc::new(version)));
    }

    /// Gives the latest version a number, unless nothing has changed since the last number.
    pub(super) fn publish(&mut self, description: Option<String>) -> Arc<Version> {
        if let Some(last) = self.published.get(&self.last)
            && Arc::ptr_eq(&last.code, &self.latest.code)
            && (Settings { description: String::new(), ..last.settings.clone() })
                == (Settings { description: String::new(), ..self.latest.settings.clone() })
        {
            return Arc::clone(last);
        }
        self.last += 1;
        let version = Arc::new(self.latest.published(self.last, description));
        self.published.insert(self.last, Arc::clone(&version));
        version
    }
}

fn pending() -> Failure {
    conflict("The operation cannot be performed at this time. The function is currently in the following state: Pending")
}

impl State {
    /// A function that is there.
    pub(super) fn function(&self, region: &str, account: &str, place: &Place) -> Result<&Function, Failure> {
        let found = self.functions.get(&(region.to_owned(), place.name.clone()));
        found.ok_or_else(|| no_function(region, account, place))
    }

    /// A function that is there, to be changed.
    pub(super) fn function_mut(&mut self, region: &str, account: &str, place: &Place) -> Result<&mut Function, Failure> {
        let found = self.functions.get_mut(&(region.to_owned(), place.name.clone()));
        found.ok_or_else(|| no_function(region, account, place))
    }

    /// Revisions that can still be invoked.
    pub(super) fn current(&self, now: Timestamp) -> HashSet<String> {
        let of = |function: &Function| {
            let latest = if function.latest.ready > now { function.before.as_ref() } else { Some(&function.latest) };
            latest.into_iter().chain(function.published.values()).map(|version| version.revision.clone()).collect::<Vec<_>>()
        };
        self.functions.values().flat_map(of).collect()
    }

    /// Functions by `region/name`.
    pub(super) fn snapshot(&self) -> BTreeMap<String, Value> {
        let entry = |(region, name): &(String, String), function: &Function| {
            let latest = &function.latest;
            let waiting = self.events.iter().filter(|event| event.region == *region && event.place.name == *name).count();
            json!({
                "role": latest.settings.role, "code": latest.code.sha256, "timeout": latest.settings.timeout,
                "environment": latest.settings.environment, "tags": function.tags, "policy": function.policy,
                "versions": function.published.keys().collect::<Vec<_>>(), "waiting": waiting,
            })
        };
        self.functions.iter().map(|(key, function)| (format!("{}/{}", key.0, key.1), entry(key, function))).collect()
    }
}

/// There is no such function, or no such version of it.
pub(super) fn no_function(region: &str, account: &str, place: &Place) -> Failure {
    not_found(format!("Function not found: {}", arn(region, account, &place.name, place.qualifier.as_deref())))
}
