//! Units: services, timers, transient ones, and what is not understood.

use jiff::{Timestamp, Unit};
use sandbox_hypervisor::{Event, Halt};

use crate::support::{Bench, lives};

/// A point in time some seconds from now, as a timer wants it.
fn in_seconds(seconds: i64) -> (Timestamp, String) {
    let point = (Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).round(Unit::Second).unwrap();
    (point, point.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn deadline(point: &str) -> String {
    format!(
        r#"
cat > "$SYSTEMD_UNIT_PATH/deadline.timer" <<EOF
[Unit]
Description=Ends this machine
[Timer]
OnCalendar={point}
Persistent=true
AccuracySec=1s
[Install]
WantedBy=timers.target
EOF
printf '[Service]\nType=oneshot\nExecStart=/usr/bin/systemctl poweroff\n' > "$SYSTEMD_UNIT_PATH/deadline.service"
systemctl daemon-reload && systemctl enable --now deadline.timer || echo "not armed" > "$SAY"
shutdown -P +20
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_elapses_at_its_point() {
    let mut bench = Bench::new().await;
    let (point, text) = in_seconds(2);
    bench
        .boot("i-timer", &format!("{}\nsystemctl show -P NextElapseUSecRealtime deadline.timer > $SAY; sleep 1000", deadline(&text)))
        .await;
    assert!(bench.said().await.ends_with(&text));
    assert_eq!(bench.event().await, Event::PoweredOff { id: "i-timer".into() });
    assert!(Timestamp::now() >= point);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enabled_timer_survives_a_reboot() {
    let mut bench = Bench::new().await;
    let (point, text) = in_seconds(4);
    bench.boot("i-again", &format!("{}\nreboot", deadline(&text))).await;
    assert_eq!(bench.event().await, Event::Rebooted { id: "i-again".into() });
    assert_eq!(bench.event().await, Event::PoweredOff { id: "i-again".into() });
    assert!(Timestamp::now() >= point);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_follows_its_file_when_that_is_read_again() {
    let mut bench = Bench::new().await;
    let ((_, late), (point, text)) = (in_seconds(3600), in_seconds(3));
    let change = format!("sed -i 's/^OnCalendar=.*/OnCalendar={text}/' $SYSTEMD_UNIT_PATH/deadline.timer; systemctl daemon-reload");
    let show = "systemctl show -P NextElapseUSecRealtime deadline.timer > $SAY";
    bench.boot("i-moved", &format!("{}\n{show}\n{change}\n{show}\nsleep 1000", deadline(&late))).await;
    assert!(bench.said().await.ends_with(&late));
    assert_eq!(bench.event().await, Event::PoweredOff { id: "i-moved".into() });
    assert!(Timestamp::now() >= point);
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persistent_timer_makes_up_for_a_point_that_passed_while_off() {
    let mut bench = Bench::new().await;
    let (point, text) = in_seconds(2);
    bench.boot("i-missed", &format!("{}\necho armed > $SAY; sleep 1000", deadline(&text))).await;
    assert_eq!(bench.said().await, "armed");
    bench.hypervisor.halt("i-missed", Halt::Pull).await;
    // The point itself has to pass; there is nothing else to wait for.
    let rest = std::time::Duration::try_from(point.duration_since(Timestamp::now())).unwrap_or_default();
    tokio::time::sleep(rest).await;
    bench.no_event();
    bench.boot_again("i-missed").await;
    assert_eq!(bench.event().await, Event::PoweredOff { id: "i-missed".into() });
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_cancellation() {
    let mut bench = Bench::new().await;
    let script = r#"
shutdown -P +1; shutdown -c; shutdown --show; echo "cancelled $?" > "$SAY"
systemd-run -q --unit=beat --on-active=100ms --on-unit-active=100ms /bin/sh -c 'echo beat > "$$SAY"'
"#;
    bench.boot("i-spans", script).await;
    for expected in ["cancelled 1", "beat", "beat", "beat"] {
        assert_eq!(bench.said().await, expected);
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_and_listed() {
    let mut bench = Bench::new().await;
    let commands = [
        ("systemctl isolate rescue.target", "systemctl: unknown verb isolate"),
        ("systemctl start --wait x", "systemctl: unknown option --wait"),
        ("systemctl show -p CPUUsageNSec x", "systemctl: unknown property CPUUsageNSec"),
        ("systemd-run --pty sh", "systemd-run: unknown option --pty"),
        ("systemd-run -p PrivateNetwork=yes true", "systemd-run: setting [Service] PrivateNetwork=yes"),
        ("systemd-run -p IPAddressDeny=any true", "systemd-run: IPAddressDeny=any: only the metadata service can be denied"),
        ("systemd-run --on-calendar=hourly true", "systemd-run: OnCalendar=hourly: only a point in time"),
        ("shutdown -k now", "shutdown: unknown option -k"),
        ("useradd --badname x", "useradd: unknown option --badname"),
        ("ip rule add uidrange 1000-1000 prohibit", "ip: rule add uidrange 1000-1000 prohibit"),
    ];
    let script: String =
        commands.iter().map(|(command, _)| format!("{command} 2> $HOME/err; echo \"$? $(cat $HOME/err)\" > $SAY\n")).collect();
    bench.boot("i-gaps", &script).await;
    for (command, gap) in commands {
        assert_eq!(bench.said().await, format!("1 {gap}"), "{command}");
        assert!(bench.hypervisor.gaps().iter().any(|listed| listed == gap), "{command}");
        assert!(bench.read("i-gaps", "console.log").contains(gap), "{command}");
    }
    assert_eq!(bench.hypervisor.gaps().len(), commands.len());
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unit_files_that_are_not_understood_are_refused() {
    let mut bench = Bench::new().await;
    let script = r#"
try() { systemctl daemon-reload > "$HOME/err" 2>&1; echo "$? $(cat "$HOME/err")" > "$SAY"; }
unit() { printf "$2" > "$SYSTEMD_UNIT_PATH/$1"; try; rm "$SYSTEMD_UNIT_PATH/$1"; }
unit a.service '[Service]\nExecStart=/bin/true\nPrivateNetwork=yes\n'
unit b.service '[Service]\nType=notify\nExecStart=/bin/true\n'
unit c.timer '[Timer]\nOnCalendar=*-*-* 04:00\n'
unit d.socket '[Socket]\nListenStream=80\n'
unit e.service '[Service]\nRestart=no\n'
unit f.service '[Unit]\nAfter=g.service\n[Service]\nExecStart=/bin/true\n'
try
"#;
    bench.boot("i-files", script).await;
    let expected = [
        "1 systemctl: a.service: setting [Service] PrivateNetwork=yes",
        "1 systemctl: b.service: Type=notify",
        "1 systemctl: c.timer: OnCalendar=*-*-* 04:00: only a point in time",
        "1 systemctl: d.socket: units of this type",
        "1 systemctl: e.service: service has no ExecStart=",
        "1 systemctl: f.service: After=g.service",
        "0",
    ];
    for expected in expected {
        assert_eq!(bench.said().await.trim_end(), expected);
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_run_as_a_service_keeps_its_input_output_and_exit_code() {
    let mut bench = Bench::new().await;
    let script = r#"
say() { echo "$@" > "$SAY"; }
try() { out=$("$@" 2>&1); say "$out $?"; }
RUN="systemd-run --quiet --pipe --wait"
say "$(printf 'one\ntwo' | $RUN --unit=copy cat | tr '\n' '+')"
try $RUN sh -c 'echo error >&2; exit 7'
$RUN sh -c 'kill -KILL $$$$'; say "signal $?"
$RUN --unit=fails sh -c 'exit 3'
say $(systemctl show -p ExecMainCode -p ExecMainStatus -p Result -p ActiveState fails)
try $RUN --unit=fails true
systemctl reset-failed fails
say $(systemctl show -p ExecMainCode -p ExecMainStatus -p Result -p LoadState fails)
$RUN --collect --unit=gone sh -c 'exit 3'; code=$?; say "gone $code $(systemctl show -P LoadState gone)"
say "$(FOO=bar $RUN --unit=env --setenv=BAR=baz --working-directory=/usr sh -c 'echo "foo=$${FOO-} bar=$$BAR $$PWD $$SANDBOX_UNIT"')"
say $($RUN -p Environment=NAME=value echo '${NAME}' '$$NAME')
say "$($RUN -p RuntimeMaxSec=200ms --unit=slow sleep 1000; echo $?) $(systemctl show -P Result slow)"
systemd-run --wait --unit=waits true 2> "$HOME/err"; code=$?; say "$code $(tr '\n' '+' < "$HOME/err")"
try systemd-run no-such-program
say $(HERE=yes systemd-run --scope -q sh -c 'echo "$HERE $SANDBOX_UNIT"')
"#;
    bench.boot("i-run", script).await;
    let expected = [
        "one+two",
        "error 7",
        "signal 255",
        "ExecMainCode=1 ExecMainStatus=3 Result=exit-code ActiveState=failed",
        "systemd-run: Unit fails.service was already loaded or has a fragment file. 1",
        "ExecMainCode=0 ExecMainStatus=0 Result=success LoadState=not-found",
        "gone 3 not-found",
        "foo= bar=baz /usr env.service",
        "value $NAME",
        "1 timeout",
        "0 Running as unit: waits.service+Finished with result: success+Main processes terminated with: code=exited/status=0+",
        "systemd-run: Failed to find executable no-such-program: No such file or directory 1",
    ];
    for expected in expected {
        assert_eq!(bench.said().await, expected);
    }
    let scope = bench.said().await;
    assert!(scope.starts_with("yes run-u"), "{scope}");
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_its_processes_with_it_unless_it_says_otherwise() {
    let mut bench = Bench::new().await;
    let script = r#"
leave='env -i setsid sleep 1000 & echo $! > $1; sleep 0.05; exit 0'
for mode in control-group mixed process; do
    systemd-run --quiet --pipe --wait -p KillMode=$mode --expand-environment=no sh -c "$leave" sh "$HOME/$mode" > /dev/null
done
systemd-run -q --unit=stays sh -c 'setsid sleep 1000 & echo $$! > "$$HOME/stays"; echo up > "$$SAY"; wait'
"#;
    bench.boot("i-leave", script).await;
    assert_eq!(bench.said().await, "up");
    for (mode, left) in [("control-group", false), ("mixed", false), ("process", true), ("stays", true)] {
        assert_eq!(lives(&bench.read("i-leave", &format!("home/{mode}"))), left, "{mode}");
    }
    bench.hypervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_started_stopped_and_restarted() {
    let mut bench = Bench::new().await;
    let script = r#"
say() { echo "$@" > "$SAY"; }
try() { out=$("$@" 2>&1); say "$out $?"; }
cat > "$SYSTEMD_UNIT_PATH/flaky.service" <<'EOF'
[Service]
ExecStart=/bin/sh -c 'echo started >> "$$HOME/flaky"; [ $$(wc -l < "$$HOME/flaky") -ge 3 ] || exit 1; echo steady > "$$SAY"; exec sleep 1000'
Restart=on-failure
RestartSec=10ms
EOF
cat > "$SYSTEMD_UNIT_PATH/hopeless.service" <<'EOF'
[Service]
ExecStart=/bin/false
Restart=always
RestartSec=10ms
StartLimitBurst=3
EOF
cat > "$SYSTEMD_UNIT_PATH/once.service" <<'EOF'
[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=-/no/such/file
Environment="GREETING=good day"
ExecStartPre=-/bin/false
ExecStart=/bin/sh -c 'echo "$$GREETING" > "$$HOME/once"'
EOF
printf '[Service]\nType=oneshot\nExecStart=/bin/false\n' > "$SYSTEMD_UNIT_PATH/fails.service"
systemctl start hopeless
systemctl start once && say "$(cat "$HOME/once") $(systemctl is-active once) $(systemctl show -P SubState once)"
systemctl stop once; try systemctl is-active once
try systemctl start fails; try systemctl is-failed fails
try systemctl start nothing
systemctl start flaky
"#;
    bench.boot("i-services", script).await;
    for expected in [
        "good day active exited",
        "inactive 3",
        "systemctl: Job for fails.service failed (exit-code). 1",
        "failed 0",
        "systemctl: Unit nothing.service not found. 5",
        "steady",
    ] {
        assert_eq!(bench.said().await, expected);
    }
    bench.hypervisor.shutdown().await;
    assert_eq!(bench.read("i-services", "home/flaky").lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_look_but_not_touch() {
    let mut bench = Bench::new().await;
    let script = r#"
say() { echo "$@" > "$SAY"; }
try() { out=$("$@" 2>&1); say "$out $?"; }
try systemd-run -q --pipe --uid=worker true; try systemd-run -q --wait --uid=worker true
useradd --system --create-home worker; say "useradd $?"
useradd worker; say "again $?"
RUN="systemd-run --quiet --pipe --wait --uid=worker"
try $RUN poweroff
try $RUN systemd-run true
try $RUN systemctl is-active nothing
say "$($RUN sh -c 'echo $$USER')"
"#;
    bench.boot("i-user", script).await;
    for expected in [
        " 217",
        " 217",
        "useradd 0",
        "again 9",
        "poweroff: Interactive authentication required (asked as user worker). 1",
        "systemd-run: Interactive authentication required (asked as user worker). 1",
    ] {
        assert_eq!(bench.said().await, expected);
    }
    assert_eq!(bench.said().await, "inactive 3");
    assert_eq!(bench.said().await, "worker");
    assert!(bench.read("i-user", "etc/passwd").contains("worker:x:201:201::/home/worker:/bin/bash\n"));
    assert!(bench.read("i-user", "console.log").contains("users are not switched"));
    bench.no_event();
    bench.hypervisor.shutdown().await;
}
