//! EventBridge Scheduler, and what its schedules do.
//!
//! Here a schedule's effect is that of the end document, played: what a shard of a run still has is terminated by tag. That
//! the document itself says so, step by step, is the sandbox's to show; this is only what drives the tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::request::{DescribeInstances, Filter, InstanceIds, StopInstances};
use sandbox_cloud::{Reply, Request, scaling};
use spawn_core::ports::{Result, Schedule, Scheduled, Schedules, Span, Target, Times};
use spawn_model::error::Class;
use spawn_model::ids::RunId;
use spawn_model::{layout, tag};

use super::door::Door;
use super::{REGION, State, refusal, tolerate};

/// The most schedules in a page.
const PAGE: usize = 100;
/// The most instances that one `TerminateInstances` of the document can end.
const STRIKE_MAX: usize = 1000;

/// A schedule, and when it fires next.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    /// What was asked for.
    pub(crate) schedule: Schedule,
    /// When it fires next, or deletes itself.
    pub(crate) next: Timestamp,
    /// Whether it does anything then.
    pub(crate) is_enabled: bool,
}

/// What a schedule did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Strike {
    /// When.
    pub(crate) at: Timestamp,
    /// Its name.
    pub(crate) name: String,
    /// How many instances it found and ended.
    pub(crate) ended: usize,
}

impl Alarm {
    fn new(schedule: &Schedule, now: Timestamp) -> Self {
        // Scheduler knows whole seconds.
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap();
        let mut schedule = schedule.clone();
        match &mut schedule.times {
            Times::Every { span, .. } => *span = span.map(|span| Span { start: whole(span.start), end: whole(span.end) }),
            Times::By(calendar) => {
                (calendar.start, calendar.end) = (calendar.start.map(whole), calendar.end.map(whole));
            }
        }
        let is_enabled = schedule.is_enabled;
        // What a function does is not played here: it is the engine itself, which the tests call.
        let Some(Span { start, .. }) = span(&schedule) else { return Self { next: Timestamp::MAX, is_enabled, schedule } };
        let mut alarm = Self { next: start, is_enabled, schedule };
        while alarm.next < now {
            alarm.turn();
        }
        alarm
    }

    fn turn(&mut self) {
        let Times::Every { minutes, .. } = &self.schedule.times else { return };
        self.next += SignedDuration::from_mins(i64::from(*minutes));
    }

    fn is_over(&self) -> bool {
        span(&self.schedule).is_some_and(|span| self.next >= span.end)
    }
}

fn span(schedule: &Schedule) -> Option<Span> {
    match &schedule.times {
        Times::Every { span, .. } => *span,
        Times::By(_) => None,
    }
}

impl State {
    fn schedule_check(&self, schedule: &Schedule, now: Timestamp) -> Result<()> {
        if !self.schedule_groups.contains(&schedule.group) {
            return Err(refusal("ResourceNotFoundException", 404, format!("Schedule group {} does not exist.", schedule.group)));
        }
        if let Times::By(calendar) = &schedule.times
            && calendar.start.is_some_and(|start| start < now - SignedDuration::from_mins(5))
        {
            return Err(refusal("ValidationException", 400, "The StartDate you specify cannot be earlier than 5 minutes ago."));
        }
        let role = self.roles.values().find(|role| role.arn == schedule.role_arn && role.service == "scheduler.amazonaws.com");
        if role.is_none_or(|role| now < role.made_at + self.role_delay) {
            let message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role";
            let error = refusal("ValidationException", 400, message);
            return Err(spawn_model::error::Error { class: Class::Transient, code: "RoleNotReady".to_owned(), ..error });
        }
        Ok(())
    }

    fn schedule_create(&mut self, schedule: &Schedule, now: Timestamp) -> Result<()> {
        self.schedule_check(schedule, now)?;
        let place = (schedule.group.clone(), schedule.name.clone());
        if self.schedules.contains_key(&place) {
            return Err(refusal("ConflictException", 409, format!("Schedule {} already exists.", schedule.name)));
        }
        self.schedules.insert(place, Alarm::new(schedule, now));
        Ok(())
    }

    fn schedule_update(&mut self, schedule: &Schedule, now: Timestamp) -> Result<()> {
        self.schedule_check(schedule, now)?;
        let place = (schedule.group.clone(), schedule.name.clone());
        let alarm = self.schedules.get_mut(&place);
        let alarm =
            alarm.ok_or_else(|| refusal("ResourceNotFoundException", 404, format!("Schedule {} does not exist.", schedule.name)))?;
        *alarm = Alarm::new(schedule, now);
        Ok(())
    }

    /// A schedule of a run, as a launch makes them, to be planted.
    pub(crate) fn spare_alarm(&self, run: &RunId) -> ((String, String), Alarm) {
        let role_arn = self.roles["spawn-setup-scheduler-us-east-1"].arn.clone();
        let place = ("spawn".to_owned(), layout::schedule_name(run, 0));
        let schedule = Schedule {
            name: place.1.clone(),
            group: place.0.clone(),
            times: Times::Every { minutes: 5, span: Some(Span { start: Timestamp::MAX, end: Timestamp::MAX }) },
            is_enabled: true,
            role_arn,
            target: Target::Automation { document: spawn_core::setup::DOCUMENT.to_owned(), parameters: BTreeMap::new() },
        };
        (place, Alarm { next: Timestamp::MAX, is_enabled: true, schedule })
    }

    /// Takes hand 3 away: the schedules that are there never strike.
    pub(crate) fn silence_schedules(&mut self) {
        self.schedules.values_mut().for_each(|alarm| alarm.next = Timestamp::MAX);
    }

    /// Does what schedules do whose moment has come.
    pub(super) fn schedules_fire(&mut self, at: Timestamp) {
        let due: Vec<(String, String)> =
            self.schedules.iter().filter(|(_, alarm)| alarm.next <= at).map(|(place, _)| place.clone()).collect();
        for place in due {
            let Some(mut alarm) = self.schedules.remove(&place) else { continue };
            if alarm.is_over() {
                // The last invocation has been: the schedule deletes itself.
                continue;
            }
            if alarm.is_enabled {
                self.strike(at, &alarm);
            }
            alarm.turn();
            self.schedules.insert(place, alarm);
        }
    }

    /// What the documents do, played.
    fn strike(&mut self, at: Timestamp, alarm: &Alarm) {
        let Target::Automation { document, parameters } = &alarm.schedule.target else { return };
        assert!(self.documents.contains_key(document), "the schedule starts a document that is not there");
        let hibernates = document == spawn_core::setup::HIBERNATE_DOCUMENT;
        let stops = hibernates || document == spawn_core::setup::STOP_DOCUMENT;
        if document == spawn_core::setup::GROUP_DOCUMENT {
            self.end_group(at, &parameters["Run"][0]);
        }
        let filters = vec![
            Filter::new(format!("tag:{}", tag::RUN), [parameters["Run"][0].as_str()]),
            Filter::new(format!("tag:{}", tag::SHARD), [parameters["Shard"][0].as_str()]),
            Filter::new("instance-state-name", if stops { vec!["running"] } else { vec!["pending", "running", "stopping", "stopped"] }),
        ];
        let describe = Request::DescribeInstances(DescribeInstances { filters, ..DescribeInstances::default() });
        let Ok(Reply::Reservations(found)) = self.cloud.call(at, REGION, describe) else { return };
        let ids: Vec<String> = found.items.iter().flat_map(|r| &r.instances).map(|i| i.id.clone()).collect();
        if ids.len() > STRIKE_MAX {
            self.violations.push(format!("{} has {} instances to end, more than one call can", alarm.schedule.name, ids.len()));
        }
        let mut ended = ids.len();
        if !ids.is_empty() {
            let terminate = if stops {
                Request::StopInstances(StopInstances { instance_ids: ids, hibernate: hibernates })
            } else {
                Request::TerminateInstances(InstanceIds { instance_ids: ids })
            };
            // EC2 may fail; the schedule's repetition is what catches it.
            if self.cloud.call(at, REGION, terminate).is_err() {
                ended = 0;
            }
        }
        self.strikes.push(Strike { at, name: alarm.schedule.name.clone(), ended });
    }
}

impl State {
    /// What launches instances again ends before they do. That there is none any more is fine, and so is that it cannot be ended yet: the
    /// repetition is what catches it.
    fn end_group(&mut self, at: Timestamp, run: &str) {
        let Some(run) = RunId::parse(run) else { return };
        let delete = scaling::DeleteAutoScalingGroup { name: layout::scaling_name(&run), force: true };
        let _ended = self.cloud.scale(at, REGION, scaling::Request::DeleteAutoScalingGroup(delete));
    }
}

#[async_trait]
impl Schedules for Door {
    async fn put(&self, schedule: &Schedule) -> Result<()> {
        let created = self.call("scheduler:CreateSchedule", |s, now| s.schedule_create(schedule, now)).await;
        if tolerate(created, &["ConflictException"])?.is_some() {
            return Ok(());
        }
        self.call("scheduler:UpdateSchedule", |s, now| s.schedule_update(schedule, now)).await
    }

    async fn delete(&self, group: &str, name: &str) -> Result<()> {
        self.call("scheduler:DeleteSchedule", |s, _| {
            s.schedules.remove(&(group.to_owned(), name.to_owned()));
            Ok(())
        })
        .await
    }

    async fn find(&self, group: &str, name: &str) -> Result<Option<Schedule>> {
        self.call("scheduler:GetSchedule", |s, _| {
            let found = s.schedules.get(&(group.to_owned(), name.to_owned()));
            Ok(found.map(|alarm| Schedule { is_enabled: alarm.is_enabled, ..alarm.schedule.clone() }))
        })
        .await
    }

    async fn list(&self, group: &str, name_prefix: &str) -> Result<Vec<Scheduled>> {
        let mut found: Vec<Scheduled> = Vec::new();
        loop {
            let page: Vec<Scheduled> = self
                .call("scheduler:ListSchedules", |s, _| {
                    let ours = s.schedules.iter().filter(|((g, name), _)| g == group && name.starts_with(name_prefix));
                    let after = ours.filter(|((_, name), _)| found.last().is_none_or(|last| *name > last.name));
                    Ok(after.take(PAGE).map(|((_, name), alarm)| Scheduled { name: name.clone(), is_enabled: alarm.is_enabled }).collect())
                })
                .await?;
            let full = page.len() == PAGE;
            found.extend(page);
            if !full {
                return Ok(found);
            }
        }
    }

    async fn group_ensure(&self, group: &str) -> Result<()> {
        self.call("scheduler:CreateScheduleGroup", |s, _| {
            s.schedule_groups.insert(group.to_owned());
            Ok(())
        })
        .await
    }

    async fn group_delete(&self, group: &str) -> Result<()> {
        self.call("scheduler:DeleteScheduleGroup", |s, _| {
            s.schedule_groups.remove(group);
            s.schedules.retain(|(g, _), _| g != group);
            Ok(())
        })
        .await
    }
}
