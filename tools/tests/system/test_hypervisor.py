# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests what the engine expects of the hypervisor, with direct calls."""

PAGES = 1024


def test_paging_works_as_expected(world):
    guest = world.pattern(memory=32).start("a", "-p")
    probe = world.lab.run(
        "a", [world.tool("pager-probe", "a"), str(world.domid("a", guest.name)), str(PAGES)],
        check=False)
    assert probe.returncode == 0 and "FAILED" not in probe.stdout, \
        probe.stdout + probe.stderr
    assert probe.stdout.endswith("all good\n"), probe.stdout
