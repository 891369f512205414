# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jumps through memory with superpages and without: the figures (pure)."""

import statistics

JUMPS = r"jumps (\d+) t=(\d+)$"
BIG = "2 MiB, as started"
SMALL = "4 KiB, after a move"
JOINED = "2 MiB, after a move with --superpages"


def rate(matches):
    """Jumps a second of the guest's time, from the first to the last line; each
    match has the number of jumps, and the microseconds. 0: too few lines."""
    found = [(int(match[1]), int(match[2])) for match in matches if match]
    if len(found) < 2 or found[-1][1] <= found[0][1]:
        return 0
    (first, began), (last, ended) = found[0], found[-1]
    return (last - first) * 1e6 / (ended - began)


def ratios(turns):
    """The medians of the ratios within each turn; a turn that lacks a rate is left
    out."""
    whole = [turn for turn in turns if turn[BIG] and turn[SMALL] and turn[JOINED]]
    if not whole:
        return {}
    return {
        "jumps with 4 KiB to those with 2 MiB":
            statistics.median(turn[SMALL] / turn[BIG] for turn in whole),
        "jumps with --superpages to those with 2 MiB as started":
            statistics.median(turn[JOINED] / turn[BIG] for turn in whole),
    }
