-- Synthetic rows, one at least for each table of the migration.
INSERT INTO erasure_tombstones (token, case_id, erased_at)
VALUES ('\x0100000000000000000000000000000550', 'CASE-2026-1', '2026-01-01');
