# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts whose hypervisor has no memory paging, as Debian has it from 12 on:
nothing happens to the guest, and all that needs no paging works. They run in
`make check-lab-versions`."""

import os
import re

from test_3_errors_before_the_go import RUNS_ON
from test_5_peers import (IMAGE, TOOL_LIMIT, assert_restored, save_with_ours,
                          save_with_stock, tool)
from world import Skip
from xenlab.boots import PACKAGED

PAGED_UP_TO = (4, 15)


def need_no_paging(world):
    """A newer hypervisor has it, unless it is the packaged one."""
    version = world.lab.run("b", "xl info xen_version").stdout.strip()
    found = tuple(map(int, re.match(r"(\d+)\.(\d+)", version).groups()))
    if (found <= PAGED_UP_TO
            or os.environ.get("XEN_LAB_HYPERVISOR") != PACKAGED):
        raise Skip(f"the hosts' hypervisor, {version}, may have memory paging")


def test_hypervisor_without_paging_is_refused(world):
    need_no_paging(world)
    guest = world.pattern(memory=32).start("a")
    for options in ("", "--precopy-iterations 2", "--debug"):
        migration = world.migrate(guest, options)
        migration.expect_failure("built without memory paging",
                                 "CONFIG_MEM_PAGING", "leave out --postcopy",
                                 "make hypervisor",
                                 RUNS_ON)
        assert "suspend" not in migration.output.lower(), migration.output
        guest.assert_runs()
        guest.assert_ran_once("a")
        world.assert_only_at(guest, "a")
    # Do what the message says: without --postcopy the same command moves the guest.
    world.move(guest, postcopy=False)
    guest.assert_runs()
    world.assert_only_at(guest, "b")


def test_images_go_both_ways_without_paging(world):
    need_no_paging(world)
    for save in (save_with_ours, save_with_stock):
        guest = save(world)
        since = world.lab.console.now()
        tool(world, "restore", IMAGE)
        assert_restored(world, guest, since)
        world.lab.run("b", ["xl", "destroy", guest.name], timeout=TOOL_LIMIT)
