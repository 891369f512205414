# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library from Python: docs/examples/live_migrate.py at one host, and the
daemon in C at the other."""

from guests import TREE
from moving import Process
from test_1_moves import assert_moved
from test_9_daemons import PORT, Daemon
from world import TAKES_LONG, Skip, on_request

BINDING = "/root/live_migrate.py"


def put_binding(world, host):
    if world.lab.run(host, "command -v python3", check=False).returncode:
        raise Skip("the hosts have no python3")
    world.lab.run(host, "ldconfig")     # as after make install
    world.lab.put(host, TREE / "docs" / "examples" / "live_migrate.py", BINDING)


@on_request(TAKES_LONG)
def test_a_binding_sends_and_receives(world):
    """Moves from Python to C, and back."""
    put_binding(world, "a")
    guest = world.pattern(memory=32).start("a")
    daemon = Daemon(world, "b")

    sending = Process(world.lab, "a",
                      f"{BINDING} send {guest.name} xen-b {PORT}")
    sending.wait_output(f"^sent {guest.name}: .*postcopy, complete")
    assert sending.finish() == 0, sending.output
    daemon.wait_output(f"^received {guest.name}")
    guest.host = "b"
    guest.wait_beat()

    receiving = Process(world.lab, "a", f"{BINDING} receive {PORT}")
    receiving.wait_output("^ready")
    daemon.order(f"send {guest.name} xen-a")
    receiving.wait_output(f"^received {guest.name}")
    assert receiving.finish() == 0, receiving.output
    daemon.wait_output(f"^sent {guest.name}")
    guest.host = "a"
    daemon.end()
    assert_moved(world, guest, "a", "b", "a")


def test_a_binding_asks_and_lists(world):
    """Calls that need only the host."""
    put_binding(world, "a")
    assert world.lab.run("a", f"{BINDING} can-receive").stdout == "yes\n"
    assert world.lab.run("a", f"{BINDING} list").stdout == "[]\n"
