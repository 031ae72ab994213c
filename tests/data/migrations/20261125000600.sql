-- Synthetic rows.
INSERT INTO rejected_records (batch_id, record_no, contributor_id, rejected_at, period_end, dataset, account_ref, codes, fields, findings)
VALUES ('00000000-0000-7000-8000-0000000000b2', 2, '00000000-0000-4000-8000-0000000000c1', '2026-02-01', '2026-01-31',
        'account_snapshot', 'SAMPLE-2', '{X007}', '{overdue}', '[{"c": "X007", "s": "R", "p": "overdue", "v": "0"}]');
INSERT INTO rejected_codes (contributor_id, code, batch_id, record_no)
VALUES ('00000000-0000-4000-8000-0000000000c1', 'X007', '00000000-0000-7000-8000-0000000000b2', 2);
