# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a client saw of a guest that moved: its requests, made into a curve and a few
numbers.  Nothing here knows of hosts or files.

A request is (when its answer came, how long it took), in seconds; all are of one
client that sends the next one when it has an answer, and the time is that of the
client, which does not move.  Zero is the start of the migration.
"""

BIN = 0.25          # s of a curve's point
SETTLED = 10        # s at the end of a run, by which a guest is as it will be
SLOW = 0.5          # of the usual rate


def percentile(values, share):
    """The least value that `share` of all values do not exceed; None: no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def within(requests, first, last):
    return [request for request in requests if first <= request[0] < last]


def bins(requests, first, last, width=BIN):
    """[(start of the bin, its requests)]"""
    count = max(1, round((last - first) / width))
    found = [(first + number * width, []) for number in range(count)]
    for request in within(requests, first, last):
        number = int((request[0] - first) / width)
        if number < count:
            found[number][1].append(request)
    return found


def rate(requests, first, last):
    return len(within(requests, first, last)) / (last - first) if last > first else 0


def milliseconds(requests, share):
    found = percentile([took for _, took in requests], share)
    return None if found is None else 1000 * found


def curve(requests, first, last, width=BIN):
    """[[middle of the bin, answers a second, median, 99th percentile and longest in
    ms]]; where there was no answer these three are None."""
    return [[start + width / 2, len(here) / width, milliseconds(here, 0.5),
             milliseconds(here, 0.99), milliseconds(here, 1)]
            for start, here in bins(requests, first, last, width)]


def longest_gap(requests, first, last):
    """(its start, its end): the longest time between two answers that has a part
    between first and last."""
    ends = sorted(ended for ended, _ in requests)
    gaps = [(one, two) for one, two in zip(ends, ends[1:])
            if two > first and one < last]
    return max(gaps, key=lambda gap: gap[1] - gap[0], default=(first, last))


def usual_rates(requests, end, moved):
    """(at the source, at the destination): undisturbed, before the start and at the
    end of the run, each where the guest was then."""
    first = min(ended for ended, _ in requests)
    here = rate(requests, first, 0)
    return here, rate(requests, max(end - SETTLED, moved), end)


def slow_time(requests, end, moved, usual, width=BIN):
    """For how long, from 0 to the end, the rate of answers was below SLOW of the usual
    one."""
    return width * sum(
        len(found) / width < SLOW * usual[0 if start < moved else 1]
        for start, found in bins(requests, 0, end, width))


def lost_time(requests, end, moved, usual):
    """The answers missing from 0 to the end, as seconds of the usual rate: below
    zero where there were more than usual."""
    lost = 0
    for (first, last), rate_there in zip(((0, moved), (moved, end)), usual):
        if rate_there:
            lost += last - first - len(within(requests, first, last)) / rate_there
    return lost


def figures(requests, total, end, moved):
    """The numbers of a run: the migration took from 0 to total, and the client was
    watched until end; from `moved` on the guest was the destination's.

    lost_s   work that the client did not get done, as seconds of the usual rate
    slow_s   for how long it got less than half of that rate
    """
    first = min(ended for ended, _ in requests)
    spans = {"before": (first, 0), "during": (0, total), "after": (total, end)}
    parts = {name: within(requests, *span) for name, span in spans.items()}
    usual = usual_rates(requests, end, moved)
    gap = longest_gap(requests, 0, end)
    return {
        "requests": len(requests),
        "rate": {name: rate(requests, *span) for name, span in spans.items()},
        "settled_rate": usual[1],
        "median_ms": {name: milliseconds(part, 0.5)
                      for name, part in parts.items()},
        "p99_ms": {name: milliseconds(part, 0.99)
                   for name, part in parts.items()},
        "gap_s": gap[1] - gap[0],
        "lost_s": lost_time(requests, end, moved, usual),
        "slow_s": slow_time(requests, end, moved, usual),
        "curve": curve(requests, max(first, -10), end),
    }


def gaps_as_requests(times):
    """A guest that says by itself that it lives: each sign of life answers the one
    before."""
    return [(two, two - one) for one, two in zip(times, times[1:])]
