-- Applications for credit, as their contributors told of them. Who was declined is known to nobody else; others are
-- told how often a person applied, and no more.

-- The journal: every accepted word on an application. The latest one under a reference counts, unless it is withdrawn
-- with its batch; nothing else of a row ever changes but that A005 was said of it.
CREATE TABLE applications (
    subject_id            uuid NOT NULL,
    contributor_id        uuid NOT NULL,
    batch_id              uuid NOT NULL,
    record_no             bigint NOT NULL,
    publication_no        bigint NOT NULL,
    known_from            timestamptz NOT NULL,
    withdrawn_at          timestamptz,
    -- When it was found that no account came of the approval (A005).
    found_unopened_at     timestamptz,
    applied_at            timestamptz NOT NULL,
    decision_at           timestamptz,
    amount_requested_sen  bigint NOT NULL,
    amount_approved_sen   bigint,
    tenor_days            integer,
    holder_role           smallint NOT NULL,
    product_type          smallint NOT NULL,
    decision              smallint NOT NULL,
    channel               smallint,
    -- Counted among the warned records of its batch: a record counts there once, whatever it is warned of.
    warned                boolean NOT NULL,
    application_ref       text NOT NULL CHECK (length(application_ref) BETWEEN 1 AND 64),
    account_ref           text CHECK (length(account_ref) BETWEEN 1 AND 64),
    rules_version         text NOT NULL,
    contract              text NOT NULL,
    PRIMARY KEY (batch_id, record_no, publication_no)
);
CREATE INDEX applications_reference ON applications (contributor_id, application_ref, publication_no DESC, record_no DESC)
    WHERE withdrawn_at IS NULL;
CREATE INDEX applications_subject ON applications (subject_id, applied_at) WHERE withdrawn_at IS NULL;
-- Approvals (decision 1) that are still to become accounts.
CREATE INDEX applications_approved ON applications (known_from)
    WHERE decision = 1 AND withdrawn_at IS NULL AND found_unopened_at IS NULL;

CREATE TRIGGER applications_are_kept BEFORE DELETE OR TRUNCATE ON applications
    FOR EACH STATEMENT EXECUTE FUNCTION etr_refuse_change();

ALTER TABLE applications ENABLE ROW LEVEL SECURITY;
ALTER TABLE applications FORCE ROW LEVEL SECURITY;
CREATE POLICY applications_own ON applications USING (etr_is_system() OR contributor_id = etr_contributor());
