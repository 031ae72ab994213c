-- Synthetic rows, one at least for each table of the migration.
INSERT INTO rule_overrides (override_id, contributor_id, code, effect, reason, starts_on, expires_on, requested_by,
                            requested_at, approved_by, approved_at)
VALUES ('00000000-0000-4000-8000-000000000501', '00000000-0000-4000-8000-0000000000c1', 'X007', 'warn',
        'a sample of an override', '2026-01-01', '2026-12-31', 'client:one', '2026-01-01', 'client:two', '2026-01-02');
INSERT INTO contributor_constants (constant_id, contributor_id, dataset, field, value, reason, requested_by,
                                   requested_at, approved_by, approved_at, revoked_by, revoked_at)
VALUES ('00000000-0000-4000-8000-000000000502', '00000000-0000-4000-8000-0000000000c1', 'account_snapshot', 'overdue', '0',
        'a sample of a constant', 'client:one', '2026-01-01', 'client:two', '2026-01-02', 'client:one', '2026-02-01');
