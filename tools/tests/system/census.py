# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is in a host without guests, to see what became more."""

import re
from collections import Counter

# Where what belongs to a migration may leave something. Logs are meant to stay, and so
# are a host's notes of how migrations ended, of which it keeps a limited number.
PLACES = "/run /tmp /root /var/lib/xen /var/lib/xl /var/tmp"
DAEMONS = ("xenstored", "xenconsoled")
# Kernel memory that no cache holds, and what processes hold: it is never quite the same.
MEMORY_SLACK = 12       # MiB
HYPERVISOR_SLACK = 2    # MiB
DESCRIPTOR_SLACK = 1


class Census:
    """What host `host` has at this moment, without guests."""

    def __init__(self, world, host):
        def lines(command):
            return world.lab.run(host, command, check=False).stdout.splitlines()

        self.host = host
        self.free = world.free_memory(host)
        self.nodes = kinds(re.split(r" = ", line, maxsplit=1)[0]
                           for line in lines("xenstore-ls -f"))
        self.files = kinds(lines(f"find {PLACES} -xdev ! -type d "
                                 "! -name '*.outcome' 2>/dev/null"))
        self.processes = kinds(
            line for line in lines("ps -e -o comm=")
            if not line.startswith(("kworker", "ps", "sshd", "bash", "sh")))
        self.descriptors = {
            name: int(lines(f"ls /proc/$(pgrep -xo {name})/fd | wc -l")[0])
            for name in DAEMONS}
        self.memory = sum(
            int(line.split()[1]) for line in lines(
                "sync; echo 3 > /proc/sys/vm/drop_caches; cat /proc/meminfo")
            if line.startswith(("AnonPages:", "SUnreclaim:", "VmallocUsed:"))
        ) // 1024

    def assert_no_more_than(self, before):
        """Nothing is left of what has happened since `before`."""
        for what in ("nodes", "files", "processes"):
            more = getattr(self, what) - getattr(before, what)
            assert not more, f"host {self.host} has more {what}: {dict(more)}"
        assert self.free >= before.free - HYPERVISOR_SLACK, \
            (f"Xen of host {self.host} had {before.free} MiB free and has "
             f"{self.free}")
        assert self.memory <= before.memory + MEMORY_SLACK, \
            (f"dom0 of host {self.host} used {before.memory} MiB and uses "
             f"{self.memory}")
        for name, number in self.descriptors.items():
            assert number <= before.descriptors[name] + DESCRIPTOR_SLACK, \
                (f"{name} of host {self.host} had {before.descriptors[name]} "
                 f"descriptors and has {number}")


def kinds(names):
    """How many of each there are, whatever ids and numbers are in their names."""
    return Counter(re.sub(r"[0-9a-f]{32}|\d+", "N", name) for name in names)
