# SPDX-License-Identifier: LGPL-2.1-or-later
"""The QEMU that is a host: its command line, and its monitor."""

import functools
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import time

from . import config
from .config import LabError

BINARY = "qemu-system-x86_64"

# guest_loglvl=all (one level, not a pair) also turns the rate limit off: every
# line that a guest writes to port 0xe9 comes out.
XEN_ARGS = ("console=com1 com1=115200,8n1 loglvl=info guest_loglvl=all "
            "noreboot=0 dom0_mem={dom0}M,max:{dom0}M dom0_max_vcpus=1")
DOM0_ARGS = "console=hvc0 quiet panic=1 xen_lab.host={host}"


@functools.cache
def nested_kvm():
    """Whether this machine's KVM can run a hypervisor in a guest."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    if not re.search(r"^flags\s*:.*\b(svm|vmx)\b", flags, re.M):
        return False
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    for vendor in ("amd", "intel"):
        nested = pathlib.Path(f"/sys/module/kvm_{vendor}/parameters/nested")
        if nested.exists() and nested.read_text().strip() in ("1", "Y"):
            return True
    return False


def machine_args(other_tsc=False):
    """With other_tsc the host's TSC runs at 1 GHz, and not at this machine's frequency:
    each instruction takes eight ticks."""
    # One CPU a host: with two, guests nested in emulation died now and then.
    if nested_kvm() and not other_tsc:
        return ["-accel", "kvm", "-cpu", "host", "-smp", "1"]
    accel = (["tcg,thread=single", "-icount", "shift=3,sleep=on"] if other_tsc
             else ["tcg,thread=multi"])
    return ["-accel", *accel, "-cpu", "qemu64,+svm,+npt", "-smp", "1"]


def command(host, image, hypervisor, memory, dom0_memory, incoming=None,
            other_tsc=False):
    """The argument vector, for a QEMU started in the state directory."""
    number = {"a": 1, "b": 2}[host]
    dom0 = DOM0_ARGS.format(host=host)
    net = "stream,id=lab,addr.type=unix,addr.path=net.sock"
    if host == "a":
        net += ",server=on"
    argv = [
        BINARY, "-name", f"xen-{host}", "-nodefaults", "-no-user-config",
        "-display", "none", "-no-reboot", "-machine", "pc",
        *machine_args(other_tsc),
        "-m", str(memory),
        "-kernel", str(hypervisor),
        "-append", XEN_ARGS.format(dom0=dom0_memory),
        "-initrd", f"{image}/vmlinuz {dom0},{image}/initramfs",
        "-chardev", f"socket,id=console,path=console-{host}.sock",
        "-serial", "chardev:console",
        "-chardev", f"socket,id=qmp,path=qmp-{host}.sock,server=on,wait=off",
        "-mon", "chardev=qmp,mode=control",
        "-drive", f"if=none,id=root,file={image}/root.squashfs,format=raw,"
                  "readonly=on",
        "-device", "virtio-blk-pci,drive=root",
        # Both hosts write to it. They see each other's writes at once, as both
        # QEMUs go through this machine's page cache and keep none themselves.
        "-drive", f"if=none,id=shared,file={config.SHARED_DISK},format=raw,"
                  "file.locking=off,cache=unsafe",
        "-device", "virtio-blk-pci,drive=shared,share-rw=on",
        # A free port, chosen by the kernel: see ssh_port().
        "-netdev", "user,id=out,restrict=on,hostfwd=tcp:127.0.0.1:0-:22",
        "-device", f"virtio-net-pci,netdev=out,mac=52:54:00:00:00:0{number},"
                   "romfile=",
        "-netdev", net,
        "-device", f"virtio-net-pci,netdev=lab,mac=52:54:00:00:01:0{number},"
                   "romfile=",
        "-device", "virtio-rng-pci",
    ]
    if incoming:
        argv += ["-incoming", f"exec:cat {shlex.quote(str(incoming))}"]
    return argv


def version():
    try:
        text = subprocess.run([BINARY, "--version"], check=True,
                              capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"cannot run {BINARY}: {error}") from error
    return text.splitlines()[0]


def machine_id():
    """What besides QEMU a saved host depends on."""
    if not nested_kvm():
        return "tcg"
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return re.search(r"^flags\s*:.*", flags, re.M)[0]


def connect(state, name, timeout=10):
    """Connect to a Unix socket by a path that is never too long for one."""
    directory = os.open(state, os.O_PATH | os.O_DIRECTORY)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(f"/proc/self/fd/{directory}/{name}")
        except BaseException:
            sock.close()
            raise
        return sock
    finally:
        os.close(directory)


class Monitor:
    """A QMP session, for `with`."""

    def __init__(self, state, host, timeout=60):
        self.host = host
        try:
            self.sock = connect(state, f"qmp-{host}.sock", timeout)
        except OSError as error:
            raise LabError(f"host {host}: no QEMU monitor "
                           f"({error})") from error
        self.file = self.sock.makefile("rw")

    def __enter__(self):
        self.receive()      # the greeting
        self.execute("qmp_capabilities")
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def receive(self):
        line = self.file.readline()
        if not line:
            raise LabError(f"host {self.host}: QEMU closed its monitor")
        return json.loads(line)

    def execute(self, name, /, **arguments):
        message = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        self.file.write(json.dumps(message) + "\n")
        self.file.flush()
        while True:
            answer = self.receive()
            if "error" in answer:
                raise LabError(f"host {self.host}: QEMU refuses {name}: "
                               + answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def ssh_port(self):
        text = self.execute("human-monitor-command",
                            **{"command-line": "info usernet"})
        found = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text)
        if not found:
            raise LabError(f"host {self.host}: no forwarded port in\n{text}")
        return int(found[1])

    def resume_loaded(self, timeout=120):
        """Let a machine run once its saved state is loaded. A program that connects to
        it before waits seconds for a packet to be sent again."""
        deadline = time.monotonic() + timeout
        while self.execute("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise LabError(f"host {self.host}: restoring takes too long")
            time.sleep(0.02)
        self.execute("cont")

    def save(self, path, timeout=120):
        """Stop the machine and write its state to a file. What is saved
        while it runs can lack writes under emulation: a dom0 restored from
        such a file fell over its corrupt timer list."""
        self.execute("stop")
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"exec:cat > {shlex.quote(str(path))}")
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answer = self.execute("query-migrate")
            if answer.get("status") == "completed":
                return
            if answer.get("status") in ("failed", "cancelled"):
                break
            time.sleep(0.05)
        raise LabError(f"host {self.host}: saving its state: {answer}")
