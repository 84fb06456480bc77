//! Every way to write a spec wrongly, with the whole of what is answered.

use serde_json::{Value as Json, json};
use spawn_model::rules::{FILES_BYTES_MAX, SIZE_MAX, TAGS_MAX, read_spec};
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

/// A spec that keeps every rule.
fn good() -> Json {
    json!({ "name": "tiles", "size": 8, "instance_types": ["c7i.large"], "command": ["./render"] })
}

/// A good spec with some fields replaced; null takes one away.
fn but(changes: Json) -> Value {
    let mut spec = good();
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec.into()
}

fn told(kind: FleetKind, value: &Value) -> String {
    let (spec, problems) = read_spec(kind, value);
    assert_eq!(spec.is_some(), problems.is_empty() && !value.has_unknown(), "a spec is given exactly if it can be used: {value:?}");
    problems.iter().map(|problem| format!("  {problem}\n")).collect()
}

fn table(kind: FleetKind, cases: &[(&str, Value)]) -> String {
    let mut shown = String::new();
    for (what, value) in cases {
        let told = told(kind, value);
        assert!(!told.is_empty(), "{what} is accepted");
        shown.push_str(&format!("{what}\n{told}"));
    }
    shown
}

fn many(count: usize) -> Json {
    (0..count).map(|n| (format!("key-{n}"), Json::from("value"))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_good_spec_is_accepted() {
    assert_eq!(told(FleetKind::JobArray, &good().into()), "");
    assert_eq!(told(FleetKind::Instance, &json!({ "name": "n", "instance_types": ["t3.micro"] }).into()), "");
}

#[test]
fn what_a_job_array_may_not_be() {
    let cases = [
        ("an unknown field", but(json!({ "colour": "red" }))),
        ("a misspelt field", but(json!({ "instance_type": ["c7i.large"] }))),
        ("a misspelt field of the lease", but(json!({ "lease": { "tll": "1h" } }))),
        ("a reported field", but(json!({ "status": "running" }))),
        ("a market that does not exist", but(json!({ "market": { "type": "futures" } }))),
        ("a fallback that does not exist", but(json!({ "market": { "type": "spot", "fallback": "prayer" } }))),
        ("a price of nothing", but(json!({ "market": { "type": "spot", "max_price": 0 } }))),
        ("a negative price", but(json!({ "market": { "type": "spot", "max_price": -0.5 } }))),
        ("a price in words", but(json!({ "market": { "type": "spot", "max_price": "cheap" } }))),
        ("no rank left for spot", but(json!({ "market": { "type": "spot", "on_demand_base": 8 } }))),
        ("spot's fields on demand", but(json!({ "market": { "fallback": "on_demand", "on_demand_base": 2, "max_price": 0.05 } }))),
        ("replacements of an array's", but(json!({ "market": { "type": "spot", "rebalance": true } }))),
        ("a gang that is too large", but(json!({ "size": 1001, "gang": true }))),
        ("a gang that is bought in two ways", but(json!({ "gang": true, "market": { "type": "spot", "on_demand_base": 2 } }))),
        ("no rank at all would do", but(json!({ "min_size": 0 }))),
        ("more than all", but(json!({ "min_size": 9 }))),
        ("a gang of which fewer may do", but(json!({ "gang": true, "min_size": 4 }))),
        ("neither types nor requirements", but(json!({ "instance_types": null }))),
        ("types and requirements", but(json!({ "requirements": { "vcpu": 2 } }))),
        (
            "ranges that are none",
            but(json!({ "instance_types": null, "requirements": { "vcpu": "8..2", "memory_gib": "lots", "gpu": "-1" } })),
        ),
        ("an architecture that does not exist", but(json!({ "instance_types": null, "requirements": { "architecture": "sparc" } }))),
        ("a pattern that matches nothing", but(json!({ "instance_types": null, "requirements": { "exclude": ["C5.Large", ""] } }))),
        ("a placement that does not exist", but(json!({ "placement": "somewhere" }))),
        ("a cluster that may fall apart", but(json!({ "placement": "cluster" }))),
        ("a gang that cannot be spread", but(json!({ "placement": "spread", "gang": true }))),
        (
            "something else than subnets and groups",
            but(json!({ "network": { "subnets": ["sg-0123456789abcdef0"], "security_groups": ["default"] } })),
        ),
        ("a subnet twice", but(json!({ "network": { "subnets": ["subnet-01234567", "subnet-01234567"] } }))),
        (
            "too many groups",
            but(json!({ "network": { "security_groups": ["sg-00000001", "sg-00000002", "sg-00000003", "sg-00000004", "sg-00000005"] } })),
        ),
        ("a public address in words", but(json!({ "network": { "public_address": "yes" } }))),
        ("a key without a name", but(json!({ "ssh_key": "" }))),
        ("policies that are none", but(json!({ "policies": ["s3:ReadOnly:arn:aws:s3:::data/*", "s3:ReadOnly", "iam:Everything:*"] }))),
        ("a root volume that no instance boots from", but(json!({ "root_volume": { "type": "st1", "size_gib": 500 } }))),
        ("a root volume from a snapshot", but(json!({ "root_volume": { "snapshot": "snap-0123456789abcdef0" } }))),
        ("a root volume of a kind that does not exist", but(json!({ "root_volume": { "type": "ssd" } }))),
        ("a key for what is not encrypted", but(json!({ "root_volume": { "encrypted": false, "kms_key": "alias/mine" } }))),
        (
            "volumes too small and too large",
            but(json!({ "volumes": { "/dev/sdf": { "size_gib": 0 }, "/dev/sdg": { "size_gib": 16385, "type": "gp2" } } })),
        ),
        ("a volume of no size", but(json!({ "volumes": { "/dev/sdf": {} } }))),
        ("a volume where the image has its own", but(json!({ "volumes": { "/dev/xvda": { "size_gib": 8 } } }))),
        (
            "speed where there is none",
            but(json!({ "volumes": { "/dev/sdf": { "size_gib": 200, "type": "sc1", "iops": 100, "throughput_mib_s": 200 } } })),
        ),
        ("no speed where it is needed", but(json!({ "volumes": { "/dev/sdf": { "size_gib": 200, "type": "io2" } } }))),
        ("something else than a snapshot", but(json!({ "volumes": { "/dev/sdf": { "snapshot": "latest" } } }))),
        (
            "too many volumes",
            but(
                json!({ "volumes": (b'f'..=b'z').map(|letter| (format!("/dev/sd{}", letter as char), json!({ "size_gib": 8 }))).collect::<serde_json::Map<_, _>>() }),
            ),
        ),
        ("no name", but(json!({ "name": null }))),
        ("no size", but(json!({ "size": null }))),
        ("size 0", but(json!({ "size": 0 }))),
        ("size 10001", but(json!({ "size": SIZE_MAX + 1 }))),
        ("a negative size", but(json!({ "size": -1 }))),
        ("a broken size", but(json!({ "size": 1.5 }))),
        ("a size in quotes", but(json!({ "size": "8" }))),
        ("a size beyond 32 bits", but(json!({ "size": 5_000_000_000_i64 }))),
        ("no command", but(json!({ "command": null }))),
        ("an empty command", but(json!({ "command": [] }))),
        ("an empty program", but(json!({ "command": ["", "--depth"] }))),
        ("a command as a line", but(json!({ "command": "./render --depth 512" }))),
        ("a command with a number", but(json!({ "command": ["./render", 512] }))),
        ("a NUL byte in an argument", but(json!({ "command": ["./render", "a\0b"] }))),
        ("no instance type", but(json!({ "instance_types": [] }))),
        ("something else than an instance type", but(json!({ "instance_types": ["large", "c7i.", "C7I.large"] }))),
        ("an instance type twice", but(json!({ "instance_types": ["c7i.large", "c7a.large", "c7i.large"] }))),
        ("something else than an image", but(json!({ "ami": "amazon-linux" }))),
        ("an image id that ends too soon", but(json!({ "ami": "ami-" }))),
        ("hooks without a program", but(json!({ "pre_stop": {}, "market": { "type": "spot" }, "checkpoint": { "command": [""] } }))),
        ("a hook as a line", but(json!({ "pre_stop": "./save" }))),
        (
            "hooks that take no time, and too much",
            but(
                json!({ "pre_stop": { "command": ["./save"], "timeout": "0s" }, "market": { "type": "spot" }, "checkpoint": { "command": ["./save"], "timeout": "16m" } }),
            ),
        ),
        (
            "a hook that leaves nothing of the lease",
            but(json!({ "pre_stop": { "command": ["./save"], "timeout": "10m" }, "lease": { "ttl": "10m" } })),
        ),
        ("a checkpoint on demand", but(json!({ "checkpoint": { "command": ["./save"] } }))),
        ("a zone that is none", but(json!({ "dns": { "zone": "https://example.com" } }))),
        ("names without a zone", but(json!({ "dns": {} }))),
        ("a notice to peers on demand", but(json!({ "peer_notice": { "command": ["./save"] } }))),
        ("a notice to no peers", but(json!({ "size": 1, "market": { "type": "spot" }, "peer_notice": { "command": ["./save"] } }))),
        ("an array that stops", but(json!({ "lease": { "on_expiry": "stop", "on_idle": "stop", "idle": { "after": "15m" } } }))),
        ("an array that hibernates", but(json!({ "lease": { "on_expiry": "hibernate" } }))),
        ("an end that does not exist", but(json!({ "lease": { "on_expiry": "sleep" } }))),
        ("something kept that is not there", but(json!({ "lease": { "retain": "7d" } }))),
        ("a ttl in another unit", but(json!({ "lease": { "ttl": "5 parsecs" } }))),
        ("a ttl of nothing", but(json!({ "lease": { "ttl": "0s" } }))),
        ("a ttl too short", but(json!({ "lease": { "ttl": "59s" } }))),
        ("a ttl too long", but(json!({ "lease": { "ttl": "30d1s" } }))),
        ("a budget of nothing", but(json!({ "lease": { "budget": 0 } }))),
        ("a negative budget", but(json!({ "lease": { "budget": -5.5 } }))),
        ("a budget in words", but(json!({ "lease": { "budget": "5 dollars" } }))),
        ("a ttl that is a number", but(json!({ "lease": { "ttl": 3600 } }))),
        ("a lease that is text", but(json!({ "lease": "1h" }))),
        ("something else to wait for", but(json!({ "wait_for": "done" }))),
        ("a truth value in quotes", but(json!({ "delete_results": "yes" }))),
        ("a spec that is a list", json!([]).into()),
    ];
    insta::assert_snapshot!("job_array_problems", table(FleetKind::JobArray, &cases));
}

#[test]
fn what_idleness_may_not_be() {
    let lease = |lease: Json| but(json!({ "lease": lease }));
    let idle = |changes: Json| {
        let mut idle = json!({ "after": "15m" });
        for (field, value) in changes.as_object().unwrap() {
            idle[field] = value.clone();
        }
        lease(json!({ "ttl": "8h", "idle": idle }))
    };
    let cases = [
        ("nothing said", lease(json!({ "idle": {} }))),
        ("a length of time alone", lease(json!({ "idle": "15m" }))),
        ("a misspelt field", idle(json!({ "port": [8888] }))),
        ("after nothing", idle(json!({ "after": "0s" }))),
        ("after too little", idle(json!({ "after": "59s" }))),
        ("after longer than the lease", idle(json!({ "after": "8h1s" }))),
        ("after longer than the lease that is not written", lease(json!({ "idle": { "after": "2h" } }))),
        ("after a number", idle(json!({ "after": 900 }))),
        ("a process without a name", idle(json!({ "processes": ["jupyter-lab", ""] }))),
        ("a process by its path", idle(json!({ "processes": ["/usr/bin/rsync"] }))),
        ("a process that is a number", idle(json!({ "processes": [1] }))),
        ("port 0", idle(json!({ "ports": [8888, 0] }))),
        ("port 70000", idle(json!({ "ports": [70000] }))),
        ("a negative port", idle(json!({ "ports": [-1] }))),
        ("a port in quotes", idle(json!({ "ports": ["8888"] }))),
        (
            "negative thresholds",
            idle(json!({ "cpu_percent": -1, "network_bytes_per_second": -1, "disk_bytes_per_second": -0.5, "gpu_percent": -1 })),
        ),
        ("a threshold beyond all of a GPU", idle(json!({ "gpu_percent": 101 }))),
        ("a threshold in words", idle(json!({ "cpu_percent": "little" }))),
    ];
    insta::assert_snapshot!("idle_problems", table(FleetKind::JobArray, &cases));
    for (what, value) in [
        ("the shortest", idle(json!({ "after": "60s" }))),
        ("as long as the lease", idle(json!({ "after": "8h" }))),
        ("as long as the lease that is not written", lease(json!({ "idle": { "after": "1h" } }))),
        ("the first port and the last", idle(json!({ "ports": [1, 65535] }))),
        ("thresholds of nothing", idle(json!({ "cpu_percent": 0, "network_bytes_per_second": 0, "disk_bytes_per_second": 0 }))),
        ("no GPU looked at, and many cores", idle(json!({ "gpu_percent": 100, "cpu_percent": 9600 }))),
        ("turned off", lease(json!({ "idle": null }))),
    ] {
        assert_eq!(told(FleetKind::JobArray, &value), "", "{what}");
    }
}

#[test]
fn what_an_instance_may_not_be() {
    let cases = [
        ("a size", json!({ "name": "n", "size": 1, "instance_types": ["t3.micro"] }).into()),
        ("nothing", json!({}).into()),
        ("a least size", json!({ "name": "n", "min_size": 1, "instance_types": ["t3.micro"] }).into()),
        ("an empty command", json!({ "name": "n", "instance_types": ["t3.micro"], "command": [] }).into()),
        (
            "a spot instance that stops",
            json!({ "name": "n", "instance_types": ["t3.micro"], "market": { "type": "spot" }, "lease": { "on_expiry": "stop" } }).into(),
        ),
        (
            "a stop that should be an end, and a promise that cannot be kept",
            json!({ "name": "n", "instance_types": ["t3.micro"], "lease": { "on_expiry": "stop", "idle": { "after": "15m" }, "budget": 5 } }).into(),
        ),
        (
            "a stop for an idleness that is not told",
            json!({ "name": "n", "instance_types": ["t3.micro"], "lease": { "on_idle": "stop" } }).into(),
        ),
        (
            "hibernation in every way that there is none",
            json!({
                "name": "n", "instance_types": ["t3.micro"], "market": { "type": "spot" }, "root_volume": { "encrypted": false },
                "lease": { "on_expiry": "hibernate", "retain": "61d" },
            })
            .into(),
        ),
        (
            "hibernation that is too long with its lease",
            json!({
                "name": "n", "instance_types": ["t3.micro"],
                "lease": { "ttl": "30d", "idle": { "after": "15m" }, "on_idle": "hibernate", "on_expiry": "hibernate", "retain": "31d" },
            })
            .into(),
        ),
        (
            "a hook that hibernation makes superfluous",
            json!({
                "name": "n", "instance_types": ["t3.micro"], "pre_stop": { "command": ["./save"] },
                "lease": { "ttl": "1h", "on_expiry": "hibernate" },
            })
            .into(),
        ),
        (
            "an idleness that hibernates until what has stopped is gone",
            json!({
                "name": "n", "instance_types": ["t3.micro"],
                "lease": { "ttl": "30d", "idle": { "after": "15m" }, "on_idle": "hibernate", "on_expiry": "stop", "retain": "90d" },
            })
            .into(),
        ),
        (
            "hibernation for an idleness that is not told, and an end that powering off is not",
            json!({
                "name": "n", "instance_types": ["t3.micro"], "lease": { "on_idle": "hibernate", "budget": 5 },
            })
            .into(),
        ),
        (
            "something kept for too long",
            json!({ "name": "n", "instance_types": ["t3.micro"], "lease": { "on_expiry": "stop", "retain": "1y" } }).into(),
        ),
        (
            "something kept for longer than anybody remembers",
            json!({ "name": "n", "instance_types": ["t3.micro"], "lease": { "on_expiry": "stop", "retain": "91d" } }).into(),
        ),
    ];
    insta::assert_snapshot!("instance_problems", table(FleetKind::Instance, &cases));
}

#[test]
fn what_a_queue_may_not_be() {
    let queue = |changes: serde_json::Value| {
        let mut spec = json!({ "name": "n", "instance_types": ["t3.micro"], "jobs": { "a": { "command": ["true"] } } });
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Value::from(spec)
    };
    let job = |changes: serde_json::Value| {
        let mut job = json!({ "command": ["true"] });
        job.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        queue(json!({ "jobs": { "a": job, "b": { "command": ["true"] } } }))
    };
    let waiting = |needs: serde_json::Value| {
        let jobs = needs.as_object().unwrap().iter();
        let jobs: serde_json::Map<_, _> =
            jobs.map(|(name, needs)| (name.clone(), json!({ "command": ["true"], "depends_on": needs }))).collect();
        queue(json!({ "jobs": jobs }))
    };
    assert_eq!(told(FleetKind::Queue, &queue(json!({}))), "");
    assert_eq!(told(FleetKind::Queue, &waiting(json!({ "a": [], "b": ["a"], "c": ["a", "b"], "d": ["c", "a"] }))), "");
    let cases = [
        ("nothing but a name", json!({ "name": "n", "instance_types": ["t3.micro"] }).into()),
        ("no worker", queue(json!({ "workers": 0 }))),
        ("more than one schedule ends", queue(json!({ "workers": 1001 }))),
        ("no job", queue(json!({ "jobs": {} }))),
        ("what other fleets have", queue(json!({ "size": 3, "command": ["true"], "gang": true, "pre_stop": { "command": ["true"] } }))),
        ("a stop", queue(json!({ "lease": { "on_expiry": "stop" } }))),
        ("another way to go on", queue(json!({ "on_failure": "panic" }))),
        ("names that are none", queue(json!({ "jobs": { "a/b": { "command": ["true"] }, "-c": { "command": ["true"] } } }))),
        ("a job without a command", queue(json!({ "jobs": { "a": { "command": [] }, "b": {} } }))),
        ("a misspelt field of a job", job(json!({ "depend_on": ["b"] }))),
        ("a job that is not there", job(json!({ "depends_on": ["b", "c"] }))),
        ("a job that is named twice", job(json!({ "depends_on": ["b", "b"] }))),
        ("a job that waits for itself", waiting(json!({ "a": ["a"] }))),
        ("jobs that wait for each other", waiting(json!({ "fetch": ["stats"], "clean": ["fetch"], "stats": ["clean"], "other": [] }))),
        ("variables that are none", job(json!({ "env": { "SPAWN_JOB": "x" }, "params": { "A-B": "x" } }))),
        ("no time at all", job(json!({ "timeout": "0s" }))),
        ("a time that is none", job(json!({ "timeout": "soon" }))),
        (
            "patterns that are none",
            job(json!({ "results": ["/etc/passwd", "../out", "raw/[", "", "./a", "out/", "a/*b*c*d*", "**/**/**/**/x"] })),
        ),
        ("tries that are none", job(json!({ "retry": { "attempts": 0, "base_delay": "2h", "jitter": 1.5, "backoff": "slowly" } }))),
        (
            "codes and pauses that are none",
            job(json!({ "retry": { "attempts": 2, "on_exit_codes": [0, 256], "base_delay": "2m", "max_delay": "1m" } })),
        ),
        ("more than fits", job(json!({ "env": { "TEXT": "x".repeat(5 << 20) } }))),
        ("a retry that says nothing", job(json!({ "retry": {} }))),
    ];
    insta::assert_snapshot!("queue_problems", table(FleetKind::Queue, &cases));
    assert_eq!(
        told(FleetKind::JobArray, &but(json!({ "jobs": { "a": { "command": ["true"] } } }))),
        "  jobs: only a queue has jobs and workers. Make a queue, or leave jobs out\n"
    );
}

#[test]
fn what_a_service_may_not_be() {
    let service = |changes: serde_json::Value| {
        let mut spec = json!({ "name": "n", "size": 3, "instance_types": ["t3.micro"], "command": ["./serve"] });
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Value::from(spec)
    };
    for on_demand_base in [1, 3, 5] {
        for fallback in ["none", "on_demand"] {
            let market = json!({ "type": "spot", "on_demand_base": on_demand_base, "fallback": fallback });
            assert_eq!(told(FleetKind::Service, &service(json!({ "market": market }))), "");
        }
    }
    let cases = [
        ("nothing but a name", json!({ "name": "n", "instance_types": ["t3.micro"] }).into()),
        ("no instance", service(json!({ "size": 0 }))),
        ("more than one schedule ends", service(json!({ "size": 1001 }))),
        ("fewer", service(json!({ "min_size": 2 }))),
        ("a gang", service(json!({ "gang": true }))),
        ("a cluster", service(json!({ "placement": "cluster" }))),
        ("idleness", service(json!({ "lease": { "idle": { "after": "15m" } } }))),
        ("a stop", service(json!({ "lease": { "on_expiry": "stop" } }))),
        ("more than a budget counts", service(json!({ "market": { "type": "spot", "rebalance": true }, "lease": { "budget": 5.0 } }))),
        ("a wait for what does not end", service(json!({ "wait_for": "completed" }))),
    ];
    insta::assert_snapshot!("service_problems", table(FleetKind::Service, &cases));
}

#[test]
fn what_a_name_may_not_be() {
    let long = "a".repeat(64);
    let names = ["", "Tiles", "1st", "-a", "a-", "a_b", "a.b", "a b", "a/b", "grüße", "spawn:x", long.as_str()];
    let cases: Vec<(&str, Value)> = names.iter().map(|name| (*name, but(json!({ "name": name })))).collect();
    insta::assert_snapshot!("name_problems", table(FleetKind::JobArray, &cases));
    for name in ["a", "a1", "render-2026", &"a".repeat(63)] {
        assert_eq!(told(FleetKind::JobArray, &but(json!({ "name": name }))), "", "{name}");
    }
}

#[test]
fn what_files_environment_and_tags_may_not_be() {
    let text = "x".repeat(FILES_BYTES_MAX);
    let cases = [
        ("a file above the directory", but(json!({ "files": { "../render": "" } }))),
        ("an absolute file", but(json!({ "files": { "/etc/passwd": "" } }))),
        ("a file without a name", but(json!({ "files": { "": "" } }))),
        ("a file with an empty part", but(json!({ "files": { "a//b": "" } }))),
        ("a file that is a dot", but(json!({ "files": { "a/./b": "" } }))),
        ("a file name with a NUL byte", but(json!({ "files": { "a\0": "" } }))),
        ("a file name too long", but(json!({ "files": { "n".repeat(256): "" } }))),
        ("a file that is a number", but(json!({ "files": { "n": 1 } }))),
        ("files too large", but(json!({ "files": { "a": text, "b": "" } }))),
        ("a variable with a hyphen", but(json!({ "env": { "A-B": "" } }))),
        ("a variable that begins with a digit", but(json!({ "env": { "1A": "" } }))),
        ("a variable without a name", but(json!({ "env": { "": "" } }))),
        ("a variable of spawn", but(json!({ "env": { "SPAWN_RANK": "0" } }))),
        ("a variable that is a number", but(json!({ "env": { "PORT": 8080 } }))),
        ("a NUL byte in a variable", but(json!({ "env": { "A": "\0" } }))),
        ("too many tags", but(json!({ "tags": many(TAGS_MAX + 1) }))),
        ("a tag of spawn", but(json!({ "tags": { "spawn:fleet": "mine" } }))),
        ("a tag of AWS", but(json!({ "tags": { "AWS:region": "mine" } }))),
        ("the name as a tag", but(json!({ "tags": { "Name": "mine" } }))),
        ("a tag without a key", but(json!({ "tags": { "": "mine" } }))),
        ("a tag key too long", but(json!({ "tags": { "k".repeat(129): "mine" } }))),
        ("a tag value too long", but(json!({ "tags": { "k": "v".repeat(257) } }))),
    ];
    let shown = table(FleetKind::JobArray, &cases).replace('\0', "␀").replace(&"n".repeat(256), "n…n").replace(&"k".repeat(129), "k…k");
    insta::assert_snapshot!("map_problems", shown);
}

#[test]
fn the_limits_themselves_are_accepted() {
    let room = FILES_BYTES_MAX - "a".len();
    for (what, value) in [
        ("one machine", but(json!({ "size": 1 }))),
        ("as many machines as there may be", but(json!({ "size": SIZE_MAX }))),
        ("the shortest lease", but(json!({ "lease": { "ttl": "60s" } }))),
        ("the longest lease", but(json!({ "lease": { "ttl": "30d" } }))),
        ("as many bytes as fit", but(json!({ "files": { "a": "x".repeat(room) } }))),
        ("as many tags as fit", but(json!({ "tags": many(TAGS_MAX) }))),
        ("the longest tag", but(json!({ "tags": { "k".repeat(128): "v".repeat(256) } }))),
        ("a hidden directory", but(json!({ "files": { ".config/a..b": "" } }))),
    ] {
        assert_eq!(told(FleetKind::JobArray, &value), "", "{what}");
    }
}

#[test]
fn what_is_not_known_yet_is_not_judged() {
    let Value::Map(all) = Value::from(good()) else { panic!("a spec is a map") };
    for field in FleetKind::JobArray.fields() {
        let mut spec = all.clone();
        spec.insert(field.name.to_owned(), Value::Unknown);
        assert_eq!(told(FleetKind::JobArray, &Value::Map(spec)), "", "{}", field.name);
    }
    assert_eq!(told(FleetKind::JobArray, &Value::Unknown), "");
    let inside = |field: &str, value: Value| {
        let mut spec = all.clone();
        spec.insert(field.to_owned(), value);
        told(FleetKind::JobArray, &Value::Map(spec))
    };
    let entry = |key: &str| Value::Map([(key.to_owned(), Value::Unknown)].into());
    assert_eq!(inside("command", Value::List(vec![Value::Unknown])), "");
    assert_eq!(inside("instance_types", Value::List(vec!["c7i.large".into(), Value::Unknown])), "");
    assert_eq!(inside("files", entry("render")), "");
    assert_eq!(inside("tags", entry("team")), "");
    assert_eq!(inside("lease", entry("ttl")), "");
    assert_eq!(inside("lease", entry("idle")), "");
    let later = |ttl: Value, after: Value| {
        let idle = Value::Map([("after".to_owned(), after)].into());
        inside("lease", Value::Map([("ttl".to_owned(), ttl), ("idle".to_owned(), idle)].into()))
    };
    assert_eq!(later(Value::Unknown, "29d".into()), "");
    assert_eq!(later("20m".into(), Value::Unknown), "");
}

#[test]
fn what_is_known_is_judged_while_another_field_is_not() {
    let mut spec = but(json!({ "size": 0, "lease": { "ttl": "5 parsecs" } }));
    if let Value::Map(fields) = &mut spec {
        fields.insert("name".to_owned(), Value::Unknown);
        fields.insert("files".to_owned(), Value::Map([("../up".to_owned(), Value::Unknown)].into()));
    }
    insta::assert_snapshot!("known_beside_unknown", told(FleetKind::JobArray, &spec));
}
