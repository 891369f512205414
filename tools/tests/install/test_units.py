#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of systemd's units, those that are installed and the examples: what systemd
itself makes of them."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
EXAMPLES = TOP / "docs/examples/systemd"
SOCKET = "xl-migrate-receive.socket"


def drop_in_of(text):
    """The drop-in in the comment of the unit, which a reader copies."""
    lines = re.findall(r"^#   (\[Socket\]|[A-Z]\w+=.*)$", text, re.M)
    return "".join(f"{line}\n" for line in lines)


@unittest.skipUnless(shutil.which("systemd-analyze"),
                     "this machine has no systemd-analyze")
class Units(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = pathlib.Path(directory.name)
        for unit in EXAMPLES.iterdir():
            self.put(unit.name, unit.read_text())

    def put(self, name, text):
        """xl need not be on this machine."""
        (self.where / name).parent.mkdir(exist_ok=True)
        (self.where / name).write_text(
            re.sub(r"(?m)^(Exec\w+=)\S*xl ", r"\1/bin/true ", text))

    def verify(self, name):
        return subprocess.run(
            ["systemd-analyze", "verify", "--man=no", self.where / name],
            capture_output=True, text=True, check=False).stderr

    def said_of(self, name):
        """Not what it says of this machine's own units."""
        return [line for line in self.verify(name).splitlines()
                if pathlib.Path(name).stem in line]

    def test_the_example_listens_nowhere(self):
        self.assertTrue(any("no Listen setting" in line
                            for line in self.said_of(SOCKET)))

    def test_the_drop_in_that_the_example_shows_is_all_it_takes(self):
        text = drop_in_of((EXAMPLES / SOCKET).read_text())
        self.assertIn("ListenStream=", text)
        self.assertIn("IPAddressAllow=", text)
        self.put(f"{SOCKET}.d/override.conf", text)
        self.assertEqual(self.said_of(SOCKET), [])

    def test_the_page_about_hosts_shows_the_same_drop_in(self):
        shown = re.search(r"(?m)^ +\[Socket\]\n((?: +[A-Z]\w+=.*\n)+)",
                          (TOP / "docs/hosts.md").read_text())
        self.assertEqual(
            ["[Socket]", *(line.strip() for line in shown[1].splitlines())],
            drop_in_of((EXAMPLES / SOCKET).read_text()).splitlines())

    def test_the_unit_that_waits(self):
        name = "xl-migrate-wait.service"
        text = (TOP / f"tools/systemd/{name}.in").read_text()
        self.put(name, text.replace("@XL@", "/usr/sbin/xl"))
        self.assertEqual(self.said_of(name), [])

    def test_no_unit_that_receives_may_be_killed(self):
        for unit, name in (
                ("xl-migrate-receive@.service", "xl-migrate-receive@1.service"),
                ("xl-migrate-listen.service", "xl-migrate-listen.service")):
            text = (EXAMPLES / unit).read_text()
            for line in ("SendSIGKILL=no", "KillMode=process",
                         "OOMPolicy=continue"):
                self.assertIn(f"\n{line}\n", text)
            self.put(name, text)
            self.assertEqual(self.said_of(name), [])

    def test_the_unit_that_listens_wants_certificates(self):
        lines = re.findall(
            r"(?m)^(?:#   )?ExecStart=(.+)$",
            (EXAMPLES / "xl-migrate-listen.service").read_text())
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertIn("migrate-listen --tls", line)


if __name__ == "__main__":
    unittest.main()
