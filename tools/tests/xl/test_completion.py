#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of xl's completion: the shell with an xl whose answers are made up."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
TEMPLATE = TOP / "tools/xl/completion/xl.bash.in"
sys.path.append(str(TOP / "scripts"))
import xl_options                               # noqa: E402

# Its answers are files beside it, by its first argument.
XL = """\
#!/bin/sh
cat "${0%/*}/$1" 2> /dev/null
"""

# Completes $1 as a line of which the cursor is at the end; an answer a line.
COMPLETE = """\
. "$COMPLETION"
compopt() { :; }
COMP_LINE=$1 COMP_POINT=${#1}
_xl_postcopy
((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
"""

LIST = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0   384     1     r-----      12.5
{}
"""


class Shell(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = pathlib.Path(directory.name)
        self.completion = self.where / "xl.bash"
        with open(self.completion, "w", encoding="utf-8") as file:
            subprocess.run([TOP / "scripts/make-completion", TEMPLATE],
                           stdout=file, check=True)
        (self.where / "xl").write_text(XL)
        (self.where / "xl").chmod(0o755)
        (self.where / "help").write_text(
            "Usage xl [-vfNtT] <subcommand> [args]\n\n"
            " create              Create a domain from config file\n"
            " list                List information\n")

    def guests(self, *names):
        rows = (f"{name:40} {number:5}   64     1     -b----       0.1"
                for number, name in enumerate(names, 1))
        (self.where / "list").write_text(LIST.format("\n".join(rows)))


class Completion(Shell):
    def complete(self, line):
        done = subprocess.run(
            ["bash", "-u", "-c", COMPLETE, "bash", line], cwd=self.where,
            env=dict(os.environ, COMPLETION=str(self.completion),
                     PATH=f"{self.where}:{os.environ['PATH']}"),
            capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_a_guest_of_any_command(self):
        self.guests("web", "mail", "web-2")
        for command in ("console", "migrate --postcopy", "destroy"):
            self.assertEqual(self.complete(f"xl {command} we"),
                             ["web", "web-2"])

    def test_a_name_that_a_terminal_obeys_is_not_offered(self):
        self.guests("web", "w\x1b[2J", "w\u009b2J", "w\u202egnp", "w\u2066x",
                    "w\u00e9b", "w\u2013b")
        self.assertEqual(self.complete("xl console w"),
                         ["web", "w\u00e9b", "w\u2013b"])

    def test_a_migrating_guest(self):
        (self.where / "migrate-status").write_text(
            "Name     Role\nweb      source\n         more of it\n")
        for command in ("migrate-abort", "migrate-status", "migrate-wait",
                        "migrate-recover", "migrate-set-rate",
                        "migrate-start-postcopy"):
            self.assertEqual(self.complete(f"xl {command} w"), ["web"])

    def test_the_commands_of_both(self):
        self.assertEqual(self.complete("xl cr"), ["create"])
        self.assertIn("migrate-recover", self.complete("xl migrate-"))

    def test_every_option_of_the_list(self):
        commands, options = xl_options.read()
        for command in commands:
            line = f"xl {command.name} -"
            for option in xl_options.options_of(command, options):
                for spelling in xl_options.spellings(option):
                    self.assertIn(spelling, self.complete(line), line)

    def test_what_tests_alone_use_is_not_offered(self):
        self.assertEqual(self.complete("xl migrate --hot"), [])

    def test_arguments_of_options(self):
        self.guests("web")
        (self.where / "web.cfg").touch()
        for line, answers in (
                ("xl migrate --push-order ", ["recent", "ascending"]),
                ("xl migrate --postcopy=a", ["auto", "after:", "after-rounds:"]),
                ("xl migrate --max-downtime ", []),
                ("xl migrate --neighbours-below ", []),
                ("xl migrate --fault-channel=", []),
                ("xl migrate-wait --limit ", []),
                ("xl migrate-all --except ", ["web"]),
                ("xl migrate-all --order ", ["stop", "given"]),
                ("xl migrate -C web", ["web.cfg"]),
                ("xl migrate -p web", ["web"]),
                ("xl migrate-set-rate web unl", ["unlimited"])):
            self.assertEqual(self.complete(line), answers, line)

    def test_no_word_of_the_line_is_run(self):
        self.guests("web")
        for word in ("$(id>ran)", "`id>ran`", "x]$(id>ran)", "a[$(id>ran)]"):
            for line in (f"xl migrate {word} we", f"xl {word} we",
                         f"xl migrate --postcopy={word}", f"xl migrate -C {word}",
                         f"xl migrate {word}={word}", f"xl migrate-wait {word}"):
                self.complete(line)
                self.assertFalse((self.where / "ran").exists(), line)

    def test_no_name_is_run(self):
        """Others than root may choose a guest's name."""
        names = ("web$(id>ran)", "web`id>ran`", "web;id>ran", "web$HOME",
                 "web*", "web two", "web'", 'web"', "web\\")
        self.guests(*names)
        (self.where / "web-file").touch()       # for a pattern to find
        (self.where / "migrate-status").write_text(
            "Name\n" + "".join(f"{name.replace(' ', '-')} x\n"
                               for name in names))
        for line in ("xl console web", "xl migrate --postcopy web",
                     "xl migrate-abort web", "xl migrate-recover web",
                     "xl migrate-status web", "xl migrate-wait web",
                     "xl migrate-all --only web", "xl migrate-set-rate web"):
            answers = self.complete(line)
            self.assertEqual(len(answers), len(names), (line, answers))
            for name, answer in zip(names, answers):
                self.assertTrue(answer.isprintable(), answer)
                if "migrate-" in line and "migrate-all" not in line:
                    name = name.replace(" ", "-")
                said = subprocess.run(["bash", "-c", f"printf %s {answer}"],
                                      cwd=self.where, capture_output=True,
                                      text=True, check=True).stdout
                self.assertEqual(said, name, line)
            self.assertFalse((self.where / "ran").exists(), line)


class OtherShells(Shell):
    """zsh and fish, by the same list."""

    def made(self, shell):
        path = self.where / f"xl.{shell}"
        with open(path, "w", encoding="utf-8") as file:
            subprocess.run([TOP / "scripts/make-completion",
                            TEMPLATE.with_name(f"xl.{shell}.in")],
                           stdout=file, check=True)
        return path

    def ask(self, *words):
        done = subprocess.run(
            words, cwd=self.where, capture_output=True, text=True, check=True,
            env=dict(os.environ, PATH=f"{self.where}:{os.environ['PATH']}",
                     HOME=str(self.where), TERM="dumb"))
        self.assertEqual(done.stderr, "")
        return done.stdout

    def fish(self, line):
        """What comes before the descriptions."""
        path = self.made("fish")
        said = self.ask("fish", "-c", f'source {path}; complete -C "$argv"', line)
        return [each.split("\t")[0] for each in said.splitlines()]

    @unittest.skipUnless(shutil.which("zsh"), "no zsh here")
    def test_zsh_reads_it(self):
        path = self.made("zsh")
        self.ask("zsh", "-f", "-n", str(path))
        text = path.read_text(encoding="utf-8")
        commands, options = xl_options.read()
        for command in commands:
            self.assertIn(f"    {command.name}) ", text)
            for option in xl_options.options_of(command, options):
                for spelling in xl_options.spellings(option):
                    self.assertRegex(text, f"'{spelling}[=+[-]")

    @unittest.skipUnless(shutil.which("zsh"), "no zsh here")
    def test_zsh_understands_each_specification(self):
        """The arguments of _arguments: a stand-in for it notes them."""
        path = self.made("zsh")
        said = self.ask("zsh", "-f", "-c", """
            _arguments() { if [[ $1 == -C ]]; then state=rest; line=(migrate)
                           else print -l -- "$@"; fi }
            _xl_postcopy_command() { : }
            source $0""", str(path))
        self.assertIn("--push-order=[", said)
        self.assertIn(":ORDER:(recent ascending)", said)
        self.assertIn("2:host:_hosts", said)
        self.assertIn("*:host:_hosts", path.read_text(encoding="utf-8"))

    @unittest.skipUnless(shutil.which("zsh"), "no zsh here")
    def test_zsh_offers_names_as_they_are(self):
        names = ["web", "web$(id>ran)", "web`id>ran`", "my web", "web*"]
        self.guests(*names)
        (self.where / "migrate-status").write_text("Name\nmail$(id>ran) x\n    more\n")
        path = self.made("zsh")
        for function, offered in (("domains", names), ("migrating", ["mail$(id>ran)"])):
            said = self.ask("zsh", "-f", "-c", f"""
                _arguments() {{ : }}
                compadd() {{ print -rl -- "${{(@P)@[-1]}}" }}
                source $0; _xl_postcopy_{function}""", str(path))
            self.assertEqual(said.splitlines(), offered)
        self.assertFalse((self.where / "ran").exists())

    @unittest.skipUnless(shutil.which("fish"), "no fish here")
    def test_fish_offers_commands_options_and_guests(self):
        self.guests("web", "web$(id>ran)", "my web")
        (self.where / "migrate-status").write_text("Name\nmail x\n")
        self.assertIn("migrate-recover", self.fish("xl migrate-re"))
        self.assertIn("create", self.fish("xl cr"))
        self.assertEqual(self.fish("xl migrate --push-o"), ["--push-order"])
        self.assertEqual(self.fish("xl migrate --push-order rec"), ["recent"])
        self.assertIn("mail", self.fish("xl migrate-abort m"))
        for line in self.fish("xl console "):
            self.assertNotRegex(line, "^(Name|Domain-0)")
        guests = self.fish("xl console web")
        self.assertIn("web", guests)
        self.assertEqual(len(guests), 2, guests)
        self.assertFalse((self.where / "ran").exists())


if __name__ == "__main__":
    unittest.main()
