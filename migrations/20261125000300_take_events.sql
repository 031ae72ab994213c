-- Repayment events: what happened to accounts between their snapshots.

-- The journal of accepted events. An event counts unless it is withdrawn, which happens with its batch (recall,
-- replacement); nothing else of a row ever changes. Columns stand by alignment; no foreign keys, as in accounts.
CREATE TABLE repayment_events (
    contributor_id       uuid NOT NULL,
    batch_id             uuid NOT NULL,
    record_no            bigint NOT NULL,
    publication_no       bigint NOT NULL,
    known_from           timestamptz NOT NULL,
    withdrawn_at         timestamptz,
    event_at             timestamptz,
    amount_sen           bigint CHECK (amount_sen > 0),
    -- The calendar day in Asia/Kuala_Lumpur that it counts for.
    value_date           date NOT NULL,
    instalment_due_date  date,
    new_due_date         date,
    instalment_no        integer,
    event_type           smallint NOT NULL,
    channel              smallint,
    event_id             text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 64),
    account_ref          text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    reverses_event_id    text,
    -- SHA-256 of the content: the same event again is a duplicate, another one under its name is E001.
    content              bytea NOT NULL CHECK (length(content) = 32),
    rules_version        text NOT NULL,
    contract             text NOT NULL,
    PRIMARY KEY (batch_id, record_no, publication_no)
);
CREATE UNIQUE INDEX repayment_events_event ON repayment_events (contributor_id, event_id) WHERE withdrawn_at IS NULL;
CREATE INDEX repayment_events_account ON repayment_events (contributor_id, account_ref, value_date)
    WHERE withdrawn_at IS NULL;
-- Whether an event was taken back.
CREATE INDEX repayment_events_reversal ON repayment_events (contributor_id, reverses_event_id)
    WHERE withdrawn_at IS NULL AND reverses_event_id IS NOT NULL;

CREATE TRIGGER repayment_events_are_kept BEFORE DELETE OR TRUNCATE ON repayment_events
    FOR EACH STATEMENT EXECUTE FUNCTION etr_refuse_change();

-- Good events whose account is not known (E002): until it appears, or their time is over. Counted as unprocessed.
CREATE TABLE parked_events (
    contributor_id       uuid NOT NULL,
    batch_id             uuid NOT NULL,
    record_no            bigint NOT NULL,
    parked_at            timestamptz NOT NULL,
    parked_until         timestamptz NOT NULL,
    -- With its batch: it neither waits nor counts any more.
    withdrawn_at         timestamptz,
    event_at             timestamptz,
    amount_sen           bigint CHECK (amount_sen > 0),
    value_date           date NOT NULL,
    instalment_due_date  date,
    new_due_date         date,
    instalment_no        integer,
    event_type           smallint NOT NULL,
    channel              smallint,
    event_id             text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 64),
    account_ref          text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    reverses_event_id    text,
    content              bytea NOT NULL CHECK (length(content) = 32),
    contract             text NOT NULL,
    PRIMARY KEY (batch_id, record_no)
);
CREATE UNIQUE INDEX parked_events_event ON parked_events (contributor_id, event_id) WHERE withdrawn_at IS NULL;
CREATE INDEX parked_events_account ON parked_events (contributor_id, account_ref) WHERE withdrawn_at IS NULL;
CREATE INDEX parked_events_until ON parked_events (parked_until) WHERE withdrawn_at IS NULL;

-- How the account stands after the events that are later than its current snapshot; all absent when there are none.
ALTER TABLE accounts
    ADD COLUMN event_outstanding_sen bigint,
    ADD COLUMN event_overdue_sen bigint,
    ADD COLUMN event_as_of date,
    ADD COLUMN event_next_due_date date,
    ADD COLUMN event_dpd smallint,
    ADD COLUMN event_status smallint,
    ADD COLUMN event_restructured boolean,
    -- How late instalments were paid, as events tell: newest due date first, entry n of both is the same instalment.
    ADD COLUMN instalment_due_dates date[],
    ADD COLUMN instalment_days_late smallint[],
    ADD CONSTRAINT accounts_events_whole CHECK (
        (event_as_of IS NULL) = (event_outstanding_sen IS NULL) AND (event_as_of IS NULL) = (event_overdue_sen IS NULL)
        AND (event_as_of IS NULL) = (event_dpd IS NULL) AND (event_as_of IS NULL) = (event_status IS NULL)
        AND (event_as_of IS NULL) = (event_restructured IS NULL)
        AND cardinality(instalment_due_dates) IS NOT DISTINCT FROM cardinality(instalment_days_late));

ALTER TABLE repayment_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE repayment_events FORCE ROW LEVEL SECURITY;
CREATE POLICY repayment_events_own ON repayment_events USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE parked_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE parked_events FORCE ROW LEVEL SECURITY;
CREATE POLICY parked_events_own ON parked_events USING (etr_is_system() OR contributor_id = etr_contributor());
