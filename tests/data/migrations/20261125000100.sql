-- Synthetic rows. The journal was filled from the accounts that were there.
INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
VALUES ('00000000-0000-4000-8000-0000000000c1', 'SAMPLE-1', 'IN_REVIEW', '00000000-0000-4000-8000-0000000000f3', '2026-02-02');
