-- Who was told what is corrected since: clients that asked about the person in the twelve months before get a notice.

-- A correction or a delisting that changed what is told of a person; entered in its transaction. The schedule finds the
-- recipients.
CREATE TABLE redisclosures (
    redisclosure_id uuid PRIMARY KEY,
    contributor_id uuid NOT NULL REFERENCES contributors,
    subject_id uuid NOT NULL,
    -- Null: a listing was taken back.
    correction_id uuid REFERENCES corrections,
    changed_at timestamptz NOT NULL,
    -- Since when anything of the account was known: none of its versions was told before.
    known_from timestamptz NOT NULL,
    -- When the schedule had met it, so that it was committed: what is read from then on tells the new state.
    seen_at timestamptz,
    -- When the notices were made.
    noticed_at timestamptz,
    -- The first day that the account speaks of: who asked as of an earlier one was not told of it.
    as_of_from date NOT NULL,
    change text NOT NULL CHECK (change IN ('CORRECTED', 'REMOVED', 'DELISTED')),
    account_ref text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    CONSTRAINT redisclosures_in_order CHECK (noticed_at IS NULL OR seen_at IS NOT NULL),
    CONSTRAINT redisclosures_cause CHECK ((correction_id IS NULL) = (change = 'DELISTED'))
);
CREATE INDEX redisclosures_waiting ON redisclosures (redisclosure_id) WHERE noticed_at IS NULL;
CREATE INDEX redisclosures_by_correction ON redisclosures (correction_id);
CREATE INDEX redisclosures_by_account ON redisclosures (account_ref);

-- One recipient's notice.
CREATE TABLE notices (
    notice_id uuid PRIMARY KEY,
    redisclosure_id uuid NOT NULL REFERENCES redisclosures,
    client_id uuid NOT NULL REFERENCES clients,
    created_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    first_answered_at timestamptz NOT NULL,
    last_answered_at timestamptz NOT NULL,
    -- Answers that may have told it.
    answers bigint NOT NULL CHECK (answers > 0),
    -- The newest of them.
    query_ids uuid[] NOT NULL CHECK (cardinality(query_ids) BETWEEN 1 AND 100),
    CONSTRAINT notices_once UNIQUE (redisclosure_id, client_id)
);
CREATE INDEX notices_by_client ON notices (client_id, notice_id DESC);

ALTER TABLE redisclosures ENABLE ROW LEVEL SECURITY;
ALTER TABLE redisclosures FORCE ROW LEVEL SECURITY;
CREATE POLICY redisclosures_system ON redisclosures USING (etr_is_system());

ALTER TABLE notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE notices FORCE ROW LEVEL SECURITY;
CREATE POLICY notices_system ON notices USING (etr_is_system());
