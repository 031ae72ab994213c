-- The journal of accepted snapshots: every record as it was accepted, for as long as it exists. `accounts` becomes
-- what the journal adds up to, so that a publication can be taken back.

-- Orders what is published; given in the transaction that publishes.
CREATE SEQUENCE publication_numbers;

ALTER TABLE batches
    ADD COLUMN publication_no bigint,
    -- A rehearsal: judged like any other, changes nothing, counts nowhere.
    ADD COLUMN dry_run boolean NOT NULL DEFAULT false,
    ADD COLUMN superseded_by uuid REFERENCES batches;

UPDATE batches SET publication_no = numbered.publication_no
FROM (SELECT batch_id, row_number() OVER (ORDER BY published_at, batch_id) AS publication_no
      FROM batches WHERE published_at IS NOT NULL) AS numbered
WHERE batches.batch_id = numbered.batch_id;
SELECT setval('publication_numbers', (SELECT count(*) + 1 FROM batches WHERE publication_no IS NOT NULL), false);

ALTER TABLE batches
    -- Also keeps a worker of an older release, which writes no journal, from publishing.
    ADD CONSTRAINT batches_publication_no CHECK (published_at IS NULL OR publication_no IS NOT NULL OR dry_run),
    ADD CONSTRAINT batches_superseded_by CHECK (state <> 'superseded' OR superseded_by IS NOT NULL);

-- One accepted record. (batch_id, record_no, publication_no) is a version of it: the newest version counts, and it
-- counts while its batch is published or curated, unless it is withdrawn. Nothing here is ever changed.
-- Columns stand by alignment, as in accounts; no foreign keys, for the same reason.
CREATE TABLE account_snapshots (
    subject_id               uuid NOT NULL,
    contributor_id           uuid NOT NULL,
    batch_id                 uuid NOT NULL,
    record_no                bigint NOT NULL,
    publication_no           bigint NOT NULL,
    known_from               timestamptz NOT NULL,
    outstanding_sen          bigint NOT NULL,
    overdue_sen              bigint NOT NULL,
    original_amount_sen      bigint,
    credit_limit_sen         bigint,
    instalment_amount_sen    bigint,
    next_due_amount_sen      bigint,
    write_off_amount_sen     bigint,
    fees_outstanding_sen     bigint,
    amount_paid_period_sen   bigint,
    last_payment_amount_sen  bigint,
    as_of_date               date NOT NULL,
    opened_date              date NOT NULL,
    status_date              date NOT NULL,
    maturity_date            date,
    closed_date              date,
    first_delinquency_date   date,
    next_due_date            date,
    write_off_date           date,
    settled_date             date,
    last_payment_date        date,
    oldest_unpaid_due_date   date,
    instalments_total        integer,
    instalments_paid         integer,
    instalments_overdue      integer,
    dpd                      smallint NOT NULL,
    holder_role              smallint NOT NULL,
    product_type             smallint NOT NULL,
    portfolio_type           smallint NOT NULL,
    status                   smallint NOT NULL,
    payment_frequency        smallint,
    settlement_type          smallint,
    restructured             boolean NOT NULL,
    hardship                 boolean NOT NULL,
    legal_action             boolean NOT NULL,
    contributor_dispute      boolean NOT NULL,
    listing_requested        boolean NOT NULL,
    withdrawn                boolean NOT NULL DEFAULT false,
    account_ref              text NOT NULL,
    currency                 text NOT NULL,
    evidence_ref             text,
    rules_version            text NOT NULL,
    -- The dataset and the version of its contract.
    contract                 text NOT NULL,
    -- Fields whose value is a constant of the contributor's terms and was not sent.
    imputed                  text[],
    PRIMARY KEY (batch_id, record_no, publication_no)
);
CREATE INDEX account_snapshots_by_account ON account_snapshots (contributor_id, account_ref);

ALTER TABLE accounts
    ADD COLUMN fees_outstanding_sen bigint,
    -- 0 visible, 1 in review, 2 disputed, 3 hidden: what serving_restrictions say, at hand for lookups.
    ADD COLUMN serving_state smallint NOT NULL DEFAULT 0 CHECK (serving_state BETWEEN 0 AND 3);

-- What is known of the accounts that exist. The current snapshot is a record of its batch, but what only the journal
-- keeps of it (payments of the period, the oldest unpaid day, a request for listing, evidence) was not stored.
INSERT INTO account_snapshots (
    subject_id, contributor_id, batch_id, record_no, publication_no, known_from, outstanding_sen, overdue_sen,
    original_amount_sen, credit_limit_sen, instalment_amount_sen, next_due_amount_sen, write_off_amount_sen,
    as_of_date, opened_date, status_date, maturity_date, closed_date, first_delinquency_date, next_due_date,
    write_off_date, settled_date, instalments_total, instalments_paid, instalments_overdue, dpd, holder_role,
    product_type, portfolio_type, status, payment_frequency, settlement_type, restructured, hardship, legal_action,
    contributor_dispute, listing_requested, account_ref, currency, rules_version, contract)
SELECT a.subject_id, a.contributor_id, a.batch_id, a.record_no, b.publication_no, a.known_from, a.outstanding_sen,
    a.overdue_sen, a.original_amount_sen, a.credit_limit_sen, a.instalment_amount_sen, a.next_due_amount_sen,
    a.write_off_amount_sen, a.as_of_date, a.opened_date, a.status_date, a.maturity_date, a.closed_date,
    a.first_delinquency_date, a.next_due_date, a.write_off_date, a.settled_date, a.instalments_total,
    a.instalments_paid, a.instalments_overdue, a.dpd, a.holder_role, a.product_type, a.portfolio_type, a.status,
    a.payment_frequency, a.settlement_type, a.restructured, a.hardship, a.legal_action, a.contributor_dispute, false,
    a.account_ref, a.currency, a.rules_version, 'account_snapshot/1'
FROM accounts a JOIN batches b ON b.batch_id = a.batch_id;

-- Of an earlier month only five values are known, and not which batch they came from: these rows belong to no batch
-- (the nil id), come before every publication, and stay whatever is recalled. What does not change over an account's
-- life is that of the current snapshot; the rest is left empty.
INSERT INTO account_snapshots (
    subject_id, contributor_id, batch_id, record_no, publication_no, known_from, outstanding_sen, overdue_sen,
    original_amount_sen, as_of_date, opened_date, status_date, dpd, holder_role, product_type, portfolio_type, status,
    restructured, hardship, legal_action, contributor_dispute, listing_requested, account_ref, currency,
    rules_version, contract)
SELECT a.subject_id, a.contributor_id, '00000000-0000-0000-0000-000000000000',
    row_number() OVER (ORDER BY a.contributor_id, a.account_ref, a.subject_id, m.as_of_date), 0, a.known_from,
    m.outstanding_sen, m.overdue_sen, a.original_amount_sen, m.as_of_date, a.opened_date, m.as_of_date, m.dpd,
    a.holder_role, a.product_type, a.portfolio_type, m.status, false, false, false, false, false, a.account_ref,
    a.currency, a.rules_version, 'account_snapshot/1'
FROM accounts a
CROSS JOIN LATERAL unnest(a.month_as_of[2:], a.month_status[2:], a.month_dpd[2:], a.month_outstanding_sen[2:],
    a.month_overdue_sen[2:]) AS m (as_of_date, status, dpd, outstanding_sen, overdue_sen);

CREATE TRIGGER account_snapshots_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION etr_refuse_change();

-- Why an account is not served, or not shown in full. Each case opens and lifts its own.
CREATE TABLE serving_restrictions (
    contributor_id  uuid NOT NULL REFERENCES contributors,
    account_ref     text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('IN_REVIEW', 'DISPUTED', 'HIDDEN')),
    case_id         uuid NOT NULL,
    opened_at       timestamptz NOT NULL,
    lifted_at       timestamptz,
    PRIMARY KEY (contributor_id, account_ref, kind, case_id)
);
CREATE INDEX serving_restrictions_open ON serving_restrictions (contributor_id, account_ref) WHERE lifted_at IS NULL;

ALTER TABLE account_snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_snapshots FORCE ROW LEVEL SECURITY;
CREATE POLICY account_snapshots_own ON account_snapshots USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE serving_restrictions ENABLE ROW LEVEL SECURITY;
ALTER TABLE serving_restrictions FORCE ROW LEVEL SECURITY;
CREATE POLICY serving_restrictions_own ON serving_restrictions
    USING (etr_is_system() OR contributor_id = etr_contributor());
