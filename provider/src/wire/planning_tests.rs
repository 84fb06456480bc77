//! Cases are JSON; `"?"` stands for an unknown value.

use serde_json::json;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;

use super::{Prepared, prepare};

const fn field(name: &'static str, kind: Kind, presence: Presence, change: Change) -> Field {
    Field { name, doc: "", kind, presence, change, sensitive: false }
}

const DISK: &[Field] = &[
    field("size", Kind::Int, Presence::Required, Change::Replace),
    field("label", Kind::String, Presence::Default("\"data\""), Change::InPlace),
    field("device", Kind::String, Presence::Computed, Change::InPlace),
];

const LEASE: &[Field] = &[
    field("ttl", Kind::String, Presence::Default("\"4h\""), Change::InPlace),
    field("zone", Kind::String, Presence::Optional, Change::Replace),
    field("deadline", Kind::String, Presence::Computed, Change::InPlace),
];

const FIELDS: &[Field] = &[
    field("id", Kind::String, Presence::Computed, Change::InPlace),
    field("name", Kind::String, Presence::Required, Change::Replace),
    field("size", Kind::Int, Presence::Default("1"), Change::InPlace),
    field("note", Kind::String, Presence::Optional, Change::InPlace),
    field("token", Kind::String, Presence::WriteOnly, Change::InPlace),
    field("lease", Kind::Object(LEASE), Presence::Default("{}"), Change::InPlace),
    field("disks", Kind::List(&Kind::Object(DISK)), Presence::Optional, Change::InPlace),
    field("status", Kind::String, Presence::Computed, Change::InPlace),
    field("again", Kind::String, Presence::Optional, Change::Rerun),
    field("run", Kind::String, Presence::Computed, Change::Rerun),
];

fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(text) if text == "?" => Value::Unknown,
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(value).collect()),
        serde_json::Value::Object(entries) => Value::Map(entries.into_iter().map(|(k, v)| (k, value(v))).collect()),
        other => other.into(),
    }
}

/// An object in which what `json` leaves out is null, as Terraform sends it.
fn whole(json: serde_json::Value) -> Value {
    fn fill(fields: &[Field], value: Value) -> Value {
        let Value::Map(entries) = &value else { return value };
        assert!(entries.keys().all(|key| fields.iter().any(|field| field.name == key)), "a misspelled case: {value:?}");
        let fill_field = |field: &Field| {
            let inner = match (&field.kind, value.get(field.name).clone()) {
                (Kind::Object(fields), inner) => fill(fields, inner),
                (Kind::List(Kind::Object(fields)), Value::List(items)) => {
                    Value::List(items.into_iter().map(|item| fill(fields, item)).collect())
                }
                (_, inner) => inner,
            };
            (field.name.to_owned(), inner)
        };
        Value::Map(fields.iter().map(fill_field).collect())
    }
    fill(FIELDS, value(json))
}

struct Case {
    title: &'static str,
    prior: Option<serde_json::Value>,
    proposed: serde_json::Value,
    config: serde_json::Value,
    planned: serde_json::Value,
    replace: &'static [&'static str],
}

fn check(case: Case) {
    let prior = case.prior.map(whole);
    let Prepared { planned, requires_replace } =
        prepare(FIELDS, &["id", "disks.device", "run"], prior.as_ref(), &whole(case.proposed), &whole(case.config));
    assert_eq!(planned, whole(case.planned), "{}", case.title);
    let paths: Vec<_> = requires_replace.iter().map(ToString::to_string).collect();
    assert_eq!(paths, case.replace, "{}", case.title);
}

/// What is there before most cases: everything by default, and computed.
fn prior() -> serde_json::Value {
    json!({"id": "f-1", "name": "a", "size": 1, "lease": {"ttl": "4h", "deadline": "noon"}, "status": "running", "run": "r-1"})
}

#[test]
fn creation_fills_defaults_and_leaves_the_computed_unknown() {
    check(Case {
        title: "all by default",
        prior: None,
        proposed: json!({"name": "a"}),
        config: json!({"name": "a"}),
        planned: json!({"id": "?", "name": "a", "size": 1, "lease": {"ttl": "4h", "deadline": "?"}, "status": "?", "run": "?"}),
        replace: &[],
    });
    check(Case {
        title: "defaults inside what is written",
        prior: None,
        proposed: json!({"name": "a", "size": 3, "lease": {"zone": "b"}, "disks": [{"size": 8}]}),
        config: json!({"name": "a", "size": 3, "lease": {"zone": "b"}, "disks": [{"size": 8}]}),
        planned: json!({
            "id": "?", "name": "a", "size": 3, "lease": {"ttl": "4h", "zone": "b", "deadline": "?"},
            "disks": [{"size": 8, "label": "data", "device": "?"}], "status": "?", "run": "?",
        }),
        replace: &[],
    });
}

#[test]
fn what_is_unknown_in_the_configuration_stays_unknown() {
    let config = json!({"name": "?", "size": "?", "note": "?", "lease": "?", "disks": ["?", {"size": "?", "label": "?"}]});
    check(Case {
        title: "everywhere",
        prior: None,
        proposed: config.clone(),
        config,
        planned: json!({
            "id": "?", "name": "?", "size": "?", "note": "?", "lease": "?",
            "disks": ["?", {"size": "?", "label": "?", "device": "?"}], "status": "?", "run": "?",
        }),
        replace: &[],
    });
    check(Case {
        title: "even where Terraform proposes what was there before",
        prior: Some(prior()),
        proposed: prior(),
        config: json!({"name": "a", "size": "?"}),
        planned: json!({
            "id": "f-1", "name": "a", "size": "?", "lease": {"ttl": "4h", "deadline": "?"}, "status": "?", "run": "r-1",
        }),
        replace: &[],
    });
}

#[test]
fn a_plan_without_changes_is_the_prior_state() {
    check(Case {
        title: "all by default",
        prior: Some(prior()),
        proposed: prior(),
        config: json!({"name": "a"}),
        planned: prior(),
        replace: &[],
    });
    check(Case {
        title: "the defaults, written out",
        prior: Some(prior()),
        proposed: prior(),
        config: json!({"name": "a", "size": 1, "lease": {"ttl": "4h"}}),
        planned: prior(),
        replace: &[],
    });
}

#[test]
fn a_change_keeps_only_what_is_stable() {
    let mut before = prior();
    before["disks"] = json!([{"size": 8, "label": "data", "device": "sdb"}]);
    let mut proposed = before.clone();
    proposed["note"] = json!("new");
    check(Case {
        title: "in place",
        prior: Some(before),
        proposed,
        config: json!({"name": "a", "note": "new", "disks": [{"size": 8}]}),
        planned: json!({
            "id": "f-1", "name": "a", "size": 1, "note": "new", "lease": {"ttl": "4h", "deadline": "?"},
            "disks": [{"size": 8, "label": "data", "device": "sdb"}], "status": "?", "run": "r-1",
        }),
        replace: &[],
    });
}

#[test]
fn a_change_that_runs_the_object_again_keeps_nothing_of_its_run() {
    for (title, again) in [("known", json!("twice")), ("not known yet", json!("?"))] {
        let mut proposed = prior();
        proposed["again"] = again.clone();
        check(Case {
            title,
            prior: Some(prior()),
            proposed,
            config: json!({"name": "a", "again": again}),
            planned: json!({
                "id": "f-1", "name": "a", "size": 1, "lease": {"ttl": "4h", "deadline": "?"}, "status": "?", "again": again, "run": "?",
            }),
            replace: &[],
        });
    }
}

#[test]
fn a_value_that_is_no_longer_written_goes_back_to_its_default() {
    let mut before = prior();
    before["size"] = json!(5);
    before["lease"]["ttl"] = json!("9h");
    check(Case {
        title: "a number and a whole object",
        prior: Some(before.clone()),
        proposed: before,
        config: json!({"name": "a"}),
        planned: json!({
            "id": "f-1", "name": "a", "size": 1, "lease": {"ttl": "4h", "deadline": "?"}, "status": "?", "run": "r-1",
        }),
        replace: &[],
    });
}

/// (what is written, what is planned instead of the prior, which paths replace)
#[test]
fn replacement_names_the_attribute_that_changed() {
    let cases = [
        (json!({"name": "b"}), json!({"name": "b"}), vec!["name"]),
        (json!({"name": "?"}), json!({"name": "?"}), vec!["name"]),
        (json!({"name": "a", "lease": {"zone": "c"}}), json!({"lease": {"ttl": "4h", "zone": "c"}}), vec!["lease.zone"]),
        (json!({"name": "a", "lease": {"ttl": "9h"}}), json!({"lease": {"ttl": "9h"}}), vec![]),
        (json!({"name": "a", "lease": "?"}), json!({"lease": "?"}), vec!["lease"]),
        (json!({"name": "a", "disks": [{"size": 8}]}), json!({"disks": [{"size": 8}]}), vec!["disks"]),
    ];
    for (config, change, expected) in cases {
        let mut proposed = prior();
        for (key, new) in change.as_object().expect("an object") {
            proposed[key] = new.clone();
        }
        let prior = whole(prior());
        let prepared = prepare(FIELDS, &["id"], Some(&prior), &whole(proposed), &whole(config.clone()));
        let paths: Vec<_> = prepared.requires_replace.iter().map(ToString::to_string).collect();
        assert_eq!(paths, expected, "{config}");
    }
}

#[test]
fn elements_are_compared_one_by_one() {
    let mut before = prior();
    before["disks"] = json!([{"size": 8, "label": "data"}, {"size": 9, "label": "data"}]);
    let mut proposed = before.clone();
    proposed["disks"][1]["size"] = json!(10);
    let config = json!({"name": "a", "disks": [{"size": 8}, {"size": 10}]});
    let prior = whole(before);
    let prepared = prepare(FIELDS, &[], Some(&prior), &whole(proposed), &whole(config));
    assert_eq!(prepared.requires_replace.len(), 1);
    assert_eq!(prepared.requires_replace[0].to_string(), "disks[1].size");
}
