#!/bin/sh
# Boots a member of a fleet: first what ends it, then the agent that works on it.
set -u
umask 022

# What must be there before anything can fail: the machine's end. Two ways that need neither network nor agent:
# a shutdown that is scheduled now, and a timer on the absolute time, because a reboot forgets the first.
deadline=@DEADLINE_EPOCH@
now=$(date +%s) || now=$deadline
minutes=$(((deadline - now + 59) / 60))
[ "$minutes" -ge 1 ] || minutes=1
@UNLESS_TIMED@shutdown -P "+$minutes" || echo "spawn: the shutdown at @DEADLINE@ could not be scheduled" >&2
units=${SYSTEMD_UNIT_PATH:-/etc/systemd/system}
units=${units%%:*}
[ -d "$units" ] || mkdir -p "$units"
printf '%s\n' '[Unit]' 'Description=End of the lease' \
    '[Service]' 'Type=oneshot' 'ExecStart=systemctl poweroff' >"$units/spawn-deadline.service"
printf '%s\n' '[Unit]' 'Description=End of the lease' \
    '[Timer]' @WHEN@ 'Persistent=@PERSISTENT@' 'AccuracySec=1s' \
    '[Install]' 'WantedBy=timers.target' >"$units/spawn-deadline.timer"
systemd=
command -v systemctl >/dev/null && systemd=yes
if [ "$systemd" ]; then
    systemctl daemon-reload
    systemctl enable --now spawn-deadline.timer || {
        echo "spawn: the timer for @DEADLINE@ could not be started" >&2
        shutdown -P "+$minutes"
    }
@BOOT_TIMER@fi

end() {
    echo "spawn: $1; the machine ends now" >&2
    shutdown -P now || systemctl poweroff
    exit 1
}

directory=${STATE_DIRECTORY:-/var/lib}/spored
mkdir -p "$directory" || end "$directory cannot be made"
(
    umask 077
    cat >"$directory/config.json" <<'SPAWN_CONFIG'
@CONFIG@
SPAWN_CONFIG
) || end "the agent's configuration cannot be written"

python=python3
command -v python3 >/dev/null || python=/usr/libexec/platform-python
"$python" -I -S - '@REGION@' '@BUCKET@' '@ACCOUNT@' "$directory/spored" @PATIENCE_SECONDS@ @AGENTS@ <<'SPAWN_FETCH' || end "there is no agent"
@FETCH@
SPAWN_FETCH
# A service may not run what lies under /var/lib where SELinux is enforced.
[ ! -e /sys/fs/selinux/enforce ] || chcon -t bin_t "$directory/spored"

if [ "$systemd" ]; then
    {
        printf '%s\n' '[Unit]' 'Description=Agent of spawn' 'Wants=network-online.target' 'After=network-online.target' \
            '[Service]' "ExecStart=$directory/spored run --config $directory/config.json" \
            'Restart=on-failure' 'RestartSec=1' 'StandardError=journal+console'
        # A service does not inherit what is set here.
        [ -z "${AWS_ENDPOINT_URL:-}" ] || echo "Environment=AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL"
        [ -z "${AWS_EC2_METADATA_SERVICE_ENDPOINT:-}" ] ||
            echo "Environment=AWS_EC2_METADATA_SERVICE_ENDPOINT=$AWS_EC2_METADATA_SERVICE_ENDPOINT"
        [ -z "${SYSTEMD_UNIT_PATH:-}" ] || echo "Environment=SYSTEMD_UNIT_PATH=$SYSTEMD_UNIT_PATH"
        printf '%s\n' '[Install]' 'WantedBy=multi-user.target'
    } >"$units/spored.service" || end "the agent's unit cannot be written"
    systemctl enable --now spored.service || end "the agent cannot be started"
else
    "$directory/spored" --version || end "the agent cannot be started"
    "$directory/spored" run --config "$directory/config.json" </dev/null >"$directory/spored.log" 2>&1 &
fi
