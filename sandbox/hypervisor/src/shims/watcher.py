# Ends the machines of a hypervisor that is gone. Its standard input stays open for as long as the hypervisor lives.
import os, signal, sys, time

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while os.read(0, 4096):
    pass

marker = (":" + sys.argv[1]).encode()


def marked(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return any(entry.startswith(b"SANDBOX_MACHINE=") and entry.endswith(marker) for entry in file.read().split(b"\0"))
    except OSError:
        return False


def status(pid):
    """State and parent of a process that lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            return None if fields[0] in b"ZX" else (fields[0], int(fields[1]))
    except OSError:
        return None


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def living():
    """The state of each process that is marked, or descends from one that is."""
    table = {pid: seen for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (seen := status(pid)) is not None}
    found = {pid for pid in table if marked(pid)}
    while more := {pid for pid, (_, parent) in table.items() if parent in found} - found:
        found |= more
    return {pid: table[pid][0] for pid in found}


# Nothing is killed while anything moves: a child that has cleared its environment is known by its parent alone.
# Twice none, for the environment of a process is empty for a moment while it starts another program.
# Bounded: what survives this many rounds cannot be killed.
stopped, none = set(), 0
for turn in range(400):
    found = living()
    none = 0 if found else none + 1
    if none == 2:
        break
    # Stopped, or in the kernel on behalf of a child that is.
    moving = {pid for pid, state in found.items() if pid not in stopped or state not in b"TtD"}
    if moving and turn < 100:
        send(moving, signal.SIGSTOP)
        stopped |= moving
    else:
        send(found, signal.SIGKILL)
    time.sleep(0.01)
