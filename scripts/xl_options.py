# SPDX-License-Identifier: LGPL-2.1-or-later
"""This package's commands and their options, from tools/xl/options.def."""
import collections
import os
import re

LIST = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                    "tools/xl/options.def")

# arguments: such as "DOMAIN HOST"; guests: those that completion offers.
Command = collections.namedtuple("Command", "id name with_postcopy arguments "
                                            "guests about")
# name and letter: None where there is none. argument: its name, None: it has
# none; optional: with = and not after a blank. words: what it may begin with.
# help: None for an option that only the tests use.
Option = collections.namedtuple("Option", "commands name letter argument optional "
                                          "words help")


def spellings(option):
    """The option as on a command line, with its dashes."""
    letter = ["-" + option.letter] if option.letter else []
    return letter + (["--" + option.name] if option.name else [])


def split_fields(text):
    """At the commas that are in no parentheses and no string."""
    fields, depth = [""], 0
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|.', text, re.S):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and not depth:
            fields.append("")
        else:
            fields[-1] += token
    return [field.strip() for field in fields]


def string_of(field):
    """The literals of a field as one string; None: it has none."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', field)
    return re.sub(r"\\(.)", r"\1", "".join(found)) if found else None


def option_of(fields, ids):
    of, name, letter, takes, _, text = fields
    kind, _, rest = takes.partition("(")
    inner = split_fields(rest.removesuffix(")"))
    has_argument = kind not in ("FLAG", "SETS", "ACCEPTED")
    words = {"WORD": inner[-1], "WHEN": inner[-1]}.get(kind, '""')
    return Option(
        ids if of == "EACH_COMMAND" else [part.strip() for part in of.split("|")],
        string_of(name), letter.strip("'") if letter != "0" else None,
        string_of(inner[0]) if has_argument else None,
        kind in ("WHEN", "TEXT_OR_NOTHING"), string_of(words).split(),
        string_of(text))


def read():
    """The commands and the options, in the list's order."""
    with open(LIST, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    rows = [(kind, split_fields(row)) for kind, row in re.findall(
        r"^(COMMAND|OPTION)\((.*?)\)\n(?=COMMAND|OPTION|\n)", text, re.S | re.M)]
    commands = [Command(fields[0], string_of(fields[1]),
                        fields[2] == "WITH_POSTCOPY", string_of(fields[6]),
                        fields[7], string_of(fields[8]))
                for kind, fields in rows if kind == "COMMAND"]
    ids = [command.id for command in commands]
    return commands, [option_of(fields, ids) for kind, fields in rows
                      if kind == "OPTION"]


def options_of(command, options):
    """The options that the help shows."""
    return [option for option in options
            if command.id in option.commands and option.help]
