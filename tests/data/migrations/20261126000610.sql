-- Synthetic rows.
INSERT INTO redisclosures (redisclosure_id, contributor_id, subject_id, correction_id, changed_at, known_from, as_of_from, change,
    account_ref)
VALUES ('00000000-0000-7000-8000-0000000000e7', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000f1',
    '00000000-0000-7000-8000-0000000000e2', '2026-02-03', '2026-01-05', '2026-01-01', 'REMOVED', 'SAMPLE-1');
INSERT INTO notices (notice_id, redisclosure_id, client_id, created_at, first_answered_at, last_answered_at, answers, query_ids)
VALUES ('00000000-0000-7000-8000-0000000000e8', '00000000-0000-7000-8000-0000000000e7', '00000000-0000-4000-8000-0000000000d1',
    '2026-02-03', '2026-01-06', '2026-01-06', 1, ARRAY['00000000-0000-7000-8000-0000000000e9']::uuid[]);
