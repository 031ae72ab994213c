-- Synthetic rows.
INSERT INTO repayment_events (contributor_id, batch_id, record_no, publication_no, known_from, amount_sen, value_date,
                              event_type, event_id, account_ref, content, rules_version, contract)
VALUES ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000b2', 3, 1, '2026-02-01', 2500,
        '2026-02-01', 1, 'EVENT-1', 'SAMPLE-1', decode(repeat('ab', 32), 'hex'), 'sample', 'repayment_event/1');
INSERT INTO parked_events (contributor_id, batch_id, record_no, parked_at, parked_until, amount_sen, value_date,
                           event_type, event_id, account_ref, content, contract)
VALUES ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000b2', 4, '2026-02-01', '2026-02-08', 2500,
        '2026-02-01', 1, 'EVENT-2', 'SAMPLE-9', decode(repeat('cd', 32), 'hex'), 'repayment_event/1');
