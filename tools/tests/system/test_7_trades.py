# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that give pages back and get others, or the same ones again, all the time. The
hypervisor does not log that a guest gets a page, nor the guest's first writes to it.
"""

from test_1_moves import assert_moved
from world import TAKES_LONG, on_request

TRADE = r"trade \d+ done, got (\d+), refused (\d+)"


def trader(world, trade_for):
    guest = world.pattern(memory=32, rate=500, trade=16, trade_every=20,
                          trade_for=trade_for)
    return guest.start("a")


def assert_trades(guest, host):
    """All of its pages have been checked there, and it gets what it asks for."""
    since = guest.lab.console.now()
    guest.wait_passes(guest.line_start + TRADE, since)
    guest.wait(guest.line_start + r"trade \d+ done, got 16, refused 0", since,
               60, host)


def move_trader(world, trade_for, options):
    guest = trader(world, trade_for)
    assert_trades(guest, "a")
    world.move(guest, options)
    assert_trades(guest, "b")
    assert_moved(world, guest, "a", "b")


def test_trades_for_others_hybrid(world):
    move_trader(world, "others", "--precopy-iterations 2")


def test_trades_for_the_same_hybrid(world):
    move_trader(world, "same", "--precopy-iterations 2")


def test_trades_for_the_same_pure(world):
    move_trader(world, "same", "")


@on_request(TAKES_LONG)
def test_trades_for_others_in_stop_and_copy(world):
    move_trader(world, "others", "--precopy-iterations 3 "
                                 "--precopy-dirty-threshold 100000")


@on_request(TAKES_LONG)
def test_trades_go_on_after_a_failure(world):
    """The guest's limit is restored when it comes back."""
    guest = trader(world, "same")
    assert_trades(guest, "a")
    migration = world.migrate(guest, "--precopy-iterations 2",
                              cut_at="precopy: 1 round")
    migration.finish()
    assert migration.process.returncode == 1, migration.output
    assert_trades(guest, "a")
    world.assert_only_at(guest, "a")
