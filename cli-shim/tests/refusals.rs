//! The command as a shell sees it when it refuses: standard output, standard error and exit code. Nothing here needs an AWS.

use std::process::Command;

/// Runs `spawn` in an empty directory with a clean environment, and shows what a shell sees.
fn run(line: &[&str], environment: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).expect("a file");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_spawn"))
        .args(line)
        .current_dir(dir.path())
        .env_clear()
        .env("HOME", dir.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .output()
        .expect("the command runs");
    let shown = dir.path().display().to_string();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&shown, "{home}");
    format!(
        "$ spawn {}\n{}--- error\n{}--- exit code {:?}\n",
        line.join(" "),
        text(&output.stdout),
        text(&output.stderr),
        output.status.code()
    )
}

/// Keys of nobody, and an endpoint at which nobody listens: port 1 is reserved.
const NOBODY: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "example"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
];

const BAD_YAML: &str = "size: 0\ninstance_types: [c7i.large]\ncommand: [./render]\nlease: {ttl: 5 parsecs}\n";

#[test]
fn bad_input_is_told_to_people_and_programs() {
    let files = [("fleet.yaml", BAD_YAML)];
    insta::assert_snapshot!("bad-input", run(&["plan", "-f", "fleet.yaml"], &[], &files));
    insta::assert_snapshot!("bad-input-json", run(&["up", "-f", "fleet.yaml", "-o", "json"], &[], &files));
}

#[test]
fn a_size_that_no_service_has_needs_no_aws_to_be_refused() {
    insta::assert_snapshot!("scale", run(&["scale", "web", "0"], &[], &[]));
    insta::assert_snapshot!("scale-json", run(&["scale", "web", "1001", "-o", "json"], &[], &[]));
    insta::assert_snapshot!("scale-text", run(&["scale", "web", "many"], &[], &[]));
}

#[test]
fn an_aws_that_cannot_be_used_is_told() {
    let keyless = &NOBODY[2..];
    insta::assert_snapshot!("no-region", run(&["ls"], &NOBODY[..2], &[]));
    insta::assert_snapshot!("no-credentials", run(&["ls"], keyless, &[]));
    insta::assert_snapshot!("endpoint-down", run(&["status", "mandelbrot", "--check-complete"], &NOBODY, &[]));
}

#[test]
fn a_sandbox_that_is_not_there_is_told_and_stopping_it_is_no_error() {
    insta::assert_snapshot!("no-sandbox", run(&["sandbox", "env"], &[], &[]));
    insta::assert_snapshot!("no-sandbox-down", run(&["sandbox", "down", "-o", "json"], &[], &[]));
}
