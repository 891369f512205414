# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests whose vCPUs fault at once, on the same page and on different ones."""

from test_1_moves import assert_moved
from world import TAKES_LONG, on_request
from xenlab import HOSTS

# Xen pauses the first vCPU that accesses an absent page. Other vCPUs that access it
# before it is there try again and again, and leave little of the only processor to dom0,
# which must bring the page.
DOM0_FIRST = "xl sched-credit2 -d 0 -w 65535"

# As long as no vCPU waits for a page, vCPUs meet at the same page hardly once in a walk;
# when they wait, some hundred times.  (Two, of which one does
# other work besides, may not meet at all.)
MANY = 10


def assert_walked(guest, since):
    """Every vCPU has walked since then, in step with the others and by
    itself, and they met at pages that had not come yet."""
    walks = guest.walks(since)
    vcpus = {walk.vcpu for walk in walks}
    assert vcpus == set(range(1, guest.vcpus)), f"walks of {vcpus}: {walks}"
    assert all(walk.together and walk.apart for walk in walks), walks
    assert guest.vcpus == 2 or max(walk.met for walk in walks) >= MANY, walks


def move_with_walks(world, guest, options=""):
    """The guest has all its vCPUs at work on the way and after it."""
    since = world.lab.console.now()
    summary = world.move(guest, options)
    assert summary["of these requested"] > 0, summary
    resumed = guest.wait(r"^\(d\d+\) resumed$", since, 60)
    guest.assert_runs()
    assert_walked(guest, resumed.time)
    return summary


def put_dom0_first(world):
    for host in HOSTS:
        world.lab.run(host, DOM0_FIRST)
    world.make_dirty()


def there_and_back(world, **config):
    put_dom0_first(world)
    guest = world.pattern(rate="max", **config).start("a")
    summary = move_with_walks(world, guest)
    assert summary["sent while it ran here"] == 0, summary
    move_with_walks(world, guest)
    guest.assert_ran_once("a", "b", "a")
    world.assert_only_at(guest, "a")


@on_request(TAKES_LONG)
def test_two_vcpus_there_and_back(world):
    there_and_back(world, vcpus=2, memory=64, check=8000)


def test_four_vcpus_there_and_back(world):
    there_and_back(world, vcpus=4, memory=64, check=4000)


@on_request(TAKES_LONG)
def test_sixteen_vcpus_there_and_back(world):
    """Twice as many as the paging ring has slots."""
    there_and_back(world, vcpus=16, memory=32, check=1000)


@on_request(TAKES_LONG)
def test_sixteen_vcpus_by_hybrid(world):
    put_dom0_first(world)
    guest = world.pattern(vcpus=16, memory=32, working_set=4,
                          check=1000).start("a")
    summary = world.move(guest, "--precopy-iterations 2")
    assert summary["sent while it ran here"] > 0, summary
    assert_moved(world, guest, "a", "b")
