# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a database has to have after pgbench has run ledger.sql: the model.

pgbench's log has a line for each transaction that was acknowledged.  Each of these must
have left a row.  There must be no other row, but for one transaction of each client,
which was under way when the client's connection was lost.  Nothing here knows of hosts or
files.
"""

import collections

# One line each, fields separated by "|", as psql -At shows them.
ROWS = "SELECT client, n, amount FROM ledger ORDER BY client, n"
SUMS = ("SELECT (SELECT coalesce(sum(amount), 0) FROM ledger), "
        "(SELECT sum(abalance) FROM pgbench_accounts), "
        "(SELECT sum(tbalance) FROM pgbench_tellers), "
        "(SELECT sum(bbalance) FROM pgbench_branches), "
        "(SELECT sum(n) FROM counters) - (SELECT count(*) FROM ledger)")
MOST_TOLD = 10


def amount(client, number):
    """As ledger.sql computes it: what is left of a division has the sign of the
    dividend, which is positive here."""
    return (number * 7919 + client * 4057) % 10007 - 5003


def acknowledged(log):
    """[(client, seconds since 1970 when it ended, seconds it took)] of pgbench's
    log: client, number, microseconds, script, seconds, microseconds."""
    found = []
    for line in log.splitlines():
        words = line.split()
        found.append((int(words[0]), int(words[4]) + int(words[5]) / 1e6,
                      int(words[2]) / 1e6))
    return found


def numbers(rows, wrong):
    """{client: its numbers}; rows with a wrong amount go to the list `wrong`."""
    found = collections.defaultdict(list)
    for line in rows.splitlines():
        client, number, value = map(int, line.split("|"))
        if value != amount(client, number):
            wrong.append(f"row {client}|{number} has {value} and not "
                         f"{amount(client, number)}")
        found[client].append(number)
    return found


def check(counts, rows, sums, open_ones=0):
    """What is wrong, as a list of lines.  counts: {client: transactions that were
    acknowledged}; rows and sums: what ROWS and SUMS gave; open_ones: how many
    further transactions a client may have, of which it never learned the end."""
    wrong = []
    stored = numbers(rows, wrong)
    for client in sorted(set(counts) | set(stored)):
        here, told = stored[client], counts.get(client, 0)
        missing = sorted(set(range(1, told + 1)) - set(here))
        if missing:
            wrong.append(f"client {client}: {len(missing)} of {told} acknowledged "
                         f"transactions are lost, the first is {missing[0]}")
        beyond = [number for number in here if number > told + open_ones]
        if beyond:
            wrong.append(f"client {client}: row {beyond[0]} and only {told} "
                         "transactions")
    balances = sums.strip().split("|")
    if len(set(balances[:4])) != 1:
        wrong.append("the sums differ: ledger {}, accounts {}, tellers {}, "
                     "branches {}".format(*balances))
    if balances[4:] != ["0"]:
        wrong.append(f"the counters have {balances[4]} more than the ledger has rows")
    if len(wrong) > MOST_TOLD:
        wrong[MOST_TOLD:] = [f"and {len(wrong) - MOST_TOLD} more"]
    return wrong
