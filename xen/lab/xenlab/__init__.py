# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two real Xen hosts in QEMU, or one in Bochs, for tests and for people.

    import sys
    sys.path.insert(0, "xen/lab")
    from xenlab import LabError, open_lab

    lab = open_lab()            # or open_lab("/some/dir"), one per lab
    lab.up(install="destdir")   # fresh hosts from the snapshot, in seconds
    lab.run("a", "xl list").stdout
    since = lab.console.now()
    lab.run("a", ["xl", "create", "/root/guest.cfg"])
    lab.console.wait(r"heartbeat", host="a", since=since, timeout=60)
    lab.down()

See xenlab.lab.Lab and xenlab.console.Console for the rest.
"""

from .bochs import BochsLab
from .config import HOSTS, LabError, accel
from .console import Console, ConsoleTimeout, Line
from .lab import CommandFailed, Lab

__all__ = ["HOSTS", "CommandFailed", "Console", "ConsoleTimeout", "Lab",
           "LabError", "Line", "open_lab"]


def open_lab(state=None):
    """The lab that XEN_LAB_ACCEL asks for, up or down."""
    return {"qemu": Lab, "bochs": BochsLab}[accel()](state)
