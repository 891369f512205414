# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/tested.md: which test has passed on which release of Xen."""

import pathlib
import re

from xenlab import config

# The tables: for hosts of one release, and for hosts of two releases, a's and b's.
TITLES = {1: "test", 2: "test, from host a to b"}
NOT_RUN = ""


class Table:
    """A table of a Markdown page, found by its first heading: a test is a row, a
    release of Xen a column. It is the only place where the results are kept."""

    def __init__(self, page, title):
        self.page = pathlib.Path(page)
        self.title = title

    def _split(self):
        """The lines before, of and after the table."""
        lines = self.page.read_text().splitlines()
        first = next((number for number, line in enumerate(lines)
                      if line.startswith(f"| {self.title} |")), None)
        if first is None:
            raise ValueError(f"{self.page}: no table with the heading "
                             f"`{self.title}`")
        last = first
        while last < len(lines) and lines[last].startswith("|"):
            last += 1
        return lines[:first], lines[first:last], lines[last:]

    def read(self):
        """The columns' names, and the cells of each test by these."""
        _, lines, _ = self._split()
        head, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                       for line in [lines[0], *lines[2:]]]
        return head[1:], {row[0]: dict(zip(head[1:], row[1:])) for row in rows}

    def write(self, columns, rows):
        before, _, after = self._split()
        table = [[self.title, *columns], ["---"] * (1 + len(columns))]
        table += [[name, *(cells.get(column, NOT_RUN) for column in columns)]
                  for name, cells in rows.items()]
        text = before + [f"| {' | '.join(cells)} |" for cells in table] + after
        new = self.page.with_suffix(".new")
        new.write_text("\n".join(text) + "\n")
        new.rename(self.page)


class Record:
    """Puts each result in its place at once. `tests` are the names of all tests, in
    order: rows of other tests are removed. A table of two releases has a row only for a
    test
    that ran."""

    def __init__(self, page, suites, tests):
        versions = [config.XEN_OF[suite] for suite in suites]
        self.column = " to ".join(versions)
        self.table = Table(page, TITLES[len(versions)])
        self.all = len(versions) == 1
        self.tests = tests

    def passed(self, test):
        """True: the test passed when it was last run on that release."""
        _, rows = self.table.read()
        return rows.get(test, {}).get(self.column) == "passed"

    def add(self, test, result):
        columns, rows = self.table.read()
        if self.column not in columns:
            columns = sorted([*columns, self.column])
        rows.setdefault(test, {})[self.column] = result.replace("|", "\\|")
        self.table.write(columns, {name: rows.get(name, {}) for name in self.tests
                                   if self.all or name in rows})
