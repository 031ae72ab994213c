-- Synthetic rows.
INSERT INTO identity_reviews (case_id, contributor_id, subject_id, batch_id, record_no, opened_at, account_ref, state, name_pair)
VALUES ('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000f1',
        '00000000-0000-7000-8000-0000000000b2', 1, '2026-02-01', 'SAMPLE-1', 'open', decode(repeat('01', 33), 'hex'));
