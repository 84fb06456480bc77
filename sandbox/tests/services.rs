//! Every service, as boto3 sees it: an independent client that knows nothing of how the sandbox is made.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use kit::Fixture;

/// Runs a script of `tests/clients` against a sandbox of its own, and answers what it prints.
async fn script(name: &str) -> String {
    let fixture = Fixture::start(|options| {
        options.boot_machines = false;
        options.throttle = false;
    })
    .await;
    let printed = fixture.python(name).await;
    fixture.sandbox.stop().await;
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn authority() {
    insta::assert_snapshot!("authority", script("authority.py").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights() {
    insta::assert_snapshot!("rights", masked(&script("rights.py").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions() {
    insta::assert_snapshot!("sessions", script("sessions.py").await);
}

/// Ids are not the same in every version of the sandbox.
fn masked(text: &str) -> String {
    let id = regex_lite::Regex::new("(ami|eni|i|lt|sg|subnet|vpc)-[0-9a-f]{17}").unwrap();
    let number = regex_lite::Regex::new("autoScalingGroup:[0-9a-f-]{36}").unwrap();
    number.replace_all(&id.replace_all(text, "$1-…"), "autoScalingGroup:…").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscaling() {
    script("autoscaling.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_rights() {
    insta::assert_snapshot!("scaling_rights", masked(&script("scaling_rights.py").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn s3() {
    script("s3.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn iam_and_sts() {
    script("iam.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssm() {
    script("ssm.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs() {
    script("logs.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pricing() {
    script("pricing.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduler() {
    script("scheduler.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda() {
    insta::assert_snapshot!("lambda", script("lambda.py").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_as_moto_answers() {
    script("lambda_witness.py").await;
}
