# SPDX-License-Identifier: LGPL-2.1-or-later
"""A migration as its user sees it: xl's output, exit status and effects."""

import re
import shlex
import subprocess
import threading
import time

TCP_PORT = 8002
MOVE_LIMIT = 400        # seconds; a longer wait is a failure
RECEIVER_PID = "/run/receiver.pid"
TRANSPORT_PID = "/run/transport.pid"
# Transports from a host to itself.
WITHIN = ("local", "loop")
SENDER_PID = "/run/sender.pid"
STDOUT = "/run/migrate.stdout"

# Of xl's progress.
PRECOPY = "precopy: 1 round"
POSTCOPY = "the guest runs at the destination"
STOPPED = "the guest is stopped"

# xl exits with this when the guest runs nowhere.
GONE = 6

# The command that xl prints when it ended with the guest paused: options, if any, then
# the domid here.
RECOVERY_LINE = r"(?m)^xl: {5}xl migrate-recover (.* )?\d+ "

# The process that carries an RDMA connection, at either end. The oldest is not that of a
# fault channel.
CARRIER = "xl-rdma"
CARRIER_PID = f"pgrep -o -x {CARRIER}"

# Kills from within the host, and without a new process at that moment: this is fast
# enough to hit a stage that lasts some 100 ms.
CUTTER = """\
exec bash -c 'set -o pipefail; "$@" 2>&1 | while read -r line; do
    echo "$line"
    if [[ $line == *"$0"* ]]; then kill -{signal} $({pid}); fi
done' {text} {command}"""


def listen(lab, host, options):
    """A receiver in the host, for one connection without encryption. The stock one
    knows no policy."""
    policy = "--policy none" if "--postcopy" in options else ""
    return serve(lab, host, f"xl migrate-receive {policy} {options}")


def serve(lab, host, command):
    """The command with such a connection as its stdin and stdout."""
    run = f"echo $$ > {RECEIVER_PID}; exec {command}"
    return Process(
        lab, host, f"rm -f {RECEIVER_PID}; exec socat -b 131072 "
        f"TCP-LISTEN:{TCP_PORT},reuseaddr,nodelay SYSTEM:" + shlex.quote(run))


def connect(host):
    """The listener may not be there yet: try again, up to a minute."""
    return (f"echo $$ > {TRANSPORT_PID}; exec socat -b 131072 STDIO "
            f"TCP:{host}:{TCP_PORT},nodelay,retry=300,interval=0.2")


def other(host):
    return "b" if host == "a" else "a"


class Process:
    """A command in a host and what it has printed, as it prints it."""

    def __init__(self, lab, host, command, on_line=None,
                 stdin=subprocess.DEVNULL):
        self.lab = lab
        self.command = command
        self.lines = []
        self.on_line = on_line
        self.started = time.monotonic()
        self.ended = None
        self.more = threading.Condition()
        self.process = lab.popen(
            host, command, stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            with self.more:
                self.lines.append((time.monotonic(), line))
                self.more.notify_all()
            if self.on_line:
                self.on_line(line)
        self.process.wait()
        with self.more:
            self.ended = time.monotonic()
            self.more.notify_all()

    @property
    def output(self):
        with self.more:
            return "\n".join(line for _, line in self.lines)

    def wait_output(self, pattern, timeout=MOVE_LIMIT):
        """Until a line has the pattern in it; fails when it ends without."""
        def seen():
            return any(re.search(pattern, line) for _, line in self.lines)

        with self.more:
            self.more.wait_for(lambda: seen() or self.ended,
                               timeout * self.lab.patience)
            found = seen()
        assert found, f"no /{pattern}/ from `{self.command}`:\n{self.output}"

    def ends_within(self, timeout):
        """Waits for that; whether it has ended."""
        with self.more:
            return bool(self.more.wait_for(lambda: self.ended,
                                           timeout * self.lab.patience))

    def finish(self, timeout=MOVE_LIMIT):
        assert self.ends_within(timeout), \
            f"`{self.command}` does not end within {timeout} s:\n{self.output}"
        return self.process.returncode


class Migration(Process):
    """`xl migrate` of a guest to the other host, started.

    transport  "ssh", as xl does it by itself; "tcp", a connection without
               encryption, several times as fast here and easier to cut;
               "local", a pipe to a receiver on the same host; "loop", such a
               connection to one on the same host; "rdma", by ssh and from
               there on by RDMA
    postcopy   False for the stock xl's own way
    cut_at     the transport is killed once a line of xl's has this in it
    stall_at   the same, but it only stands still
    die_at     killed is xl itself
    when       --postcopy=WHEN
    apart      stdout is kept apart from what else it prints, as .stdout
    """

    transport = None

    def __init__(self, guest, options="", transport="tcp", postcopy=True,
                 receive_options="", host=None, on_line=None, cut_at=None,
                 stall_at=None, die_at=None, when=None, apart=False):
        self.guest = guest
        self.source = guest.host
        self.dest = guest.host if transport in WITHIN else other(guest.host)
        self.receiver = None
        self.transport = transport
        words = ["xl", "migrate"]
        if postcopy:
            words.append(f"--postcopy={when}" if when else "--postcopy")
        words += shlex.split(options)
        host = host or f"xen-{self.dest}"
        if transport in ("tcp", "loop"):
            if postcopy:
                receive_options += " --postcopy"
            self.receiver = listen(guest.lab, self.dest, receive_options)
            words += ["-s", "", guest.name, connect(host)]
        elif transport == "local":
            words += ["-s", "", guest.name,
                      f"xl migrate-receive --postcopy {receive_options}"]
        else:
            if transport == "rdma" and "--rdma" not in options:
                words.append("--rdma")
            words += [guest.name, host]
        command = shlex.join(words)
        text = cut_at or stall_at or die_at
        if text:
            command = f"bash -c 'echo $$ > {SENDER_PID}; exec \"$@\"' - {command}"
            command = CUTTER.format(
                command=command, text=shlex.quote(text),
                signal="STOP" if stall_at else "KILL",
                pid=f"< {SENDER_PID}" if die_at else self.transport_pid)
        if apart:
            command += f" > {STDOUT}"
        super().__init__(guest.lab, self.source, command, on_line)

    @property
    def stdout(self):
        return self.lab.run(self.source, f"cat {STDOUT}").stdout

    @property
    def transport_pid(self):
        """What prints it, in the source's shell."""
        return CARRIER_PID if self.transport == "rdma" else f"< {TRANSPORT_PID}"

    def signal_transport(self, signal):
        self.lab.run(self.source,
                     f"bash -c 'kill -{signal} $({self.transport_pid})'")

    def kill_transport(self):
        self.signal_transport("KILL")

    def stall_transport(self):
        """Both ends see only silence."""
        self.signal_transport("STOP")

    def kill_sender(self):
        self.lab.run(self.source,
                     "kill -9 $(pgrep -o -f '^xl migrate --postcopy')")

    def kill_receiver(self):
        self.lab.run(self.dest, f"kill -9 $(cat {RECEIVER_PID})")

    def receiver_ends_within(self, timeout):
        """The receiver may stay for a while after the connection has ended."""
        there = f"kill -0 $(cat {RECEIVER_PID}) 2> /dev/null"
        deadline = time.monotonic() + timeout * self.lab.patience
        while not self.lab.run(self.dest, there, check=False).returncode:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def all_output(self):
        there = self.receiver.output if self.receiver else ""
        return (f"{self.output}\n---- and at the destination:\n{there}"
                if there else self.output)

    def expect_success(self, timeout=MOVE_LIMIT):
        status = self.finish(timeout)
        assert status == 0, \
            f"`{self.command}` ended with {status}:\n{self.all_output()}"
        self.guest.host = self.dest
        return Summary(self.output)

    def expect_failure(self, *patterns, status=None):
        """xl fails, with this exit status if one is named, and says why: each
        pattern is in its output."""
        ended = self.finish()
        assert ended != 0 and status in (None, ended), \
            (f"`{self.command}` ended with {ended}, not {status or 'a failure'}:\n"
             f"{self.all_output()}")
        for pattern in patterns:
            assert re.search(pattern, self.output), \
                (f"`{self.command}` failed as it should, but does not say "
                 f"/{pattern}/:\n{self.all_output()}")


class Recovery(Migration):
    """`xl migrate-recover` of a migration that was cut, started: at its
    source, to its destination or to the host `to`."""

    def __init__(self, migration, options="", to=None, domain=None,
                 receive_options=""):
        guest = migration.guest
        self.guest = guest
        self.source = migration.source
        self.dest = migration.dest
        self.transport = migration.transport
        to = to or self.dest
        words = ["xl", "migrate-recover", *shlex.split(options)]
        if self.transport == "rdma":
            words.append("--rdma")
        else:
            words += ["-s", ""]
        words.append(domain or guest.name)
        self.receiver = None
        if self.transport == "rdma":
            words.append(f"xen-{to}")
        elif to == self.source and to == self.dest:
            words.append(f"xl migrate-receive --postcopy --recover {receive_options}")
        else:
            self.receiver = listen(guest.lab, to,
                                   f"--postcopy --recover {receive_options}")
            words.append(connect(f"xen-{to}"))
        Process.__init__(self, guest.lab, self.source, shlex.join(words))


class Summary(dict):
    """The numbers of xl's summary by their names, in s, ms, pages or MiB;
    empty for the stock xl, which has none."""

    def __init__(self, output):
        super().__init__()
        for name, value in re.findall(r"^ +(\S.*?) {2,}(\d+(?:\.\d+)?)\b.*$",
                                      output, re.M):
            self[name] = float(value)
