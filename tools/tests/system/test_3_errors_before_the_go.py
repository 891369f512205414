# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever fails before the go, the guest runs on at the source."""

import contextlib
import re

from guests import SIGN_OF_LIFE_LIMIT
from moving import POSTCOPY, PRECOPY, STOPPED
from test_1_moves import assert_moved
from world import TAKES_LONG, Skip, on_request

RUNS_ON = "runs on here"

# Programs that stand in for ssh: how each ends or answers, and what xl says then.
OTHER_ENDS = {
    "exit 7": "does not run as root",
    "exit 8": "is no Xen dom0",
    "printf 'xl postcopy migration receiver ready, version 1\\r\\n'": "a terminal at",
    "echo 'xl postcopy migration receiver ready, version 0'": "another version",
}
ENDLESS_PRECOPY = "--precopy-iterations 1000000 --precopy-dirty-threshold 0"


def assert_unharmed(world, guest, migration):
    """The guest runs where it did and never stopped for long; nothing of it is at
    the destination; and the next try works."""
    guest.assert_runs()
    guest.assert_ran_once(migration.source)
    world.assert_only_at(guest, migration.source)
    world.move(guest)
    assert_moved(world, guest, migration.source, migration.dest)


def small(world, **options):
    return world.pattern(memory=32, **options).start("a")


@on_request(TAKES_LONG)
def test_host_with_an_unknown_name(world):
    guest = small(world)
    migration = world.migrate(guest, transport="ssh", host="nowhere.invalid")
    migration.expect_failure("nowhere.invalid cannot be reached", "check",
                             RUNS_ON)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_host_that_does_not_answer(world):
    guest = small(world)
    migration = world.migrate(guest, transport="ssh", host="10.0.0.99")
    migration.expect_failure("10.0.0.99 cannot be reached", "check", RUNS_ON)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_each_wrong_end_has_its_own_message(world):
    guest = small(world)
    for what, said in OTHER_ENDS.items():
        world.lab.run("a", "cat > /root/stand-in && chmod +x /root/stand-in",
                      input=f"#!/bin/sh\n{what}\n")
        migration = world.migrate(guest, "-s /root/stand-in", transport="ssh")
        migration.expect_failure(said, RUNS_ON, status=1)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_a_signal_is_answered(world):
    """The effect of a signal depends on which host has the guest."""
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output("precopy: 1 round")
    world.lab.run("a", "kill -INT $(pgrep -o -f '^xl migrate --postcopy')")
    # xl answers at once, unless it has ended by then.
    migration.expect_failure(
        "giving up: the guest stays here|aborted on request", RUNS_ON)
    migration = world.migrate(guest, "--background-rate 64K")
    migration.wait_output("the guest runs at the destination")
    world.lab.run("a", "kill -INT $(pgrep -o -f '^xl migrate --postcopy')")
    migration.wait_output("too late to give up")
    world.lab.run("a", f"xl migrate-set-rate {guest.name} unlimited")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")


@contextlib.contextmanager
def without_our_xl(world, host):
    """The host's xl is the stock one."""
    ours = world.lab.run(host, "command -v xl").stdout.strip()
    world.lab.run(host, f"mv {ours} {ours}.away")
    try:
        yield
    finally:
        world.lab.run(host, f"mv {ours}.away {ours}")


@on_request(TAKES_LONG)
def test_xl_without_postcopy_at_the_destination(world):
    guest = small(world)
    with without_our_xl(world, "b"):
        migration = world.migrate(guest, transport="ssh")
        migration.expect_failure("no postcopy support", "install", RUNS_ON)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_hypervisor_refuses_the_pager(world):
    """The hypervisor refuses as for a guest without hardware assisted paging."""
    if not re.search(r"^virt_caps.*\bshadow\b", world.lab.run("a", "xl info").stdout,
                     re.M):
        raise Skip("this hypervisor has no guests without hap")
    guest = small(world, more_config="hap = 0\n")
    migration = world.migrate(guest)
    migration.expect_failure("hap=0 .*leave out --postcopy", RUNS_ON)
    guest.assert_runs()
    guest.assert_ran_once("a")
    world.assert_only_at(guest, "a")
    # Do what the message says.
    world.lab.run("a", ["xl", "destroy", guest.name])
    guest = small(world)
    world.move(guest)
    assert_moved(world, guest, "a", "b")


def test_not_enough_memory_at_the_destination(world):
    guest = world.pattern().start("a")
    big = world.free_memory("b") - 60
    filler = world.pattern(name="filler", memory=big).start("b", "-p")
    migration = world.migrate(guest)
    migration.expect_failure(r"\d+ MiB of free memory.* needs \d+ MiB",
                             "shrink or move", RUNS_ON)
    world.lab.run("b", ["xl", "destroy", filler.name])
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_connection_cut_in_precopy(world):
    guest = world.pattern().start("a")
    migration = world.migrate(guest, ENDLESS_PRECOPY,
                              cut_at=PRECOPY)
    migration.expect_failure("(?i)connection|destination", RUNS_ON)
    assert POSTCOPY not in migration.output
    assert_unharmed(world, guest, migration)


def cut_while_stopped(world, guest):
    migration = world.migrate(guest, cut_at=STOPPED)
    migration.expect_failure("(?i)connection|destination", RUNS_ON)
    assert POSTCOPY not in migration.output
    return migration


def test_connection_cut_while_the_guest_is_stopped(world):
    guest = small(world)
    migration = cut_while_stopped(world, guest)
    guest.wait(r"^\(d\d+\) resume cancelled", guest.created, SIGN_OF_LIFE_LIMIT)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_linux_goes_on_after_a_stop_for_nothing(world):
    """The source must tell the guest, or the guest sets up again what it has already."""
    guest = world.linux(memory=96, vcpus=1, tree=8).start("a")
    assert_unharmed(world, guest, cut_while_stopped(world, guest))


@on_request(TAKES_LONG)
def test_receiver_killed_in_precopy(world):
    guest = world.pattern().start("a")
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    migration.kill_receiver()
    migration.expect_failure("(?i)connection|destination|receiver", RUNS_ON)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_interrupted_in_precopy(world):
    """Ctrl-C at the source."""
    guest = world.pattern().start("a")
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    world.lab.run("a", "kill -INT $(pgrep -o -f '^xl migrate --postcopy')")
    migration.expect_failure("(?i)abort|given up|request", RUNS_ON)
    assert_unharmed(world, guest, migration)
