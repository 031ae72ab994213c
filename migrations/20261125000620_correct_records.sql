-- Corrections out of cycle: a contributor changes or deletes records that it published; what makes somebody look worse, and
-- every deletion, needs an operator's agreement.

CREATE TABLE corrections (
    correction_id uuid PRIMARY KEY,
    contributor_id uuid NOT NULL REFERENCES contributors,
    -- The contributor's client.
    requested_by uuid NOT NULL REFERENCES clients,
    -- The operator's client, where one had to agree.
    decided_by uuid REFERENCES clients,
    -- The publication that its versions carry in the journal.
    publication_no bigint,
    -- Records that it concerned when it was asked for.
    records bigint NOT NULL CHECK (records > 0),
    requested_at timestamptz NOT NULL,
    decided_at timestamptz,
    applied_at timestamptz,
    as_of_from date NOT NULL,
    as_of_to date NOT NULL,
    adverse boolean NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CHANGE', 'DELETE_ERROR', 'DELETE_FRAUD')),
    state text NOT NULL CHECK (state IN ('requested', 'applied', 'refused')),
    reason text NOT NULL CHECK (reason IN ('DATA_ERROR', 'PAYMENT_POSTED_LATE', 'WRONG_SUBJECT', 'DUPLICATE',
        'FRAUD_CONFIRMED', 'SYSTEM_MIGRATION', 'REOPENED', 'COURT_ORDER')),
    account_ref text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    evidence_ref text CHECK (length(evidence_ref) BETWEEN 1 AND 200),
    -- Fields of the contract with their new values; identities are not among them.
    changes jsonb NOT NULL,
    CONSTRAINT corrections_range CHECK (as_of_from <= as_of_to),
    CONSTRAINT corrections_four_eyes CHECK (decided_by <> requested_by),
    CONSTRAINT corrections_decided CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT corrections_applied CHECK ((state = 'applied') = (applied_at IS NOT NULL)
        AND (state = 'applied') = (publication_no IS NOT NULL)),
    CONSTRAINT corrections_agreed CHECK (NOT (state = 'applied' AND decided_by IS NULL) OR NOT (adverse OR kind <> 'CHANGE')),
    CONSTRAINT corrections_evidence CHECK (NOT adverse OR evidence_ref IS NOT NULL)
);
-- The same wish waits once.
CREATE UNIQUE INDEX corrections_open ON corrections (contributor_id, account_ref, as_of_from, as_of_to, kind)
    WHERE state = 'requested';
CREATE INDEX corrections_by_contributor ON corrections (contributor_id, correction_id DESC);
CREATE INDEX corrections_waiting ON corrections (state, correction_id DESC);

-- What was deleted stays out (P012), unless the batch names the case.
CREATE TABLE deletion_tombstones (
    contributor_id uuid NOT NULL,
    case_id uuid NOT NULL REFERENCES corrections,
    deleted_at timestamptz NOT NULL,
    as_of_from date NOT NULL,
    as_of_to date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DELETE_ERROR', 'DELETE_FRAUD')),
    account_ref text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    PRIMARY KEY (contributor_id, account_ref, case_id)
);

ALTER TABLE corrections ENABLE ROW LEVEL SECURITY;
ALTER TABLE corrections FORCE ROW LEVEL SECURITY;
CREATE POLICY corrections_own ON corrections USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE deletion_tombstones ENABLE ROW LEVEL SECURITY;
ALTER TABLE deletion_tombstones FORCE ROW LEVEL SECURITY;
CREATE POLICY deletion_tombstones_own ON deletion_tombstones
    USING (etr_is_system() OR contributor_id = etr_contributor());
