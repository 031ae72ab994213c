-- What contributors owe and by when, the calendar that decides it, and the functions that run on a schedule.

-- Functions that run at an interval, each in one process at a time. Rows appear when a worker starts; times are
-- the database's clock, as those of lanes are.
CREATE TABLE schedules (
    name             text        NOT NULL PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{1,62}$'),
    every_seconds    int         NOT NULL CHECK (every_seconds > 0),
    due_at           timestamptz NOT NULL,
    lease_token      uuid,
    lease_expires_at timestamptz,
    last_started_at  timestamptz,
    -- The end of the last run, whatever came of it.
    last_run_at      timestamptz,
    -- How many things the last good run changed.
    last_changed     bigint,
    last_error       text        CHECK (char_length(last_error) <= 2000),
    CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))
);

-- What operators know better than the built-in calendar (src/domain/calendar): a day that became a holiday in a
-- state, or a holiday that is worked after all.
CREATE TABLE holidays (
    day      date        NOT NULL,
    state    text        NOT NULL CHECK (state ~ '^[A-Z]{3}$'),
    kind     text        NOT NULL CHECK (kind IN ('HOLIDAY', 'WORKING_DAY')),
    name     text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    added_at timestamptz NOT NULL,
    added_by uuid        NOT NULL REFERENCES clients,
    PRIMARY KEY (day, state)
);

-- The state whose working days a contributor's due dates are counted in.
ALTER TABLE contributors ADD COLUMN calendar_state text NOT NULL DEFAULT 'KUL' CHECK (calendar_state ~ '^[A-Z]{3}$');

-- How often a contributor reports a dataset, where that differs from the default (account_snapshot monthly from
-- the month in which it joined, nothing else).
CREATE TABLE reporting_cadences (
    contributor_id uuid NOT NULL REFERENCES contributors,
    dataset        text NOT NULL CHECK (dataset IN ('account_snapshot', 'repayment_event', 'application')),
    cadence        text NOT NULL CHECK (cadence IN ('NONE', 'MONTHLY')),
    -- Any day of the first period that is owed.
    starts_on      date NOT NULL,
    PRIMARY KEY (contributor_id, dataset)
);

-- A dataset that a contributor owes for a period. Where it stands follows from this row and from the batches of
-- the period (src/domain/obligations.rs) and is not kept.
CREATE TABLE obligations (
    obligation_id  uuid        NOT NULL PRIMARY KEY,
    contributor_id uuid        NOT NULL REFERENCES contributors,
    dataset        text        NOT NULL CHECK (dataset IN ('account_snapshot', 'repayment_event', 'application')),
    period_end     date        NOT NULL,
    -- The last day on which it is in time. Moves later when a holiday comes up, never earlier.
    due_on         date        NOT NULL CHECK (due_on > period_end),
    calendar_state text        NOT NULL,
    opened_at      timestamptz NOT NULL,
    -- When the schedule found it late; once and for good.
    found_late_at  timestamptz,
    waived_at      timestamptz,
    waived_by      uuid REFERENCES clients,
    waiver_reason  text        CHECK (char_length(waiver_reason) BETWEEN 10 AND 2000),
    CONSTRAINT obligations_period_key UNIQUE (contributor_id, dataset, period_end),
    CONSTRAINT obligations_waived CHECK (
        (waived_at IS NULL) = (waived_by IS NULL) AND (waived_at IS NULL) = (waiver_reason IS NULL))
);
CREATE INDEX obligations_by_period ON obligations (period_end DESC, obligation_id);
CREATE INDEX obligations_open ON obligations (due_on) WHERE found_late_at IS NULL AND waived_at IS NULL;

-- What the scorecard needs of a judged batch beyond its counts (src/domain/scorecard).
ALTER TABLE batches ADD COLUMN quality jsonb;

ALTER TABLE schedules ENABLE ROW LEVEL SECURITY;
ALTER TABLE schedules FORCE ROW LEVEL SECURITY;
CREATE POLICY schedules_system ON schedules USING (etr_is_system());

ALTER TABLE holidays ENABLE ROW LEVEL SECURITY;
ALTER TABLE holidays FORCE ROW LEVEL SECURITY;
CREATE POLICY holidays_system ON holidays USING (etr_is_system());

ALTER TABLE reporting_cadences ENABLE ROW LEVEL SECURITY;
ALTER TABLE reporting_cadences FORCE ROW LEVEL SECURITY;
CREATE POLICY reporting_cadences_system ON reporting_cadences USING (etr_is_system());

ALTER TABLE obligations ENABLE ROW LEVEL SECURITY;
ALTER TABLE obligations FORCE ROW LEVEL SECURITY;
CREATE POLICY obligations_system ON obligations USING (etr_is_system());
CREATE POLICY obligations_own ON obligations FOR SELECT USING (contributor_id = etr_contributor());
