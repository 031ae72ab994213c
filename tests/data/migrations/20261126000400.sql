INSERT INTO gold_versions (state, as_of, known_at, started_at, finished_at, sources, tables, control_sums)
VALUES ('landed', '2026-06-30', '2026-07-01T00:00:00Z', '2026-07-01T00:00:01Z', '2026-07-01T00:00:09Z',
    '{"silver.account_snapshots": 1}', '{"gold.subject_attributes": {"rows": 2, "snapshot_id": 3}}', '{"people": 2}');
