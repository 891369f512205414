"""Guests of other shapes: vCPUs that come later."""

from guests import SIGN_OF_LIFE_LIMIT
from moving import POSTCOPY
from test_1_moves import assert_moved, play_linux
from test_4_recovery import SLOW
from test_8_control import control
from world import TAKES_LONG, on_request


def await_cpus(world, guest, count):
    """Linux in the guest says how many are online."""
    guest.wait(rf"^\(d\d+\) lhb \d+ f=\d+ c={count} ", world.lab.console.now(),
               SIGN_OF_LIFE_LIMIT)


def move_with_more_vcpus(world, guest):
    """One more before, one while memory is still to come, one less after."""
    guest.start("a")
    await_cpus(world, guest, 2)
    world.lab.run("a", ["xl", "vcpu-set", guest.name, "3"])
    await_cpus(world, guest, 3)
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.host = "b"
    await_cpus(world, guest, 3)
    world.lab.run("b", ["xl", "vcpu-set", guest.name, "4"])
    await_cpus(world, guest, 4)
    assert not migration.ended, "all memory is there already"
    guest.host = "a"
    control(world, "a", f"set-rate {guest.name} 100M")
    migration.expect_success()
    world.lab.run("b", ["xl", "vcpu-set", guest.name, "2"])
    await_cpus(world, guest, 2)
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_vcpus_come_and_go(world):
    play_linux(world, world.linux(busy=2, more_config="maxvcpus = 4\n",
                                  more_arguments="hotplug=yes"),
               move_with_more_vcpus)
