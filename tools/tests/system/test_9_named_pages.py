# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests whose state names pages that Xen reads when it loads the state."""

from guests import SIGN_OF_LIFE_LIMIT, HvmPatternGuest
from test_1_moves import assert_moved
from world import TAKES_LONG, on_request

OFFERED = {"assist": "viridian = 1\n", "all": 'viridian = ["all"]\n',
           "lost": 'viridian = ["all"]\n'}


class ViridianGuest(HvmPatternGuest):
    """`use` is what it makes of Viridian: see xen/guests/README.md."""

    def __init__(self, lab, use, **options):
        super().__init__(lab, "viridian", memory=64, viridian=use,
                         more_config=OFFERED[use], **options)

    def start(self, host, options=""):
        super().start(host, options)
        self.wait(r"^\(d\d+\) viridian on$", self.created, self.start_limit)
        return self

    def wait_well(self, since):
        """What it was to find since its resume, it has found: the pages are
        those of its host, messages and interrupts come.  Returns how many of
        the former there were by then."""
        line = self.wait(r"^\(d\d+\) viridian well, messages (\d+)$", since,
                         SIGN_OF_LIFE_LIMIT)
        self.assert_sound()
        return int(line.match[1])


def move(world, guest, options=""):
    since = world.lab.console.now()
    world.move(guest, options)
    return guest.wait_well(since)


@on_request(TAKES_LONG)
def test_viridian_there_and_back(world):
    """Its reference TSC page, its VP assist page with the end of an interrupt
    that it has left out, and a synthetic timer's messages."""
    guest = ViridianGuest(world.lab, "all").start("a")
    there = move(world, guest)
    back = move(world, guest, "--precopy-iterations 2")
    assert 0 < there < back, (there, back)
    assert_moved(world, guest, "a", "b", "a")


def test_viridian_without_hot_pages(world):
    """The pages that Xen reads when it loads the state go along all the same."""
    guest = ViridianGuest(world.lab, "all", rate="max").start("a")
    move(world, guest, "--hot-pages 0")
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_viridian_as_by_default(world):
    """The end of an interrupt that the guest has left out arrives."""
    guest = ViridianGuest(world.lab, "assist").start("a")
    move(world, guest)
    move(world, guest, "--precopy-iterations 1 --hot-pages 0")
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_viridian_pages_that_were_given_back(world):
    """The source has the pages mapped; the destination finds none, and does not crash."""
    guest = ViridianGuest(world.lab, "lost").start("a")
    since = world.lab.console.now()
    migration = world.migrate(guest)
    migration.expect_success()
    assert "has no such page" in migration.all_output(), \
        migration.all_output()
    guest.wait_well(since)
    assert_moved(world, guest, "a", "b")
