# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one process behind a running lab.

This process is the parent of both QEMUs, reads both consoles into the log, and serves
lab.sock. Started by Lab.up() as `supervisor.py STATE`, it lives until SIGTERM,
or until the process named as the owner ends; then the QEMUs go first. Should
it be killed, the kernel takes the QEMUs down with it (PR_SET_PDEATHSIG).

A client of lab.sock sends one line of JSON:
    {"op": "follow", "offset": N}      gets the log from byte N on, for ever
    {"op": "start", "host": H, "argv": [...]}   gets {} or {"error": text}
    {"op": "kill", "host": H}          likewise; the power is cut
"""

import contextlib
import ctypes
import fcntl
import functools
import json
import os
import pathlib
import selectors
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
QUIT_PATIENCE = 5


def in_child():
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class ConsoleReader:
    """Cuts what one serial console says into lines."""

    def __init__(self, host, sock):
        self.host = host
        self.sock = sock
        self.rest = b""

    def read(self):
        """(lines, open?) of what has arrived."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return [], True
        except ConnectionError:
            data = b""
        if not data:
            lines = [self.rest] if self.rest else []
            self.rest = b""
            return lines, False
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines, True


class Follower:
    """A client that reads the log as it grows."""

    def __init__(self, sock, offset):
        self.sock = sock
        self.offset = offset

    def push(self, log):
        """Send what there is; False when the client has gone."""
        while True:
            data = os.pread(log, 65536, self.offset)
            if not data:
                return True
            try:
                self.offset += self.sock.send(data)
            except BlockingIOError:
                return True
            except OSError:
                return False


class Supervisor:
    def __init__(self, state):
        self.state = state
        self.selector = selectors.DefaultSelector()
        self.log = os.open("console.log",
                           os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.machines = {}
        self.followers = {}
        self.ending = False

    # The log.

    def write(self, host, lines):
        stamp = f"{time.monotonic():.6f} {host} ".encode()
        text = b"".join(stamp + line.replace(b"\r", b"") + b"\n"
                        for line in lines)
        os.write(self.log, text)

    def note(self, text):
        self.write("lab", [text.encode()])
        self.push_all()

    def push_all(self):
        for follower in list(self.followers.values()):
            self.push(follower)

    def push(self, follower):
        if not follower.push(self.log):
            del self.followers[follower.sock]
            self.close(follower.sock)
            return
        behind = follower.offset < os.fstat(self.log).st_size
        events = selectors.EVENT_READ
        if behind:
            events |= selectors.EVENT_WRITE
        self.selector.modify(follower.sock, events, self.on_follower)

    # Sockets.

    def listen(self, name, on_accept):
        # The socket gets its name once it answers, because clients wait for the name.
        new = f"{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(new)
        sock.listen(16)
        os.rename(new, name)
        sock.setblocking(False)
        self.selector.register(
            sock, selectors.EVENT_READ, lambda s, _: on_accept(s.accept()[0]))

    def close(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def accept_console(self, host, sock):
        sock.setblocking(False)
        reader = ConsoleReader(host, sock)
        self.selector.register(sock, selectors.EVENT_READ,
                               lambda _s, _m: self.on_console(reader))

    def on_console(self, reader):
        lines, is_open = reader.read()
        if lines:
            self.write(reader.host, lines)
            self.push_all()
        if not is_open:
            self.close(reader.sock)

    def accept_client(self, sock):
        sock.settimeout(5)
        try:
            line = sock.makefile("rb").readline()
            request = json.loads(line)
            if request["op"] == "follow":
                follower = Follower(sock, request["offset"])
                sock.setblocking(False)
                self.followers[sock] = follower
                self.selector.register(sock, selectors.EVENT_READ,
                                       self.on_follower)
                self.push(follower)
                return
            answer = self.serve(request)
            sock.sendall(json.dumps(answer).encode() + b"\n")
        except (OSError, ValueError, KeyError) as error:
            self.note(f"bad request: {error!r}")
        sock.close()

    def on_follower(self, sock, mask):
        follower = self.followers.get(sock)
        if follower is None:    # dropped by an earlier event of the same batch
            return
        if mask & selectors.EVENT_READ:
            with contextlib.suppress(BlockingIOError):
                if not self.drain(sock):
                    del self.followers[sock]
                    self.close(sock)
                    return
        self.push(follower)

    @staticmethod
    def drain(sock):
        try:
            return sock.recv(4096)
        except ConnectionError:
            return b""

    # The machines.

    def serve(self, request):
        host = request["host"]
        if request["op"] == "start":
            return self.start(host, request["argv"])
        if request["op"] == "kill":
            machine = self.machines.get(host)
            if machine:
                machine.kill()
                self.reap(host, machine)
            return {}
        return {"error": "unknown op"}

    def start(self, host, argv):
        if host in self.machines:
            return {"error": f"host {host} is up"}
        for name in ["net.sock"] if host == "a" else []:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        with open(f"machine-{host}.log", "ab") as log:
            try:
                machine = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=in_child)
            except OSError as error:
                return {"error": f"cannot run {argv[0]}: {error}"}
        self.machines[host] = machine
        self.note(f"host {host}: machine started")
        pidfd = os.pidfd_open(machine.pid)
        self.selector.register(pidfd, selectors.EVENT_READ,
                               lambda _f, _m: self.on_exit(host, machine,
                                                           pidfd))
        return {}

    def on_exit(self, host, machine, pidfd):
        self.selector.unregister(pidfd)
        os.close(pidfd)
        self.reap(host, machine)

    def reap(self, host, machine):
        if self.machines.get(host) is not machine:
            return
        status = machine.wait()
        del self.machines[host]
        self.note(f"host {host}: machine ended with status {status}; "
                  f"see {self.state}/machine-{host}.log")

    def stop_machines(self):
        for machine in self.machines.values():
            machine.terminate()
        deadline = time.monotonic() + QUIT_PATIENCE
        for machine in self.machines.values():
            try:
                machine.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                machine.kill()
                machine.wait()

    # The whole.

    def watch_owner(self, pid):
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self.ending = True
            return
        self.selector.register(pidfd, selectors.EVENT_READ, self.end)

    def end(self, *_):
        self.ending = True

    def watch_signals(self):
        near, far = socket.socketpair()
        for sock in (near, far):
            sock.setblocking(False)
        signal.set_wakeup_fd(far.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(near, selectors.EVENT_READ,
                               lambda s, _: s.recv(64))
        self.wakeup = far

    def run(self, owner):
        self.watch_signals()
        for host in ("a", "b"):
            accept = functools.partial(self.accept_console, host)
            self.listen(f"console-{host}.sock", accept)
        if owner:
            self.watch_owner(owner)
        self.listen("lab.sock", self.accept_client)
        while not self.ending:
            for key, mask in self.selector.select():
                key.data(key.fileobj, mask)
        os.unlink("lab.sock")
        self.stop_machines()


def main():
    state = pathlib.Path(sys.argv[1])
    os.chdir(state)
    spec = json.loads(pathlib.Path("lab.json").read_text())
    held = [open(path, "a") for path in ["running.lock"]]
    fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
    for place in spec["uses"]:
        held.append(open(os.path.join(place, ".in-use"), "a"))
        fcntl.flock(held[-1], fcntl.LOCK_SH)
    pathlib.Path("supervisor.pid").write_text(f"{os.getpid()}\n")
    # Lines must be stamped as they come, before any other process runs.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    Supervisor(state).run(spec.get("owner"))


if __name__ == "__main__":
    main()
