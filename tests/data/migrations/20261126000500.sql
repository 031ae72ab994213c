-- Synthetic rows.
INSERT INTO archive_queries (archive_query_id, client_id, idempotency_key, content_sha256, purpose, client_reference, as_of,
    known_at, format, subjects, attribute_set_version, state, requested_at, run_at)
VALUES ('00000000-0000-7000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000d1', 'backtest-sample',
    decode(repeat('ab', 32), 'hex'), 'CREDIT_APPLICATION', 'backtest', '2026-01-31', '2026-02-01', 'CSV', 1, 'sample',
    'queued', '2026-02-02', '2026-02-02');
INSERT INTO archive_query_subjects (archive_query_id, subject_no, query_id)
VALUES ('00000000-0000-7000-8000-0000000000a1', 1, '00000000-0000-7000-8000-0000000000f2');
