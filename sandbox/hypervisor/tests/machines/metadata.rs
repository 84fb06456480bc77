//! The metadata service, asked from where a machine asks it.

use std::time::{Duration, Instant};

use sandbox_hypervisor::{Credentials, Event, Halt, MetadataOptions, SpotAction, SpotNotice};

use crate::support::{Bench, machine};

/// `imds METHOD PATH [HEADER: VALUE]…` prints the status and the body of an answer on one line, or what went wrong.
const IMDS: &str = r#"
cat > "$HOME/imds" <<'EOF'
import http.client, os, sys, urllib.parse
endpoint = urllib.parse.urlsplit(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
link = http.client.HTTPConnection(endpoint.hostname, endpoint.port, timeout=30)
try:
    link.request(sys.argv[1], sys.argv[2], headers=dict(header.split(": ", 1) for header in sys.argv[3:]))
    answer = link.getresponse()
    print(answer.status, answer.read().decode().replace("\n", "|"))
except (ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError) as error:
    print("refused without an answer")
EOF
imds() { python3 -I "$HOME/imds" "$@"; }
token() { imds PUT /latest/api/token "X-aws-ec2-metadata-token-ttl-seconds: ${1:-60}" | cut -d' ' -f2; }
get() { imds GET "/latest/$1" "X-aws-ec2-metadata-token: $TOKEN"; }
TOKEN=$(token)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_for_and_checked() {
    let mut bench = Bench::new().await;
    let script = r#"
TTL=X-aws-ec2-metadata-token-ttl-seconds
say() { echo "$@" > "$SAY"; }
say $(imds PUT /latest/api/token)
say $(imds PUT /latest/api/token "$TTL: 0")
say $(imds PUT /latest/api/token "$TTL: 21601")
say $(imds PUT /latest/api/token "$TTL: 60" "X-Forwarded-For: 10.0.0.1")
say $(imds GET /latest/meta-data/instance-id)
say $(imds GET /latest/meta-data/instance-id "X-aws-ec2-metadata-token: made-up")
say $(imds POST /latest/meta-data/instance-id "X-aws-ec2-metadata-token: $TOKEN")
say $(get meta-data/instance-id)
SHORT=$(token 1); sleep 1.1
say $(imds GET /latest/meta-data/instance-id "X-aws-ec2-metadata-token: $SHORT")
"#;
    bench.boot("i-tokens", &format!("{IMDS}{script}")).await;
    for expected in ["400", "400", "400", "403", "401", "401", "405", "200 i-tokens", "401"] {
        assert_eq!(bench.said().await, expected);
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_answers_only_where_it_is_allowed() {
    let mut bench = Bench::new().await;
    let script = format!("#!/bin/sh\n{IMDS}\nimds GET /latest/meta-data/instance-id > $SAY\n");
    let metadata = MetadataOptions { tokens_required: false, ..MetadataOptions::default() };
    bench.hypervisor.boot(sandbox_hypervisor::Machine { metadata, ..machine("i-v1", &script) }).await.unwrap();
    assert_eq!(bench.said().await, "200 i-v1");
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_reads_who_it_is() {
    let mut bench = Bench::new().await;
    let paths = [
        ("meta-data/ami-launch-index", "200 7"),
        ("meta-data/instance-type", "200 c7i.large"),
        ("meta-data/placement/availability-zone-id", "200 use1-az1"),
        ("meta-data/iam/security-credentials/", "200 worker-role"),
        ("meta-data/spot/instance-action", "404"),
        ("meta-data/no-such-thing", "404"),
    ];
    let gets: String = paths.iter().map(|(path, _)| format!("echo $(get {path}) > $SAY\n")).collect();
    bench.boot("i-who", &format!("{IMDS}{gets}get user-data | grep -c no-such-thing > $SAY")).await;
    for (path, expected) in paths {
        assert_eq!(bench.said().await, expected, "{path}");
    }
    assert_eq!(bench.said().await, "1", "user data");
    assert_eq!(bench.hypervisor.gaps(), ["metadata: /latest/meta-data/no-such-thing"]);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_and_notices_appear_when_they_are_there() {
    let mut bench = Bench::new().await;
    // Each round waits until something is put into the pipe by the test.
    let script = r#"
mkfifo "$HOME/go"
while :; do
    echo "$(get meta-data/iam/security-credentials/worker-role | grep -o '^404\|^200.*ASIAEXAMPLE') $(get meta-data/spot/instance-action)" > "$SAY"
    read -r line < "$HOME/go" || exit 1
done
"#;
    bench.boot("i-late", &format!("{IMDS}{script}")).await;
    assert_eq!(bench.said().await.split_whitespace().collect::<Vec<_>>(), ["404", "404"]);
    *bench.credentials.lock().unwrap() = Some(Credentials {
        access_key_id: "ASIAEXAMPLE".into(),
        secret_access_key: "secret".into(),
        session_token: "token".into(),
        expiration: "2030-01-01T00:00:00Z".parse().unwrap(),
    });
    let time = "2030-01-01T00:00:00Z".parse().unwrap();
    bench.hypervisor.spot_notice("i-late", SpotNotice { action: SpotAction::Terminate, time }).await;
    let go = bench.root("i-late").join("home/go");
    tokio::task::spawn_blocking(move || std::fs::write(go, "\n")).await.unwrap().unwrap();
    let said = bench.said().await;
    assert!(said.contains("\"AccessKeyId\": \"ASIAEXAMPLE"), "{said}");
    assert!(said.ends_with(r#"200 {"action":"terminate","time":"2030-01-01T00:00:00Z"}"#), "{said}");
    bench.hypervisor.shutdown().await;
}

/// Tries to read with a token that is valid, as the command before it has shown.
/// The unit that hides a process ends before it does: `cat` waits until that one has spoken, too.
const DENIED: &str = r#"
echo "$(get meta-data/instance-id)" > "$SAY"
RUN="systemd-run --quiet --pipe --wait"
READ="python3 -I $HOME/imds GET /latest/meta-data/instance-id"
HEADER="X-aws-ec2-metadata-token: $TOKEN"
DENY="-p IPAddressDeny=169.254.169.254/32 -p IPAddressDeny=fd00:ec2::254/128"
HIDE='import os, sys
if os.fork(): os.wait(); os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execve(sys.argv[1], sys.argv[1:], {"AWS_EC2_METADATA_SERVICE_ENDPOINT": os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]})'
$RUN $READ "$HEADER" > "$SAY"
$RUN $DENY $READ "$HEADER" > "$SAY"
$RUN $DENY -p KillMode=process python3 -c "$HIDE" $(command -v python3) -I "$HOME/imds" GET /latest/meta-data/instance-id "$HEADER" | cat > "$SAY"
echo "$(get meta-data/instance-id)" > "$SAY"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_unit_gets_no_answer_even_with_a_valid_token() {
    let mut bench = Bench::new().await;
    bench.boot("i-deny", &format!("{IMDS}{DENIED}")).await;
    let refused = "refused without an answer";
    for (who, expected) in [
        ("user data", "200 i-deny"),
        ("a unit", "200 i-deny"),
        ("a denied unit", refused),
        ("what hides in it", refused),
        ("user data", "200 i-deny"),
    ] {
        assert_eq!(bench.said().await, expected, "{who}");
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_machine_itself_is_answered() {
    let mut bench = Bench::new().await;
    bench.boot("i-own", &format!("{IMDS}\necho $AWS_EC2_METADATA_SERVICE_ENDPOINT $TOKEN > $SAY; sleep 1000")).await;
    let said = bench.said().await;
    let (endpoint, token) = said.split_once(' ').unwrap();
    let other = format!("{IMDS}\nAWS_EC2_METADATA_SERVICE_ENDPOINT={endpoint}\nTOKEN={token}\necho $(get meta-data/instance-id) > $SAY");
    bench.boot("i-other", &other).await;
    assert_eq!(bench.said().await, "refused without an answer");
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_stays_the_same_over_a_stop() {
    let mut bench = Bench::new().await;
    let script = r#"
printf "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo \$\$AWS_EC2_METADATA_SERVICE_ENDPOINT > \$\$SAY'\n[Install]\nWantedBy=multi-user.target\n" \
    > "$SYSTEMD_UNIT_PATH/where.service"
systemctl enable --now where.service
"#;
    bench.boot("i-where", script).await;
    let before = bench.said().await;
    assert!(before.starts_with("http://127.0.0.1:"), "{before}");
    bench.hypervisor.halt("i-where", Halt::Graceful).await;
    bench.boot_again("i-where").await;
    assert_eq!(bench.said().await, before);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_is_quick() {
    let mut bench = Bench::new().await;
    bench.boot("i-warm", "poweroff").await;
    assert_eq!(bench.event().await, Event::PoweredOff { id: "i-warm".into() });
    let started = Instant::now();
    bench.boot("i-quick", "echo up > $SAY").await;
    assert_eq!(bench.said().await, "up");
    let took = started.elapsed();
    println!("boot to the first instruction of user data: {took:?}");
    // Not a measurement: a bound that only a boot that waits for something could break.
    assert!(took < Duration::from_secs(5));
    bench.hypervisor.shutdown().await;
}
