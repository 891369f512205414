# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that give memory back or get some, before a move and during it."""

from moving import POSTCOPY
from test_1_moves import assert_moved
from test_2_options import STOCK
from world import TAKES_LONG, on_request

FULL = 160
LESS = 128
FIRST_ROUND = "precopy: 0 rounds done, [1-9]"
SLACK = 2       # MiB: page tables of the p2m, rings and the like


def held(world, guest):
    """MiB that the guest holds where it is."""
    text = world.lab.run(guest.host, "xl list").stdout
    return next(int(line.split()[2]) for line in text.splitlines()
                if line.startswith(f"{guest.name} "))


def target(world, guest):
    domid = world.domid(guest.host, guest.name)
    return int(world.lab.run(
        guest.host, f"xenstore-read /local/domain/{domid}/memory/target"
    ).stdout) // 1024


def set_memory(world, guest, mib, host=None):
    """Set it by the stock xl, as any program may that does not know of the migration."""
    return world.lab.run(host or guest.host,
                         [STOCK, "mem-set", guest.name, str(mib)], check=False)


def must_set_memory(world, guest, mib):
    done = set_memory(world, guest, mib)
    assert not done.returncode, done


def await_held(world, guest, mib):
    world.until(lambda: abs(held(world, guest) - mib) <= SLACK,
                lambda: f"it holds {held(world, guest)} MiB and not {mib}")


def assert_memory_adds_up(world, guest, free):
    """The guest holds as much memory as it was told, and the other host has none of
    it."""
    await_held(world, guest, target(world, guest))
    for host in ("a", "b"):
        used = held(world, guest) if host == guest.host else 0
        world.until(
            lambda: abs(world.free_memory(host) + used - free[host]) <= 4,
            lambda: f"{host} had {free[host]} MiB free and has now "
                    f"{world.free_memory(host)}, of the guest {used}")


def start(world, more_arguments=""):
    free = {host: world.free_memory(host) for host in ("a", "b")}
    return world.linux(memory=FULL, vcpus=1, tree=16,
                       more_arguments=more_arguments).start("a"), free


@on_request(TAKES_LONG)
def test_a_ballooned_guest(world):
    """Moved with holes in its memory, filled again, moved, emptied, moved."""
    guest, free = start(world)
    must_set_memory(world, guest, LESS)
    await_held(world, guest, LESS)
    world.move(guest)
    await_held(world, guest, LESS)
    assert_memory_adds_up(world, guest, free)
    must_set_memory(world, guest, FULL)
    await_held(world, guest, FULL)
    guest.assert_runs()
    world.move(guest)
    assert_moved(world, guest, "a", "b", "a")
    assert_memory_adds_up(world, guest, free)


@on_request(TAKES_LONG)
def test_ballooning_down_in_precopy(world):
    guest, free = start(world)
    migration = world.migrate(guest, "--precopy-iterations 2")
    migration.wait_output(FIRST_ROUND)
    must_set_memory(world, guest, LESS)
    migration.expect_success()
    assert_moved(world, guest, "a", "b")
    assert_memory_adds_up(world, guest, free)


@on_request(TAKES_LONG)
def test_ballooning_up_in_precopy(world):
    guest, free = start(world)
    must_set_memory(world, guest, LESS)
    await_held(world, guest, LESS)
    migration = world.migrate(guest, "--precopy-iterations 2")
    migration.wait_output(FIRST_ROUND)
    must_set_memory(world, guest, FULL)
    migration.expect_success()
    assert_moved(world, guest, "a", "b")
    assert_memory_adds_up(world, guest, free)


def move_and_set(world, guest, mebibytes):
    """As soon as it runs at the other host, where pages have not come: there it
    cannot be set, and the guest does not learn of it.  Then it can."""
    hosts = [guest.host, "b" if guest.host == "a" else "a"]
    migration = world.migrate(guest)
    migration.wait_output(POSTCOPY)
    refused = set_memory(world, guest, mebibytes, hosts[1])
    migration.expect_success()
    # The order may have come too late to be refused.
    if refused.returncode:
        must_set_memory(world, guest, mebibytes)
    await_held(world, guest, mebibytes)
    assert_moved(world, guest, *hosts)


def test_ballooning_down_in_postcopy(world):
    """This kernel gives pages back without touching them first, and crashes if the
    hypervisor refuses one."""
    guest, free = start(world, "xen_scrub_pages=0")
    move_and_set(world, guest, LESS)
    assert_memory_adds_up(world, guest, free)


@on_request(TAKES_LONG)
def test_ballooning_up_in_postcopy(world):
    guest, free = start(world)
    must_set_memory(world, guest, LESS)
    await_held(world, guest, LESS)
    move_and_set(world, guest, FULL)
    assert_memory_adds_up(world, guest, free)


@on_request(TAKES_LONG)
def test_moved_while_it_gives_memory_back(world):
    """The guest stops doing so where it is, and goes on when all of it has come."""
    guest, free = start(world, "xen_scrub_pages=0")
    must_set_memory(world, guest, LESS)
    world.move(guest)
    await_held(world, guest, LESS)
    assert_moved(world, guest, "a", "b")
    assert_memory_adds_up(world, guest, free)
