-- Taking back what was published, by two operators.

CREATE TABLE recalls (
    recall_id       uuid PRIMARY KEY,
    contributor_id  uuid NOT NULL REFERENCES contributors,
    batch_id        uuid NOT NULL REFERENCES batches,
    state           text NOT NULL CHECK (state IN ('requested', 'approved', 'refused')),
    reason          text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    requested_by    uuid NOT NULL REFERENCES clients,
    requested_at    timestamptz NOT NULL,
    decided_by      uuid REFERENCES clients,
    decided_at      timestamptz,
    CONSTRAINT recalls_four_eyes CHECK (decided_by <> requested_by),
    CONSTRAINT recalls_decided CHECK (
        (state = 'requested') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL))
);
-- A batch has one open request at most.
CREATE UNIQUE INDEX recalls_open ON recalls (batch_id) WHERE state = 'requested';

ALTER TABLE recalls ENABLE ROW LEVEL SECURITY;
ALTER TABLE recalls FORCE ROW LEVEL SECURITY;
CREATE POLICY recalls_system ON recalls USING (etr_is_system());

-- Accounts are folded from the journal now. Nothing that could still publish calls these: batches_publication_no keeps
-- older workers from it.
DROP FUNCTION etr_merge_month;
DROP TYPE etr_months;
