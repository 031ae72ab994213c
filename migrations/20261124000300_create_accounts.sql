-- People, their accounts, and who asked about them.
--
-- Code columns (SMALLINT) hold the position of the word in its list in src/domain/contract/codes.rs, counted
-- from 0; the lists only ever grow at the end, and a test pins their order. Millions of rows are loaded at a
-- time, so columns stand by alignment (16, 8, 4, 2, 1 bytes, then variable length) and no row pays for padding.

-- A person or business. Random identifier; the name is sealed and only there to tell two people apart.
CREATE TABLE subjects (
    subject_id    UUID PRIMARY KEY,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    subject_type  SMALLINT NOT NULL CHECK (subject_type BETWEEN 0 AND 1),
    -- The identifier that the subject was first named by; others are found by subject_identifiers_secondary.
    primary_token BYTEA NOT NULL,
    sealed_name   BYTEA
);

-- The only way from an identifier to a subject: the keyed token of the normalised identifier. Cut these rows
-- and what the lake holds is nobody's. No foreign key to subjects: the merge writes both in one transaction, and
-- the look-up for each of a million new persons would buy nothing that a query relies on.
CREATE TABLE subject_identifiers (
    subject_id     UUID NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    id_type        SMALLINT NOT NULL CHECK (id_type BETWEEN 0 AND 6),
    -- Named beside another identifier, not by itself.
    secondary      BOOLEAN NOT NULL DEFAULT false,
    token          BYTEA PRIMARY KEY CHECK (octet_length(token) BETWEEN 17 AND 65),
    sealed_number  BYTEA
);
-- Erasure and data-subject access go from the person to every identifier: subjects.primary_token and these few.
-- An index over all of them would cost more than half of the time that entering a million new persons takes.
CREATE INDEX subject_identifiers_secondary ON subject_identifiers (subject_id) WHERE secondary;

-- The serving store: one row per account and holder. The key begins with the subject because lookups do.
-- No foreign keys (contributor, batch, subject): each would be checked once per row of a load, for parents that
-- are never deleted and that the loading transaction has in hand.
CREATE TABLE accounts (
    subject_id              UUID NOT NULL,
    contributor_id          UUID NOT NULL,
    -- Lineage of the current snapshot: which record of which batch, known since when.
    batch_id                UUID NOT NULL,
    record_no               BIGINT NOT NULL,
    known_from              TIMESTAMPTZ NOT NULL,
    outstanding_sen         BIGINT NOT NULL,
    overdue_sen             BIGINT NOT NULL,
    original_amount_sen     BIGINT,
    credit_limit_sen        BIGINT,
    instalment_amount_sen   BIGINT,
    next_due_amount_sen     BIGINT,
    write_off_amount_sen    BIGINT,
    as_of_date              DATE NOT NULL,
    opened_date             DATE NOT NULL,
    status_date             DATE NOT NULL,
    maturity_date           DATE,
    closed_date             DATE,
    first_delinquency_date  DATE,
    next_due_date           DATE,
    write_off_date          DATE,
    settled_date            DATE,
    instalments_total       INTEGER CHECK (instalments_total BETWEEN 0 AND 65535),
    instalments_paid        INTEGER CHECK (instalments_paid BETWEEN 0 AND 65535),
    instalments_overdue     INTEGER CHECK (instalments_overdue BETWEEN 0 AND 65535),
    dpd                     SMALLINT NOT NULL CHECK (dpd >= 0),
    holder_role             SMALLINT NOT NULL,
    product_type            SMALLINT NOT NULL,
    portfolio_type          SMALLINT NOT NULL,
    status                  SMALLINT NOT NULL,
    payment_frequency       SMALLINT,
    settlement_type         SMALLINT,
    restructured            BOOLEAN NOT NULL DEFAULT false,
    hardship                BOOLEAN NOT NULL DEFAULT false,
    legal_action            BOOLEAN NOT NULL DEFAULT false,
    contributor_dispute     BOOLEAN NOT NULL DEFAULT false,
    account_ref             TEXT NOT NULL CHECK (length(account_ref) BETWEEN 1 AND 64),
    currency                TEXT NOT NULL CHECK (length(currency) = 3),
    rules_version           TEXT NOT NULL,
    -- The history, newest first: entry n of each array is the same month.
    month_as_of             DATE[] NOT NULL,
    month_status            SMALLINT[] NOT NULL,
    month_dpd               SMALLINT[] NOT NULL,
    month_outstanding_sen   BIGINT[] NOT NULL,
    month_overdue_sen       BIGINT[] NOT NULL,
    PRIMARY KEY (subject_id, contributor_id, account_ref),
    CONSTRAINT accounts_months_agree CHECK (
        cardinality(month_as_of) BETWEEN 1 AND 24
        AND cardinality(month_status) = cardinality(month_as_of)
        AND cardinality(month_dpd) = cardinality(month_as_of)
        AND cardinality(month_outstanding_sen) = cardinality(month_as_of)
        AND cardinality(month_overdue_sen) = cardinality(month_as_of)
    )
);
-- I015 asks whether a contributor's account_ref is bound to somebody else already.
CREATE INDEX accounts_contributor_ref ON accounts (contributor_id, account_ref);

-- Five parallel arrays, newest month first: the history part of an accounts row.
CREATE TYPE etr_months AS (
    as_of            DATE[],
    status           SMALLINT[],
    dpd              SMALLINT[],
    outstanding_sen  BIGINT[],
    overdue_sen      BIGINT[]
);

-- Puts one month into a history, in any order of arrival: domain::history::merge in SQL. One entry stays per
-- calendar month (the later day; on the same day the arriving one), 24 calendar months back from the newest.
-- The common case (a month newer than all others) needs only array concatenation; this is for the rest.
CREATE FUNCTION etr_merge_month(
    as_of DATE[], status SMALLINT[], dpd SMALLINT[], outstanding BIGINT[], overdue BIGINT[],
    new_as_of DATE, new_status SMALLINT, new_dpd SMALLINT, new_outstanding BIGINT, new_overdue BIGINT
) RETURNS etr_months
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH candidates AS (
        SELECT m.as_of, m.status, m.dpd, m.outstanding, m.overdue, false AS arriving
          FROM unnest($1, $2, $3, $4, $5) AS m (as_of, status, dpd, outstanding, overdue)
        UNION ALL
        SELECT $6, $7, $8, $9, $10, true
    ), numbered AS (
        SELECT c.*, (extract(year FROM c.as_of) * 12 + extract(month FROM c.as_of))::integer AS month_no
          FROM candidates c
    ), settled AS (
        SELECT DISTINCT ON (n.month_no) n.*
          FROM numbered n
         ORDER BY n.month_no DESC, n.as_of DESC, n.arriving DESC
    ), kept AS (
        SELECT s.* FROM settled s WHERE s.month_no > (SELECT max(month_no) FROM settled) - 24
    )
    SELECT ROW(
        array_agg(k.as_of ORDER BY k.as_of DESC),
        array_agg(k.status ORDER BY k.as_of DESC),
        array_agg(k.dpd ORDER BY k.as_of DESC),
        array_agg(k.outstanding ORDER BY k.as_of DESC),
        array_agg(k.overdue ORDER BY k.as_of DESC)
    )::etr_months
      FROM kept k;
END;

-- Who asked about whom, why, with what consent, and what kind of answer left. Append-only. The token is kept
-- also when nobody was known by it: a person may ask later who looked for them.
CREATE TABLE footprints (
    query_id                UUID PRIMARY KEY,
    subject_id              UUID,
    client_id               UUID NOT NULL,
    answered_at             TIMESTAMPTZ NOT NULL,
    consent_obtained_at     TIMESTAMPTZ NOT NULL,
    consent_expires_at      TIMESTAMPTZ NOT NULL,
    as_of                   DATE NOT NULL,
    account_count           INTEGER NOT NULL CHECK (account_count >= 0),
    subject_known           BOOLEAN NOT NULL GENERATED ALWAYS AS (subject_id IS NOT NULL) STORED,
    subject_token           BYTEA NOT NULL,
    purpose                 TEXT NOT NULL,
    inquiry_type            TEXT NOT NULL CHECK (inquiry_type IN ('SOFT', 'STANDARD')),
    hit_status              TEXT NOT NULL CHECK (
        hit_status IN ('HIT', 'NO_HIT', 'THIN', 'PARTIAL', 'AMBIGUOUS', 'RESTRICTED')
    ),
    consent_reference       TEXT NOT NULL,
    client_reference        TEXT NOT NULL,
    end_user                TEXT,
    attribute_set_version   TEXT NOT NULL
);
-- A person's own view of who asked (newest last, as they came).
CREATE INDEX footprints_subject_token ON footprints (subject_token, answered_at);

CREATE TRIGGER footprints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON footprints
    FOR EACH STATEMENT EXECUTE FUNCTION etr_refuse_change();

ALTER TABLE subjects ENABLE ROW LEVEL SECURITY;
ALTER TABLE subjects FORCE ROW LEVEL SECURITY;
CREATE POLICY subjects_reach ON subjects USING (etr_is_system());

ALTER TABLE subject_identifiers ENABLE ROW LEVEL SECURITY;
ALTER TABLE subject_identifiers FORCE ROW LEVEL SECURITY;
CREATE POLICY subject_identifiers_reach ON subject_identifiers USING (etr_is_system());

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY accounts_reach ON accounts USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE footprints ENABLE ROW LEVEL SECURITY;
ALTER TABLE footprints FORCE ROW LEVEL SECURITY;
CREATE POLICY footprints_reach ON footprints USING (etr_is_system());
