# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose memory is in two places, when one half of it is destroyed, let
run, or taken away; and whose domain there has another uuid."""

import re

from moving import GONE, POSTCOPY
from test_1_moves import assert_moved
from test_4_recovery import PAUSED, SLOW
from test_8_control import status
from world import TAKES_LONG, on_request

STOCK = "/usr/sbin/xl"


def in_two_places(world):
    """A guest that runs at b, with nearly all of its memory still at a."""
    guest = world.pattern(memory=64, rate="none", check=100)
    guest.start("a")
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    return guest, migration


def assert_lost_at_b(world, guest, migration):
    """The guest is paused, has read nothing that it had not written, and both say
    what is lost."""
    migration.receiver.wait_output("are lost, as its source has lost them")
    assert world.is_paused("b", guest.name), world.domains("b")
    assert [seen["state"] for seen in status(world, "b")] == ["lost"]
    guest.assert_sound()
    world.lab.run("b", ["xl", "destroy", "--force", guest.name])


def test_the_half_at_the_source_is_destroyed(world):
    guest, migration = in_two_places(world)
    world.lab.run("a", ["xl", "destroy", "--force",
                        f"{guest.name}--migratedaway"])
    migration.expect_failure("(is being|was) destroyed", "MiB. still to go",
                             "can never be whole", status=GONE)
    assert_lost_at_b(world, guest, migration)
    world.until(lambda: not world.domains("a"),
                lambda: f"a keeps {world.domains('a')}")


def test_the_half_at_the_destination_is_saved_by_another_program(world):
    """With a configuration in a file the packaged xl can move it."""
    guest, migration = in_two_places(world)
    guest.write_config("b")
    world.lab.run("b", [STOCK, "save", guest.name, "/root/half",
                        guest.config_file], timeout=300)
    migration.expect_failure("was suspended and destroyed here by another",
                             "can never be whole", status=GONE)
    away = f"{guest.name}--migratedaway"
    assert "s" in world.domains("a")[away], world.domains("a")
    assert [seen["state"] for seen in status(world, "a")] == ["lost"]
    recovery = world.recover(migration)
    recovery.expect_failure("can never be whole", "Nothing was destroyed",
                            status=GONE)
    assert "s" in world.domains("a")[away], world.domains("a")
    world.lab.run("b", "rm /root/half")


def uuid(world, host, name):
    text = world.lab.run(host, ["xl", "list", "-v"]).stdout
    return re.search(rf"^{name} .* ([0-9a-f-]{{36}}) ", text, re.M)[1]


@on_request(TAKES_LONG)
def test_a_killed_receiver_of_a_domain_with_another_uuid(world):
    """The configuration that is sent has no uuid, so libxl makes one up."""
    guest = world.pattern(memory=64, rate="none", check=100).start("a")
    migration = world.migrate(guest, f"{SLOW} -C {guest.config_file}")
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    assert uuid(world, "a", f"{guest.name}--migratedaway") != \
        uuid(world, "b", guest.name)
    migration.kill_receiver()
    assert migration.finish() == PAUSED, migration.all_output()
    # This half is not a guest that could move.
    onward = world.lab.run("b", ["xl", "migrate", "--postcopy", guest.name,
                                 "xen-a"], check=False)
    assert onward.returncode and re.search("refused|not a whole guest",
                                           onward.stderr), onward
    world.recover(migration).expect_success()
    assert_moved(world, guest, "a", "b")
