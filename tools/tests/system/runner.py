# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the tests between two real Xen hosts.

Tests are functions test_* of the modules test_*.py here, each called with a
World: two hosts without guests.  The hosts stay for the next test unless one
left them dirty or failed; then fresh ones come from the lab's snapshot.
"""

import argparse
import importlib
import os
import pathlib
import re
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[2]
sys.path[:0] = [str(TREE / "xen" / "lab"), str(HERE)]

from xenlab import LabError, config, open_lab   # noqa: E402
from record import Record                   # noqa: E402
from world import Skip, World               # noqa: E402

EVENTS_SHOWN = 60
REASON_LINES = 15
REASON_WIDTH = 300
ROUTINE = re.compile(r"^\(d\d+\) (#\d+ )?(l?hb \d|.*pass \d+ done, .*errors 0\b)"
                     r"|^\(XEN\) HVM ?d?\d+(v\d+)? "
                     r"(save|restore):")
STATE = TREE / "build" / "check-lab"


class LeftOut(Skip):
    """Raised by a test that runs only on request."""


class Failed(Exception):
    """The test has failed, and all about the failure has been printed. This exception
    has a summary in some lines."""


def our_frames(error):
    """The line of a test file that raised it."""
    return [frame for frame in traceback.extract_tb(error.__traceback__)
            if HERE.name in frame.filename]


def place(frame):
    return f"{pathlib.Path(frame.filename).name}:{frame.lineno} {frame.line}"


def in_short(error):
    """The first lines of what an exception says, and where it came from."""
    lines = f"{type(error).__name__}: {error}".rstrip(": \n").splitlines()
    if len(lines) >= REASON_LINES:
        lines[REASON_LINES - 2:] = ["..."]
    lines += [f"at {place(frame)}" for frame in our_frames(error)[-1:]]
    return "\n    ".join(line[:REASON_WIDTH] for line in lines)


class Runner:
    def __init__(self, args, record=None):
        self.args = args
        self.record = record
        self.lab = open_lab(args.state)
        self.fresh = False      # the hosts run, without guests, and are not dirty
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []      # in short

    def hosts(self):
        if not self.fresh:
            owner = None if self.args.keep else os.getpid()
            self.lab.up(fresh=True, install=self.args.install, owner=owner)
            self.fresh = True

    def attempt(self, test):
        """Run one test; returns a remark; Skip or Failed when it does not
        pass."""
        world = World(self.lab)
        why = getattr(test, "on_request", None)
        if why and not self.args.only and not self.args.all:
            raise LeftOut(f"{why}; make check-all runs it")
        try:
            self.hosts()
            test(world)
            if self.args.verbose:
                self.show_migrations(world)
            self.fresh = not world.dirty and world.clean()
        except Skip:
            self.fresh = world.clean()
            raise
        except Exception as error:
            self.fresh = False
            self.show_failure(world, error)
            raise Failed(in_short(error)) from error
        return "".join(f" ({note})" for note in world.notes)

    def show_failure(self, world, error):
        """Called before anything is cleaned up."""
        print()
        for frame in our_frames(error):
            print(f"  {place(frame)}")
        print(f"{type(error).__name__}: {error}")
        self.show_migrations(world)
        self.show_events()
        try:
            print(self.lab.failure_report())
        except (LabError, OSError) as another:
            print(f"no report of the lab: {another}")
        sys.stdout.flush()

    @staticmethod
    def show_migrations(world):
        print()
        for migration in world.migrations:
            ended = migration.ended and \
                f"ended after {migration.ended - migration.started:.1f} s"
            print(f"==== `{migration.command}` on {migration.source}, "
                  f"{ended or 'still running'}")
            print(migration.all_output())

    def show_events(self):
        """Both consoles, without the lines that guests print all the time."""
        events = [line for line in self.lab.console.lines()
                  if not ROUTINE.search(line.text)][-EVENTS_SHOWN:]
        print("==== both consoles without heartbeats, by time")
        for line in events:
            print(line)

    def run(self, name, test):
        print(f"{name:56}", end="", flush=True)
        started = time.monotonic()
        result, remark, asked = "passed", "", True
        try:
            remark = self.attempt(test)
        except Skip as why:
            result, remark = "skipped", f": {why}"
            asked = not isinstance(why, LeftOut)
        except Failed as why:
            result, remark = "failed", f" {name}"
            self.failures.append(f"FAILED: {name}: {why}")
        took = time.monotonic() - started
        print(f"{took:7.1f} s  {result}{remark}", flush=True)
        self.counts[result] += 1
        if self.record and asked:
            self.record.add(name, result + remark * (result == "skipped"))
        return result != "failed"

    def run_all(self, tests):
        try:
            for name, test in tests:
                if not self.run(name, test) and self.args.keep:
                    print(f"the lab stays up: xen/lab/lab --state "
                          f"{self.lab.state} ...")
                    return
        finally:
            if not (self.args.keep and self.counts["failed"]):
                self.lab.down()

    def show_result(self, took):
        """Print the failures in short, for a reader who sees only the last lines; and
        the counts."""
        for failure in self.failures:
            print(failure)
        counts = self.counts
        print(f"{took:.0f} s in all")
        print(f"{counts['passed']} passed, {counts['failed']} failed, "
              f"{counts['skipped']} skipped")


def find_tests():
    """(name, function) of all tests, in the order of files and lines."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, thing in vars(module).items():
            if name.startswith("test_") and callable(thing):
                found.append((name.removeprefix("test_"), thing))
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="run", description="Test migrations between two real Xen hosts.")
    parser.add_argument("--install", metavar="DIR", action="append",
                        help="the DESTDIR tree to test (make lab-build makes "
                        "build/stage); a second one is b's")
    parser.add_argument("--only", metavar="NAME", action="append", default=[],
                        help="only tests with NAME in their names; repeatable")
    parser.add_argument("--all", action="store_true",
                        help="also those that are left out by default")
    parser.add_argument("--repeat", metavar="N", type=int, default=1,
                        help="run them N times over")
    parser.add_argument("--keep", action="store_true",
                        help="stop at a failure and leave the lab up")
    parser.add_argument("--verbose", action="store_true",
                        help="show what xl prints, also when all goes well")
    parser.add_argument("--list", action="store_true",
                        help="print the tests' names")
    parser.add_argument("--record", metavar="FILE", help="put the results into "
                        "the table of this page (docs/tested.md)")
    parser.add_argument("--missing", action="store_true", help="only what has not "
                        "passed according to --record")
    parser.add_argument("--state", metavar="DIR", default=STATE,
                        help="the lab's state directory")
    args = parser.parse_args()
    if not args.install and not args.list:
        parser.error("--install is missing")
    return args


def choose(tests, only):
    exact = [test for test in tests if test[0] in only]
    if len(exact) == len(only):
        return exact or tests
    return [test for test in tests if any(part in test[0] for part in only)]


def main():
    args = parse_arguments()
    tests = find_tests()
    names = [name for name, _ in tests]
    if not args.list:
        tests = choose(tests, args.only)
    else:
        print("\n".join(names))
        return 0
    if not tests:
        print("no such test", file=sys.stderr)
        return 2
    record = args.record and Record(args.record, config.suites(), names)
    if record and args.missing:
        tests = [test for test in tests if not record.passed(test[0])]
    runner = Runner(args, record)
    started = time.monotonic()
    try:
        runner.run_all(tests * args.repeat)
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    runner.show_result(time.monotonic() - started)
    return 1 if runner.failures else 0
