# SPDX-License-Identifier: LGPL-2.1-or-later
"""The consoles of both hosts, in one log, stamped by one clock.

The supervisor process reads both serial consoles and writes console.log in the
lab's state directory. A line of it is

    SECONDS.MICROSECONDS HOST TEXT

where the time is CLOCK_MONOTONIC of the machine outside (time.monotonic() in
Python, on the same machine, is the same clock), taken when the bytes that end
the line arrived, so the log is in order of time; HOST is "a", "b" or, for what
the supervisor itself has to say, "lab". What a guest writes to port 0xe9 comes
as "(d1) text" from the hypervisor of the host it runs on.
"""

import bisect
import json
import os
import re
import socket
import time
from typing import NamedTuple, Optional

from .config import LabError
from .qemu import connect

LOG = "console.log"


class ConsoleTimeout(LabError):
    """The awaited line did not come."""


class Line(NamedTuple):
    time: float
    host: str
    text: str
    match: Optional[re.Match] = None

    def __str__(self):
        return f"{self.time:.6f} {self.host} {self.text}"


def parse(raw):
    stamp, host, text = raw.decode(errors="replace").split(" ", 2)
    return Line(float(stamp), host, text)


class Console:
    """Reads a lab's console log; any number of these may read at once."""

    def __init__(self, state):
        self.state = state

    @staticmethod
    def now():
        """The stamp that a line arriving now would get."""
        return time.monotonic()

    def lines(self, since=None, host=None):
        """All complete lines so far, from the time `since` on."""
        try:
            raw = (self.state / LOG).read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        first = 0
        if since is not None:
            first = bisect.bisect_left(
                raw, since, key=lambda line: float(line.split(b" ", 1)[0]))
        found = map(parse, raw[first:])
        return [line for line in found if host in (None, line.host)]

    def offset(self, since):
        """Where in the log the first line from `since` on begins."""
        try:
            raw = (self.state / LOG).read_bytes().split(b"\n")
        except FileNotFoundError:
            return 0
        end = sum(len(line) + 1 for line in raw[:-1])
        if since is None:
            return 0
        raw.pop()
        first = bisect.bisect_left(
            raw, since, key=lambda line: float(line.split(b" ", 1)[0]))
        return end - sum(len(line) + 1 for line in raw[first:])

    def follow(self, since=None, timeout=None):
        """Yield the lines from `since` on as they come, without polling.

        Ends when the lab does; ConsoleTimeout when `timeout` seconds have
        passed in all.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        sock = self._subscribe(self.offset(since))
        if sock is None:
            yield from self.lines(since)
            return
        with sock:
            rest = b""
            while True:
                chunk = self._receive(sock, deadline)
                if not chunk:
                    return
                *raw, rest = (rest + chunk).split(b"\n")
                yield from map(parse, raw)

    def wait(self, pattern, host=None, since=None, timeout=60):
        """The first line from `since` on whose text has `pattern` in it.

        The line's `match` is the match object. Raises ConsoleTimeout, or
        LabError as soon as the lab, or the host of the line, has ended.
        """
        wanted = re.compile(pattern)
        where = f"host {host}" if host else "any host"
        seen = []
        try:
            for line in self.follow(since, timeout):
                match = wanted.search(line.text)
                if match and host in (None, line.host):
                    return line._replace(match=match)
                if line.host == "lab" and host and \
                        line.text == self.ended(host):
                    raise LabError(f"{line.text}, while waiting for "
                                   f"/{pattern}/ on its console")
                seen = (seen + [str(line)])[-15:]
        except ConsoleTimeout:
            raise ConsoleTimeout(
                f"no /{pattern}/ on the console of {where} within {timeout} "
                "s; last lines:\n" + "\n".join(seen)) from None
        raise LabError(f"the lab in {self.state} ended while waiting for "
                       f"/{pattern}/ on the console of {where}")

    def ended(self, host):
        """What the supervisor said of the end of a host that is not running;
        None of one that is."""
        said = [line.text for line in self.lines(host="lab")
                if line.text.startswith(f"host {host}: machine ")]
        return said[-1] if said and " ended " in said[-1] else None

    def _subscribe(self, offset):
        try:
            sock = connect(self.state, "lab.sock")
        except OSError:
            return None
        request = json.dumps({"op": "follow", "offset": offset})
        sock.sendall(request.encode() + b"\n")
        return sock

    @staticmethod
    def _receive(sock, deadline):
        if deadline is None:
            sock.settimeout(None)
        else:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConsoleTimeout("time is up")
            sock.settimeout(left)
        try:
            return sock.recv(65536)
        except socket.timeout:
            raise ConsoleTimeout("time is up") from None
        except ConnectionError:
            return b""


def rotate(state):
    """Keep the last lab's log beside the new one."""
    log = state / LOG
    if log.exists():
        os.replace(log, state / f"{LOG}.1")
