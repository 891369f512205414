# SPDX-License-Identifier: LGPL-2.1-or-later
"""Failures of a device model, and failures of other processes while a guest has one."""

import contextlib

from guests import HvmPatternGuest
from moving import POSTCOPY, PRECOPY, STOPPED
from test_1_moves import assert_moved
from test_3_errors_before_the_go import (ENDLESS_PRECOPY, RUNS_ON,
                                         assert_unharmed)
from test_4_recovery import (PAUSED, SLOW, TAKEN_BACK, assert_paused,
                             assert_recovers)
from test_8_control import control
from test_hvm import (ask_device_model, assert_no_state_left,
                      loads_a_state_twice)
from world import TAKES_LONG, Skip, on_request

STATES = "/var/lib/xen"
DEVICE_MODELS = ("/usr/libexec/xen-qemu-system-i386",    # Debian 12 and later
                 "/usr/bin/qemu-system-i386")
REFUSING = "/root/refusing-qemu"


def hvm(world, **options):
    return HvmPatternGuest(world.lab, memory=64, **options).start("a")


def assert_hvm_unharmed(world, guest, migration):
    assert ask_device_model(world, guest, "query-status")["running"]
    assert_unharmed(world, guest, migration)
    assert_no_state_left(world)


@contextlib.contextmanager
def full_disk(world, host):
    """The directory in which libxl keeps the states of device models is full."""
    world.lab.run(host, f"mkdir /run/full && "
                        f"mount -t tmpfs -o size=128k none /run/full && "
                        f"cp -a {STATES}/. /run/full && "
                        f"mount --bind /run/full {STATES}; "
                        f"dd if=/dev/zero of={STATES}/filler bs=4k 2>&1 | "
                        f"grep -q 'No space'")
    try:
        yield
    finally:
        world.lab.run(host, f"rm {STATES}/filler; umount {STATES}; "
                            f"cp -a /run/full/. {STATES}; "
                            f"umount /run/full; rmdir /run/full")


@on_request(TAKES_LONG)
def test_disk_full_at_the_source(world):
    """The guest is stopped when its device model finds no room for its
    state."""
    guest = hvm(world)
    with full_disk(world, "a"):
        migration = world.migrate(guest)
        migration.expect_failure("could not be saved.*is room in", RUNS_ON)
    assert POSTCOPY not in migration.output
    assert_hvm_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_disk_full_at_the_destination(world):
    guest = hvm(world)
    with full_disk(world, "b"):
        migration = world.migrate(guest)
        migration.expect_failure("the destination refuses", RUNS_ON)
    assert_hvm_unharmed(world, guest, migration)


@contextlib.contextmanager
def device_model_that_refuses(world, host):
    """This QEMU does not load any state."""
    world.lab.run(
        host, f"cat > {REFUSING} && chmod +x {REFUSING}",
        input=f"""#!/bin/sh
case "$*" in *-incoming*) echo "no such device" >&2; exit 1;; esac
for real in {" ".join(DEVICE_MODELS)}; do
    [ ! -x "$real" ] || exec "$real" "$@"
done
""")
    try:
        yield f'device_model_override = "{REFUSING}"\n'
    finally:
        world.lab.run(host, f"rm {REFUSING}")


@on_request(TAKES_LONG)
def test_device_model_does_not_take_its_state(world):
    with device_model_that_refuses(world, "b") as override:
        guest = hvm(world)
        guest.more_config = override
        guest.write_config("a")
        migration = world.migrate(guest, f"-C {guest.config_file}")
        migration.expect_failure("the destination refuses", "libxl",
                                 RUNS_ON)
        assert_hvm_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_device_model_dies_before_the_last_state(world):
    guest = hvm(world)
    if not loads_a_state_twice(world, guest):
        raise Skip("this QEMU starts in the stop, with the last state: "
                   "device_model_does_not_take_its_state has what can happen")
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    world.lab.run("b", "kill -9 $(pgrep -f '^[^ ]*qemu-system-i386 ')")
    control(world, "a", f"start-postcopy {guest.name}")
    migration.expect_failure("device model", RUNS_ON)
    assert POSTCOPY not in migration.output
    assert_hvm_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_hvm_recovered(world):
    """The device model of the guest that stays behind is stopped and serves,
    as its domain does; the other's goes on."""
    guest = hvm(world)
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    migration.kill_transport()
    assert migration.finish() == PAUSED
    assert_paused(world, guest)
    assert_recovers(world, guest, migration)
    assert ask_device_model(world, guest, "query-status")["running"]
    assert_no_state_left(world)
    world.move(guest)
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_hvm_recovered_from_a_killed_sender(world):
    guest = hvm(world)
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    migration.kill_sender()
    assert migration.finish() != 0
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_hvm_taken_back(world):
    """The sender is killed while the guest is stopped: the device model then logs its
    writes, and no process reads the log any more."""
    guest = hvm(world)
    migration = world.migrate(guest, die_at=STOPPED)
    assert migration.finish() != 0
    recovery = world.recover(migration)
    assert recovery.finish() == TAKEN_BACK, recovery.all_output()
    assert_hvm_unharmed(world, guest, migration)
