# SPDX-License-Identifier: LGPL-2.1-or-later
"""Linux guests that rely on pages which Xen cannot page in.

From 6.1 on Linux panics on resume when the page of one of its vcpu_infos is
still paged.  The hot set brings these pages along.  Some of the tests run only
when they are named: `make check-pinned` runs all, ten times over.
"""

from test_1_moves import assert_moved, play_linux
from world import TAKES_LONG, on_request

KERNELS = {"6_1": "vmlinux-6.1", "6_12": "vmlinux-6.12"}
MEMORY = {1: 96, 2: 96, 8: 128, 16: 160}    # MiB, by vCPUs

# The guest writes some 550 to 970 pages while it suspends.
FEW_PAGES = 64
MOVES_TO_DIE = 5


def linux(world, kernel, vcpus, **options):
    """All CPUs but two are idle."""
    return world.linux(kernel=KERNELS[kernel], vcpus=vcpus,
                       memory=MEMORY[vcpus], busy=min(vcpus, 2), tree=8,
                       **options)


def note_hot_pages(world, summary):
    stop = summary["stopped, seen from here"]
    hot = summary["of this, pages needed first"]
    world.note(f"hot: {summary['of these needed first']:.0f} pages, "
               f"{hot * 1000:.0f} of {stop * 1000:.0f} ms")


def there_and_back(world, guest, options=""):
    def play(world, guest):
        guest.start("a")
        for route in (("a", "b"), ("a", "b", "a")):
            summary = world.move(guest, options)
            note_hot_pages(world, summary)
            assert_moved(world, guest, *route)

    play_linux(world, guest, play)


def test_pinned_pages_go_along(world):
    there_and_back(world, linux(world, "6_1", 2))


@on_request(TAKES_LONG)
def test_pinned_pages_are_told_from_others(world):
    """The guest writes more pages last than go along."""
    there_and_back(world, linux(world, "6_12", 2), f"--hot-pages {FEW_PAGES}")


@on_request(TAKES_LONG)
def test_pinned_pages_of_many_event_channels(world):
    """The array of them has two pages."""
    there_and_back(world, world.linux_with_events(
        kernel=KERNELS["6_1"], vcpus=2, memory=MEMORY[2], tree=8))


def dies_without(world, guest):
    """A move without these pages; True: the guest died of it."""
    migration = world.migrate(guest, "--hot-pages 0")
    migration.expect_success()
    dead = guest.has_said(guest.host, "register_vcpu_info failed")
    assert dead != (guest.name in world.domains(guest.host)), \
        "the guest died of something else:\n" + migration.all_output()
    return dead


@on_request(TAKES_LONG)
def test_pinned_pages_are_needed(world):
    """Otherwise the tests above would show nothing. Now and then all of these pages come
    in time by themselves: the guest's CPUs happen to touch them before."""
    def play(world, guest):
        guest.start("a")
        assert any(dies_without(world, guest) for _ in range(MOVES_TO_DIE)), \
            "the guest has outlived all moves without its vcpu_infos"

    play_linux(world, linux(world, "6_1", 8), play)


def of_kernel_and_vcpus(kernel, vcpus):
    @on_request(TAKES_LONG)
    def test(world):
        there_and_back(world, linux(world, kernel, vcpus))

    return test


for _kernel in KERNELS:
    for _vcpus in MEMORY:
        globals()[f"test_pinned_pages_linux_{_kernel}_{_vcpus}_vcpus"] = \
            of_kernel_and_vcpus(_kernel, _vcpus)
