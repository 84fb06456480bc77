//! Every service, as boto3 sees it: an independent client that knows nothing of how the sandbox is made.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod kit;

use kit::Fixture;
use serde_json::json;

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
async fn quotas() {
    let fixture = Fixture::start(|options| {
        options.boot_machines = false;
        options.throttle = false;
        options.on_demand_vcpu_limit = Some(16);
        options.spot_vcpu_limit = Some(8);
    })
    .await;
    fixture.python("quotas.py").await;
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduler() {
    script("scheduler.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route53() {
    script("route53.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route53_rights() {
    script("route53_rights.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route53_is_busy_at_times() {
    let fixture = Fixture::start(|options| options.boot_machines = false).await;
    let message = "The request was rejected because Route 53 was still processing a prior request.";
    for (operation, action) in [
        ("ChangeResourceRecordSets", json!({"error": {"code": "PriorRequestNotComplete", "status": 400, "message": message}})),
        ("GetHostedZone", json!("deny")),
        ("ListHostedZones", json!("throttle")),
    ] {
        let rule = json!({"service": "route53", "operation": operation, "times": 1, "do": action});
        fixture.sandbox.control().add_fault(serde_json::from_value(rule).unwrap());
    }
    fixture
        .lines(&format!(
            "route53 = client('route53')\n\
             zone = route53.create_hosted_zone(Name='a.b', CallerReference='r')['HostedZone']['Id']\n\
             records = {{'Name': 'c.a.b', 'Type': 'A', 'TTL': 60, 'ResourceRecords': [{{'Value': '192.0.2.1'}}]}}\n\
             batch = {{'Changes': [{{'Action': 'CREATE', 'ResourceRecordSet': records}}]}}\n\
             change = lambda: route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)\n\
             equal(refused('PriorRequestNotComplete', change)['Error']['Message'], '{message}')\n\
             change()\n\
             said = refused('AccessDenied', route53.get_hosted_zone, Id=zone)['Error']['Message']\n\
             assert f'on resource: arn:aws:route53:::{{zone[1:]}} because' in said, said\n\
             equal(refused('Throttling', route53.list_hosted_zones)['Error']['Message'], 'Rate exceeded')\n\
             # The account asks more often than it may, until time has passed.\n\
             def asked():\n\
             \x20 try: return len(route53.list_hosted_zones()['HostedZones'])\n\
             \x20 except botocore.exceptions.ClientError as error: return error.response['Error']['Code']\n\
             assert 'Throttling' in [asked() for _ in range(100)]\n\
             forward(1)\n\
             equal([asked() for _ in range(5)], [1] * 5)"
        ))
        .await;
    fixture.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda() {
    insta::assert_snapshot!("lambda", script("lambda.py").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_as_moto_answers() {
    script("lambda_witness.py").await;
}
