-- Synthetic rows.
INSERT INTO clients (client_id, name, scopes, auth_methods, created_at)
VALUES ('00000000-0000-4000-8000-0000000000d9', 'sample-approver', '{admin}', '{client_secret_basic}', '2026-01-01');
INSERT INTO corrections (correction_id, contributor_id, requested_by, decided_by, publication_no, records, requested_at,
    decided_at, applied_at, as_of_from, as_of_to, adverse, kind, state, reason, account_ref, changes)
VALUES ('00000000-0000-7000-8000-0000000000e2', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000d1',
    '00000000-0000-4000-8000-0000000000d9', 1, 1, '2026-02-02', '2026-02-03', '2026-02-03', '2026-01-01', '2026-01-31', false,
    'DELETE_ERROR', 'applied', 'DUPLICATE', 'SAMPLE-1', '{}');
INSERT INTO deletion_tombstones (contributor_id, case_id, deleted_at, as_of_from, as_of_to, kind, account_ref)
VALUES ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000e2', '2026-02-03', '2026-01-01', '2026-01-31',
    'DELETE_ERROR', 'SAMPLE-1');
