-- Synthetic rows.
INSERT INTO shadows (shadow_id, contributor_id, batch_id, state, requested_by, requested_at)
VALUES ('00000000-0000-7000-8000-0000000000f5', '00000000-0000-4000-8000-0000000000c1',
        '00000000-0000-7000-8000-0000000000b2', 'queued', '00000000-0000-4000-8000-0000000000d1', '2026-02-02');
