-- Synthetic rows; version 1 of each dataset is there already.
INSERT INTO contracts (dataset, version, state, definition, compatibility, compatibility_reason, created_by, created_at)
VALUES ('application', 2, 'draft', '{"fields": []}', 'none', 'a sample of a reason', 'client:one', '2026-01-01');
INSERT INTO contract_pins (contributor_id, dataset, version, pinned_by, pinned_at)
VALUES ('00000000-0000-4000-8000-0000000000c1', 'account_snapshot', 1, 'client:one', '2026-01-01');
