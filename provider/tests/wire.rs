//! Real Terraform against the toy provider of `examples/toy_provider.rs`.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "wire/workspace.rs"]
mod workspace;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;
use workspace::{Run, Workspace, toy_provider};

fn actions(address: &str, actions: &[&str]) -> Vec<(String, Vec<String>)> {
    vec![(address.to_owned(), actions.iter().map(|action| (*action).to_owned()).collect())]
}

#[test]
fn a_thing_lives_from_create_to_destroy() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}");
    workspace.run(&["validate", "-no-color"]).succeeded();
    assert_eq!(workspace.planned(), actions("toy_thing.a", &["create"]));
    workspace.apply().succeeded();
    workspace.assert_settled();
    let state = workspace.state("toy_thing.a");
    assert_eq!(state["schema_version"], 1);
    assert_eq!(
        state["values"],
        json!({
            "id": "thing-alpha", "name": "alpha", "size": 2, "weight": 0.1, "enabled": true, "note": null,
            "command": null, "tags": {}, "lease": {"ttl": "4h", "zone": null, "deadline": "now+4h"},
            "parts": null, "steps": null, "slow": null, "panics": null, "secret": null,
            "members": [{"rank": 0, "address": "10.0.0.0"}, {"rank": 1, "address": "10.0.0.1"}],
        })
    );
    assert!(workspace.path("things/shutdown").exists(), "the provider was told that Terraform has its answers");

    workspace.configure("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n size = 3\n lease = { ttl = \"8h\" }\n}");
    assert_eq!(workspace.planned(), actions("toy_thing.a", &["update"]));
    workspace.apply().succeeded();
    workspace.assert_settled();
    let values = &workspace.state("toy_thing.a")["values"];
    assert_eq!(values["members"].as_array().map(Vec::len), Some(3));
    assert_eq!(values["lease"]["deadline"], "now+8h");

    workspace.destroy().succeeded();
    assert_eq!(workspace.things(), [""; 0]);
}

/// (what the block says besides the name, what changes the object for another)
#[test]
fn every_kind_of_value_comes_and_goes_unchanged() {
    let cases = [
        "note = \"ü😀\\n\"",
        "weight = 0.30000000000000004",
        "weight = 1e21",
        "weight = -17",
        "enabled = false",
        "command = [\"./render\", \"\", \"--depth\"]",
        "command = []",
        "tags = { a = \"b\", \"x y\" = \"\" }",
        "lease = { ttl = \"1h\", zone = \"b\" }",
        "lease = {}",
        "parts = { a = { kind = \"wood\" }, b = { kind = \"iron\", count = 7 } }",
        "parts = {}",
        "steps = [{ kind = \"one\" }, { kind = \"two\", count = 2 }]",
        "secret = \"hush\"",
    ];
    let block = |index: usize, line: &str| format!("resource \"toy_thing\" \"r{index}\" {{\n name = \"n{index}\"\n {line}\n}}\n");
    let all = |lines: &[&str]| lines.iter().enumerate().map(|(index, line)| block(index, line)).collect::<String>();
    let workspace = Workspace::new(&all(&cases));
    workspace.apply().succeeded();
    workspace.assert_settled();

    // Everything that was written is left out again, and everything is as by default.
    workspace.configure(&all(&[""; 14]));
    workspace.apply().succeeded();
    workspace.assert_settled();
    let values = &workspace.state("toy_thing.r1")["values"];
    assert_eq!(values["weight"], json!(0.1));
    workspace.destroy().succeeded();
}

#[test]
fn replacement_is_planned_for_the_attribute_that_asks_for_it() {
    let before = "name = \"a\"\n lease = { zone = \"x\" }\n parts = { p = { kind = \"wood\" } }";
    let cases = [
        ("name = \"b\"\n lease = { zone = \"x\" }\n parts = { p = { kind = \"wood\" } }", json!([["name"]])),
        ("name = \"a\"\n lease = { zone = \"y\" }\n parts = { p = { kind = \"wood\" } }", json!([["lease", "zone"]])),
        ("name = \"a\"\n lease = { zone = \"x\" }\n parts = { p = { kind = \"iron\" } }", json!([["parts", "p", "kind"]])),
        ("name = \"a\"\n lease = { zone = \"x\" }", json!([["parts"]])),
    ];
    let workspace = Workspace::new(&format!("resource \"toy_thing\" \"a\" {{\n {before}\n}}"));
    workspace.apply().succeeded();
    for (after, paths) in cases {
        workspace.configure(&format!("resource \"toy_thing\" \"a\" {{\n {after}\n}}"));
        assert_eq!(workspace.planned(), actions("toy_thing.a", &["delete", "create"]), "{after}");
        let plan = workspace.command(&["show", "-json", "plan"]).output().unwrap().stdout;
        let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
        assert_eq!(plan["resource_changes"][0]["change"]["replace_paths"], paths, "{after}");
    }
    workspace.configure("resource \"toy_thing\" \"a\" {\n name = \"b\"\n}");
    workspace.apply().succeeded();
    workspace.assert_settled();
    assert_eq!(workspace.things(), ["b"]);
}

#[test]
fn values_that_are_known_only_later_lead_to_the_same_plan_twice() {
    let workspace = Workspace::new(
        "resource \"terraform_data\" \"later\" { input = \"x\" }\n\
         locals { null_later = terraform_data.later.output == \"x\" ? null : \"set\" }\n\
         resource \"toy_thing\" \"a\" {\n\
           name = terraform_data.later.output\n\
           note = local.null_later\n\
           size = local.null_later == null ? null : 7\n\
           tags = local.null_later == null ? null : { a = \"b\" }\n\
           lease = { ttl = local.null_later, zone = terraform_data.later.id }\n\
           parts = { p = { kind = terraform_data.later.output } }\n\
           steps = [for step in [terraform_data.later.output] : { kind = step }]\n\
         }",
    );
    workspace.apply().succeeded();
    workspace.assert_settled();
    let values = &workspace.state("toy_thing.a")["values"];
    assert_eq!((&values["size"], &values["note"], &values["lease"]["ttl"]), (&json!(2), &json!(null), &json!("4h")));
}

#[test]
fn an_object_that_vanished_is_made_again() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}");
    workspace.apply().succeeded();
    std::fs::remove_file(workspace.path("things/alpha")).unwrap();
    assert_eq!(workspace.planned(), actions("toy_thing.a", &["create"]));
    workspace.apply().succeeded();
    assert_eq!(workspace.things(), ["alpha"]);
}

#[test]
fn an_object_is_imported_by_its_id() {
    let thing = "resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n size = 4\n}";
    let maker = Workspace::new(thing);
    maker.apply().succeeded();
    let importer = Workspace::new(thing);
    std::fs::copy(maker.path("things/alpha"), importer.path("things/alpha")).unwrap();
    importer.run(&["import", "-no-color", "toy_thing.a", "thing-alpha"]).succeeded();
    importer.assert_settled();
    let missing = importer.run(&["import", "-no-color", "toy_thing.b", "other"]);
    assert!(missing.text.contains("does not exist in the configuration"), "{}", missing.text);

    importer.configure(&format!("{thing}\nresource \"toy_thing\" \"b\" {{\n name = \"b\"\n}}"));
    let refused = importer.run(&["import", "-no-color", "toy_thing.b", "other"]);
    insta::assert_snapshot!("import_of_no_id", refused.diagnostics());
}

#[test]
fn a_block_that_is_wrong_is_refused_at_the_attribute() {
    let workspace = Workspace::new("");
    let cases = [
        ("too_small", "resource \"toy_thing\" \"a\" {\n name = \"a\"\n size = 0\n}"),
        ("not_whole", "resource \"toy_thing\" \"a\" {\n name = \"a\"\n parts = { p = { kind = \"k\", count = 1.5 } }\n}"),
        ("unknown_attribute", "resource \"toy_thing\" \"a\" {\n name = \"a\"\n colour = \"red\"\n}"),
        ("missing_attribute", "resource \"toy_thing\" \"a\" {\n}"),
        ("unknown_resource", "resource \"toy_thong\" \"a\" {\n}"),
    ];
    for (name, resources) in cases {
        workspace.configure(resources);
        let run = workspace.run(&["validate", "-no-color"]);
        assert_eq!(run.code, Some(1), "{name}: {}", run.text);
        insta::assert_snapshot!(name, run.diagnostics());
    }
}

#[test]
fn a_panic_is_an_error_of_one_resource_only() {
    let workspace = Workspace::new(
        "resource \"toy_thing\" \"bad\" {\n name = \"bad\"\n panics = true\n}\n\
         resource \"toy_thing\" \"good\" {\n name = \"good\"\n}",
    );
    let run = workspace.apply();
    insta::assert_snapshot!("panic", without_line(&run.diagnostics()));
    run.failed();
    assert_eq!(workspace.things(), ["good"]);
}

/// The text without the line and column of the panic, which change with every edit.
fn without_line(text: &str) -> String {
    let Some((before, after)) = text.split_once("toy_provider.rs:") else { return text.to_owned() };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    format!("{before}toy_provider.rs{rest}")
}

#[test]
fn a_creation_that_is_interrupted_is_stored_as_tainted() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n slow = true\n}");
    // The toy writes its thing and then waits: reading this pipe to its end is to know that it waits.
    let pipe = workspace.path("things/alpha");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut command = workspace.command(&["apply", "-auto-approve", "-input=false", "-no-color"]);
    let terraform = command.process_group(0).spawn().unwrap();
    let thing = std::fs::read(&pipe).unwrap();
    std::fs::remove_file(&pipe).unwrap();
    std::fs::write(&pipe, thing).unwrap();

    // As Ctrl-C does: to terraform and the provider alike.
    let group = Pid::from_raw(i32::try_from(terraform.id()).unwrap()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    let run = Run::from(terraform.wait_with_output().unwrap());
    assert!(run.text.contains("The thing was made but may not be complete."), "{}", run.text);
    run.failed();

    let state = workspace.state("toy_thing.a");
    assert_eq!(state["tainted"], true);
    assert_eq!(state["values"]["name"], "alpha");
    assert_eq!(state["values"]["id"], json!(null), "what was unknown is null");
    workspace.configure("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}");
    assert_eq!(workspace.planned(), actions("toy_thing.a", &["delete", "create"]));
    workspace.apply().succeeded();
    workspace.assert_settled();
}

#[test]
fn it_works_without_tls_where_terraform_is_told_so() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}").with("TF_DISABLE_PLUGIN_TLS", "1");
    workspace.apply().succeeded();
    workspace.assert_settled();
    workspace.destroy().succeeded();
}

#[test]
fn an_installed_provider_works_like_an_overridden_one() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}");
    let installed = workspace.path("mirror/example.com/test/toy/1.2.3/linux_amd64");
    std::fs::create_dir_all(&installed).unwrap();
    std::fs::copy(toy_provider(), installed.join("terraform-provider-toy_v1.2.3")).unwrap();
    let mirror = workspace.path("mirror").display().to_string();
    let installation = format!("provider_installation {{\n filesystem_mirror {{ path = {mirror:?} }}\n}}\n");
    std::fs::write(workspace.path("terraformrc"), installation).unwrap();
    workspace.run(&["init", "-input=false", "-no-color"]).succeeded();
    workspace.apply().succeeded();
    workspace.assert_settled();
}

#[test]
fn terraform_attaches_to_a_provider_that_runs_already() {
    let mut provider = Command::new(toy_provider()).arg("--debug").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(provider.stdout.take().unwrap()).lines();
    let value = lines.find_map(|line| {
        let line = line.unwrap();
        let quoted = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='")?.strip_suffix('\'')?;
        Some(quoted.to_owned())
    });
    let value = value.expect("it says how to attach");
    let socket = serde_json::from_str::<serde_json::Value>(&value).unwrap();
    let socket = socket["example.com/test/toy"]["Addr"]["String"].as_str().unwrap().to_owned();

    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}").with("TF_REATTACH_PROVIDERS", &value);
    workspace.apply().succeeded();
    workspace.assert_settled();
    workspace.destroy().succeeded();
    assert!(provider.try_wait().unwrap().is_none(), "it outlives Terraform");

    kill_process(Pid::from_child(&provider), Signal::INT).unwrap();
    assert!(provider.wait().unwrap().success());
    assert!(!std::path::Path::new(&socket).exists(), "{socket} is left behind");
}

#[test]
fn a_state_of_an_earlier_version_is_upgraded() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n note = \"kept\"\n}");
    workspace.apply().succeeded();
    let file = workspace.path("terraform.tfstate");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let instance = &mut state["resources"][0]["instances"][0];
    instance["schema_version"] = json!(0);
    instance["attributes"]["remark"] = instance["attributes"]["note"].take();
    instance["attributes"].as_object_mut().unwrap().remove("note");
    std::fs::write(&file, state.to_string()).unwrap();
    workspace.assert_settled();

    state["resources"][0]["instances"][0]["schema_version"] = json!(7);
    std::fs::write(&file, state.to_string()).unwrap();
    let run = workspace.run(&["plan", "-no-color"]);
    insta::assert_snapshot!("state_from_the_future", run.diagnostics());
    run.failed();
}

#[test]
fn terraform_understands_the_log() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}").with("TF_LOG_PROVIDER", "INFO");
    let log = workspace.path("log").display().to_string();
    let workspace = workspace.with("TF_LOG_PATH", &log);
    workspace.run(&["plan", "-no-color"]).succeeded();
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("configured")).expect("the toy logs that it was configured");
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() || time.contains('T'), "{line}");
    // Terraform's own form: it has read level, module and fields out of our JSON.
    let rest = rest.trim_start();
    assert!(rest.starts_with("[INFO]  provider.terraform-provider-toy: configured:"), "{line}");
    assert!(rest.contains("terraform_version=1."), "{line}");
    assert!(rest.contains("tf_rpc=ConfigureProvider") || rest.contains("@module=toy_provider"), "{line}");
}

#[test]
fn a_provider_ends_as_soon_as_it_is_asked() {
    let workspace = Workspace::new("resource \"toy_thing\" \"a\" {\n name = \"alpha\"\n}").with("TF_LOG", "TRACE");
    let log = workspace.path("log").display().to_string();
    let workspace = workspace.with("TF_LOG_PATH", &log);
    workspace.apply().succeeded();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("plugin process exited"), "{log}");
    assert!(!log.contains("plugin failed to exit gracefully"), "terraform had to kill it");
}
