-- Synthetic rows.
INSERT INTO applications (subject_id, contributor_id, batch_id, record_no, publication_no, known_from, applied_at,
                          amount_requested_sen, holder_role, product_type, decision, warned, application_ref,
                          rules_version, contract)
VALUES ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000b2',
        5, 1, '2026-02-01', '2026-01-31', 50000, 0, 0, 0, false, 'APPLICATION-1', 'sample', 'application/1');
