-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What the ledger (tools/tests/system/ledger.sql) writes to, beside pgbench's own
-- tables: for each client how many transactions it has done, and a row for each.
CREATE TABLE counters (client int PRIMARY KEY, n int NOT NULL);
INSERT INTO counters SELECT client, 0 FROM generate_series(0, 15) AS client;
CREATE TABLE ledger (client int, n int, amount int NOT NULL, PRIMARY KEY (client, n));
