-- What the law asks of a contributor and of us: the notice to customers that a contributor attests, how long ended
-- accounts are kept, and persons whose data were erased and must not come back.

-- The last day on which the attestation holds; NULL for agreements that do not say it here.
ALTER TABLE contributors ADD COLUMN notice_attested_until date;
-- Months after its closed_date for which an account that has ended is kept.
ALTER TABLE contributors ADD COLUMN retention_months integer NOT NULL DEFAULT 84 CHECK (retention_months BETWEEN 1 AND 1200);

CREATE TABLE erasure_tombstones (
    -- The keyed token of the identifier: nothing else of the person is left.
    token     bytea PRIMARY KEY CHECK (octet_length(token) = 17),
    case_id   text NOT NULL CHECK (char_length(case_id) BETWEEN 1 AND 100),
    erased_at timestamptz NOT NULL
);

ALTER TABLE erasure_tombstones ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure_tombstones FORCE ROW LEVEL SECURITY;
CREATE POLICY erasure_tombstones_system ON erasure_tombstones USING (etr_is_system());
