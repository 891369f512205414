# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lab: bring two hosts up, run things in them, take them down."""

import concurrent.futures
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

from . import boots, config, console, qemu
from .config import HOSTS, LabError, say
from .image import image

SUPERVISOR = pathlib.Path(__file__).with_name("supervisor.py")
BOOT_LIMIT = 300        # seconds; an idle machine needs about 20
RESTORE_LIMIT = 120     # likewise, about 2
QUIT_LIMIT = 15
SNAPSHOT_FORMAT = "saved while stopped"
# An emulated host now and then loses its timers, and stands still until something comes
# to it: one for three minutes. So there is a packet every two seconds; an answer to it
# is not waited for, because a busy host takes its time.
PACKETS_AT_ALL_TIMES = ("-o", "ServerAliveInterval=2",
                        "-o", "ServerAliveCountMax=1000000")


class CommandFailed(LabError):
    """A command in a host ended with other than 0; `result` is the
    subprocess.CompletedProcess."""

    def __init__(self, host, command, result):
        self.result = result
        super().__init__(
            f"host {host}: `{command}` ended with {result.returncode}\n"
            f"{result.stdout or ''}{result.stderr or ''}".rstrip())


def image_and_hypervisor(host):
    """Make both at the same time, unless they are there."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        own = pool.submit(boots.own, host)
        img = image(config.suite(host))
        return img, own.result() or img / "xen"


def pack(tree):
    """A DESTDIR tree as a tar archive of root's files."""
    if not tree.is_dir():
        raise LabError(f"{tree}: no directory to install from")
    return subprocess.run(
        ["tar", "-C", str(tree), "--owner=0", "--group=0", "-c", "."],
        check=True, stdout=subprocess.PIPE).stdout


class Lab:
    """A lab, up or down. Everything about it is in its state directory.

    Several labs may be up at once, each in a state directory of its own.
    `memory` and `dom0_memory` are MiB a host, by default XEN_LAB_MEMORY and
    XEN_LAB_DOM0_MEMORY. `console` reads both consoles: see console.Console.
    """

    hosts = HOSTS
    boot_limit = BOOT_LIMIT
    default_memory = config.DEFAULT_MEMORY
    patience = 1        # how many times as long to wait for what may not come

    def __init__(self, state=None, memory=None, dom0_memory=None):
        self.state = config.state_dir(state)
        self.memory = memory or config.megabytes(
            "XEN_LAB_MEMORY", self.default_memory)
        self._dom0_memory = dom0_memory
        self.console = console.Console(self.state)
        self._supervisor = None     # when it is a child of this process

    def dom0_memory(self, host):
        return self._dom0_memory or config.megabytes(
            "XEN_LAB_DOM0_MEMORY", config.default_dom0_memory(host))

    # Up and down.

    def up(self, fresh=False, install=None, owner=None, snapshot=True):
        """Bring both hosts up; when they are up already, leave them so.

        fresh     start over with new hosts if the lab is up
        install   a DESTDIR tree to copy over / of both hosts, or a's and b's
        owner     a process id: the lab goes down when that process ends
        snapshot  False boots the hosts instead of restoring booted ones
        """
        self.state.mkdir(parents=True, exist_ok=True)
        with self._starting():
            if fresh or not self.is_up():
                self._down()
                try:
                    self._start(owner, snapshot)
                except BaseException:
                    self._down()
                    raise
        if install:
            self.install(install)

    def _starting(self):
        return config.locked(self.state / "up.lock",
                             "starts or stops this lab")

    def is_up(self):
        """Whether both hosts run."""
        return (set(self._ports()) == set(self.hosts)
                and all(map(self._alive, self.hosts)))

    def down(self):
        """Take the lab down; harmless when it is down."""
        if self.state.is_dir():
            with self._starting():
                self._down()

    def install(self, trees):
        """Copy a DESTDIR tree over / of both hosts, or of two the first over a's
        and the second over b's."""
        if isinstance(trees, (str, pathlib.Path)):
            trees = [trees]
        packed = [pack(pathlib.Path(tree)) for tree in trees]
        for host, octets in zip(self.hosts, itertools.cycle(packed)):
            self._untar(host, octets)

    def _untar(self, host, packed):
        command = "tar -x -C / --keep-directory-symlink --no-overwrite-dir"
        done = subprocess.run(self._ssh(host, command), input=packed,
                              cwd=self.state, capture_output=True)
        if done.returncode:
            raise LabError(f"host {host}: installing failed:\n"
                           + done.stderr.decode(errors="replace"))

    def _start(self, owner, snapshot):
        made = {host: image_and_hypervisor(host) for host in self.hosts}
        saved = self._snapshot(made) if snapshot else None
        with open(self.state / config.SHARED_DISK, "wb") as disk:
            disk.truncate(config.SHARED_DISK_SIZE << 20)
        self._start_supervisor(made, [saved] * bool(saved), owner)
        for host in self.hosts:
            incoming = saved and saved / f"{host}.vmstate"
            self._start_host(host, *made[host], incoming)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self._until_reachable, host, not saved)
                         for host in self.hosts]:
                done.result()

    def _snapshot(self, made):
        """The directory with both hosts' saved states, made if need be; `made`
        has the image and the hypervisor of each."""
        def build(work):
            say("booting both hosts once, to keep them (about half a minute)")
            boot = Lab(work / "state", self.memory, self._dom0_memory)
            try:
                boot.up(snapshot=False, owner=os.getpid())
                boot._close_ssh()
                for host in self.hosts:
                    with boot._monitor(host) as monitor:
                        monitor.save(work / f"{host}.vmstate")
            except LabError:
                print(boot.failure_report(), file=sys.stderr)
                raise
            finally:
                boot.down()

        argv = [qemu.command(host, *made[host], self.memory,
                             self.dom0_memory(host)) for host in self.hosts]
        key = config.digest(SNAPSHOT_FORMAT, repr(argv), qemu.version(),
                            qemu.machine_id())
        kind = "+".join(["snapshot" + str(self.memory),
                         *(str(self.dom0_memory(host)) for host in self.hosts)])
        return config.generation(kind, key, build)

    def _start_supervisor(self, made, saved, owner):
        console.rotate(self.state)
        for host in self.hosts:
            (self.state / f"machine-{host}.log").unlink(missing_ok=True)
        uses = {img for img, _ in made.values()}
        uses |= {xen.parent for _, xen in made.values()}
        spec = {"uses": sorted(map(str, [*uses, *saved])), "owner": owner,
                "images": {host: str(img) for host, (img, _) in made.items()}}
        (self.state / "lab.json").write_text(json.dumps(spec))
        (self.state / "lab.sock").unlink(missing_ok=True)
        with open(self.state / "supervisor.log", "w") as log:
            process = self._supervisor = subprocess.Popen(
                [sys.executable, str(SUPERVISOR), str(self.state)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        deadline = time.monotonic() + 20
        while not (self.state / "lab.sock").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError("the lab's supervisor did not start; see "
                               f"{self.state}/supervisor.log")
            time.sleep(0.01)

    def _start_host(self, host, img, xen, incoming=None, other_tsc=False):
        argv = qemu.command(host, img, xen, self.memory,
                            self.dom0_memory(host), incoming, other_tsc)
        self._ask(op="start", host=host, argv=argv)
        name = f"qmp-{host}.sock"
        deadline = time.monotonic() + 20
        while True:     # QEMU's sockets are there once its monitor answers
            with contextlib.suppress(OSError):
                qemu.connect(self.state, name).close()
                break
            if time.monotonic() > deadline or not self._alive(host):
                raise LabError(f"host {host}: QEMU did not start\n"
                               + self._tail(f"machine-{host}.log", 20))
            time.sleep(0.02)
        with self._monitor(host) as monitor:
            self._remember_port(host, monitor.ssh_port())

    def _until_reachable(self, host, booted):
        if booted:
            line = self.console.wait(r"xen-lab: (ready|FAILED.*)", host=host,
                                     timeout=self.boot_limit)
            if line.match[1] != "ready":
                raise LabError(f"host {host} did not come up: {line.text}")
        else:
            with self._monitor(host) as monitor:
                monitor.resume_loaded(RESTORE_LIMIT)
        deadline = time.monotonic() + RESTORE_LIMIT
        while True:
            # A host that was kept has the clock of that moment.
            done = self.run(host, f"date -s @{time.time():.3f} >/dev/null",
                            check=False)
            if done.returncode == 0:
                return
            if not self._alive(host):
                raise LabError(f"host {host}: its machine ended\n"
                               + self._tail(f"machine-{host}.log", 20))
            if time.monotonic() > deadline:
                raise LabError(f"host {host}: ssh does not answer: "
                               f"{done.stderr}")
            time.sleep(0.1)

    def _down(self):
        self._close_ssh()
        (self.state / "ports.json").unlink(missing_ok=True)
        if not self._supervisor_holds_lock():
            return
        # The lock is held, so the process id is the supervisor's own.
        pid = int((self.state / "supervisor.pid").read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + QUIT_LIMIT
        while self._supervisor_holds_lock():
            if time.monotonic() > deadline:
                say("the supervisor does not end; killing it")
                os.kill(pid, signal.SIGKILL)
                deadline += QUIT_LIMIT
            time.sleep(0.02)
        if self._supervisor:
            self._supervisor.wait()
            self._supervisor = None

    def _supervisor_holds_lock(self):
        try:
            with open(self.state / "running.lock", "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    # One host.

    def kill(self, host):
        """Cut the host's power."""
        self._ask(op="kill", host=host)

    def restart(self, host, other_tsc=False):
        """Give a host that was killed a fresh start. The other host keeps
        running; when "a" is restarted, "b" has to be as well for the network
        between them, whose listening end is a's. With other_tsc its TSC has
        another frequency than the other host's."""
        made = {each: image_and_hypervisor(each) for each in self.hosts}
        saved = None if other_tsc else self._snapshot(made)
        incoming = saved and saved / f"{host}.vmstate"
        self._start_host(host, *made[host], incoming, other_tsc)
        self._until_reachable(host, booted=other_tsc)

    def link(self, up):
        """Plug the network between the hosts in or out; ssh from outside
        goes another way and stays."""
        for host in self.hosts:
            with self._monitor(host) as monitor:
                monitor.execute("set_link", name="lab", up=up)

    def _monitor(self, host):
        return qemu.Monitor(self.state, host)

    def _alive(self, host):
        return (self._supervisor_holds_lock()
                and not self.console.ended(host))

    def _ask(self, **request):
        try:
            sock = qemu.connect(self.state, "lab.sock", timeout=30)
        except OSError as error:
            raise LabError(f"no lab is up in {self.state}") from error
        with sock, sock.makefile("rw") as file:
            file.write(json.dumps(request) + "\n")
            file.flush()
            answer = json.loads(file.readline() or '{"error": "no answer"}')
        if answer.get("error"):
            raise LabError(answer["error"])

    # Commands and files.

    def run(self, host, command, check=True, timeout=None, input=None):
        """Run a command in a host: a string for its shell, or a list of
        words. Returns a subprocess.CompletedProcess with text output;
        CommandFailed when `check` and it does not end with 0; LabError
        when it takes more than `timeout` seconds."""
        try:
            done = subprocess.run(
                self._ssh(host, command), cwd=self.state, text=True,
                input=input if input is not None else "", errors="replace",
                capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"host {host}: `{command}` takes more than "
                           f"{timeout} s") from error
        if check and done.returncode:
            raise CommandFailed(host, command, done)
        return done

    def popen(self, host, command, **options):
        """Start a command in a host; returns the subprocess.Popen of its ssh
        client. Killing that does not kill the command."""
        return subprocess.Popen(self._ssh(host, command), cwd=self.state,
                                **options)

    def put(self, host, file, dest):
        """Copy a file into a host, with its mode; dest ending in / is a
        directory."""
        file = pathlib.Path(file)
        if dest.endswith("/"):
            dest += file.name
        mode = file.stat().st_mode & 0o777
        dest = shlex.quote(dest)
        command = (f'mkdir -p "$(dirname {dest})" && cat > {dest} && '
                   f"chmod {mode:o} {dest}")
        with open(file, "rb") as data:
            self._copy(host, command, stdin=data)

    def get(self, host, file, dest):
        """Copy a file out of a host; dest may be a directory."""
        dest = pathlib.Path(dest)
        if dest.is_dir():
            dest = dest / os.path.basename(file)
        with open(dest, "wb") as data:
            self._copy(host, f"cat {shlex.quote(file)}",
                       stdin=subprocess.DEVNULL, stdout=data)

    def _copy(self, host, command, **options):
        done = subprocess.run(self._ssh(host, command), cwd=self.state,
                              stderr=subprocess.PIPE, **options)
        if done.returncode:
            raise LabError(f"host {host}: copying failed: "
                           + done.stderr.decode(errors="replace").strip())

    def _ssh(self, host, command=None):
        port = self._ports().get(host)
        if not port:
            raise LabError(f"no lab is up in {self.state}")
        spec = json.loads((self.state / "lab.json").read_text())
        img = spec["images"][host]
        # Run in the state directory, so that the control socket's name is
        # short whatever the directory is called.
        argv = ["ssh", "-F", "none", "-i", f"{img}/id_ed25519",
                "-o", f"UserKnownHostsFile={img}/known_hosts",
                "-o", "HostKeyAlias=xen-lab", "-o", "BatchMode=yes",
                "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
                "-o", "ControlMaster=auto", "-o", f"ControlPath=ssh-{host}",
                "-o", "ControlPersist=yes", "-o", "ConnectTimeout=60",
                *PACKETS_AT_ALL_TIMES,
                "-p", str(port), "root@127.0.0.1"]
        if command is None:
            return argv
        if not isinstance(command, str):
            command = shlex.join(map(str, command))
        return argv + ["--", command]

    def _close_ssh(self):
        for host in self.hosts:
            if (self.state / f"ssh-{host}").exists():
                argv = self._ssh(host)
                subprocess.run(argv[:1] + ["-O", "exit"] + argv[1:],
                               cwd=self.state, capture_output=True)
                (self.state / f"ssh-{host}").unlink(missing_ok=True)

    def _ports(self):
        try:
            return json.loads((self.state / "ports.json").read_text())
        except FileNotFoundError:
            return {}

    def _remember_port(self, host, port):
        ports = dict(self._ports(), **{host: port})
        new = self.state / "ports.json.new"
        new.write_text(json.dumps(ports))
        new.rename(self.state / "ports.json")

    # For people.

    def _tail(self, name, count):
        try:
            text = (self.state / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-count:])

    def failure_report(self, count=80):
        """What a person needs to see when a test has failed: the end of both
        consoles, of QEMU's own output, and of the logs in the hosts."""
        parts = []
        for host in (*self.hosts, "lab"):
            tail = self.console.lines(host=host)[-count:]
            parts += [f"==== console of {host}, last {len(tail)} lines",
                      *map(str, tail)]
        for host in self.hosts:
            said = self._tail(f"machine-{host}.log", 20)
            parts += [f"==== machine of {host}", said] if said else []
            parts += [f"==== logs in {host}", self._host_logs(host)]
        return "\n".join(parts)

    def _host_logs(self, host):
        command = ("tail -n 30 /var/log/xen/*.log /var/log/xen/console/*.log "
                   "2>/dev/null; echo '---- xl list'; timeout 10 xl list 2>&1")
        try:
            return self.run(host, command, check=False, timeout=30).stdout
        except LabError as error:
            return f"not reachable: {error}"

    @staticmethod
    def accel():
        """What runs the hosts."""
        return "kvm" if qemu.nested_kvm() else "tcg"

    def status(self):
        """A dict: up, state, memory, and for each host its ssh port or None
        when it is not running."""
        up = self.is_up()
        ports = self._ports()
        return {"up": up, "state": str(self.state), "memory": self.memory,
                "accel": self.accel(),
                "hosts": {host: ports.get(host) if self._alive(host) else None
                          for host in self.hosts}}
