-- Synthetic rows.
INSERT INTO corrections (correction_id, contributor_id, requested_by, records, requested_at, as_of_from, as_of_to, adverse, kind,
    state, reason, account_ref, evidence_ref, changes)
VALUES ('00000000-0000-7000-8000-0000000000e6', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000d1', 1,
    '2026-02-04', '2026-01-01', '2026-01-31', true, 'REKEY', 'requested', 'WRONG_SUBJECT', 'SAMPLE-1', 'sample',
    '{"holder_role": "PRIMARY"}');
INSERT INTO rekeys (correction_id, contributor_id, from_subject, to_subject, as_of_from, as_of_to, holder_role, id_type,
    subject_type, account_ref, token, sealed_number, sealed_name)
VALUES ('00000000-0000-7000-8000-0000000000e6', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000f1',
    '00000000-0000-4000-8000-0000000000f2', '2026-01-01', '2026-01-31', 0, 0, 0, 'SAMPLE-1', decode(repeat('03', 17), 'hex'),
    decode('01', 'hex'), decode('01', 'hex'));
