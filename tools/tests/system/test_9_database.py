# SPDX-License-Identifier: LGPL-2.1-or-later
"""Databases that serve while they move: each answer, and at the end all that is
stored, is what a model says.  `make bench-load` measures the same."""

from database import DatabaseGuest, KvClient, PgClient
from world import TAKES_LONG, on_request

# MiB, of which the values are a good part.
MEMORY = 160
KEYS = 40000
VALUE = 992
# The disk is small, and each write waits for it.
DURABLE_KEYS = 4000


def assert_moved(world, guest, *route):
    """Its memory is for the client to check."""
    guest.assert_runs(check=False)
    guest.assert_ran_once(*route)
    world.assert_only_at(guest, route[-1])


def there_and_back(world, guest, client):
    """Each time with postcopy that lasts, in the second one after precopy."""
    summary = world.move(guest)
    assert summary["left for postcopy"] > 0, summary
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a")
    client.finish()
    client.assert_right()
    world.note(f"{len(client.requests)} answers")


def serve(world, serves, client):
    """The hosts' disk has partitions then."""
    world.make_dirty()
    guest = DatabaseGuest(world.lab, serves, memory=MEMORY).start("a")
    return guest, client.start()


@on_request(TAKES_LONG)
def test_a_store_in_memory_that_never_pauses(world):
    guest, client = serve(world, "redis", KvClient(
        world.lab, lambda name: world.tool(name, "a"), keys=KEYS, size=VALUE))
    there_and_back(world, guest, client)
    assert client.connections == 1, client.process.output


@on_request(TAKES_LONG)
def test_a_store_that_promises_durability(world):
    """What it has acknowledged is there after it was killed at the other host."""
    guest, client = serve(world, "redis-aof", KvClient(
        world.lab, lambda name: world.tool(name, "a"), keys=DURABLE_KEYS))
    world.move(guest)
    guest.restart_database()
    client.finish()
    client.assert_right()
    assert client.connections >= 2, client.process.output
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_a_database_on_a_shared_disk(world):
    """PostgreSQL and pgbench; and what was acknowledged is there after the database
    was killed."""
    guest, client = serve(world, "postgres", PgClient(world.lab))
    there_and_back(world, guest, client)
    guest.restart_database()
    client.check()
    client.assert_right()
