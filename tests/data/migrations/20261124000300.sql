-- Synthetic rows; the token and the sealed values are nobody's.
INSERT INTO subjects (subject_id, subject_type, primary_token, sealed_name)
VALUES ('00000000-0000-4000-8000-0000000000f1', 0, decode('01' || repeat('ab', 32), 'hex'), decode('01ab', 'hex'));
INSERT INTO subject_identifiers (subject_id, id_type, token, sealed_number)
VALUES ('00000000-0000-4000-8000-0000000000f1', 0, decode('01' || repeat('ab', 32), 'hex'), decode('01cd', 'hex'));
INSERT INTO accounts (subject_id, contributor_id, account_ref, batch_id, record_no, known_from, rules_version, currency,
                      holder_role, product_type, portfolio_type, status, status_date, as_of_date, opened_date,
                      outstanding_sen, overdue_sen, dpd,
                      month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen)
VALUES ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000c1', 'SAMPLE-1',
        '00000000-0000-7000-8000-0000000000b2', 1, '2026-02-01', 'sample', 'MYR', 0, 0, 0, 0, '2026-01-31', '2026-01-31',
        '2025-12-01', 5000, 2500, 10, '{2026-01-31,2025-12-31}', '{0,0}', '{10,0}', '{5000,7500}', '{2500,0}');
INSERT INTO footprints (query_id, subject_id, client_id, answered_at, consent_obtained_at, consent_expires_at, as_of,
                        account_count, subject_token, purpose, inquiry_type, hit_status, consent_reference,
                        client_reference, attribute_set_version)
VALUES ('00000000-0000-7000-8000-0000000000f2', '00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000d1',
        '2026-02-01', '2026-01-31', '2026-03-01', '2026-02-01', 1, decode('01' || repeat('ab', 32), 'hex'),
        'CREDIT_APPLICATION', 'STANDARD', 'HIT', 'consent-sample', 'checkout-sample', 'sample');
