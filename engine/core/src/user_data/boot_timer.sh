    # Started again, the machine has neither: this does not run another time. It stops soon, unless its agent knows of a new lease.
    printf '%s\n' '[Unit]' 'Description=End of a machine without an agent' \
        '[Timer]' 'OnBootSec=15min' 'Unit=spawn-deadline.service' '[Install]' 'WantedBy=timers.target' >"$units/spawn-boot.timer"
    systemctl enable spawn-boot.timer || echo "spawn: spawn-boot.timer could not be enabled" >&2
