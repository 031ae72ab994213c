-- Synthetic rows, one at least for each table of the migration.
INSERT INTO schedules (name, every_seconds, due_at, last_started_at, last_run_at, last_changed)
VALUES ('sample_function', 60, '2026-03-01', '2026-03-01', '2026-03-01', 0);
INSERT INTO holidays (day, state, kind, name, added_at, added_by)
VALUES ('2026-03-20', 'KUL', 'HOLIDAY', 'Sample holiday', '2026-03-01', '00000000-0000-4000-8000-0000000000d1');
INSERT INTO reporting_cadences (contributor_id, dataset, cadence, starts_on)
VALUES ('00000000-0000-4000-8000-0000000000c1', 'repayment_event', 'MONTHLY', '2026-01-01');
INSERT INTO obligations (obligation_id, contributor_id, dataset, period_end, due_on, calendar_state, opened_at)
VALUES ('00000000-0000-4000-8000-000000000f01', '00000000-0000-4000-8000-0000000000c1', 'account_snapshot', '2026-01-31',
        '2026-02-09', 'KUL', '2026-01-01');
INSERT INTO obligations (obligation_id, contributor_id, dataset, period_end, due_on, calendar_state, opened_at,
                         found_late_at, waived_at, waived_by, waiver_reason)
VALUES ('00000000-0000-4000-8000-000000000f02', '00000000-0000-4000-8000-0000000000c1', 'account_snapshot', '2026-02-28',
        '2026-03-06', 'KUL', '2026-02-01', '2026-03-07', '2026-03-08', '00000000-0000-4000-8000-0000000000d1',
        'The core system was being replaced.');
UPDATE batches SET quality = '{"expected_fields": 10, "missing_fields": 2}' WHERE batch_id = '00000000-0000-7000-8000-0000000000b2';
