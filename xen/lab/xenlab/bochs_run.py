# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs Bochs as a host: what the supervisor starts, and kills, as it does QEMU.

The program gives Bochs the terminal that its packages need and hands the host's console
on. Bochs ends with it, however it ends. Started in the state directory, where
bochs.py has left the settings, with the name of the console's socket.
"""

import contextlib
import ctypes
import os
import pty
import signal
import socket
import subprocess
import sys
import threading

BINARY = "bochs-bin"
PR_SET_PDEATHSIG = 1


def relay(listener, console):
    """What comes in at the listener goes on to the console's socket."""
    conn = listener.accept()[0]
    out = socket.socket(socket.AF_UNIX)
    out.connect(console)
    while True:
        data = conn.recv(65536)
        if not data:
            out.close()
            return
        out.sendall(data)


def in_child():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main():
    console, = sys.argv[1:]
    os.nice(5)      # Bochs never idles
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=relay, args=(listener, console), daemon=True).start()
    port = listener.getsockname()[1]
    master, slave = pty.openpty()
    argv = [BINARY, "-q", "-f", "bochsrc", "-rc", "bochs.commands",
            f"com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}"]
    child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave,
                             env=dict(os.environ, TERM="vt100"),
                             preexec_fn=in_child)
    os.close(slave)
    with contextlib.suppress(OSError):      # once Bochs has ended
        while data := os.read(master, 65536):
            os.write(sys.stdout.fileno(), data)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
