# SPDX-License-Identifier: LGPL-2.1-or-later
"""The World that a test gets: two hosts without guests, and calls to use them."""

import re
import time

from guests import (LinuxGuest, LinuxGuestWithDevices, LinuxGuestWithEvents,
                    PatternGuest, dom0_build)
from moving import Migration, Recovery

CLEAN_LIMIT = 60
# The directory on the hosts with test programs that are not installed.
TOOLS = "/root/tools"


class Skip(Exception):
    """Raised by a test that cannot run here; says why."""


# Why a test is left out, when others go the same ways in less time.
TAKES_LONG = "takes long"


def on_request(why):
    """Marks a test that runs only with --all or when its name is given."""
    def mark(test):
        test.on_request = why
        return test
    return mark


class World:
    """The lab's two hosts during one test."""

    def __init__(self, lab):
        self.lab = lab
        self.dirty = False
        self.migrations = []
        self.notes = []

    # Making.

    def pattern(self, **options):
        return PatternGuest(self.lab, **options)

    def linux(self, **options):
        return LinuxGuest(self.lab, **options)

    def linux_with_devices(self, **options):
        return LinuxGuestWithDevices(self.lab, **options)

    def linux_with_events(self, **options):
        return LinuxGuestWithEvents(self.lab, **options)

    def migrate(self, guest, options="", **how):
        migration = Migration(guest, options, **how)
        self.migrations.append(migration)
        return migration

    def recover(self, migration, options="", **how):
        recovery = Recovery(migration, options, **how)
        self.migrations.append(recovery)
        return recovery

    def move(self, guest, options="", **how):
        """A migration that must succeed; returns its Summary."""
        return self.migrate(guest, options, **how).expect_success()

    def make_dirty(self):
        """The test leaves something in a host that only a fresh one is rid
        of."""
        self.dirty = True

    def note(self, text):
        """A remark that the runner prints although the test passes."""
        self.notes.append(text)

    def tool(self, name, host):
        """The path, in the host, of a program that lab-build has built for the
        host's release."""
        there = f"{TOOLS}/{name}"
        if self.lab.run(host, f"test -e {there}", check=False).returncode:
            self.lab.put(host, dom0_build(host) / name, there)
        return there

    # Looking.

    def domains(self, host):
        """The states of all guests in the host by their names, as xl list
        shows them; a dead one that is not quite gone has the name (null)."""
        text = self.lab.run(host, "xl list").stdout
        rows = [line.split() for line in text.splitlines()[1:]]
        return {row[0]: row[4] for row in rows if row[1] != "0"}

    def domid(self, host, name):
        return int(self.lab.run(host, ["xl", "domid", name]).stdout)

    def is_paused(self, host, name):
        return "p" in self.domains(host)[name]

    def free_memory(self, host):
        """In MiB."""
        text = self.lab.run(host, "xl info").stdout
        return int(re.search(r"^free_memory\s*:\s*(\d+)", text, re.M)[1])

    def assert_only_at(self, guest, host):
        """The guest is there, under its name, and nothing of it or of any
        other on either host."""
        for where in self.lab.hosts:
            wanted = [guest.name] if where == host else []
            self.until(lambda: list(self.domains(where)) == wanted,
                       lambda: f"host {where} has {self.domains(where)} and "
                               f"should have {wanted}")

    def until(self, condition, complaint, limit=CLEAN_LIMIT):
        """Waits for something that ends soon without an event, such as a dying domain."""
        deadline = time.monotonic() + limit * self.lab.patience
        while not condition():
            assert time.monotonic() < deadline, complaint()
            time.sleep(0.2)

    # Leaving.

    def clean(self):
        """Removes all guests from the hosts; False if that does not work."""
        for migration in self.migrations:
            if not migration.ended:
                return False
        for host in self.lab.hosts:
            self.lab.run(host, "for d in $(xl list | awk 'NR > 1 && $2 > 0 "
                               "{ print $2 }'); do xl destroy --force $d; done",
                         check=False)
        for host in self.lab.hosts:
            self.until(lambda: not self.domains(host),
                       lambda: f"host {host} keeps {self.domains(host)}")
            # The monitors see their domains go and end; anything else of a
            # migration that is left is a fault.
            self.until(lambda: not self.leftovers(host),
                       lambda: f"host {host} keeps processes:\n"
                               f"{self.leftovers(host)}")
        return True

    def leftovers(self, host):
        return self.lab.run(
            host, "ps -C xl,xl-tls,xl-rdma,socat -o pid,etimes,args --no-headers",
            check=False).stdout.strip()
