//! What time does, functions, parameters, logs and prices.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use spawn_core::ports::{Aws, Calendar, FunctionRequest, RoleRequest, Schedule, Scheduled, Span, Tags, Target, Times};
use spawn_model::error::Class;
use spawn_model::volume::VolumeType;

use super::{ec2_role, fresh};

/// Zips, in base64, each with a `bootstrap` that only ends: with the code 1 and 2.
const PACKAGES: [&str; 2] = [
    "UEsDBBQAAAAAAAAAIQCjt17aEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMQpQSwECFAMUAAAAAAAAACEAo7de2hEAAAARAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA==",
    "UEsDBBQAAAAAAAAAIQBg5HPxEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMgpQSwECFAMUAAAAAAAAACEAYORz8REAAAARAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA==",
];
/// A schedule for a case, from an hour on.
async fn schedule(aws: &Aws, group: &str) -> Schedule {
    let start = aws.clock.now() + SignedDuration::from_hours(1);
    let role = RoleRequest { service: "scheduler.amazonaws.com".to_owned(), ..ec2_role(group) };
    Schedule {
        name: format!("{}-0", &group[..40]),
        group: group.to_owned(),
        times: Times::Every { minutes: 5, span: Some(Span { start, end: start + SignedDuration::from_hours(1) }) },
        is_enabled: true,
        role_arn: aws.identity.role_ensure(&role).await.expect("a role"),
        target: Target::Automation {
            document: "spawn-end-1".to_owned(),
            parameters: BTreeMap::from([("Run".to_owned(), vec![group.to_owned()])]),
        },
    }
}

/// A schedule for a case, in a group of its own.
async fn schedule_in_group(aws: &Aws) -> Schedule {
    let group = fresh("invoking");
    aws.schedules.group_ensure(&group).await.expect("a group");
    schedule(aws, &group).await
}

/// A schedule is made, moved, found and deleted.
pub(crate) async fn schedules(aws: &Aws) {
    let group = fresh("schedules");
    aws.schedules.group_ensure(&group).await.expect("a group");
    let schedule = schedule(aws, &group).await;
    aws.schedules.put(&schedule).await.expect("made");
    let start = aws.clock.now() + SignedDuration::from_hours(2);
    let span = Some(Span { start, end: start + SignedDuration::from_hours(1) });
    let later = Schedule { times: Times::Every { minutes: 5, span }, ..schedule.clone() };
    aws.schedules.put(&later).await.expect("moved");
    let second = Schedule { name: format!("{}-1", &group[..40]), ..schedule.clone() };
    aws.schedules.put(&second).await.expect("made");
    let listed = |schedule: &Schedule| Scheduled { name: schedule.name.clone(), is_enabled: true };
    let mut found = aws.schedules.list(&group, &group[..40]).await.expect("schedules");
    found.sort();
    assert_eq!(found, [listed(&schedule), listed(&second)]);
    assert_eq!(aws.schedules.list(&group, &second.name).await.expect("schedules"), [listed(&second)]);
    assert_eq!(aws.schedules.list(&group, "other").await.expect("schedules"), []);
    for _ in 0..2 {
        aws.schedules.delete(&group, &schedule.name).await.expect("gone, or so already");
    }
    aws.schedules.delete(&group, &second.name).await.expect("gone");
    assert_eq!(aws.schedules.list(&group, "").await.expect("schedules"), []);
    aws.schedules.group_delete(&group).await.expect("gone");
    aws.identity.role_delete(&group).await.expect("gone");
}

/// Makes a function or changes it, when its role is known and what was asked before has come into effect.
async fn settled(aws: &Aws, function: &FunctionRequest) -> String {
    loop {
        match aws.functions.ensure(function).await {
            Ok(arn) => return arn,
            Err(error) if ["FunctionBusy", "RoleNotReady"].contains(&error.code.as_str()) => aws.clock.sleep(200).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A function is made, made anew with other code, found, and deleted; a schedule without an end invokes it.
pub(crate) async fn functions(aws: &Aws) {
    let name = fresh("function")[..40].to_owned();
    assert_eq!(aws.functions.find(&name).await, Ok(None));
    let role = RoleRequest { service: "lambda.amazonaws.com".to_owned(), ..ec2_role(&name) };
    let [package, newer] = PACKAGES.map(|package| STANDARD.decode(package).expect("base64"));
    let function = FunctionRequest {
        name: name.clone(),
        description: "Of a contract case.".to_owned(),
        role_arn: aws.identity.role_ensure(&role).await.expect("a role"),
        package,
        architecture: "x86_64".to_owned(),
        memory_mib: 128,
        timeout_s: 60,
        tags: Tags::from([("of".to_owned(), "a contract case".to_owned())]),
    };
    let arn = settled(aws, &function).await;
    assert!(arn.ends_with(&format!(":function:{name}")), "{arn}");
    let newer = FunctionRequest { package: newer, timeout_s: 90, ..function.clone() };
    for _ in 0..2 {
        assert_eq!(settled(aws, &newer).await, arn, "changed, or so already");
    }
    assert_eq!(aws.functions.find(&name).await, Ok(Some(arn.clone())));
    let schedule = Schedule {
        times: Times::Every { minutes: 5, span: None },
        target: Target::Function { arn: arn.clone(), input: None },
        ..schedule_in_group(aws).await
    };
    for _ in 0..2 {
        aws.schedules.put(&schedule).await.expect("made, or so already");
    }
    by_the_calendar(aws, &schedule, arn).await;
    let listed = Scheduled { name: schedule.name.clone(), is_enabled: true };
    assert_eq!(aws.schedules.list(&schedule.group, "").await.expect("schedules"), [listed]);
    aws.schedules.group_delete(&schedule.group).await.expect("gone");
    for _ in 0..2 {
        aws.functions.delete(&name).await.expect("gone, or so already");
    }
    assert_eq!(aws.functions.find(&name).await, Ok(None));
    for role in [&name, &schedule.group] {
        aws.identity.role_delete(role).await.expect("gone");
    }
}

/// A schedule by the calendar invokes a function, and is found as it was put, disabled too.
async fn by_the_calendar(aws: &Aws, schedule: &Schedule, arn: String) {
    let name = format!("{}-calendar", schedule.name);
    assert_eq!(aws.schedules.find(&schedule.group, &name).await.expect("an answer"), None);
    let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).expect("a time");
    let calendar = Calendar {
        expression: "cron(30 2 ? * MON-FRI *)".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        start: Some(whole(aws.clock.now() + SignedDuration::from_hours(1))),
        end: Some(whole(aws.clock.now() + SignedDuration::from_hours(1000))),
        late_s: 3_600,
    };
    let input = Some(r#"{"time":"<aws.scheduler.scheduled-time>"}"#.to_owned());
    let mut asked = Schedule { name, times: Times::By(calendar.clone()), target: Target::Function { arn, input }, ..schedule.clone() };
    aws.schedules.put(&asked).await.expect("made");
    assert_eq!(aws.schedules.find(&asked.group, &asked.name).await.expect("found"), Some(asked.clone()));
    asked.is_enabled = false;
    asked.times = Times::By(Calendar { expression: "at(2099-01-05T08:00:00)".to_owned(), start: None, end: None, late_s: 60, ..calendar });
    aws.schedules.put(&asked).await.expect("changed");
    assert_eq!(aws.schedules.find(&asked.group, &asked.name).await.expect("found"), Some(asked.clone()));
    aws.schedules.delete(&asked.group, &asked.name).await.expect("gone");
}

/// A group of schedules is made twice, and what is in it stays; it is deleted twice, and that is no error.
pub(crate) async fn schedule_group_twice(aws: &Aws) {
    let group = fresh("twice");
    aws.schedules.group_ensure(&group).await.expect("a group");
    let schedule = schedule(aws, &group).await;
    aws.schedules.put(&schedule).await.expect("made");
    aws.schedules.group_ensure(&group).await.expect("so already");
    let listed = Scheduled { name: schedule.name, is_enabled: true };
    assert_eq!(aws.schedules.list(&group, "").await.expect("schedules"), [listed]);
    for _ in 0..2 {
        aws.schedules.group_delete(&group).await.expect("gone with all that is in it, or so already");
    }
    aws.identity.role_delete(&group).await.expect("gone");
}

/// A parameter is missing, there, changed and gone.
pub(crate) async fn parameters(aws: &Aws) {
    let name = format!("/spawn/contract/{}", fresh("parameter"));
    assert_eq!(aws.systems.parameter(&name).await, Ok(None));
    for value in ["one", r#"{"two":2}"#] {
        aws.systems.parameter_put(&name, value).await.expect("put");
        assert_eq!(aws.systems.parameter(&name).await, Ok(Some(value.to_owned())));
    }
    for _ in 0..2 {
        aws.systems.parameter_delete(&name).await.expect("gone, or so already");
    }
    assert_eq!(aws.systems.parameter(&name).await, Ok(None));
}

/// A document is made, again, and goes.
pub(crate) async fn documents(aws: &Aws) {
    let name = fresh("document");
    let content = r#"{"schemaVersion":"0.3","description":"of a contract case","mainSteps":[
        {"name":"wait","action":"aws:sleep","inputs":{"Duration":"PT1S"},"isEnd":true}]}"#;
    for _ in 0..2 {
        aws.systems.document_ensure(&name, content).await.expect("a document, or so already");
    }
    for _ in 0..2 {
        aws.systems.document_delete(&name).await.expect("gone, or so already");
    }
}

/// A log group is made, again, and goes; reading one that is not there is an error.
pub(crate) async fn log_groups(aws: &Aws) {
    let name = format!("/spawn/{}", fresh("logs"));
    for _ in 0..2 {
        aws.logs.group_ensure(&name, 7).await.expect("a group, or so already");
    }
    assert_eq!(aws.logs.read(&name, "", Timestamp::UNIX_EPOCH).await, Ok(vec![]));
    for _ in 0..2 {
        aws.logs.group_delete(&name).await.expect("gone, or so already");
    }
    let error = aws.logs.read(&name, "", Timestamp::UNIX_EPOCH).await.expect_err("no group");
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "ResourceNotFoundException"));
}

/// What was written to streams under `prefix` of a group (stream, time, line; in the order of time) is read back, from a time on.
/// The writing is the caller's: no port writes logs.
pub(crate) async fn log_events(aws: &Aws, group: &str, prefix: &str, written: &[(String, Timestamp, String)]) {
    let shown = |events: Vec<spawn_core::ports::LogEvent>| -> Vec<(String, Timestamp, String)> {
        events.into_iter().map(|event| (event.stream, event.at, event.message)).collect()
    };
    let all = aws.logs.read(group, prefix, Timestamp::UNIX_EPOCH).await.expect("events");
    let ids: BTreeSet<&str> = all.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), written.len());
    assert_eq!(shown(all), written);
    let middle = written.len() / 2;
    let from = written[middle].1;
    assert_eq!(shown(aws.logs.read(group, prefix, from).await.expect("events")), written[middle..]);
}

/// A price is positive, or unknown.
pub(crate) async fn prices(aws: &Aws) {
    let price = aws.prices.on_demand_usd_per_hour(&aws.region, "c7i.large").await.expect("an answer");
    assert!(price.is_some_and(|usd| usd > 0.0 && usd < 1.0), "{price:?}");
    assert_eq!(aws.prices.on_demand_usd_per_hour(&aws.region, "c99z.enormous").await, Ok(None));
    for kind in VolumeType::ALL {
        let price = aws.prices.volume_usd_per_gib_month(&aws.region, *kind).await.expect("an answer");
        assert!(price.is_some_and(|usd| usd > 0.0 && usd < 1.0), "{kind:?}: {price:?}");
    }
    assert_eq!(aws.prices.volume_usd_per_gib_month("mars-north-1", VolumeType::Gp3).await, Ok(None));
}
