"""Two real Xen hosts in QEMU, for tests and for people.

    import sys
    sys.path.insert(0, "xen/lab")
    from xenlab import Lab, LabError

    lab = Lab()                 # or Lab(state="/some/dir"), one per lab
    lab.up(install="destdir")   # fresh hosts from the snapshot, in seconds
    lab.run("a", "xl list").stdout
    since = lab.console.now()
    lab.run("a", ["xl", "create", "/root/guest.cfg"])
    lab.console.wait(r"heartbeat", host="a", since=since, timeout=60)
    lab.down()

See xenlab.lab.Lab and xenlab.console.Console for the rest.
"""

from .config import HOSTS, LabError
from .console import Console, ConsoleTimeout, Line
from .lab import CommandFailed, Lab

__all__ = ["HOSTS", "CommandFailed", "Console", "ConsoleTimeout", "Lab",
           "LabError", "Line"]
