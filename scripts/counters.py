# SPDX-License-Identifier: LGPL-2.1-or-later
"""The counters of a migration, as libxl_live_migrate_counters.h has them."""
import collections
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIST = "tools/libs/light/libxl_live_migrate_counters.h"

# field: in its structure; name: of its node and its key; what: it counts.
Counter = collections.namedtuple("Counter", "field name what")


def read():
    """All counters, in the order in which they are shown."""
    with open(os.path.join(TOP, LIST), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    text = text.replace("\\\n", " ")
    rows = re.findall(r'X\((?:[A-Z]+, )?(\w+), "([^"]*)",\s+"([^"]*)"\)', text)
    if len(rows) != text.count(" X("):
        raise ValueError(LIST + ": not all of its rows were understood")
    return [Counter(*row) for row in rows]
