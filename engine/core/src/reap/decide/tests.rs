//! Every case there is, against the rules said in another way.

use spawn_model::market::MarketType;
use spawn_model::record::{BootImage, Launched, SCHEMA};
use spawn_model::rules::read_spec;
use spawn_model::spec::FleetKind;

use super::*;

const NOW: &str = "2030-01-01T12:00:00Z";

fn at(minutes: i64) -> Timestamp {
    NOW.parse::<Timestamp>().expect("a time") + SignedDuration::from_mins(minutes)
}

fn instance(tags: &[(&str, &str)], launched_at: Timestamp) -> Instance {
    let launched = Launched {
        instance_id: InstanceId("i-0".into()),
        launch_index: 0,
        private_ip: "172.31.0.1".into(),
        zone: "us-east-1a".into(),
        instance_type: "c7i.large".into(),
        market: MarketType::OnDemand,
    };
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Instance {
        launched,
        seen: Seen::Running,
        alive: true,
        gone: false,
        launched_at,
        public_ip: None,
        group_ids: Vec::new(),
        volumes: Vec::new(),
        tags,
    }
}

/// What a tag can say: nothing, nonsense, or a date.
#[derive(Clone, Copy, Debug)]
enum Tag {
    Missing,
    Nonsense,
    At(i64),
}

#[test]
fn an_instance_ends_at_the_later_of_what_can_be_read() {
    let past_and_future = [-90, -5, 0, 5, 90];
    let tags: Vec<Tag> = [Tag::Missing, Tag::Nonsense].into_iter().chain(past_and_future.map(Tag::At)).collect();
    let leases: Vec<Option<i64>> = std::iter::once(None).chain(past_and_future.map(Some)).collect();
    for launched in [-200, -60, -59, 0] {
        for tag in &tags {
            for lease in &leases {
                let text = match tag {
                    Tag::Missing => None,
                    Tag::Nonsense => Some("soon".to_owned()),
                    Tag::At(minutes) => Some(at(*minutes).to_string()),
                };
                let marks: Vec<(&str, &str)> =
                    std::iter::once((tag::MANAGED, "true")).chain(text.as_deref().map(|text| (tag::DEADLINE, text))).collect();
                let dates: Vec<i64> = [lease.as_ref(), if let Tag::At(minutes) = tag { Some(minutes) } else { None }]
                    .into_iter()
                    .flatten()
                    .copied()
                    .collect();
                let ends = dates.iter().max().copied().unwrap_or(launched + 60);
                let what = format!("launched at {launched}, tag {tag:?}, lease {lease:?}");
                let found = overdue(&instance(&marks, at(launched)), lease.map(at), at(0));
                assert_eq!(found.as_ref().map(|overdue| overdue.deadline), (ends <= 0).then(|| at(ends)), "{what}");
                let told = found.map(|overdue| overdue.told);
                assert!(told.is_none_or(|told| (told == Told::Default) == dates.is_empty()), "{what}: {told:?}");
            }
        }
    }
}

#[test]
fn nothing_is_ended_that_is_gone_or_not_ours() {
    let past = at(-5).to_string();
    for (managed, ends) in [(Some("true"), true), (Some("false"), false), (Some(""), false), (None, false)] {
        let marks: Vec<(&str, &str)> =
            managed.map(|managed| (tag::MANAGED, managed)).into_iter().chain([(tag::DEADLINE, past.as_str())]).collect();
        let ours = instance(&marks, at(-500));
        assert_eq!(overdue(&ours, None, at(0)).is_some(), ends, "{managed:?}");
        for (seen, alive) in [(Seen::Pending, true), (Seen::Running, true), (Seen::Stopped, true), (Seen::Gone, false)] {
            let one = Instance { seen, alive, gone: false, ..ours.clone() };
            assert_eq!(overdue(&one, None, at(0)).is_some(), ends && alive, "{managed:?} {seen:?}");
        }
    }
}

fn record(ended: bool) -> FleetRecord {
    let value = serde_json::json!({ "name": "tiles", "size": 2, "instance_types": ["c7i.large"], "command": ["./render"] });
    FleetRecord {
        schema: SCHEMA,
        fleet: FleetId::from_random([1; 8]),
        run: RunId::from_random([2; 8]),
        kind: FleetKind::JobArray,
        spec: read_spec(FleetKind::JobArray, &value.into()).0.expect("a spec"),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        caller: "123456789012 user/ada".into(),
        asked_at: at(-60),
        started_at: None,
        price_usd_per_hour: None,
        rate_usd_per_hour: None,
        instance_types: Vec::new(),
        image: BootImage { id: "ami-0".into(), root_device: "/dev/xvda".into(), root_gib: None },
        rights_sha256: None,
        dns: None,
        scheduled: None,
        resumed: None,
        ended,
        next: None,
    }
}

/// What is removed, as a table that can be read: who keeps the fleet, its record, whether its launcher lives, whether its lease is
/// over, whether an instance of it lives.
#[test]
fn the_fate_of_every_fleet() {
    let (open, ended) = (record(false), record(true));
    let mut table = String::new();
    for (keeper, kept_by) in
        [("nobody yet", Some(Keeper::Launcher)), ("a person", Some(Keeper::Person)), ("a state", Some(Keeper::State)), ("no claim", None)]
    {
        for (written, record) in [("none", None), ("open", Some(&open)), ("ended", Some(&ended))] {
            for launcher_lives in [false, true] {
                for (lease, minutes) in [("over", 0), ("runs", 1)] {
                    for lives in [false, true] {
                        let case = Case { kept_by, record, launcher_lives, leased_until: at(minutes), lives, starts_until: None };
                        let Some(why) = fate(&case, at(0)) else { continue };
                        assert!(!launcher_lives, "{case:?} is disturbed");
                        let lives = if lives { "lives" } else { "nothing lives" };
                        table.push_str(&format!("kept by {keeper}, record {written}, lease {lease}, {lives}: {why:?}\n"));
                    }
                }
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_schedule_stays_as_long_as_it_starts_something_and_somebody_keeps_it() {
    let open = record(false);
    for (kept_by, minutes, why) in
        [(Keeper::Person, 0, None), (Keeper::State, 0, None), (Keeper::Launcher, 1, None), (Keeper::Launcher, 0, Some(Why::NeverKept))]
    {
        for lives in [false, true] {
            let starts_until = Some(at(minutes));
            let case =
                Case { kept_by: Some(kept_by), record: Some(&open), launcher_lives: false, leased_until: at(-1), lives, starts_until };
            assert_eq!(fate(&case, at(0)), why, "{case:?}");
        }
    }
}
