# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guests that are migrated: how to start them, and what they have said.

What a guest prints to the debug port comes out of the console of the host it
runs on, as "(d1) text", stamped by the lab's one clock.  So its heartbeats
tell where it ran and when.
"""

import itertools
import json
import os
import pathlib
import re
from typing import NamedTuple

from xenlab import config

TREE = pathlib.Path(__file__).resolve().parents[3]
BUILT = TREE / "build" / "guests"
PLACE = "/root/guests"

# Generous: the hosts are emulated, and the machine may have other work.
START_LIMIT = 120
# A host that had nothing to do was seen to miss its timer, and to stand still with all its
# guests for 64 s; then Xen said that its platform timer had wrapped.
SIGN_OF_LIFE_LIMIT = 180
PASS_LIMIT = 240

# These words, at the start of a line of either guest, mean that it is not
# well; so does what Xen says of a domain that it had to crash.
BAD = re.compile(r"^\(d\d+\) (#\d+ )?(BAD|FATAL|exception|option not understood)"
                 r"|Kernel panic|domain_crash|Domain \d+ .*crashed")


def dom0_build(host):
    """Where lab-build has put the programs for that host's release."""
    suite = config.of_host(os.environ.get("XEN_LAB_SUITE", ""), host)
    return TREE / "build" / "-".join(filter(None, ("dom0", suite)))


class Beat(NamedTuple):
    time: float
    host: str
    number: int
    errors: int
    domid: int


class Guest:
    """A guest, running or gone; `host` is the host at which it should be."""

    beat_pattern = None
    files = ()
    start_limit = START_LIMIT
    pass_limit = PASS_LIMIT

    def __init__(self, lab, name, memory, vcpus=1, more_config=""):
        self.lab = lab
        self.name = name
        self.memory = memory
        self.vcpus = vcpus
        self.more_config = more_config
        self.host = None
        self.created = None

    kind = "pvh"

    def config(self):
        return (f'name = "{self.name}"\ntype = "{self.kind}"\n'
                f"memory = {self.memory}\nvcpus = {self.vcpus}\n"
                f"{self.boot_config()}{self.more_config}\n")

    def boot_config(self):
        raise NotImplementedError

    @property
    def config_file(self):
        return f"{PLACE}/{self.name}.cfg"

    # Starting.

    def write_config(self, host):
        for file in self.files:
            there = f"{PLACE}/{file}"
            if self.lab.run(host, f"test -e {there}", check=False).returncode:
                self.lab.put(host, BUILT / file, there)
        self.lab.run(host, f"mkdir -p {PLACE} && cat > {self.config_file}",
                     input=self.config())

    def start(self, host, options=""):
        self.write_config(host)
        self.created = self.lab.console.now()
        self.host = host
        self.lab.run(host, f"xl create {options} {self.config_file}",
                     timeout=self.start_limit * self.lab.patience)
        return self

    # Listening.

    def wait(self, pattern, since, timeout, host=None):
        return self.lab.console.wait(pattern, host=host or self.host,
                                     since=since,
                                     timeout=timeout * self.lab.patience)

    def wait_beat(self, host=None, since=None):
        """A heartbeat from `since` (now) on."""
        since = self.lab.console.now() if since is None else since
        return self.wait(self.beat_pattern, since, SIGN_OF_LIFE_LIMIT, host)

    def wait_passes(self, pattern, since):
        """A check of all that began after `since` (now): hence the second
        that ends from then on."""
        since = self.lab.console.now() if since is None else since
        first = self.wait(f"{pattern}|{BAD.pattern}", since, self.pass_limit)
        self.assert_sound()
        self.wait(f"{pattern}|{BAD.pattern}", first.time + 1e-6, self.pass_limit)

    def wait_pass(self, since=None):
        raise NotImplementedError

    def lines(self):
        return self.lab.console.lines(since=self.created)

    def _beat(self, line):
        match = re.search(self.beat_pattern, line.text)
        return match and Beat(line.time, line.host, int(match[1]),
                              int(match[2]), int(line.text[2:].split(")")[0]))

    def beats(self, since=None):
        lines = self.lab.console.lines(since=since or self.created)
        return list(filter(None, map(self._beat, lines)))

    def follow_beats(self, since):
        """The same, one by one as they come, until the lab goes down."""
        return filter(None, map(self._beat, self.lab.console.follow(since)))

    # Judging.

    def route(self):
        """The hosts that it ran on, in the order of time."""
        return [host for host, _ in
                itertools.groupby(self.beats(), lambda beat: beat.host)]

    def domids(self):
        """The numbers of the domains that it ran as, likewise."""
        return [domid for domid, _ in
                itertools.groupby(self.beats(), lambda beat: beat.domid)]

    def assert_sound(self):
        bad = [str(line) for line in self.lines() if BAD.search(line.text)]
        assert not bad, "the guest is not well:\n" + "\n".join(bad[:20])
        wrong = [beat for beat in self.beats() if beat.errors]
        assert not wrong, f"the guest counted errors: {wrong[0]}"

    def assert_ran_once(self, *route):
        """The guest never ran on two hosts at a time, nor any moment twice: the
        numbers of its heartbeats only go up, over all hosts, and each host had
        it for as long as the route says and never before or after."""
        beats = self.beats()
        for one, next_ in zip(beats, beats[1:]):
            assert one.number < next_.number, \
                f"it ran twice: {one} came before {next_}"
        assert tuple(self.route()) == route, \
            f"it ran on {self.route()} and not on {list(route)}"

    def assert_runs(self, check=True):
        """Where it should be, with all its memory in order."""
        self.wait_beat()
        if check:
            self.wait_pass()
        self.assert_sound()


class Step(NamedTuple):
    """How far a pattern guest was at a heartbeat."""
    time: float
    host: str
    number: int
    pages: int      # written and checked so far, by the first vCPU


class Walk(NamedTuple):
    """How long one vCPU takes for the pages that all walk together, and its own part."""
    vcpu: int
    number: int
    errors: int
    together: int
    met: int        # how often another one was at the same page
    apart: int


class PatternGuest(Guest):
    """This guest knows the contents of all its memory; options are its own (see
    xen/guests/README.md).  With an id it is told from others on its host."""

    walk_pattern = (r"^\(d\d+\) vcpu (\d+) walk (\d+) done, errors (\d+), "
                    r"together (\d+), met (\d+), apart (\d+)$")
    kernel = "patternguest"
    files = (kernel,)

    def __init__(self, lab, name="pattern", memory=64, vcpus=1,
                 more_config="", **options):
        super().__init__(lab, name, memory, vcpus, more_config)
        self.options = {"rate": 2000, "check": 8000, "heartbeat": 20,
                        "vcpus": vcpus, **options}
        mark = f"#{options['id']} " if "id" in options else ""
        self.line_start = rf"^\(d\d+\) {mark}"
        self.beat_pattern = rf"{self.line_start}hb (\d+) .* e=(\d+)$"

    def boot_config(self):
        words = " ".join(f"{name.replace('_', '-')}={value}"
                         for name, value in self.options.items())
        return f'kernel = "{PLACE}/{self.kernel}"\ncmdline = "{words}"\n'

    def start(self, host, options=""):
        super().start(host, options)
        if "-p" not in options.split():
            self.wait(rf"{self.line_start}vcpus \d+", self.created,
                      self.start_limit)
            self.wait_beat()
        return self

    def wait_pass(self, since=None):
        """Passes of the first vCPU, and walks of the others."""
        since = self.lab.console.now() if since is None else since
        self.wait_passes(rf"{self.line_start}pass \d+ done", since)
        for vcpu in range(1, self.vcpus):
            self.wait_passes(rf"{self.line_start}vcpu {vcpu} walk", since)

    def steps(self, since):
        pattern = re.compile(
            rf"{self.line_start}hb (\d+) t=\d+ w=(\d+) c=(\d+) ")
        found = ((line, pattern.search(line.text))
                 for line in self.lab.console.lines(since))
        return [Step(line.time, line.host, int(match[1]),
                     int(match[2]) + int(match[3]))
                for line, match in found if match]

    def walks(self, since):
        matches = (re.search(self.walk_pattern, line.text)
                   for line in self.lab.console.lines(since))
        return [Walk(*map(int, match.groups())) for match in matches if match]


class HvmPatternGuest(PatternGuest):
    """The same, started by QEMU and its firmware; `device_model_args` are words
    for QEMU's command line."""

    kind = "hvm"

    def __init__(self, *args, device_model_args=(), **options):
        super().__init__(*args, **options)
        if self.lab.accel() != "bochs":     # see xen/lab/README.md
            self.kernel = "patternguest.bz"
            self.files = (self.kernel,)
        self.device_model_args = device_model_args

    def boot_config(self):
        config = super().boot_config() + 'vga = "none"\n'
        if self.device_model_args:
            config += ("device_model_args_hvm = "
                       f"{json.dumps(self.device_model_args)}\n")
        return config

    def start(self, host, options=""):
        """QEMU reads the kernel wherever it starts."""
        for where in self.lab.hosts:
            self.write_config(where)
        return super().start(host, options)


# QEMU's emulation of VMRUN leaves the vector of an interrupt that it injects
# where one thread's request to stop at that very moment makes it deliver the
# interrupt once more, with interrupts off.  Linux then has an interrupt on its
# entry trampoline, which no processor does to it, and dies.  A guest that never
# moved, on hosts without this package, died so within 15 seconds once its
# host was stopped and continued through QEMU's monitor all the time.
INJECTED_TWICE = re.compile(
    r"asm_sysvec_xen_hvm_callback(.*\n){1,30}?.*</ENTRY_TRAMPOLINE>(.*\n)*?"
    r".*Kernel panic")


class LinuxGuest(Guest):
    """Debian's kernel with file trees that are checked and rewritten."""

    beat_pattern = r"^\(d\d+\) lhb (\d+) .* e=(\d+)$"
    files = ("linuxguest.initramfs",)

    def __init__(self, lab, name="linux", memory=128, vcpus=2, tree=16,
                 kernel="vmlinux", busy=None, more_config="",
                 more_arguments="", tsc_mode="native"):
        """`busy`: only so many of its CPUs have work."""
        super().__init__(lab, name, memory, vcpus, more_config)
        self.tree = tree
        self.kernel = kernel
        self.busy = vcpus if busy is None else busy
        self.more_arguments = more_arguments
        self.tsc_mode = tsc_mode
        self.ramdisk = f"{PLACE}/{self.files[0]}"

    def boot_config(self):
        """See xen/guests/README.md for what it needs for several CPUs."""
        return (f'kernel = "/usr/lib/xen-lab/{self.kernel}"\n'
                f'ramdisk = "{self.ramdisk}"\n'
                f'cpuid = "host,htt=0"\ntsc_mode = "{self.tsc_mode}"\n'
                'cmdline = "console=hvc0 quiet oops=panic lpj=10000000 '
                'nowatchdog rcupdate.rcu_cpu_stall_suppress=1 '
                f'tree={self.tree} tree-cpus={self.busy} tree-pause=20 '
                f'{self.more_arguments}"\n')

    def console_logs(self):
        return f"/var/log/xen/console/guest-{self.name}*.log"

    def start(self, host, options=""):
        for where in self.lab.hosts:
            self.lab.run(where, f"rm -f {self.console_logs()}")
        super().start(host, options)
        up = self.wait(r"^\(d\d+\) linuxguest cpus=(\d+)", self.created,
                       self.start_limit)
        assert int(up.match[1]) == self.vcpus, up
        self.wait(r"^\(d\d+\) tree made", self.created, self.start_limit)
        self.wait_beat()
        return self

    def wait_pass(self, since=None):
        """A check of each CPU's tree."""
        since = self.lab.console.now() if since is None else since
        for tree in range(self.busy):
            self.wait_passes(rf"^\(d\d+\) tree {tree} pass \d+ done", since)

    def has_said(self, host, text):
        """Whether it has, on its console in that host."""
        return text in self.lab.run(
            host, f"cat {self.console_logs()}", check=False).stdout

    def killed_by_emulation(self):
        """Whether the emulated processor has killed it."""
        return any(INJECTED_TWICE.search(self.lab.run(
            host, f"cat {self.console_logs()}", check=False).stdout)
            for host in self.lab.hosts)


class LinuxGuestWithModules(LinuxGuest):
    """Some of its kernel's modules are in its initramfs."""

    modules = None

    def __init__(self, lab, **options):
        super().__init__(lab, **options)
        self.initramfs = self.ramdisk
        self.ramdisk += "+modules"

    def write_config(self, host):
        super().write_config(host)
        self.lab.run(host, f"cat /usr/lib/xen-lab/{self.modules} "
                           f"{self.initramfs} > {self.ramdisk}")


class LinuxGuestWithEvents(LinuxGuestWithModules):
    """This guest holds more event channels than one page has words for."""

    modules = "modules-6.1.cpio"    # of the kernel that it is given
    channels = 1100

    def __init__(self, lab, **options):
        super().__init__(lab, more_arguments=f"events={self.channels}",
                         more_config=f"max_event_channels = "
                                     f"{2 * self.channels}\n", **options)

    def start(self, host, options=""):
        super().start(host, options)
        last = self.wait(r"^\(d\d+\) events up to (\d+)", self.created,
                         self.start_limit)
        assert int(last.match[1]) >= self.channels, last
        return self


class LinuxGuestWithDevices(LinuxGuestWithModules):
    """This guest has a file tree on a disk as well, and an echo service (echo.py).

    A back end must access its pages before the guest touches them:
    init_on_alloc=0, else it zeroes each that a back end gets, and no persistent
    grants, else the disk's has the same few pages for ever.
    """

    modules = "modules.cpio"        # of the hosts' own kernel

    def __init__(self, lab, disk, address, more_arguments="", **options):
        super().__init__(
            lab, more_arguments="init_on_alloc=0 "
                                "xen_blkfront.feature_persistent=0 "
                                f"disk=xvda address={address}/24 "
                                f"{more_arguments}",
            more_config=f'disk = [ "phy:{disk},xvda,w" ]\n'
                        'vif = [ "mac=00:16:3e:00:00:10,bridge=xenbr0" ]\n',
            **options)

    def wait_pass(self, since=None):
        since = self.lab.console.now() if since is None else since
        super().wait_pass(since)
        self.wait_passes(rf"^\(d\d+\) tree {self.busy} pass \d+ done", since)
