#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON schema of docs/specs, held against what the unit tests have written into
the directory KEEP_JSON, a file of lines for each kind."""

import json
import os
import pathlib
import subprocess
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

TOP = pathlib.Path(__file__).resolve().parents[3]
SCHEMA = json.loads(subprocess.run(
    [TOP / "scripts/make-schema",
     TOP / "docs/specs/live-migrate-status.schema.json.in"],
    capture_output=True, check=True).stdout)
SCHEMA_OF_ALL = json.loads(
    (TOP / "docs/specs/live-migrate-all.schema.json").read_text(encoding="utf-8"))
KEPT = os.environ.get("KEEP_JSON")


def kept(name):
    path = pathlib.Path(KEPT) / name
    return [json.loads(line)
            for line in path.read_text(encoding="utf-8").splitlines()]


@unittest.skipUnless(KEPT, "KEEP_JSON names no directory of what xl has shown")
class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shown = kept("status")
        cls.of_all = kept("all")

    @unittest.skipUnless(jsonschema, "no python3-jsonschema here")
    def test_all_that_is_shown_is_valid(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        validator = jsonschema.Draft7Validator(SCHEMA)
        self.assertTrue(self.shown)
        for status in self.shown:
            problem = next(validator.iter_errors(status), None)
            self.assertIsNone(problem, status)

    def test_it_has_all_that_is_shown_and_nothing_else(self):
        """A reader may meet more; the page about it may not lag behind."""
        for status in self.shown:
            self.assertEqual(set(status), set(SCHEMA["properties"]))
        self.assertEqual(set(SCHEMA["required"]), set(SCHEMA["properties"]))

    def test_each_word_is_shown(self):
        for name, property in SCHEMA["properties"].items():
            if "enum" in property:
                # null is for what only a later version knows.
                self.assertEqual({status[name] for status in self.shown} - {None},
                                 set(property["enum"]) - {None}, name)

    @unittest.skipUnless(jsonschema, "no python3-jsonschema here")
    def test_of_many_guests(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA_OF_ALL)
        validator = jsonschema.Draft7Validator(SCHEMA_OF_ALL)
        for line in self.of_all:
            self.assertIsNone(next(validator.iter_errors(line), None), line)

    def test_of_many_guests_nothing_else_is_shown(self):
        guest, end = (each["properties"] for each in SCHEMA_OF_ALL["oneOf"])
        for line in self.of_all:
            self.assertEqual(set(line), set(end if "end" in line else guest))
        guests = [line for line in self.of_all if "guest" in line]
        for name in ("job", "state"):
            self.assertEqual({line[name] for line in guests},
                             set(guest[name]["enum"]))
        self.assertEqual(set(end) - {"end", "exit-status"},
                         set(guest["state"]["enum"]))


if __name__ == "__main__":
    unittest.main()
