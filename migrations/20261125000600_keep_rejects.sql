-- Rejected records as rows, so that a contributor can ask for them by rule, field, account or batch, and so that a
-- record that was fixed is known as such. What is shown of a record is what its line in the reject file shows: masked.

CREATE TABLE rejected_records (
    batch_id uuid NOT NULL,
    record_no bigint NOT NULL CHECK (record_no > 0),
    contributor_id uuid NOT NULL,
    -- The batch that brought the same lines again, to be judged by newer rules, and their places in it.
    replay_batch_id uuid,
    replay_record_no bigint,
    -- The batch that brought the record as it should be.
    resolved_by uuid,
    resolved_at timestamptz,
    rejected_at timestamptz NOT NULL,
    period_end date NOT NULL,
    dataset text NOT NULL,
    -- Absent when the reference itself broke its rule: then it may be anything.
    account_ref text CHECK (length(account_ref) BETWEEN 1 AND 64),
    codes text[] NOT NULL,
    fields text[] NOT NULL,
    findings jsonb NOT NULL,
    PRIMARY KEY (batch_id, record_no),
    CONSTRAINT rejected_records_resolved_once CHECK ((resolved_by IS NULL) = (resolved_at IS NULL)),
    CONSTRAINT rejected_records_replayed_whole CHECK ((replay_batch_id IS NULL) = (replay_record_no IS NULL))
);
CREATE INDEX rejected_records_by_contributor ON rejected_records (contributor_id, batch_id DESC, record_no);
CREATE INDEX rejected_records_by_account ON rejected_records (contributor_id, account_ref, batch_id DESC, record_no)
    WHERE account_ref IS NOT NULL;
CREATE INDEX rejected_records_replayed ON rejected_records (replay_batch_id, replay_record_no)
    WHERE replay_batch_id IS NOT NULL;

-- Which records broke a rule, once per record. Row-level security keeps operators on arrays out of index scans (they are
-- not leakproof), so that an index over codes[] would never be used; equality of texts may be.
CREATE TABLE rejected_codes (
    contributor_id uuid NOT NULL,
    code text NOT NULL,
    batch_id uuid NOT NULL,
    record_no bigint NOT NULL
);
CREATE UNIQUE INDEX rejected_codes_key ON rejected_codes (contributor_id, code, batch_id DESC, record_no);

-- The batch whose rejected records a correction brings again; the envelope is where it is declared.
ALTER TABLE batches ADD COLUMN fixes uuid GENERATED ALWAYS AS ((envelope ->> 'fixes')::uuid) STORED;
CREATE INDEX batches_by_fixes ON batches (fixes) WHERE fixes IS NOT NULL;

ALTER TABLE rejected_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE rejected_records FORCE ROW LEVEL SECURITY;
CREATE POLICY rejected_records_own ON rejected_records USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE rejected_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE rejected_codes FORCE ROW LEVEL SECURITY;
CREATE POLICY rejected_codes_own ON rejected_codes USING (etr_is_system() OR contributor_id = etr_contributor());
