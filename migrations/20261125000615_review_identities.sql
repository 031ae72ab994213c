-- Records whose name contradicts the one that their identifier is known by (I014): somebody has to find out whose account it is.

CREATE TABLE identity_reviews (
    case_id uuid PRIMARY KEY,
    contributor_id uuid NOT NULL REFERENCES contributors,
    -- Whom the identifier leads to.
    subject_id uuid NOT NULL,
    batch_id uuid NOT NULL REFERENCES batches,
    record_no bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by uuid REFERENCES clients,
    account_ref text NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    state text NOT NULL CHECK (state IN ('open', 'same_person', 'other_person')),
    -- Keyed hash of the person and the two names, so that the same pair is known again and neither name stands here.
    name_pair bytea NOT NULL CHECK (octet_length(name_pair) = 33),
    CONSTRAINT identity_reviews_decided CHECK (
        (state = 'open') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL))
);
-- A pair of names is looked at once for an account.
CREATE UNIQUE INDEX identity_reviews_pair ON identity_reviews (contributor_id, account_ref, name_pair);
CREATE INDEX identity_reviews_by_state ON identity_reviews (state, case_id DESC);

ALTER TABLE identity_reviews ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_reviews FORCE ROW LEVEL SECURITY;
CREATE POLICY identity_reviews_system ON identity_reviews USING (etr_is_system());
