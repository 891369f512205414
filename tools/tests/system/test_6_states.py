# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that do not run when they are moved, or stop running on the way."""

from moving import GONE, POSTCOPY, PRECOPY
from test_1_moves import assert_moved
from test_3_errors_before_the_go import (ENDLESS_PRECOPY, RUNS_ON, assert_unharmed,
                                         small)
from world import TAKES_LONG, on_request

SHUT_DOWN = "shut down or was destroyed|has shut down"


@on_request(TAKES_LONG)
def test_a_paused_guest_is_refused(world):
    guest = small(world)
    world.lab.run("a", ["xl", "pause", guest.name])
    migration = world.migrate(guest)
    migration.expect_failure("paused", "xl unpause")
    assert world.is_paused("a", guest.name)
    world.lab.run("a", ["xl", "unpause", guest.name])
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_a_guest_paused_on_the_way_stays_as_it_is(world):
    """The guest cannot answer the request to suspend, for which libxl gives it a
    minute; the migration fails as that of the stock xl does."""
    guest = small(world)
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    world.lab.run("a", ["xl", "pause", guest.name])
    migration.expect_failure("did not answer the request to suspend", RUNS_ON)
    assert world.is_paused("a", guest.name)
    world.lab.run("a", ["xl", "unpause", guest.name])
    assert_unharmed(world, guest, migration)


def test_a_pv_guest_is_refused(world):
    guest = world.linux(vcpus=1)
    config = guest.config().replace('type = "pvh"', 'type = "pv"')
    guest.config = lambda: config
    guest.write_config("a")
    world.lab.run("a", ["xl", "create", "-p", guest.config_file])
    guest.host = "a"
    migration = world.migrate(guest)
    migration.expect_failure("is a PV guest", "without --postcopy")
    world.assert_only_at(guest, "a")


def assert_nothing_left(world):
    for host in ("a", "b"):
        world.until(lambda: not world.domains(host),
                    lambda: f"host {host} keeps {world.domains(host)}")


# ---- the guest's end while the source has it ----

def end_in_precopy(world, command, **config):
    """A guest that is told to end in the middle of precopy."""
    guest = world.pattern(memory=32, **config).start("a")
    migration = world.migrate(guest, "--precopy-iterations 1000000")
    migration.wait_output(PRECOPY)
    since = world.lab.console.now()
    world.lab.run("a", ["xl", *command, guest.name])
    migration.expect_failure(SHUT_DOWN, status=GONE)
    return guest, since


@on_request(TAKES_LONG)
def test_poweroff_in_precopy(world):
    end_in_precopy(world, ["shutdown"])
    assert_nothing_left(world)


@on_request(TAKES_LONG)
def test_reboot_in_precopy(world):
    guest, since = end_in_precopy(world, ["reboot"])
    guest.wait(r"^\(d\d+\) filled", since, 120, host="a")
    world.assert_only_at(guest, "a")
    guest.assert_runs()
    world.move(guest)
    world.assert_only_at(guest, "b")


@on_request(TAKES_LONG)
def test_a_preserved_guest_is_not_waited_for(world):
    """No daemon destroys the domain: it is there, shut down, and stays so."""
    guest, _ = end_in_precopy(world, ["shutdown"],
                              more_config='on_poweroff = "preserve"\n')
    assert "s" in world.domains("a")[guest.name], world.domains("a")
    world.assert_only_at(guest, "a")


# ---- the guest's end while its memory follows it ----

def end_in_postcopy(world, command, **config):
    """A guest that is told to end just when it has moved."""
    guest = world.pattern(memory=192, rate="none", check=100, **config)
    guest.start("a")
    guest.write_config("b")
    migration = world.migrate(guest)
    migration.wait_output(POSTCOPY)
    since = world.lab.console.now()
    world.lab.run("b", ["xl", *command, guest.name])
    migration.expect_success()
    return guest, since, migration


def test_destroyed_in_postcopy(world):
    _, _, migration = end_in_postcopy(world, ["destroy", "--force"])
    assert "has ended at the destination" in migration.output
    assert_nothing_left(world)


def test_poweroff_in_postcopy(world):
    end_in_postcopy(world, ["shutdown"])
    assert_nothing_left(world)


def test_reboot_in_postcopy(world):
    guest, since, _ = end_in_postcopy(world, ["reboot"])
    guest.wait(r"^\(d\d+\) filled", since, 120)
    world.assert_only_at(guest, "b")
    guest.assert_runs(check=False)


@on_request(TAKES_LONG)
def test_crash_in_postcopy(world):
    guest = world.pattern(memory=192, rate="none", check=100).start("a")
    migration = world.migrate(guest)
    migration.wait_output(POSTCOPY)
    since = world.lab.console.now()
    world.lab.run("b", ["xl", "trigger", guest.name, "nmi"])
    guest.wait(r"^\(d\d+\) FATAL exception=2", since, 60, host="b")
    migration.expect_success()
    assert_nothing_left(world)
