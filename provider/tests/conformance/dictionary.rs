//! What people write: values that are most likely taken, and ones that are most likely not.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::schema::{Attribute, Type};
use crate::value::{Number, Value};

/// Blocks to begin with, of which each is taken as it is. One that is not known here begins with what it requires.
pub(crate) fn blocks(name: &str) -> Vec<Json> {
    let array = json!({"size": 7, "command": ["./render"], "instance_types": ["c7i.large", "m7i.xlarge"]});
    let desk = json!({"requirements": {"vcpu": "2..8"}, "lease": {"ttl": "6h", "idle": {"after": "15m"}}});
    let jobs = json!({
        "prepare": {"command": ["./prepare"]},
        "render.1": {
            "command": ["./render"], "depends_on": ["prepare"], "retry": {"attempts": 3, "jitter": 0.5}, "timeout": "20m",
            "env": {"A": "1"}, "results": ["out/*.png"],
        },
    });
    let queue = json!({"jobs": jobs, "instance_types": ["c7i.large"]});
    let blocks = match name {
        "spawn_instance" => json!([
            {"name": "desk", "instance_types": ["c7i.large"]},
            {"name": "desk", "requirements": {"vcpu": "2..8"}, "lease": {"idle": {"after": "15m", "ports": [22]}}},
            {"name": "desk", "instance_types": ["m7i.large"], "lease": {"ttl": "6h", "on_expiry": "stop", "retain": "2d"}},
            {"name": "desk", "instance_types": ["m7i.large"], "lease": {"idle": {"after": "15m"}, "on_idle": "hibernate"}},
            {
                "name": "desk", "instance_types": ["m7i.large"], "market": {}, "network": {}, "pre_stop": {"command": ["./save"]},
                "root_volume": {"size_gib": 20, "encrypted": false}, "volumes": {"/dev/sdf": {"size_gib": 10, "encrypted": false}},
            },
            {"name": "desk", "instance_types": ["m7i.large"], "market": {"type": "spot"}, "checkpoint": {"command": ["./save"]}},
        ]),
        "spawn_job_array" => json!([
            {"name": "tiles", "size": 7, "command": ["./render"], "instance_types": ["c7i.large", "m7i.xlarge"]},
            {"name": "tiles", "size": 2, "command": ["true"], "requirements": {"gpu": "1"}, "gang": true, "placement": "cluster"},
            {
                "name": "tiles", "size": 2, "min_size": 1, "command": ["true"], "instance_types": ["c7i.large"],
                "market": {"type": "spot", "on_demand_base": 1}, "peer_notice": {"command": ["./save"], "timeout": "30s"},
            },
        ]),
        "spawn_service" => json!([
            {"name": "web", "size": 3, "command": ["./serve"], "instance_types": ["c7i.large"]},
            {"name": "web", "size": 1, "command": ["./serve"], "instance_types": ["c7i.large"], "dns": {"zone": "hpc.example.com"}},
            {
                "name": "web", "size": 1, "command": ["./serve"], "requirements": {"memory_gib": "4..", "exclude": ["c5.*"]},
                "market": {"type": "spot", "rebalance": true},
            },
        ]),
        "spawn_queue" => json!([
            {"name": "frames", "workers": 4, "jobs": jobs, "instance_types": ["c7i.large"]},
            {"name": "frames", "jobs": {"a": {"command": ["true"]}}, "requirements": {"vcpu": "4"}},
        ]),
        "spawn_schedule" => json!([
            {"name": "nightly", "cron": "30 2 * * MON-FRI", "timezone": "Europe/Berlin", "job_array": array},
            {"name": "nightly", "rate": "6h", "instance": desk},
            {"name": "nightly", "at": "2031-01-05T08:00:00", "queue": queue},
        ]),
        "spawn_alert" => json!([
            {"name": "ops", "watch": {"everything": true}, "on": ["failed", "lost"], "notify": {"email": ["ops@example.com"]}},
            {
                "name": "ops", "watch": {"fleets": ["tiles"]}, "cost_above": 3.5,
                "notify": {"slack": {"webhook_url": "https://hooks.example.com/T0/B0"}},
            },
            {
                "name": "ops", "watch": {"tags": {"team": "render"}}, "longer_than": "90m",
                "notify": {"webhook": {"url": "https://example.com/hook", "secret": "hush"}},
            },
        ]),
        "spawn_fleet" => json!([{"name": "tiles"}, {"id": "fleet-abababababababab"}]),
        "spawn_estimate" => json!([{"job_array": array}, {"instance": desk}, {"queue": queue}]),
        _ => json!([{}]),
    };
    blocks.as_array().cloned().unwrap_or_default()
}

/// Calls of a function that have a result.
pub(crate) fn calls(name: &str) -> Vec<Vec<Json>> {
    let script = "#!/bin/sh\n#SBATCH --array=0-9%3 --time=10\n#SBATCH -c 4\necho $SLURM_ARRAY_TASK_ID\n";
    match name {
        "cron_next" => vec![
            vec![json!("30 2 * * MON-FRI"), json!("Europe/Berlin"), json!("2027-01-05T08:00:00Z"), json!(3)],
            vec![json!("* * * * *"), json!("America/New_York"), json!("-009999-01-02T01:59:59Z"), json!(1000)],
            vec![json!("@daily"), json!("UTC"), json!("9999-12-30T21:59:59.999999999Z"), json!(1000)],
        ],
        "duration_seconds" => vec![vec![json!("1h30m")], vec![json!("9223372036854775807s")]],
        "slurm_to_job_array" => vec![vec![json!(script)]],
        _ => panic!("a call of {name} is to be written here"),
    }
}

/// What decides between blocks, and is not put beside what another one has decided.
pub(crate) const DECIDED: [&str; 14] = [
    "at",
    "checkpoint",
    "cron",
    "everything",
    "id",
    "idle",
    "instance",
    "instance_types",
    "job_array",
    "peer_notice",
    "queue",
    "rate",
    "requirements",
    "size",
];

/// What may be written for an attribute, by its name; nothing if it is not known here.
pub(crate) fn sensible(name: &str, kind: &Type, pick: u64) -> Value {
    let words = match name {
        "ami" => json!(["al2023", "ubuntu-24.04", "ami-0123456789abcdef0"]),
        "after" => json!(["15m", "10m", "60s"]),
        "architecture" => json!(["x86_64", "arm64"]),
        "attempts" => json!([2, 100]),
        "backoff" => json!(["fixed", "exponential"]),
        "base_delay" => json!(["2s", "0s"]),
        "budget" => json!([3.5, 20, 0.05]),
        "check" => json!(["standard", "strict"]),
        "command" => json!([["./render", "--depth", "512"], ["true", ""], ["a b", "ü😀"]]),
        "cost_above" => json!([20, 3.5, 0.1]),
        "cpu_percent" => json!([10, 250]),
        "create" | "delete" => json!(["20m", "1h30m"]),
        "depends_on" | "fleets" | "policies" | "security_groups" | "sns" => json!([[]]),
        "dns" => json!([{"zone": "hpc.example.com"}, {"zone": "Z0123456789"}]),
        "email" => json!([["ops@example.com"], ["ops@example.com", "o.p-s+spawn@mail.example.com"]]),
        "encrypted" => json!([true]),
        "end" => json!(["2037-01-05T00:00:00"]),
        "env" | "params" => json!([{"A": "1"}, {"LONG_NAME": "ü😀"}, {}]),
        "exclude" => json!([["c5.*"], ["*.24xlarge", "m7i.large"]]),
        "fallback" => json!(["none"]),
        "files" => json!([{"render": "#!/bin/sh\n", "data/in.csv": ""}, {}]),
        "gpu" => json!(["1", "1..8"]),
        "gpu_percent" => json!([5, 100]),
        "header" => json!(["Authorization"]),
        "idle" => json!([{"after": "15m"}, {"after": "10m", "ports": [8888, 22], "processes": ["jupyter-lab"]}]),
        "instance_types" => json!([["c7i.large"], ["c7i.large", "m7i.xlarge"]]),
        "iops" => json!([4000]),
        "jitter" => json!([0.5, 1]),
        "jobs" => json!([{"a": {"command": ["true"]}}]),
        "kind" => json!(["queue", "instance"]),
        "kms_key" => json!(["alias/mine"]),
        "lease" => json!([{"ttl": "6h"}, {"ttl": "60m", "budget": 3.5}, {"ttl": "20m"}, {}]),
        "longer_than" => json!(["2h", "120m"]),
        "market" => json!([{"type": "spot"}, {"type": "spot", "max_price": 0.05}, {"type": "on_demand"}, {}]),
        "max_delay" => json!(["5m", "60m"]),
        "max_price" => json!([0.05]),
        "max_runs" => json!([10, 1]),
        "memory_gib" => json!(["4..", "..16"]),
        "min_size" => json!([1]),
        "name" => json!(["tiles", "web-1", "a"]),
        "network" => json!([{}, {"subnets": ["subnet-0123456789abcdef0"], "public_address": true}]),
        "network_bytes_per_second" | "disk_bytes_per_second" => json!([0, 10_000]),
        "notify" => json!([{"email": ["ops@example.com"]}, {"sns": ["arn:aws:sns:us-east-1:123456789012:ops"]}]),
        "on" => json!([["failed", "lost"], ["idle"]]),
        "on_demand_base" => json!([0]),
        "on_exit_codes" => json!([[1, 2], []]),
        "on_expiry" | "on_idle" => json!(["terminate"]),
        "on_failure" => json!(["stop", "continue"]),
        "overlap" => json!(["skip", "replace"]),
        "placement" => json!(["spread"]),
        "ports" => json!([[8888, 22], []]),
        "pre_stop" | "checkpoint" | "peer_notice" => json!([{"command": ["./save"]}, {"command": ["./save"], "timeout": "2m"}]),
        "processes" => json!([["jupyter-lab"], []]),
        "profile" => json!(["team"]),
        "region" => json!(["us-east-1"]),
        "requirements" => json!([{"vcpu": "2..8"}, {"memory_gib": "4..", "gpu": "1", "exclude": ["c5.*"]}]),
        "results" => json!([["out/**/*.png"], []]),
        "retain" => json!(["2d"]),
        "retry" => json!([{"attempts": 2}, {"attempts": 3, "backoff": "fixed", "base_delay": "2s", "on_exit_codes": [1]}]),
        "root_volume" => json!([{"size_gib": 20}, {"type": "io2", "iops": 4000, "size_gib": 100}, {}]),
        "secret" => json!(["hush"]),
        "secret_version" | "webhook_url_version" => json!([2, 1]),
        "size" | "workers" => json!([2, 1, 5]),
        "size_gib" => json!([20, 500]),
        "slack" => json!([{"webhook_url": "https://hooks.example.com/T0/B0"}]),
        "snapshot" => json!(["snap-0123456789abcdef0"]),
        "spot" | "gang" | "rebalance" | "everything" => json!([false]),
        "ssh_key" => json!(["mine"]),
        "start" => json!(["2027-01-05T00:00:00"]),
        "start_within" => json!(["2h", "60m"]),
        "status" => json!(["running", "lost"]),
        "subnets" => json!([["subnet-0123456789abcdef0"], []]),
        "tags" | "triggers" => json!([{"team": "render"}, {"a b": "ü😀"}, {}]),
        "throughput_mib_s" => json!([250]),
        "timeout" => json!(["90s", "5m"]),
        "timeouts" => json!([{"delete": "5m"}, {}]),
        "timezone" => json!(["Europe/Berlin", "UTC"]),
        "ttl" => json!(["90m", "2h", "120m"]),
        "url" | "webhook_url" => json!(["https://example.com/hook"]),
        "vcpu" => json!(["2..8", "4"]),
        "volumes" => json!([{"/dev/sdf": {"size_gib": 10}}, {"/dev/sdg": {"snapshot": "snap-01234567", "type": "gp2"}}, {}]),
        "wait_for" => json!(["launched", "running", "ready"]),
        "watch" => json!([{"everything": true}, {"fleets": ["tiles", "fleet-abababababababab"]}]),
        "webhook" => json!([{"url": "https://example.com/hook"}]),
        "zone" => json!(["hpc.example.com"]),
        _ => Json::Null,
    };
    match (words.as_array(), kind) {
        (Some(words), _) => Value::written(kind, &words[place(pick, words.len())]),
        (None, Type::Bool) => Value::Bool(pick.is_multiple_of(2)),
        (None, _) => Value::Null,
    }
}

/// Texts that nobody should write.
const TEXTS: [&str; 21] = [
    "",
    " ",
    "0",
    "-1",
    "ü😀\u{202e}",
    "\0",
    "a\nb",
    "${x}",
    "18446744073709551615s",
    "99999999999999999999w",
    "9223372036854775808s",
    "30d",
    "../..",
    "arn:aws:::",
    "[*",
    "1..0",
    "9999-12-31T23:59:59",
    "0 0 31 2 *",
    "{\"Statement\": []}",
    "nothing of the kind",
    "#!/bin/sh\n#SBATCH --time=99999999999-0:0 --mem=18446744073709551615T --array=5-1:0\n",
];

/// Numbers that nobody should write. Of the last five no double is the same.
const NUMBERS: [&str; 17] = [
    "0",
    "-1",
    "1",
    "64",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1000000000000000000000",
    "0.1",
    "-0.25",
    "0.000000000001",
    "4294967296",
    "18446744073709551615",
    "3.3333333333333333333333333333333333333333",
    "22.0000000000000000000000000000000000001",
    "1180591620717411303425",
    "0.1000000000000000055511151231257827021181583404541015625",
];

/// How many values of one type there are that nobody should write.
pub(crate) const ODD: u64 = 24;

/// Something of a type that nobody should write: null, not known, empty, and whatever else there is of it.
pub(crate) fn odd(kind: &Type, pick: u64) -> Value {
    let (pick, inner) = (pick % ODD, pick / ODD);
    match (pick, kind) {
        (0, _) => Value::Null,
        (1, _) => Value::Unknown,
        (_, Type::Bool) => Value::Bool(pick.is_multiple_of(2)),
        (_, Type::Number) => Value::Number(Number::of(NUMBERS[place(pick - 2, NUMBERS.len())])),
        (2, Type::Text) => Value::Text("x".repeat(5_000)),
        (_, Type::Text) => Value::Text(TEXTS[place(pick - 3, TEXTS.len())].to_owned()),
        (2, Type::List(_)) => Value::List(Vec::new()),
        (_, Type::List(kind)) => {
            // One, several that are different, or several that are the same.
            let count = pick % 3;
            Value::List((0..=count).map(|number| odd(kind, inner.wrapping_add(pick / 3 + if pick < 12 { number } else { 0 }))).collect())
        }
        (2, Type::Map(_)) => Value::Map(BTreeMap::new()),
        (_, Type::Map(kind)) => {
            let key = ["", "a b", "SPAWN_X", "aws:x", "/dev/sda", "ü😀", "a", "x/../y"][place(pick, 8)];
            Value::Map(BTreeMap::from([(key.to_owned(), odd(kind, inner.wrapping_add(pick / 8)))]))
        }
        (_, Type::Object(attributes)) => {
            let entry = |(number, attribute): (u64, &Attribute)| {
                let value = if attribute.is_written() {
                    odd(&attribute.kind, inner.wrapping_add(1).wrapping_mul(number + pick))
                } else {
                    Value::Null
                };
                (attribute.name.clone(), value)
            };
            Value::Map((0..).zip(attributes).map(entry).collect())
        }
    }
}

/// One of so many.
pub(crate) fn place(pick: u64, count: usize) -> usize {
    usize::try_from(pick).unwrap_or(usize::MAX) % count
}
