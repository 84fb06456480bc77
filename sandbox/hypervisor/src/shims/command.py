# Every command of a machine's init: hands its name and arguments to the hypervisor, and does what it answers.
# Modules with an underscore, because the public ones load half the library and this starts often.
import os, sys
import _signal, _socket

NAME = os.path.basename(sys.argv[0])
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)


def connect():
    # By way of the directory: an address longer than 108 bytes cannot be connected to.
    directory = os.open(ROOT + "/run", os.O_RDONLY | os.O_DIRECTORY)
    try:
        link.connect(f"/proc/self/fd/{directory}/control")
    except OSError as error:
        write(2, f"{NAME}: the system is going down ({error.strerror})\n".encode())
        os._exit(1)
    os.close(directory)


def write(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def send(*fields):
    data = b"\0".join(fields)
    link.sendall(b"%d\n" % len(data) + data)


def read(count):
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            # The machine's power went while we waited.
            os._exit(1)
        data += part
    return data


def receive():
    length = b""
    while (byte := read(1)) != b"\n":
        length += byte
    return read(int(length)).split(b"\0")


def split(fields):
    directory, count, *rest = fields
    count = int(count)
    return directory, dict(entry.split(b"=", 1) for entry in rest[:count]), rest[count:]


def become(directory, environment, argv):
    for number in (_signal.SIGPIPE, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.chdir(directory)
    except OSError as error:
        write(2, f"{NAME}: {os.fsdecode(directory)}: {error.strerror}\n".encode())
        os._exit(200)
    try:
        os.execve(argv[0], argv, environment)
    except OSError as error:
        write(2, f"{NAME}: {os.fsdecode(argv[0])}: {error.strerror}\n".encode())
        os._exit(203)


def service(fields):
    """Runs a command as a service whose input and output are ours."""
    gate, opener = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(opener)
        os.setsid()
        if os.read(gate, 1) != b"g":
            os._exit(1)
        become(*split(fields))
    os.close(gate)
    send(b"started", b"%d" % pid)
    receive()
    os.write(opener, b"g")
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        send(b"ended", b"killed", b"%d" % os.WTERMSIG(status))
    else:
        send(b"ended", b"exited", b"%d" % os.WEXITSTATUS(status))


def scope(fields):
    """Becomes the command, in the environment it was asked from."""
    send(b"started", b"%d" % os.getpid())
    receive()
    directory, environment, argv = split(fields)
    become(directory, {**os.environb, b"SANDBOX_UNIT": environment[b"SANDBOX_UNIT"]}, argv)


_signal.signal(_signal.SIGINT, _signal.SIG_DFL)
connect()
send(*map(os.fsencode, [NAME, os.getcwd(), *sys.argv[1:]]))
while True:
    kind, *rest = receive()
    if kind == b"out":
        write(1, rest[0])
    elif kind == b"err":
        write(2, rest[0])
    elif kind == b"service":
        service(rest)
    elif kind == b"scope":
        scope(rest)
    elif kind == b"exit":
        os._exit(int(rest[0]))
