# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TCP connection to a guest's echo service, and a stream through it."""

import os
import subprocess
import threading

# Octets under way at most.  Enough for a stream that never pauses; more takes a
# processor from the emulated hosts, and much more fills all buffers both ways.
WINDOW = 16384
NUMBER = b"%015d\n"
BLOCK = 4096
PID = "/run/echo.pid"
PROGRESS_LIMIT = 240
END_LIMIT = 120


def stream(offset, size):
    """This many octets of the stream of all numbers, from a position on."""
    step = len(NUMBER % 0)
    first = offset // step
    text = b"".join(NUMBER % number for number in
                    range(first, (offset + size) // step + 1))
    return text[offset - first * step:][:size]


class Echo:
    """One connection from a host, for as long as this lives: numbers go to the
    guest, and each octet that comes back is compared.

    socat makes one connection and no second.  `with` ends it at once.
    """

    def __init__(self, lab, host, address):
        self.host = host
        self.sent = 0
        self.received = 0
        self.wrong = None
        self.closing = False
        self.ended = False
        self.change = threading.Condition()
        # -t: how long to wait for the rest of the echo after the end.
        self.lab = lab
        self.process = lab.popen(
            host, f"echo $$ > {PID}; exec socat -t {END_LIMIT} STDIO TCP:{address}:7,retry=60",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        for work in (self._write, self._read):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.run(self.host, f"kill $(cat {PID})", check=False)

    def _may_write(self):
        return (self.closing or self.ended
                or self.sent - self.received < WINDOW)

    def _write(self):
        try:
            while True:
                with self.change:
                    self.change.wait_for(self._may_write)
                    if self.closing or self.ended:
                        break
                    start = self.sent
                    self.sent += BLOCK
                self.process.stdin.write(stream(start, BLOCK))
                self.process.stdin.flush()
            self.process.stdin.close()
        except BrokenPipeError:
            pass        # the reader sees the end as well

    def _read(self):
        while True:
            data = self.process.stdout.read1(65536)
            with self.change:
                expected = stream(self.received, len(data))
                if data != expected and not self.wrong:
                    at = len(os.path.commonprefix([data, expected]))
                    self.wrong = (f"at {self.received + at}: "
                                  f"{data[at:][:32]} and not "
                                  f"{expected[at:][:32]}")
                self.received += len(data)
                self.ended = not data
                self.change.notify_all()
            if not data:
                return

    def _complaint(self, what):
        return (f"connection from {self.host}: {what}; sent {self.sent}, came "
                f"back {self.received}, ended: {self.ended}")

    def check(self):
        with self.change:
            assert not self.wrong, self._complaint(self.wrong)
            assert self.closing or not self.ended, self._complaint("it ended")

    def wait_progress(self, octets=4 * WINDOW):
        """This many octets of the stream come back from now on: more than were on the
        way at this moment."""
        with self.change:
            goal = self.sent + octets
            reached = self.change.wait_for(
                lambda: self.received >= goal or self.ended or self.wrong,
                PROGRESS_LIMIT)
        self.check()
        assert reached, self._complaint("it stands still")

    def finish(self):
        """End the stream; all that was sent must have come back."""
        with self.change:
            self.closing = True
            self.change.notify_all()
            self.change.wait_for(lambda: self.ended, END_LIMIT)
        self.check()
        said = self.process.stderr.read().decode() if self.ended else ""
        assert self.ended and self.received == self.sent, \
            self._complaint(f"it does not end as it should: {said}")
        assert self.process.wait(END_LIMIT) == 0, self._complaint(said)
