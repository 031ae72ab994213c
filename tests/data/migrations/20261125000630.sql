-- Synthetic rows.
INSERT INTO delistings (contributor_id, account_ref, delisted_on, delisted_at, settled_on, breached, client_id)
VALUES ('00000000-0000-4000-8000-0000000000c1', 'SAMPLE-1', '2026-02-02', '2026-02-02', '2026-02-01', false,
        '00000000-0000-4000-8000-0000000000d1');
