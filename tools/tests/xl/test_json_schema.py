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
KEPT = os.environ.get("KEEP_JSON")


@unittest.skipUnless(KEPT, "KEEP_JSON names no directory of what xl has shown")
class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shown = [json.loads(line) for path in pathlib.Path(KEPT).iterdir()
                     for line in path.read_text(encoding="utf-8").splitlines()]

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


if __name__ == "__main__":
    unittest.main()
