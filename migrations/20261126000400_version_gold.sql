-- Gold versions: what was computed from the silver tables, for which day and instant, and from which snapshot of each.
CREATE TABLE gold_versions (
    gold_version  bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state         text        NOT NULL CHECK (state IN ('computing', 'landed', 'failed')),
    -- Nothing of later days, and nothing that was known later, is in it.
    as_of         date        NOT NULL,
    known_at      timestamptz NOT NULL,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    -- {"silver.account_snapshots": snapshot id, ...}: null for a table that nothing had landed in.
    sources       jsonb       NOT NULL,
    -- {"gold.subject_attributes": {"rows": ..., "snapshot_id": ...}, ...}
    tables        jsonb,
    -- Sums over all rows that every engine must find again.
    control_sums  jsonb,
    cause         text,
    CHECK ((state = 'computing') = (finished_at IS NULL)),
    CHECK (state <> 'landed' OR (tables IS NOT NULL AND control_sums IS NOT NULL)),
    CHECK (state <> 'failed' OR cause IS NOT NULL)
);
-- One refresh at a time.
CREATE UNIQUE INDEX gold_versions_computing ON gold_versions ((true)) WHERE state = 'computing';
CREATE INDEX gold_versions_landed ON gold_versions (as_of, gold_version DESC) WHERE state = 'landed';

ALTER TABLE gold_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE gold_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY gold_versions_system ON gold_versions USING (etr_is_system());
