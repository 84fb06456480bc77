//! Blocks of Terraform configurations, from defaults that each test changes where it matters.

/// The address of the block that [`array`] writes.
pub const ARRAY: &str = "spawn_job_array.it";
/// The address of the block that [`instance`] writes.
pub const INSTANCE: &str = "spawn_instance.it";
/// The address of the block that [`service`] writes.
pub const SERVICE: &str = "spawn_service.it";

/// The address of the block that [`queue`] writes.
pub const QUEUE: &str = "spawn_queue.it";

/// The address of the block that [`alert`] writes.
pub const ALERT: &str = "spawn_alert.it";

/// The address of the block that [`schedule`] writes.
pub const SCHEDULE: &str = "spawn_schedule.it";

/// What [`schedule`] starts.
pub const SCHEDULED: &str = r#"{ size = 2, instance_types = ["c7i.large", "c7a.large"], command = ["true"], lease = { ttl = "20m" } }"#;

/// A block of fields in Terraform's syntax. A later one of the same name replaces an earlier one; an empty one removes it.
pub fn block(kind: &str, fields: &[(&str, &str)]) -> String {
    let mut kept: Vec<(&str, &str)> = Vec::new();
    for (name, value) in fields {
        match kept.iter_mut().find(|(kept, _)| kept == name) {
            Some(field) => field.1 = value,
            None => kept.push((name, value)),
        }
    }
    let lines: String = kept.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("  {name} = {value}\n")).collect();
    format!("resource \"{kind}\" \"it\" {{\n{lines}}}\n")
}

/// Two ranks named `tiles` that sleep, with these changes.
pub fn array(changes: &[(&str, &str)]) -> String {
    let fields = [
        ("name", r#""tiles""#),
        ("size", "2"),
        ("instance_types", r#"["c7i.large"]"#),
        ("files", r##"{ "work" = "#!/bin/sh\nexec sleep 600\n" }"##),
        ("command", r#"["./work", "hard"]"#),
        ("env", r#"{ PALETTE = "fire" }"#),
        ("lease", r#"{ ttl = "20m" }"#),
        ("tags", r#"{ team = "maths" }"#),
        ("wait_for", r#""running""#),
    ];
    block("spawn_job_array", &[&fields, changes].concat())
}

/// A machine named `bench` without a command, with these changes.
pub fn instance(changes: &[(&str, &str)]) -> String {
    let fields = [
        ("name", r#""bench""#),
        ("instance_types", r#"["m7i.large", "m7a.large"]"#),
        ("lease", r#"{ ttl = "20m" }"#),
        ("tags", r#"{ owner = "ada" }"#),
        ("wait_for", r#""running""#),
    ];
    block("spawn_instance", &[&fields, changes].concat())
}

/// A queue named `etl` of three jobs in a row, which two workers drain, with these changes.
pub fn queue(changes: &[(&str, &str)]) -> String {
    let jobs = r#"{
    fetch = { command = ["sh", "-c", "mkdir raw; echo $SPAWN_PARAM_WHAT >raw/a.csv; echo no >raw/a.txt"], params = { WHAT = "one" }, results = ["raw/*.csv"] }
    clean = { command = ["sh", "-c", "test $SPAWN_ATTEMPT = 1 && exit 75; cp $SPAWN_INPUTS/fetch/raw/a.csv $SPAWN_RESULTS/clean"], depends_on = ["fetch"], retry = { attempts = 2, base_delay = "1s", on_exit_codes = [75] } }
    stats = { command = ["sh", "-c", "echo $STRICT $SPAWN_JOB; cat $SPAWN_INPUTS/clean/clean | tee $SPAWN_RESULTS/stats"], depends_on = ["clean"], env = { STRICT = "1" }, timeout = "10m" }
  }"#;
    let fields = [
        ("name", r#""etl""#),
        ("workers", "2"),
        ("instance_types", r#"["c7i.large", "c7a.large"]"#),
        ("jobs", jobs),
        ("lease", r#"{ ttl = "20m" }"#),
        ("tags", r#"{ team = "maths" }"#),
        ("wait_for", r#""completed""#),
    ];
    block("spawn_queue", &[&fields, changes].concat())
}

/// Three ranks named `web` that serve until they are told to end, with these changes.
pub fn service(changes: &[(&str, &str)]) -> String {
    let fields = [
        ("name", r#""web""#),
        ("size", "3"),
        ("instance_types", r#"["c7i.large", "c7a.large"]"#),
        ("files", r##"{ "serve" = "#!/bin/sh\necho attempt $SPAWN_ATTEMPT of rank $SPAWN_RANK\nexec sleep 600\n" }"##),
        ("command", r#"["./serve"]"#),
        ("lease", r#"{ ttl = "20m" }"#),
        ("tags", r#"{ team = "maths" }"#),
        ("wait_for", r#""ready""#),
    ];
    block("spawn_service", &[&fields, changes].concat())
}

/// A schedule named `nightly` that starts two ranks every ten minutes, with these changes.
pub fn schedule(changes: &[(&str, &str)]) -> String {
    let fields = [("name", r#""nightly""#), ("cron", r#""*/10 * * * *""#), ("job_array", SCHEDULED)];
    block("spawn_schedule", &[&fields, changes].concat())
}

/// An alert named `money` that watches everything and posts to `url`, with these changes.
pub fn alert(url: &str, changes: &[(&str, &str)]) -> String {
    let notify = format!("{{ email = [\"ada@example.com\"], webhook = {{ url = \"{url}/hook\", secret = \"hunter2\" }} }}");
    let fields = [("name", r#""money""#), ("watch", "{ everything = true }"), ("on", r#"["failed"]"#), ("notify", &notify)];
    block("spawn_alert", &[&fields, changes].concat())
}
