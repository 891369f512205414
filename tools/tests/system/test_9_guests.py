# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other kinds of guests: vCPUs that come later, memory above 4 GiB, and each of
Debian's kernels with few and many vCPUs (`make check-guests`)."""

from guests import SIGN_OF_LIFE_LIMIT
from moving import POSTCOPY
from test_1_moves import assert_moved, linux_there_and_back, play_linux
from test_4_recovery import SLOW
from test_7_balloons import SLACK, held, must_set_memory
from test_8_control import control
from test_hvm import HvmGuest
from world import TAKES_LONG, Skip, on_request

KERNELS = ("5.10", "6.1", "6.12")
MEMORY = {1: 192, 2: 192, 8: 224, 16: 256}  # MiB, by vCPUs
LARGE = 5120            # MiB: more than a quarter of it lies above 4 GiB
LARGE_HOST = 6656
LEFT = 640              # of that, when it has given back what it has no use for
GIVE_BACK_LIMIT = 300
FOUR_GIB = 1 << 20      # in pages


def await_cpus(world, guest, count):
    """Linux in the guest says how many are online."""
    guest.wait(rf"^\(d\d+\) lhb \d+ f=\d+ c={count} ", world.lab.console.now(),
               SIGN_OF_LIFE_LIMIT)


def set_vcpus(world, host, guest, count):
    """The host has one processor, and a guest may have more."""
    world.lab.run(host, ["xl", "vcpu-set", "--ignore-host", guest.name, count])


def move_with_more_vcpus(world, guest):
    """One vCPU more before the move, one more while memory still comes, one less after
    it."""
    guest.start("a")
    await_cpus(world, guest, 2)
    set_vcpus(world, "a", guest, "3")
    await_cpus(world, guest, 3)
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.host = "b"
    await_cpus(world, guest, 3)
    set_vcpus(world, "b", guest, "4")
    await_cpus(world, guest, 4)
    assert not migration.ended, "all memory is there already"
    guest.host = "a"
    control(world, "a", f"set-rate {guest.name} 100M")
    migration.expect_success()
    set_vcpus(world, "b", guest, "2")
    await_cpus(world, guest, 2)
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_vcpus_come_and_go(world):
    play_linux(world, world.linux(busy=2, more_config="maxvcpus = 4\n",
                                  more_arguments="hotplug=yes"),
               move_with_more_vcpus)


def large(make):
    """A test of the Linux guest that make(world, memory) returns."""
    @on_request("needs hosts of 6.5 GiB")
    def test(world):
        if world.lab.memory < LARGE_HOST:
            raise Skip(f"needs XEN_LAB_MEMORY={LARGE_HOST}; "
                       "make check-large runs it")
        play_linux(world, make(world, memory=LARGE, tree=64,
                               more_arguments="place=yes"), move_large)

    return test


def move_large(world, guest):
    """The files that are checked lie where 32 bits of an address do not reach."""
    guest.start("a")
    for tree in range(guest.busy):
        place = guest.wait(rf"^\(d\d+\) tree {tree} from ([0-9a-f]+) to",
                           guest.created, SIGN_OF_LIFE_LIMIT)
        assert int(place.match[1], 16) >= FOUR_GIB, place
    # Otherwise each move would take a quarter of an hour in the lab.
    must_set_memory(world, guest, LEFT)
    world.until(lambda: held(world, guest) <= LEFT + SLACK,
                lambda: f"it holds {held(world, guest)} MiB", GIVE_BACK_LIMIT)
    world.move(guest)
    assert_moved(world, guest, "a", "b")
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a")


test_pvh_memory_above_4_gib = large(lambda world, **of: world.linux(**of))
test_hvm_memory_above_4_gib = large(
    lambda world, **of: HvmGuest(world.lab, [], **of))


def of_kernel_and_vcpus(make, kernel, vcpus):
    """A test of the Linux guest that make(world, ...) returns, there and back."""
    @on_request("one of 24")
    def test(world):
        if world.lab.run("a", f"test -e /usr/lib/xen-lab/vmlinuz-{kernel}",
                         check=False).returncode:
            raise Skip(f"these hosts have no Linux {kernel}: no mirror had it")
        play_linux(world, make(world, kernel=f"vmlinux-{kernel}", vcpus=vcpus,
                               memory=MEMORY[vcpus], busy=min(vcpus, 2), tree=8),
                   linux_there_and_back)

    return test


for _kind, _make in (("pvh", lambda world, **of: world.linux(**of)),
                     ("hvm", lambda world, **of: HvmGuest(world.lab, [], **of))):
    for _kernel in KERNELS:
        for _vcpus in MEMORY:
            _name = f"test_{_kind}_linux_{_kernel}_with_{_vcpus}_vcpus"
            globals()[_name.replace(".", "_")] = of_kernel_and_vcpus(
                _make, _kernel, _vcpus)
