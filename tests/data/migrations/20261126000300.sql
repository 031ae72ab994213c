-- Synthetic rows.
INSERT INTO reconciliations (reconciliation_id, contributor_id, asked_by, started_at, finished_at, whole, checks, differences,
    examples)
VALUES ('00000000-0000-7000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000c1', 'schedule', '2026-02-04', '2026-02-04',
    false, '[{"check": "conservation", "compared": 1, "differences": 0}]', 0, '[]');
