-- Listings: adverse references that a contributor asks for beside the history, and takes back when the debt is paid.

-- What of a listing stands in the current snapshot, and the last day on which it was taken back.
ALTER TABLE accounts
    ADD COLUMN listing_requested boolean NOT NULL DEFAULT false,
    ADD COLUMN evidence_ref      text,
    ADD COLUMN delisted_on       date;

-- Live while the current snapshot asks for it, names its evidence, reaches the thresholds (rules L002 and L004), is of
-- a debt that has not ended, and is newer than the last delisting. The amount is what is overdue.
ALTER TABLE accounts ADD COLUMN listed_sen bigint GENERATED ALWAYS AS (
    CASE WHEN listing_requested AND evidence_ref IS NOT NULL AND overdue_sen >= 15000 AND dpd > 60
              -- ACTIVE or WRITTEN_OFF, and not settled.
              AND status IN (0, 3) AND settled_date IS NULL
              AND (delisted_on IS NULL OR delisted_on < as_of_date)
         THEN overdue_sen END) STORED;
CREATE INDEX accounts_listed ON accounts (contributor_id, account_ref) WHERE listed_sen IS NOT NULL;

-- A listing that its contributor took back. Snapshots of that day and before do not list the account again.
CREATE TABLE delistings (
    contributor_id uuid        NOT NULL REFERENCES contributors,
    account_ref    text        NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    -- The business day of the delisting.
    delisted_on    date        NOT NULL,
    delisted_at    timestamptz NOT NULL,
    -- When the debt was settled, if that is why.
    settled_on     date        CHECK (settled_on <= delisted_on),
    -- Later than three working days after the settlement.
    breached       boolean     NOT NULL,
    client_id      uuid        NOT NULL REFERENCES clients,
    PRIMARY KEY (contributor_id, account_ref, delisted_on)
);

ALTER TABLE delistings ENABLE ROW LEVEL SECURITY;
ALTER TABLE delistings FORCE ROW LEVEL SECURITY;
CREATE POLICY delistings_own ON delistings USING (etr_is_system() OR contributor_id = etr_contributor());
