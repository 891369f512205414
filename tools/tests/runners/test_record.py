#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of what was tested, without hosts."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TREE = pathlib.Path(__file__).resolve().parents[3]
sys.dont_write_bytecode = True
sys.path[:0] = [str(TREE / "xen" / "lab"), str(TREE / "tools/tests/system")]

from record import Record, TITLES       # noqa: E402

PAGE = """\
Before.

| test | 4.14 |
|---|---|
| one | passed |
| old | passed |

Between.

| test, from host a to b |
|---|

After.
"""


class RecordTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.page = pathlib.Path(place.name, "page.md")
        self.page.write_text(PAGE)

    def test_results_have_their_places(self):
        record = Record(self.page, ["bookworm"], ["one", "two"])
        record.add("two", "skipped: this | that")
        record.add("one", "failed")
        Record(self.page, ["bullseye"], ["one", "two"]).add("two", "passed")
        self.assertEqual(record.table.read(), (
            ["4.14", "4.17"],
            {"one": {"4.14": "passed", "4.17": "failed"},
             "two": {"4.14": "passed", "4.17": "skipped: this \\| that"}}))
        self.assertTrue(Record(self.page, ["bullseye"], []).passed("two"))
        self.assertFalse(record.passed("one") or record.passed("two"))
        text = self.page.read_text()
        for part in "Before.\n", "\nBetween.\n", "\nAfter.\n":
            self.assertIn(part, text)

    def test_of_two_releases_only_what_ran_has_a_row(self):
        record = Record(self.page, ["bookworm", "trixie"], ["one", "two"])
        record.add("two", "passed")
        self.assertEqual(record.table.read(), (
            ["4.17 to 4.20"], {"two": {"4.17 to 4.20": "passed"}}))
        self.assertIn("| one | passed |\n| old | passed |",
                      self.page.read_text())

    def test_a_page_without_the_table_is_refused(self):
        self.page.write_text("nothing\n")
        record = Record(self.page, ["trixie"], ["one"])
        with self.assertRaisesRegex(ValueError, f"`{TITLES[1]}`"):
            record.add("one", "passed")

    def test_the_kept_page_has_no_test_that_is_gone(self):
        """This also shows that all test files can be loaded."""
        names = subprocess.run([TREE / "tools/tests/system/run", "--list"],
                               check=True, capture_output=True, text=True)
        _, rows = Record(TREE / "docs/tested.md", ["bookworm"], []).table.read()
        self.assertEqual(set(rows) - set(names.stdout.split()), set())


if __name__ == "__main__":
    unittest.main()
