-- What the bureau found when it held its stores against each other, one contributor at a time. Keys of batches, records and
-- accounts stand here, never a person's identifier.

CREATE TABLE reconciliations (
    reconciliation_id  uuid        PRIMARY KEY,
    contributor_id     uuid        NOT NULL REFERENCES contributors,
    -- `schedule`, or who asked on the command line.
    asked_by           text        NOT NULL CHECK (length(asked_by) BETWEEN 1 AND 200),
    started_at         timestamptz NOT NULL,
    finished_at        timestamptz NOT NULL CHECK (finished_at >= started_at),
    -- Batches received before were left out.
    since              timestamptz,
    -- Every object was read, not a sample.
    whole              boolean     NOT NULL,
    -- The last account that was compared when the time was over; the next run goes on behind it.
    left_off           text,
    -- For each check: how many things were compared, and how many of them differ.
    checks             jsonb       NOT NULL,
    differences        bigint      NOT NULL CHECK (differences >= 0),
    -- The first differences of each check, by key.
    examples           jsonb       NOT NULL
);
CREATE INDEX reconciliations_by_contributor ON reconciliations (contributor_id, reconciliation_id DESC);
CREATE INDEX reconciliations_finished ON reconciliations (finished_at);

ALTER TABLE reconciliations ENABLE ROW LEVEL SECURITY;
ALTER TABLE reconciliations FORCE ROW LEVEL SECURITY;
CREATE POLICY reconciliations_system ON reconciliations USING (etr_is_system());
