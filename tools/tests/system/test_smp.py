"""Guests whose vCPUs fault at once, on the same page and on different ones."""

from test_1_moves import assert_moved

# Where nobody waits for a page, vCPUs find each other at the same one hardly
# once in a walk; where they do, some hundred times.  Two of them, of which one
# does other work besides, some five times.
MANY = 10


def assert_walked(guest, since):
    """Every vCPU has walked since then, in step with the others and by
    itself, and they met at pages that had not come yet."""
    walks = guest.walks(since)
    vcpus = {walk.vcpu for walk in walks}
    assert vcpus == set(range(1, guest.vcpus)), f"walks of {vcpus}: {walks}"
    assert all(walk.together and walk.apart for walk in walks), walks
    least = 1 if guest.vcpus == 2 else MANY
    assert max(walk.met for walk in walks) >= least, walks


def move_with_walks(world, guest, options=""):
    """It has all its vCPUs at work on the way and after it."""
    since = world.lab.console.now()
    summary = world.move(guest, options)
    assert summary["of these requested"] > 0, summary
    resumed = guest.wait(r"^\(d\d+\) resumed$", since, 60)
    guest.assert_runs()
    assert_walked(guest, resumed.time)
    return summary


def there_and_back(world, **config):
    guest = world.pattern(rate="max", **config).start("a")
    summary = move_with_walks(world, guest)
    assert summary["sent while it ran here"] == 0, summary
    move_with_walks(world, guest)
    assert_moved(world, guest, "a", "b", "a")


def test_two_vcpus_there_and_back(world):
    there_and_back(world, vcpus=2, memory=64, check=8000)


def test_four_vcpus_there_and_back(world):
    there_and_back(world, vcpus=4, memory=64, check=4000)


def test_sixteen_vcpus_there_and_back(world):
    """Twice as many as the paging ring has slots."""
    there_and_back(world, vcpus=16, memory=32, check=500)


def test_sixteen_vcpus_by_hybrid(world):
    guest = world.pattern(vcpus=16, memory=32, working_set=4,
                          check=500).start("a")
    summary = world.move(guest, "--precopy-iterations 2")
    assert summary["sent while it ran here"] > 0, summary
    assert_moved(world, guest, "a", "b")
