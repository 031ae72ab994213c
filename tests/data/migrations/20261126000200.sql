INSERT INTO lineage_edges (contributor_id, batch_id, from_kind, from_ref, to_kind, to_ref, at)
VALUES (NULL, NULL, 'case', 'CASE-2026-000017', 'erasure_tombstones', 'CASE-2026-000017', now());
INSERT INTO lineage_outbox (run_id, event) VALUES (gen_random_uuid(), '{}');
INSERT INTO record_ranges (batch_id, record_no, wanted_at, located_at, byte_from, byte_to)
SELECT batch_id, 1, now(), now(), 0, 512 FROM batches LIMIT 1;
