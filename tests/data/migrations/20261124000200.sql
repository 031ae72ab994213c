-- Synthetic rows. The contributors of the migration before had no lanes yet; new ones get theirs by trigger.
INSERT INTO lanes (contributor_id) SELECT contributor_id FROM contributors ON CONFLICT DO NOTHING;
INSERT INTO batches (batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state, idempotency_key,
                     content_type, content_encoding, stored_encoding, object_key, receiving_until, created_at)
VALUES ('00000000-0000-7000-8000-0000000000b1', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000d1',
        'account_snapshot', 'DELTA', '2026-01-31', '{}', 'receiving', 'sample-1', 'text/csv', 'gzip', 'identity',
        'bronze/sample-1', '2026-02-01', '2026-02-01');
INSERT INTO batches (batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state, idempotency_key,
                     content_type, content_encoding, stored_encoding, object_key, receiving_until, created_at,
                     sha256, received_bytes, stored_bytes, receipt, received_at, settled_at, published_at,
                     received_records, accepted_records, rejected_records, duplicate_records, unprocessed_records, warned_records)
VALUES ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000d1',
        'account_snapshot', 'FULL', '2026-01-31', '{}', 'published', 'sample-2', 'application/x-ndjson', 'identity', 'zstd',
        'bronze/sample-2', '2026-02-01', '2026-02-01', decode(repeat('ab', 32), 'hex'), 100, 50, 'a.b.c', '2026-02-01',
        '2026-02-01', '2026-02-01', 3, 1, 1, 1, 0, 1);
INSERT INTO batch_transitions (batch_id, contributor_id, from_state, to_state, at, actor)
VALUES ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-4000-8000-0000000000c1', 'accepted', 'published', '2026-02-01', 'worker');
INSERT INTO batch_findings (batch_id, contributor_id, code, severity, records, samples)
VALUES ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-4000-8000-0000000000c1', 'X007', 'R', 1, '[]');
INSERT INTO lineage_edges (contributor_id, batch_id, from_kind, from_ref, to_kind, to_ref, at)
VALUES ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000b2', 'client', 'sample', 'bronze_object', 'bronze/sample-2', '2026-02-01');
INSERT INTO jobs (job_id, kind, contributor_id, batch_id, state, run_at, created_at)
VALUES ('00000000-0000-4000-8000-0000000000a1', 'refine_batch', '00000000-0000-4000-8000-0000000000c1',
        '00000000-0000-7000-8000-0000000000b2', 'queued', '2026-02-01', '2026-02-01');
