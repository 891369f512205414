#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What /etc/xen/xl-postcopy.conf does to command lines: the program XL, where there is
no Xen, with an /etc of its own and a stock xl that is made up."""

import os
import pathlib
import subprocess
import tempfile
import unittest

XL = os.environ.get("XL", "")
# Runs in a mount name space, so that the machine's /etc does not change.
RUN = 'mount --bind "$0" /etc && exec "$@"'


def can_mount():
    return not subprocess.run(["unshare", "-m", "true"], capture_output=True,
                              check=False).returncode


@unittest.skipUnless(XL, "XL names no program")
@unittest.skipUnless(can_mount(), "not root here")
class Defaults(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = pathlib.Path(directory.name)
        self.stock = self.where / "stock"
        self.stock.write_text('#!/bin/sh\necho "stock $*"\n')
        self.stock.chmod(0o755)

    def said(self, text, *words):
        """Of this command line with this file: all, and its exit status."""
        (self.where / "xen").mkdir(exist_ok=True)
        (self.where / "xen/xl-postcopy.conf").write_text(text + "\n")
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", RUN, self.where, XL, *words],
            env=dict(os.environ, XL_STOCK=str(self.stock)), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        return done.stdout, done.returncode

    def test_values_are_read_as_on_a_command_line(self):
        for text, what in (('link_timeout = "x"', "--link-timeout 'x'"),
                           ('push_order = "up"', "--push-order 'up'"),
                           ("no_monitor = 7", "no_monitor = '7'"),
                           ("link_timeout = [", "cannot be read"),
                           ('link_timeut = 5', "link_timeut, which is no option")):
            said, status = self.said(text, "migrate", "--postcopy", "a", "b")
            self.assertIn(what, said)
            self.assertEqual(status not in (0, None), True)

    def test_the_command_line_counts_more(self):
        said, _ = self.said('postcopy = "auto"', "migrate", "--postcopy=never",
                            "a", "b")
        self.assertIn("'never'", said)
        said, _ = self.said('postcopy = "never"', "migrate", "--postcopy", "a", "b")
        self.assertIn("'never'", said)

    def test_who_steers_is_not_kept_from_it(self):
        said, _ = self.said("link_timeout = [", "migrate-abort", "--help")
        self.assertIn("usage: xl migrate-abort", said)

    def test_a_plain_migrate(self):
        """Without Xen ours says so, which is no refusal that the stock one could
        do better."""
        said, _ = self.said('migrate = "auto"', "migrate", "a", "b")
        self.assertIn("with postcopy (auto)", said)
        self.assertNotIn("stock migrate", said)
        for text, words in (("", ["migrate", "a", "b"]),
                            ('migrate = "stock"', ["migrate", "a", "b"]),
                            ('migrate = "auto"', ["-N", "migrate", "a", "b"]),
                            ('migrate = "auto"', ["migrate", "a"]),
                            ('migrate = "auto"',
                             ["migrate", "-s", "socat - TCP:b:1 #", "a", "b"]),
                            ('migrate = "auto"', ["migrate", "-snc", "a", "b"])):
            said, status = self.said(text, *words)
            self.assertIn("stock " + " ".join(words), said)
            self.assertEqual(status, 0)
            self.assertNotIn("with postcopy", said)
        said, _ = self.said('migrate = "now"', "migrate", "-s", "/usr/bin/ssh -4",
                            "a", "b")
        self.assertIn("with postcopy (now)", said)

    def test_nothing_that_a_terminal_obeys_is_printed(self):
        """Of names and values, in each message."""
        hostile = "w\x1b[2J\u009b2J\u202egnp\r\x07\x9f"
        for text, *words in (
                ("", "migrate", "--postcopy=" + hostile, "a", "b"),
                ("", "migrate", "--postcopy", "--" + hostile, "a", "b"),
                ("", "migrate-status", "--" + hostile),
                (f'push_order = "{hostile}"', "migrate", "--postcopy", "a", "b"),
                (hostile + " = 1", "migrate", "--postcopy", "a", "b")):
            said, _ = self.said(text, *words)
            self.assertIn("?[2J?2J?gnp", said)
            for character in "\x1b\u009b\u202e\x07\x9f":
                self.assertNotIn(character, said)

    def test_managers(self):
        """The command lines of their drivers: those that connect by ssh go with
        postcopy; the others, which name a receiver of the stock xl, go to that."""
        conf = 'migrate = "auto"'
        for words in (["migrate", "web", "node2"],                        # Pacemaker
                      ["migrate", "--live", "web", "node2"],              # xendomains
                      ["-f", "migrate", "web", "node2"],
                      ["migrate", "-C", "/etc/xen/web", "web", "node2"],
                      ["migrate", "-eps", "ssh -i key", "web", "node2"]):
            said, _ = self.said(conf, *words)
            self.assertIn("with postcopy (auto)", said)
            self.assertNotIn("stock ", said)
        for words in (["migrate", "-s", "socat -b524288 - TCP:192.0.2.7:8082 #",
                       "-C", "/etc/xen/web", "web", "192.0.2.7"],         # Ganeti
                      ["migrate", "-s", "su - oneadmin -c 'ssh node2 sudo "
                       "/usr/sbin/xl migrate-receive'", "one-17", "node2"],  # OpenNebula
                      ["migrate", "-epssocat - TCP:b:1 #", "web", "node2"],
                      ["migrate", "-F", "web", "node2"]):
            said, status = self.said(conf, *words)
            self.assertIn("without postcopy, as ", said)
            self.assertIn("stock " + " ".join(words), said)
            self.assertEqual(status, 0)


if __name__ == "__main__":
    unittest.main()
