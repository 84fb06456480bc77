//! Queue files of the predecessor, as tables of what somebody wrote then and what becomes of it.

use serde_json::{Value as Json, json};
use spawn_model::queue::predecessor::{Converted, NoQueueFile, convert, is_meant};
use spawn_model::rules::read_spec;
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

/// A file with every field.
const COMPLETE: &str = include_str!("queue-file.json");

fn changed(mut object: Json, changes: Json) -> Json {
    object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    object
}

/// A job `a` with these changes.
fn job(changes: Json) -> Json {
    changed(json!({ "job_id": "a", "command": "true", "timeout": "5m" }), changes)
}

/// A file of a job with these changes, and of a job `b`.
fn of(changes: Json) -> Json {
    json!({ "queue_id": "q", "on_failure": "stop", "global_timeout": "1h", "jobs": [job(changes), job(json!({ "job_id": "b" }))] })
}

/// A file with these changes.
fn file(changes: Json) -> Json {
    changed(of(json!({})), changes)
}

fn converted(file: &Json) -> Converted {
    convert(&file.to_string()).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn refused(file: &Json) -> String {
    convert(&file.to_string()).map(|converted| format!("{converted:?}")).unwrap_or_else(|error| error.to_string())
}

#[test]
fn a_complete_file_becomes_a_queue() {
    assert!(is_meant(COMPLETE));
    let Converted { mut fields, notes } = convert(COMPLETE).unwrap();
    let Some(Value::Map(jobs)) = fields.get_mut("jobs") else { panic!("no jobs") };
    let Some(Value::Map(find)) = jobs.get_mut("find_sources") else { panic!("no such job") };
    let Some(Value::List(command)) = find.remove("command") else { panic!("no command") };
    let command: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
    let [shell, option, copying, name, script, pattern] = command.as_slice() else { panic!("{command:?}") };
    assert_eq!((*shell, *option, *name), ("/bin/bash", "-c", "results"));
    assert_eq!((*script, *pattern), ("python find.py --input raw --output /tmp/sources", "/tmp/sources/**/*.csv"));
    assert!(copying.contains("\"$1\" || exit") && copying.contains("$SPAWN_RESULTS"), "{copying}");
    let expected = json!({
        "kind": "queue",
        "name": "survey-20260127",
        "lease": { "ttl": "6h" },
        "on_failure": "continue",
        "jobs": {
            "fetch": {
                "command": ["/bin/bash", "-c", "for i in {1..3}; do curl -sf \"$BASE/$i.fits\" -o raw/$i.fits; done"],
                "timeout": "30m",
                "env": { "BASE": "https://sky.example.com" },
                "retry": {
                    "attempts": 5, "backoff": "exponential", "base_delay": "2s", "max_delay": "10m", "jitter": 0.3,
                    "on_exit_codes": [7, 28],
                },
                "results": ["raw/*.fits"],
            },
            "find_sources": {
                "timeout": "1h30m",
                "depends_on": ["fetch"],
                "retry": { "attempts": 2, "backoff": "fixed", "base_delay": "5s", "max_delay": "5m" },
                "results": ["find.log"],
            },
            "report": {
                "command": ["/bin/bash", "-c", "python report.py"], "timeout": "15m", "depends_on": ["fetch", "find_sources"],
            },
        },
    });
    assert_eq!(Value::Map(fields), Value::from(expected));
    assert_eq!(
        notes,
        [
            "commands run as an ordinary user, not as root, and without rights in AWS unless `policies` give them some",
            "each job starts in a new directory; what it leaves elsewhere on its machine is there for other jobs only as long as there is one worker",
            "QUEUE_ID is the id of the run, and not queue_id",
            "queue_name is left out: a fleet has one name, and that is queue_id",
            "on_failure: jobs that depend on one that has failed are skipped, and not run in spite of it",
            "jitter makes a pause shorter by up to that part of it, and never longer",
            "what result_paths that begin with / match is copied when the job has succeeded, and kept by its file name alone",
            "result_s3_bucket and result_s3_prefix are left out: results lie in spawn's own bucket, and `spawn queue results` fetches them",
        ]
    );
}

#[test]
fn what_is_converted_is_a_queue_once_its_machines_are_named() {
    let mut fields = convert(COMPLETE).unwrap().fields;
    fields.remove("kind");
    fields.insert("instance_types".to_owned(), Value::List(vec!["c7i.large".into()]));
    let (spec, problems) = read_spec(FleetKind::Queue, &Value::Map(fields));
    assert_eq!(problems, []);
    let spec = spec.unwrap();
    assert_eq!((spec.workers, spec.lease.ttl.0, spec.jobs.len()), (Some(1), 6 * 3600, 3));
    let kept = spec.jobs["fetch"].result_filter();
    assert!(kept("raw/1.fits") && !kept("raw/more/1.fits"));
}

#[test]
fn each_field_has_its_place() {
    let retry = |changes: Json| of(json!({ "retry": changed(json!({ "max_attempts": 3 }), changes) }));
    let but_two: Vec<i64> = (1..=255).filter(|code| ![2, 127].contains(code)).collect();
    for (file, place, expected) in [
        (file(json!({ "queue_id": "My_Queue" })), "name", json!("My_Queue")),
        (file(json!({ "queue_id": "" })), "name", json!(null)),
        (file(json!({ "global_timeout": "90m" })), "lease", json!({ "ttl": "1h30m" })),
        (file(json!({ "global_timeout": "" })), "lease", json!(null)),
        (file(json!({ "on_failure": "" })), "on_failure", json!(null)),
        (of(json!({ "timeout": null })), "jobs.a.timeout", json!(null)),
        (of(json!({ "timeout": "1500ms" })), "jobs.a.timeout", json!("2s")),
        (of(json!({ "env": {} })), "jobs.a.env", json!({})),
        (of(json!({ "depends_on": null })), "jobs.a.depends_on", json!(null)),
        (of(json!({ "depends_on": ["b", "b"] })), "jobs.a.depends_on", json!(["b"])),
        (of(json!({ "result_paths": ["./out//*.csv", "a"] })), "jobs.a.results", json!(["out/*.csv", "a"])),
        (of(json!({ "result_paths": ["/tmp/a"] })), "jobs.a.results", json!(null)),
        (of(json!({ "retry": null })), "jobs.a.retry", json!(null)),
        (retry(json!({})), "jobs.a.retry", json!({ "attempts": 3, "backoff": "fixed", "base_delay": "5s", "max_delay": "5m" })),
        (retry(json!({ "backoff": "exponential" })), "jobs.a.retry.backoff", json!("exponential")),
        (retry(json!({ "backoff": "exponential-jitter" })), "jobs.a.retry.jitter", json!(null)),
        (retry(json!({ "backoff": "exponential", "jitter": 0.5 })), "jobs.a.retry.jitter", json!(null)),
        (retry(json!({ "base_delay": "10m" })), "jobs.a.retry.base_delay", json!("5m")),
        (retry(json!({ "retry_on_codes": [], "dont_retry_on_codes": [] })), "jobs.a.retry.on_exit_codes", json!(null)),
        (retry(json!({ "retry_on_codes": [0, 1, 75] })), "jobs.a.retry.on_exit_codes", json!([1, 75])),
        (retry(json!({ "dont_retry_on_codes": [2, 127] })), "jobs.a.retry.on_exit_codes", json!(but_two)),
        (retry(json!({ "retry_on_codes": [2], "dont_retry_on_codes": [2] })), "jobs.a.retry", json!(null)),
    ] {
        let fields = Value::Map(converted(&file).fields);
        let found = place.split('.').fold(&fields, |value, name| value.get(name));
        assert_eq!(*found, Value::from(expected), "{place} of {file}");
    }
}

#[test]
fn what_is_otherwise_is_told() {
    let retry = |changes: Json| of(json!({ "retry": changed(json!({ "max_attempts": 3 }), changes) }));
    for (file, note) in [
        (
            file(json!({ "global_timeout": null })),
            "there is no global_timeout: without a `ttl` of your own the lease ends the queue after its default of an hour",
        ),
        (
            file(json!({ "on_failure": null })),
            "there is no on_failure: a failure stops the queue; write \"continue\" to go on with what does not depend on it",
        ),
        (file(json!({ "priority": 3 })), "priority is left out: a queue file has no such field"),
        (of(json!({ "retry_count": 3 })), "jobs.a.retry_count is left out: a queue file has no such field"),
        (of(json!({ "timeout": "1500ms" })), "jobs.a.timeout: \"1500ms\" becomes 2s: spawn counts in whole seconds"),
        (retry(json!({ "delay": "1s" })), "jobs.a.retry.delay is left out: a queue file has no such field"),
        (retry(json!({ "backoff": "fixed", "jitter": 0.5 })), "jobs.a.retry.jitter is left out: only exponential-jitter has it"),
        (
            retry(json!({ "dont_retry_on_codes": [2] })),
            "with dont_retry_on_codes a job does not run again that was ended after its timeout, or by a signal: it has no exit code",
        ),
        (retry(json!({ "retry_on_codes": [0] })), "jobs.a.retry is left out: no exit code is left after which the job would run again"),
    ] {
        let notes = converted(&file).notes;
        assert!(notes.iter().any(|told| told == note), "{file}: {notes:#?}");
    }
    // What every file is told, and nothing else.
    assert_eq!(converted(&file(json!({ "queue_name": "q" }))).notes.len(), 3);
}

#[test]
fn what_cannot_be_carried_over_is_refused_where_it_stands() {
    let retry = |changes: Json| of(json!({ "retry": changed(json!({ "max_attempts": 3, "backoff": "fixed" }), changes) }));
    let write = "Write it like \"90s\", \"20m\" or \"1h30m\"";
    let codes = "Write numbers from 1 to 255; what was ended after its timeout, or by a signal, has no exit code here";
    let names = "Use letters, digits, and between them -, _ and ., at most 100 characters";
    for (file, expected) in [
        (json!([]), "this is not an object. Write an object: {\"name\": value}".to_owned()),
        (json!({ "queue_id": "q" }), "jobs: is required. Write a list of jobs".to_owned()),
        (file(json!({ "jobs": {} })), "jobs: is not a list. Write a list of jobs".to_owned()),
        (file(json!({ "jobs": [] })), "jobs: 0 jobs make no queue. Write 1 to 10000 jobs".to_owned()),
        (file(json!({ "queue_id": 7 })), "queue_id: 7 is not text. Write text".to_owned()),
        (
            file(json!({ "on_failure": "retry" })),
            "on_failure: \"retry\" is nothing to do after a failure. Write \"stop\" or \"continue\"".to_owned(),
        ),
        (file(json!({ "global_timeout": "1d" })), format!("global_timeout: \"1d\" is not a length of time. {write}")),
        (file(json!({ "On_Failure": "stop" })), "On_Failure: is written otherwise. Write on_failure".to_owned()),
        (file(json!({ "jobs": ["a"] })), "jobs[0]: this is not an object. Write an object: {\"name\": value}\njobs: 0 jobs make no queue. Write 1 to 10000 jobs".to_owned()),
        (of(json!({ "job_id": "b" })), "jobs[1].job_id: \"b\" is the id of another job too. Give each job an id of its own".to_owned()),
        (
            file(json!({ "jobs": [job(json!({})), { "command": "true" }] })),
            "jobs[1].job_id: is required. Set jobs[1].job_id".to_owned(),
        ),
        (of(json!({ "job_id": "a b" })), format!("jobs[\"a b\"]: \"a b\" cannot be a job's name. {names}")),
        (of(json!({ "job_id": "-a" })), format!("jobs.-a: \"-a\" cannot be a job's name. {names}")),
        (of(json!({ "command": "" })), "jobs.a.command: is required. Set jobs.a.command".to_owned()),
        (of(json!({ "command": ["true"] })), "jobs.a.command: a list is not text. Write text".to_owned()),
        (of(json!({ "timeout": "soon" })), format!("jobs.a.timeout: \"soon\" is not a length of time. {write}")),
        (of(json!({ "timeout": "-5m" })), format!("jobs.a.timeout: \"-5m\" is not a length of time. {write}")),
        (
            of(json!({ "timeout": "0s" })),
            "jobs.a.timeout: \"0s\" is not between 1s and 30d. Write one between them, or leave it out".to_owned(),
        ),
        (of(json!({ "env": { "PORT": 80 } })), "jobs.a.env.PORT: 80 is not text. Write text".to_owned()),
        (
            of(json!({ "depends_on": ["b", "c"] })),
            "jobs.a.depends_on[1]: \"a\" depends on \"c\", and there is no such job. Name a job of this queue".to_owned(),
        ),
        (
            of(json!({ "depends_on": ["a"] })),
            "jobs.a.depends_on: none of these jobs could ever begin: a waits for a. Break the circle at one of them".to_owned(),
        ),
        (
            of(json!({ "result_paths": ["../out"] })),
            "jobs.a.result_paths[0]: \"../out\" matches no file there. Write a path below the directory that the job starts in, such as \"raw/*.csv\"".to_owned(),
        ),
        (of(json!({ "retry": {} })), "jobs.a.retry.max_attempts: is required. Set jobs.a.retry.max_attempts".to_owned()),
        (
            retry(json!({ "max_attempts": 0 })),
            "jobs.a.retry.max_attempts: 0 attempts are not possible. Write a number from 1 to 100".to_owned(),
        ),
        (
            retry(json!({ "backoff": "quantum" })),
            "jobs.a.retry.backoff: \"quantum\" is no way to grow. Write \"fixed\", \"exponential\" or \"exponential-jitter\"".to_owned(),
        ),
        (retry(json!({ "base_delay": "soon" })), format!("jobs.a.retry.base_delay: \"soon\" is not a length of time. {write}")),
        (retry(json!({ "max_delay": "2h" })), "jobs.a.retry.max_delay: \"2h\" is longer than 1h. Write less".to_owned()),
        (
            retry(json!({ "backoff": "exponential-jitter", "jitter": 1.5 })),
            "jobs.a.retry.jitter: 1.5 is no part of a pause. Write a number from 0 to 1".to_owned(),
        ),
        (retry(json!({ "retry_on_codes": [1, 256] })), format!("jobs.a.retry.retry_on_codes[1]: 256 is no exit code. {codes}")),
        (retry(json!({ "dont_retry_on_codes": [-1] })), format!("jobs.a.retry.dont_retry_on_codes[0]: -1 is no exit code. {codes}")),
    ] {
        assert_eq!(refused(&file), expected, "{file}");
    }
    let several = of(json!({ "timeout": "soon", "depends_on": ["c"] }));
    let Err(NoQueueFile::Problems(problems)) = convert(&several.to_string()) else { panic!("it was converted") };
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn what_is_not_json_is_refused_at_its_line() {
    for (broken, expected) in [
        (COMPLETE.replacen("\"30m\",", "\"30m\"", 1), "line 9, column 7: expected `,` or `}`"),
        (COMPLETE.replacen("[6, 7, 28]", "[6, 7, 28,]", 1), "line 19, column 37: trailing comma"),
        (COMPLETE.trim_end().trim_end_matches('}').to_owned(), "line 46, column 1: EOF while parsing an object"),
    ] {
        assert!(is_meant(&broken));
        assert_eq!(convert(&broken).map_err(|error| error.to_string()).map(|_| ()), Err(expected.to_owned()));
    }
}

#[test]
fn a_file_of_ours_is_not_taken_for_one() {
    for (text, expected) in [
        (r#"{"queue_id": "q", "jobs": [{"job_id": "a"}]}"#, true),
        (r#"{"jobs": [{"job_id": "a"}]}"#, true),
        (r#"{"queue_name": "q", "jobs": []}"#, true),
        (r#"{"queue_id": "q"}"#, true),
        ("  {\"queue_id\": \"q\",\n", false),
        ("{\"jobs\": [{\"job_id\": ", true),
        (r#"{"jobs": []}"#, false),
        (r#"{"jobs": [{"name": "a"}]}"#, false),
        (r#"{"queue_id": "q", "jobs": {"a": {"command": ["true"]}}}"#, false),
        (r#"{"name": "q", "jobs": {"job_id": {"command": ["true"]}}}"#, false),
        ("name: q\njobs:\n  a: {command: [echo, '\"jobs\" \"job_id\"']}\n", false),
        ("jobs: [{job_id: a}]\n", false),
        ("{jobs: {a: {command: ['true']}}}", false),
        ("[]", false),
        ("", false),
    ] {
        assert_eq!(is_meant(text), expected, "{text}");
    }
}
