# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams between this package's tools and the stock ones, in both directions."""

from test_1_moves import assert_moved
from test_3_errors_before_the_go import without_our_xl
from world import TAKES_LONG, on_request

STOCK = "/usr/sbin/xl"
VERIFY = ("PYTHONPATH=$(echo /usr/lib/xen-4.*/lib/python) "
          "$(echo /usr/lib/xen-4.*/bin/verify-stream-v2)")
IMAGE = "/root/image"
TOOL_LIMIT = 120


def tool(world, *words):
    """Run the stream tool in host b, where the image is."""
    return world.lab.run("b", [world.tool("stream-tool", "b"), *words],
                         timeout=TOOL_LIMIT).stdout


def image_of_a_guest(world, save):
    """A guest that wrote to its memory until it was saved."""
    guest = world.pattern(memory=16).start("b")
    guest.wait_pass()
    save(guest)
    world.until(lambda: not world.domains("b"),
                lambda: f"after saving there is {world.domains('b')}")
    return guest


def assert_restored(world, guest, since):
    """The guest goes on where it was saved, with all its memory."""
    guest.wait(r"^\(d\d+\) resumed", since, TOOL_LIMIT)
    guest.assert_runs()
    guest.assert_ran_once("b")
    world.assert_only_at(guest, "b")


def save_with_ours(world):
    return image_of_a_guest(
        world, lambda guest: tool(world, "save", guest.name, IMAGE))


def save_with_stock(world):
    return image_of_a_guest(
        world, lambda guest: world.lab.run(
            "b", [STOCK, "save", guest.name, IMAGE], timeout=TOOL_LIMIT))


def test_our_image_passes_the_stock_verifier_and_restores(world):
    guest = save_with_ours(world)
    verified = world.lab.run("b", f"{VERIFY} -v -f xl -i {IMAGE} 2>&1",
                             check=False, timeout=TOOL_LIMIT)
    assert verified.returncode == 0, verified.stdout
    assert "Page Data" in verified.stdout, verified.stdout
    assert "Libxl Record: End" in verified.stdout, verified.stdout
    since = world.lab.console.now()
    world.lab.run("b", [STOCK, "restore", "-e", IMAGE], timeout=TOOL_LIMIT)
    assert_restored(world, guest, since)


@on_request(TAKES_LONG)
def test_our_image_is_restored_by_us(world):
    guest = save_with_ours(world)
    since = world.lab.console.now()
    tool(world, "restore", IMAGE)
    assert_restored(world, guest, since)
    world.move(guest)
    assert_moved(world, guest, "b", "a")


@on_request(TAKES_LONG)
def test_an_image_of_the_stock_xl_is_restored_by_us(world):
    guest = save_with_stock(world)
    since = world.lab.console.now()
    tool(world, "restore", IMAGE)
    assert_restored(world, guest, since)
    world.move(guest)
    assert_moved(world, guest, "b", "a")


@on_request(TAKES_LONG)
def test_stock_migrations_between_a_host_without_us_and_ours(world):
    """A guest that came by postcopy moves both ways without --postcopy, and by postcopy
    afterwards; each host's xl is the one that root's ssh finds."""
    guest = world.pattern(memory=16, rate=100).start("a")
    world.move(guest)
    guest.wait_beat()
    with without_our_xl(world, "a"):
        world.move(guest, postcopy=False, transport="ssh")
        guest.wait_beat()
        world.move(guest, postcopy=False, transport="ssh")
    world.move(guest)
    assert_moved(world, guest, "a", "b", "a", "b", "a")
