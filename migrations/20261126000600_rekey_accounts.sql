-- Records that were reported under the wrong person move to the right one; and what a correction does to the history of
-- its account is told before anybody agrees to it.

ALTER TABLE corrections
    DROP CONSTRAINT corrections_kind_check,
    ADD CONSTRAINT corrections_kind_check CHECK (kind IN ('CHANGE', 'DELETE_ERROR', 'DELETE_FRAUD', 'REKEY')),
    -- The first of the two operators that a rekey needs; who asks for one as an operator is the first.
    ADD COLUMN agreed_by uuid REFERENCES clients,
    ADD COLUMN agreed_at timestamptz,
    -- What the history rules find that they did not find before.
    ADD COLUMN history jsonb NOT NULL DEFAULT '[]',
    -- Why the operator applied it although a rule of the history rejects what came of it.
    ADD COLUMN override_reason text CHECK (length(override_reason) BETWEEN 10 AND 2000),
    ADD CONSTRAINT corrections_wrong_subject CHECK (kind <> 'REKEY' OR reason = 'WRONG_SUBJECT'),
    ADD CONSTRAINT corrections_agreement CHECK ((agreed_by IS NULL) = (agreed_at IS NULL)),
    ADD CONSTRAINT corrections_two_operators CHECK (kind <> 'REKEY' OR state <> 'applied'
        OR (agreed_by IS NOT NULL AND agreed_by <> decided_by));

-- Whose the records of a rekey are. Kept for good once it is applied: a record that comes later under the wrong person
-- does not move them back, unless a rekey that is applied later gave them to that person again.
CREATE TABLE rekeys (
    correction_id uuid PRIMARY KEY REFERENCES corrections,
    contributor_id uuid NOT NULL REFERENCES contributors,
    -- Under whom they were reported.
    from_subject uuid NOT NULL,
    -- Whose they are. Before it is applied: how the person is to be called if nobody knows the token by then.
    to_subject uuid NOT NULL,
    applied_at timestamptz,
    as_of_from date NOT NULL,
    -- Null: the newest record was among them, and what comes later is the right person's, too.
    as_of_to date,
    holder_role smallint NOT NULL,
    id_type smallint NOT NULL CHECK (id_type BETWEEN 0 AND 6),
    subject_type smallint NOT NULL CHECK (subject_type BETWEEN 0 AND 1),
    secondary_id_type smallint CHECK (secondary_id_type BETWEEN 0 AND 6),
    account_ref text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    token bytea NOT NULL CHECK (octet_length(token) BETWEEN 17 AND 65),
    secondary_token bytea CHECK (octet_length(secondary_token) BETWEEN 17 AND 65),
    -- Sealed for the places that they stand in when the person is new; gone once it is decided.
    sealed_number bytea,
    sealed_name bytea,
    secondary_sealed bytea,
    CONSTRAINT rekeys_secondary CHECK ((secondary_token IS NULL) = (secondary_id_type IS NULL)),
    CONSTRAINT rekeys_decided CHECK (applied_at IS NULL
        OR (sealed_number IS NULL AND sealed_name IS NULL AND secondary_sealed IS NULL))
);
CREATE INDEX rekeys_of_accounts ON rekeys (contributor_id, account_ref) WHERE applied_at IS NOT NULL;

ALTER TABLE rekeys ENABLE ROW LEVEL SECURITY;
ALTER TABLE rekeys FORCE ROW LEVEL SECURITY;
CREATE POLICY rekeys_system ON rekeys USING (etr_is_system());

-- The correction that moved the account of a case to the person whose it is.
ALTER TABLE identity_reviews
    ADD COLUMN correction_id uuid REFERENCES corrections,
    ADD CONSTRAINT identity_reviews_moved CHECK (correction_id IS NULL OR state = 'other_person');
