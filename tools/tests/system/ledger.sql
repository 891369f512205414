-- SPDX-License-Identifier: LGPL-2.1-or-later
-- A script for pgbench: its own transaction of transfers (TPC-B's), and beside that a
-- ledger, by which each client checks the answers.  ledger.py has the model.
--
-- A client counts its transactions in `n`, and the database does as well; the
-- amount follows from client and number, so that any earlier row can be compared
-- with what it must be.  A row that is missing ends the client (\gset needs one), and
-- so does a wrong value, by an error.
\set n :n + 1
\set amount (:n * 7919 + :client_id * 4057) % 10007 - 5003
\set old random(1, :n)
\set expected (:old * 7919 + :client_id * 4057) % 10007 - 5003
\set aid random(1, 100000)
\set tid random(1, 10)
BEGIN;
UPDATE counters SET n = n + 1 WHERE client = :client_id RETURNING n AS counted \gset
UPDATE pgbench_accounts SET abalance = abalance + :amount WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :amount WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :amount WHERE bid = 1;
INSERT INTO ledger VALUES (:client_id, :n, :amount);
SELECT amount AS found FROM ledger WHERE client = :client_id AND n = :old \gset
END;
\if :counted <> :n or :found <> :expected
DO $$BEGIN RAISE EXCEPTION 'wrong value'; END$$;
\endif
