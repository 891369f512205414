# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that move to and fro for a time, with faults at moments of chance.

One turn moves one guest to the other host, or two at once, with a fault or none. Whatever
xl ends with, the turn goes on as xl's exit status tells a user to, until each guest is
whole at one host. Between turns each guest is judged by its own heartbeats: where it
ran, that no number of them came twice, and that it found no error in its memory.
"""

import random
import time
from collections import Counter

from xenlab import CommandFailed

from moving import GONE, POSTCOPY, other
from test_4_recovery import PAUSED, TAKEN_BACK
from test_7_balloons import await_held, must_set_memory
from test_8_control import status

# The guest is at the destination, and its shell at the source could not be destroyed.
SHELL_LEFT = 5
# How often a recovery is tried whose own connection is lost.
RECOVERIES = 5
# Seconds: the latest moment of a move at which a fault comes, and the longest time that a
# connection stands still.
MOMENT = 25
WHILE = 12
REBOOT_LIMIT = 120

WAYS = ("", "--background-rate 2M", "--precopy-iterations 2",
        "--precopy-iterations 1 --background-rate 4M", "--fault-channel")
WHEN = (None, None, "auto")


class Rider:
    """A guest, and the last heartbeat that it was judged by."""

    def __init__(self, guest):
        self.guest = guest
        self.number = -1

    def judge(self, *route):
        """The guest has run there, in this order, since the last judgement, and
        runs."""
        guest = self.guest
        guest.wait_beat()
        guest.assert_sound()
        guest.assert_ran_once(*route)
        beats = guest.beats()
        assert beats[0].number >= self.number, \
            f"{guest.name} ran twice: {beats[0]} came after {self.number}"
        self.number = beats[-1].number
        guest.created = beats[-1].time

    def reboot(self):
        """The guest begins anew, and its heartbeats at 0."""
        guest = self.guest
        since = guest.lab.console.now()
        guest.lab.run(guest.host, ["xl", "reboot", guest.name])
        guest.wait(rf"{guest.line_start}filled", since, REBOOT_LIMIT)
        guest.created = guest.wait_beat().time
        self.number = -1


class Soak:
    """`seconds` of it on the hosts of `world`; `seed` chooses what happens."""

    def __init__(self, world, riders, seconds, seed):
        self.world = world
        self.riders = riders
        self.chance = random.Random(seed)
        self.begun = time.monotonic()
        self.end = self.begun + seconds
        self.counts = Counter()

    def run(self):
        while time.monotonic() < self.end:
            fault = self.chance.choice(FAULTS)
            name = fault.__name__.replace("_", " ")
            self.counts[name] += 1
            self.say(name)
            fault(self)
            self.assert_in_order()
            # A failure shows those of its own turn.
            self.world.migrations.clear()

    def say(self, text):
        print(f"\n{time.monotonic() - self.begun:8.1f} s  {text}", end="",
              flush=True)

    def assert_in_order(self):
        """Each guest is where it should be, and nothing else is anywhere."""
        for host in self.world.lab.hosts:
            wanted = sorted(rider.guest.name for rider in self.riders
                            if rider.guest.host == host)
            self.world.until(
                lambda: sorted(self.world.domains(host)) == wanted,
                lambda: f"host {host} has {self.world.domains(host)} and should "
                        f"have {wanted}")

    # Moving.

    def pick(self):
        return self.chance.choice(self.riders)

    def start(self, rider, **how):
        options = self.chance.choice(WAYS)
        guest = rider.guest
        self.say(f"    {guest.name} from {guest.host} {options}")
        return self.world.migrate(guest, options,
                                  when=self.chance.choice(WHEN), **how)

    def wait_moment(self, migration):
        """Until some moment of it; whether it still goes on."""
        return not migration.ends_within(self.chance.uniform(0, MOMENT))

    def hold(self, migration):
        """For a while, or until it ends."""
        migration.ends_within(self.chance.uniform(0, WHILE))

    def move_and(self, disturb, rider=None):
        """Moves a guest, and has disturb(migration) done at some moment if the move
        still goes on; then settles and judges."""
        rider = rider or self.pick()
        migration = self.start(rider)
        if self.wait_moment(migration):
            try:
                disturb(migration)
            except CommandFailed as why:    # not there yet, or not any more
                self.say(f"    missed: {why.result.stderr.strip()}")
        self.settle(rider, migration)
        return rider

    def settle(self, rider, migration):
        """As a user does who reads what xl says, until the guest is at one host."""
        begun_at = migration.source
        ended = migration.finish()
        tries = 0
        while ended not in (0, SHELL_LEFT):
            assert ended != GONE, migration.all_output()
            if ended == TAKEN_BACK or not self.suspended(migration):
                break
            assert tries < RECOVERIES, migration.all_output()
            tries += 1
            self.await_other_end(migration)
            recovery = self.world.recover(migration)
            ended = recovery.finish()
            self.say(f"    recovery ended with {ended}")
            migration = recovery if ended not in (0, TAKEN_BACK) else migration
        else:
            rider.guest.host = migration.dest
        # What was killed may have left a listener that nobody connects to.
        self.world.lab.run(other(begun_at), "pkill -x socat", check=False)
        rider.judge(*dict.fromkeys((begun_at, rider.guest.host)))

    def suspended(self, migration):
        """Whether the source keeps it stopped, as one does whose go may have been
        given."""
        name = migration.guest.name
        found = [state for each, state in
                 self.world.domains(migration.source).items()
                 if each in (name, f"{name}--migratedaway")]
        assert len(found) == 1, self.world.domains(migration.source)
        return found[0][3] == "s"

    def await_other_end(self, migration):
        """Until the destination knows that this connection is over."""
        name = migration.guest.name
        self.world.until(
            lambda: all(seen["state"] in ("paused", "killed")
                        for seen in status(self.world, migration.dest)
                        if seen["name"] == name),
            lambda: f"{migration.dest} shows {status(self.world, migration.dest)}",
            limit=200)


# ---- what may happen in a turn ----

def nothing(soak):
    soak.move_and(lambda migration: None)


def connection_cut(soak):
    soak.move_and(lambda migration: migration.kill_transport())


def connection_stalled(soak):
    """The connection stands still for a while, and goes on."""
    def stall(migration):
        migration.stall_transport()
        soak.hold(migration)
        if not migration.ended:
            migration.signal_transport("CONT")
    soak.move_and(stall)


def link_down_with_two_under_way(soak):
    """The second goes by ssh. What TCP does not get over is recovered."""
    one, two = soak.chance.sample(soak.riders, 2)
    first, second = soak.start(one), soak.start(two, transport="ssh")
    soak.wait_moment(first)
    soak.world.lab.link(False)
    soak.hold(first)
    soak.world.lab.link(True)
    soak.settle(two, second)
    soak.settle(one, first)


def sender_killed(soak):
    soak.move_and(lambda migration: migration.kill_sender())


def receiver_killed(soak):
    """Before the go it leaves a domain that has never run."""
    rider = soak.move_and(lambda migration: migration.kill_receiver())
    for host in soak.world.lab.hosts:
        soak.world.lab.run(host, f"xl destroy {rider.guest.name}--incoming",
                           check=False)


def paused_for_a_while(soak):
    """The guest is paused at the host where it runs at that moment. A guest that is paused
    when it must suspend stays where it is."""
    def pause(migration):
        host = migration.dest if POSTCOPY in migration.output else \
            migration.source
        name = migration.guest.name
        paused = soak.world.lab.run(host, ["xl", "pause", name], check=False)
        soak.hold(migration)
        if not paused.returncode:
            soak.world.lab.run(host, ["xl", "unpause", name])
    soak.move_and(pause)


def rebooted_before(soak):
    rider = soak.chance.choice([each for each in soak.riders
                                if hasattr(each.guest, "line_start")])
    rider.reboot()
    soak.move_and(lambda migration: None, rider)


def ballooned_on_both_sides(soak):
    """The guest moves with less memory than it has had, and gets the rest back then."""
    for rider in soak.riders:
        if rider.guest.less:
            must_set_memory(soak.world, rider.guest, rider.guest.less)
            await_held(soak.world, rider.guest, rider.guest.less)
            soak.move_and(lambda migration: None, rider)
            must_set_memory(soak.world, rider.guest, rider.guest.memory)
            await_held(soak.world, rider.guest, rider.guest.memory)


FAULTS = (nothing, connection_cut, connection_stalled, link_down_with_two_under_way,
          sender_killed, receiver_killed, paused_for_a_while, rebooted_before,
          ballooned_on_both_sides)
