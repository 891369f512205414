#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the test runners: their last lines say what failed and why."""

import argparse
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
TREE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TREE / "tools" / "tests" / "system"))

import runner       # noqa: E402

CMOCKA = """\
[ RUN      ] good
[       OK ] good
[ RUN      ] bad
said by the test
[  ERROR   ] --- 0x1 != 0x2
[   LINE   ] --- test.c:10: error: Failure!
[  FAILED  ] bad
[ RUN      ] given_up
ERROR: all is lost
[  ERROR   ] --- [   LINE   ] --- test.c:20: error: Failure!
[  FAILED  ] given_up
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 2 test(s), listed below:
[  FAILED  ] bad
[  FAILED  ] given_up
"""
CRASHED = """\
[ RUN      ] good
[       OK ] good
[ RUN      ] bad
==12==ERROR: AddressSanitizer: SEGV on unknown address
SUMMARY: AddressSanitizer: SEGV test.c:30
"""
LEAKED = """\
[ RUN      ] good
[       OK ] good
[==========] 1 test(s) run.
[  PASSED  ] 1 test(s).
==12== 7 bytes in 1 blocks are definitely lost
==12==    at 0x1: malloc
"""


class Runner(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.here = pathlib.Path(directory.name)

    def program(self, name, says, status=0):
        (self.here / f"{name}.says").write_text(says)
        path = self.here / name
        path.write_text(f'#!/bin/sh\ncat "$0.says"\nexit {status}\n')
        path.chmod(0o755)
        return path

    def run_it(self, script, *words, **environment):
        """Its lines from the first about a failure on, and its status."""
        done = subprocess.run(
            [TREE / script, *words], stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment}, stderr=subprocess.STDOUT)
        lines = done.stdout.splitlines()
        first = next((number for number, line in enumerate(lines)
                      if line.startswith("FAILED: ")), -1)
        return lines[first:], done.returncode


class UnitTests(Runner):
    def unit_tests(self, *programs):
        return self.run_it("scripts/run-unit-tests", *programs)

    def test_each_failed_test_has_a_line(self):
        lines, status = self.unit_tests(self.program("test_x", CMOCKA, 2))
        self.assertEqual(lines, [
            "FAILED: test_x: bad: 0x1 != 0x2 at test.c:10",
            "FAILED: test_x: given_up: all is lost at test.c:20",
            "1 passed, 2 failed, 0 skipped"])
        self.assertEqual(status, 1)

    def test_a_program_that_dies_says_in_which_test(self):
        lines, _ = self.unit_tests(self.program("test_x", CRASHED, 1))
        self.assertEqual(lines, [
            "FAILED: test_x: bad: ended with status 1: "
            "SUMMARY: AddressSanitizer: SEGV test.c:30",
            "0 passed, 1 failed, 0 skipped"])

    def test_what_is_found_after_the_tests_is_a_failure(self):
        lines, _ = self.unit_tests(self.program("test_x", LEAKED, 9))
        self.assertEqual(lines, [
            "FAILED: test_x: all of it: ended with status 9: "
            "==12== 7 bytes in 1 blocks are definitely lost",
            "1 passed, 1 failed, 0 skipped"])

    def test_nothing_failed(self):
        lines, status = self.unit_tests(self.program("test_x", LEAKED))
        self.assertEqual(lines, ["1 passed, 0 failed, 0 skipped"])
        self.assertEqual(status, 0)


class Others(Runner):
    def test_fuzzers(self):
        lines, status = self.run_it(
            "scripts/run-fuzzers", self.program("make_seeds", ""),
            self.program("fuzz_a", "cov: 1\n"),
            self.program("fuzz_b", "SUMMARY: it hangs\nmore\n", 1))
        self.assertEqual(lines, ["FAILED: fuzz_b: SUMMARY: it hangs",
                                 "1 passed, 1 failed, 0 skipped"])
        self.assertEqual(status, 1)

    def test_nothing_to_start_fuzzers_from(self):
        lines, status = self.run_it(
            "scripts/run-fuzzers", self.program("make_seeds", "no!\n", 1),
            self.program("fuzz_a", ""))
        self.assertEqual(lines, ["FAILED: make_seeds: no!",
                                 "0 passed, 1 failed, 0 skipped"])
        self.assertEqual(status, 1)

    def test_python_tests(self):
        path = self.here / "test_x.py"
        path.write_text("import unittest\n"
                        "class Some(unittest.TestCase):\n"
                        "    def test_good(self): pass\n"
                        "    def test_bad(self): self.assertEqual(1, 2)\n")
        lines, status = self.run_it("scripts/run-python-tests", path)
        self.assertEqual(lines, [
            "FAILED: tests.Some.test_bad: AssertionError: 1 != 2",
            "1 passed, 1 failed, 0 skipped"])
        self.assertEqual(status, 1)


class Hosts(unittest.TestCase):
    """The tests between hosts, without hosts."""

    def run_tests(self, **tests):
        args = argparse.Namespace(state="x", keep=False, install="x",
                                  verbose=False, only=[], all=False)
        with mock.patch.object(runner, "open_lab") as lab, \
                mock.patch.object(runner, "World"), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            lab.return_value.console.lines.return_value = []
            lab.return_value.failure_report.return_value = "a log\n" * 100
            one = runner.Runner(args)
            one.run_all(list(tests.items()))
            one.show_result(1.0)
        lines = said.getvalue().splitlines()
        first = next((number for number, line in enumerate(lines)
                      if line.startswith("FAILED: ")), -2)
        return lines[first:]

    def test_nothing_failed(self):
        self.assertEqual(self.run_tests(good=lambda world: None),
                         ["1 s in all", "1 passed, 0 failed, 0 skipped"])

    def test_each_failed_test_has_its_reason(self):
        def bad(_):
            raise ValueError("wrong:\nquite")

        def skipped(_):
            raise runner.Skip("not here")

        self.assertEqual(
            self.run_tests(bad=bad, good=lambda world: None, skipped=skipped),
            ["FAILED: bad: ValueError: wrong:", "    quite",
             "    at runner.py:" + self.line_of("            test(world)"),
             "1 s in all", "1 passed, 1 failed, 1 skipped"])

    @staticmethod
    def line_of(wanted):
        lines = pathlib.Path(runner.__file__).read_text().splitlines()
        return f"{lines.index(wanted) + 1} {wanted.strip()}"

    def test_a_long_reason_is_cut(self):
        def bad(_):
            raise ValueError("\n".join(["x" * 1000] * 50))

        lines = self.run_tests(bad=bad)
        self.assertEqual(len(lines), runner.REASON_LINES + 2)
        self.assertEqual(lines[-4], "    ...")
        self.assertLess(max(map(len, lines)), 400)


class Ci(Runner):
    """.ci/run, of which make is another one."""

    def ci(self, says, status):
        self.program("make", says, status)
        return self.run_it(".ci/run",
                           PATH=f"{self.here}:{os.environ['PATH']}")

    def test_the_last_line_is_the_total(self):
        lines, status = self.ci("3 passed, 0 failed\n"
                                "4 passed, 0 failed, 1 skipped\n", 0)
        self.assertEqual(lines, ["7 passed, 0 failed, 1 skipped"])
        self.assertEqual(status, 0)

    def test_what_failed_stands_before_it(self):
        failed = [f"FAILED: test {number}: why" for number in range(2)]
        lines, status = self.ci(
            "\n    more of it\n".join(failed) + "\n5 passed, 2 failed\n" +
            "a long log\n" * 100 + "make: *** [Makefile:1: check] Error 1\n",
            2)
        self.assertEqual(lines[-3:],
                         [*failed, "5 passed, 2 failed, 0 skipped"])
        self.assertEqual(status, 2)

    def test_there_is_an_end_to_it(self):
        lines, _ = self.ci("FAILED: one\n" * 99 + "a log\n" * 99 +
                           "0 passed, 99 failed\n", 2)
        self.assertEqual(lines[-33:], [
            "0 passed, 99 failed", *["FAILED: one"] * 30, "FAILED: 69 more",
            "0 passed, 99 failed, 0 skipped"])

    def test_what_is_not_built_is_a_failure(self):
        lines, _ = self.ci("3 passed, 0 failed\n"
                           "make[1]: *** [Makefile:9: x.o] Error 1\n"
                           "make: *** [Makefile:1: check] Error 2\n", 2)
        self.assertEqual(lines, [
            "FAILED: make check: make[1]: *** [Makefile:9: x.o] Error 1",
            "3 passed, 1 failed, 0 skipped"])


if __name__ == "__main__":
    unittest.main()
