-- Contract versions as data. The engine's dictionary says what can be read at all; a version selects from it. Version 1
-- of each dataset is the dictionary itself (a test holds them equal). What was published never changes.

CREATE TABLE contracts (
    dataset              text NOT NULL CHECK (dataset IN ('account_snapshot', 'repayment_event', 'application')),
    version              integer NOT NULL CHECK (version > 0),
    state                text NOT NULL CHECK (state IN ('draft', 'published', 'deprecated', 'retired')),
    definition           jsonb NOT NULL,
    compatibility        text NOT NULL CHECK (compatibility IN ('backward', 'none')),
    -- Why it breaks the version before, where it does.
    compatibility_reason text,
    created_by           text NOT NULL,
    created_at           timestamptz NOT NULL,
    published_by         text,
    published_at         timestamptz,
    deprecated_by        text,
    deprecated_at        timestamptz,
    -- The first day on which it may be refused.
    sunset_on            date,
    retired_by           text,
    retired_at           timestamptz,
    PRIMARY KEY (dataset, version),
    CHECK (compatibility = 'backward' OR compatibility_reason IS NOT NULL),
    CHECK (state NOT IN ('published', 'deprecated') OR published_at IS NOT NULL),
    CHECK (state <> 'deprecated' OR (deprecated_at IS NOT NULL AND sunset_on IS NOT NULL)),
    CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);
-- Operators work on one draft of a dataset at a time.
CREATE UNIQUE INDEX contracts_one_draft ON contracts (dataset) WHERE state = 'draft';

CREATE FUNCTION etr_keep_published_contract() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published_at IS NULL AND TG_OP = 'UPDATE' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND ROW(NEW.dataset, NEW.version, NEW.definition, NEW.compatibility, NEW.published_at)
        IS NOT DISTINCT FROM ROW(OLD.dataset, OLD.version, OLD.definition, OLD.compatibility, OLD.published_at)
        AND NEW.state <> 'draft' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'contract %/% is published and never changes', OLD.dataset, OLD.version
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER contracts_published_is_kept BEFORE UPDATE OR DELETE ON contracts
    FOR EACH ROW EXECUTE FUNCTION etr_keep_published_contract();

-- What schema_version means for a contributor that does not say.
CREATE TABLE contract_pins (
    contributor_id uuid NOT NULL REFERENCES contributors,
    dataset        text NOT NULL,
    version        integer NOT NULL,
    pinned_by      text NOT NULL,
    pinned_at      timestamptz NOT NULL,
    PRIMARY KEY (contributor_id, dataset),
    FOREIGN KEY (dataset, version) REFERENCES contracts
);

ALTER TABLE contracts ENABLE ROW LEVEL SECURITY;
ALTER TABLE contracts FORCE ROW LEVEL SECURITY;
CREATE POLICY contracts_system ON contracts USING (etr_is_system());

ALTER TABLE contract_pins ENABLE ROW LEVEL SECURITY;
ALTER TABLE contract_pins FORCE ROW LEVEL SECURITY;
CREATE POLICY contract_pins_system ON contract_pins USING (etr_is_system());
CREATE POLICY contract_pins_own ON contract_pins FOR SELECT USING (contributor_id = etr_contributor());

SET LOCAL etr.scope = 'system';
INSERT INTO contracts (dataset, version, state, definition, compatibility, created_by, created_at, published_by, published_at)
VALUES
('account_snapshot', 1, 'published', $definition$
{"fields":[
{"name":"subject_type","need":"required","words":["INDIVIDUAL","BUSINESS"],"description":"Person or organisation."},
{"name":"id_type","need":"required","words":["NRIC","OLD_IC","PASSPORT","ARMY","POLICE","BRN","BRN_OLD"],"description":"Kind of id_number."},
{"name":"id_number","need":"required","max_length":20,"description":"Identifier of the subject; spaces and hyphens do not count."},
{"name":"id_country","need":"conditional","max_length":3,"description":"Country that issued the identifier, ISO 3166 alpha-3."},
{"name":"secondary_id_type","need":"conditional","words":["NRIC","OLD_IC","PASSPORT","ARMY","POLICE","BRN","BRN_OLD"],"description":"Kind of secondary_id_number."},
{"name":"secondary_id_number","need":"conditional","max_length":20,"description":"A second identifier of the same subject."},
{"name":"full_name","need":"required","max_length":150,"description":"Name as on the identity document or in the register."},
{"name":"date_of_birth","need":"conditional","description":"Date of birth."},
{"name":"phone","need":"optional","max_length":16,"description":"Telephone number, E.164 with its plus sign."},
{"name":"postcode","need":"optional","max_length":5,"description":"Malaysian postcode, 5 digits."},
{"name":"holder_role","need":"optional","words":["PRIMARY","JOINT","GUARANTOR"],"description":"Part of the subject in the account; PRIMARY when absent."},
{"name":"account_ref","need":"required","max_length":64,"description":"The contributor's reference of the account: stable, without personal data."},
{"name":"product_type","need":"required","words":["BNPL_PLAN","BNPL_LINE","PERSONAL_LOAN","HIRE_PURCHASE","CREDIT_SALE","LEASING","FACTORING","TRADE_CREDIT","TELCO_POSTPAID","TELCO_DEVICE","UTILITY_POWER","UTILITY_WATER","UTILITY_OTHER","RENTAL","OTHER"],"description":"What was sold."},
{"name":"portfolio_type","need":"required","words":["INSTALMENT","REVOLVING","OPEN","LEASE"],"description":"How it is repaid."},
{"name":"islamic","need":"optional","description":"Financed under a Shariah contract."},
{"name":"merchant_category","need":"optional","max_length":4,"description":"Merchant category code (ISO 18245)."},
{"name":"as_of_date","need":"required","description":"The day the row describes; the period's end in a FULL batch."},
{"name":"opened_date","need":"required","description":"The day the account was opened; never changes."},
{"name":"maturity_date","need":"optional","description":"The day the last instalment is due."},
{"name":"closed_date","need":"conditional","description":"The day the account ended."},
{"name":"status","need":"required","words":["ACTIVE","SETTLED","SETTLED_SHORT","WRITTEN_OFF","SOLD","CLOSED","CANCELLED"],"description":"What the contributor says of the account; delinquency is derived."},
{"name":"status_date","need":"optional","description":"The day this status began; closed_date or as_of_date when absent."},
{"name":"currency","need":"required","max_length":3,"description":"Currency of all amounts of the row, ISO 4217."},
{"name":"original_amount","need":"conditional","description":"Amount financed at the start; never changes."},
{"name":"credit_limit","need":"conditional","description":"Limit of the line."},
{"name":"instalment_amount","need":"conditional","description":"Amount of a regular instalment."},
{"name":"instalments_total","need":"conditional","description":"Number of instalments agreed."},
{"name":"instalments_paid","need":"conditional","description":"Number of instalments paid in full."},
{"name":"instalments_overdue","need":"conditional","description":"Number of instalments due and not paid in full."},
{"name":"payment_frequency","need":"conditional","words":["WEEKLY","BIWEEKLY","SEMI_MONTHLY","MONTHLY","QUARTERLY","ONE_OFF"],"description":"How often an instalment falls due."},
{"name":"outstanding","need":"required","description":"What is owed, with fees due; 0 for a credit balance."},
{"name":"overdue","need":"required","description":"The part of outstanding that is past its due date."},
{"name":"fees_outstanding","need":"optional","description":"The part of outstanding that is fees."},
{"name":"dpd","need":"required","description":"Days past due of the oldest unpaid due date; 0 when nothing is overdue."},
{"name":"oldest_unpaid_due_date","need":"conditional","description":"The due date that dpd counts from."},
{"name":"first_delinquency_date","need":"conditional","description":"The day the present spell of delinquency began."},
{"name":"aging_current","need":"conditional","description":"The part of outstanding that is not yet due."},
{"name":"aging_1_30","need":"conditional","description":"The part of outstanding 1 to 30 days past due."},
{"name":"aging_31_60","need":"conditional","description":"The part of outstanding 31 to 60 days past due."},
{"name":"aging_61_90","need":"conditional","description":"The part of outstanding 61 to 90 days past due."},
{"name":"aging_91_120","need":"conditional","description":"The part of outstanding 91 to 120 days past due."},
{"name":"aging_121_150","need":"conditional","description":"The part of outstanding 121 to 150 days past due."},
{"name":"aging_151_180","need":"conditional","description":"The part of outstanding 151 to 180 days past due."},
{"name":"aging_181_plus","need":"conditional","description":"The part of outstanding 181 days or more past due."},
{"name":"amount_paid_period","need":"optional","description":"What was paid since the previous as_of_date."},
{"name":"scheduled_amount_period","need":"optional","description":"What fell due since the previous as_of_date."},
{"name":"last_payment_date","need":"optional","description":"The day of the last payment."},
{"name":"last_payment_amount","need":"optional","description":"Amount of the last payment."},
{"name":"next_due_date","need":"conditional","description":"The day the next amount falls due."},
{"name":"next_due_amount","need":"conditional","description":"The amount that falls due next."},
{"name":"write_off_date","need":"conditional","description":"The day the account was written off."},
{"name":"write_off_amount","need":"conditional","description":"The amount written off."},
{"name":"sold_to","need":"conditional","max_length":150,"description":"Name of the organisation that bought the debt."},
{"name":"sold_date","need":"conditional","description":"The day the debt was sold."},
{"name":"settled_date","need":"optional","description":"The day the debt was settled."},
{"name":"settlement_type","need":"optional","words":["FULL","SHORT","REFUND"],"description":"How the debt was settled."},
{"name":"restructured","need":"optional","description":"The terms were changed for a borrower in difficulty."},
{"name":"hardship","need":"optional","description":"A hardship arrangement is in force."},
{"name":"legal_action","need":"optional","description":"Legal action was begun."},
{"name":"contributor_dispute","need":"optional","description":"The subject disputes the account with the contributor."},
{"name":"listing_requested","need":"optional","description":"Asks for a listing as a trade reference, beside the history."},
{"name":"evidence_ref","need":"conditional","max_length":100,"description":"Where the document that proves the debt is kept: a locator without personal data."}
]}
$definition$,
 'backward', 'migration', '2026-11-24', 'migration', '2026-11-24'),
('repayment_event', 1, 'published', $definition$
{"fields":[
{"name":"event_id","need":"required","max_length":64,"description":"The contributor's reference of the event: never used again for another one."},
{"name":"account_ref","need":"required","max_length":64,"description":"The account it happened to, as its snapshots name it."},
{"name":"event_type","need":"required","words":["ORIGINATED","PAYMENT","PAYMENT_REVERSAL","REFUND","FEE","FEE_WAIVER","RESCHEDULE","RESTRUCTURE","SETTLEMENT","WRITE_OFF","RECOVERY","CANCELLATION"],"description":"What happened."},
{"name":"event_at","need":"optional","description":"The instant it happened. Days late are never counted from it."},
{"name":"value_date","need":"required","description":"The calendar day it counts for, in Asia/Kuala_Lumpur."},
{"name":"amount","need":"conditional","description":"How much, above 0; what it does to the balance follows from event_type."},
{"name":"instalment_no","need":"optional","description":"The instalment it belongs to, counted from 1."},
{"name":"instalment_due_date","need":"conditional","description":"The day that instalment was due: value_date after it is days late."},
{"name":"new_due_date","need":"conditional","description":"The day that the next amount falls due now."},
{"name":"reverses_event_id","need":"conditional","max_length":64,"description":"event_id of the payment that is taken back."},
{"name":"channel","need":"optional","words":["CARD","FPX","DUITNOW","DIRECT_DEBIT","CASH","OTHER"],"description":"How it was paid."}
]}
$definition$,
 'backward', 'migration', '2026-11-24', 'migration', '2026-11-24'),
('application', 1, 'published', $definition$
{"fields":[
{"name":"subject_type","need":"required","words":["INDIVIDUAL","BUSINESS"],"description":"Person or organisation."},
{"name":"id_type","need":"required","words":["NRIC","OLD_IC","PASSPORT","ARMY","POLICE","BRN","BRN_OLD"],"description":"Kind of id_number."},
{"name":"id_number","need":"required","max_length":20,"description":"Identifier of the subject; spaces and hyphens do not count."},
{"name":"id_country","need":"conditional","max_length":3,"description":"Country that issued the identifier, ISO 3166 alpha-3."},
{"name":"secondary_id_type","need":"conditional","words":["NRIC","OLD_IC","PASSPORT","ARMY","POLICE","BRN","BRN_OLD"],"description":"Kind of secondary_id_number."},
{"name":"secondary_id_number","need":"conditional","max_length":20,"description":"A second identifier of the same subject."},
{"name":"full_name","need":"required","max_length":150,"description":"Name as on the identity document or in the register."},
{"name":"date_of_birth","need":"conditional","description":"Date of birth."},
{"name":"phone","need":"optional","max_length":16,"description":"Telephone number, E.164 with its plus sign."},
{"name":"postcode","need":"optional","max_length":5,"description":"Malaysian postcode, 5 digits."},
{"name":"holder_role","need":"optional","words":["PRIMARY","JOINT","GUARANTOR"],"description":"Part of the subject in the account; PRIMARY when absent."},
{"name":"application_ref","need":"required","max_length":64,"description":"The contributor's reference of the application: stable, without personal data."},
{"name":"applied_at","need":"required","description":"The instant of the application."},
{"name":"product_type","need":"required","words":["BNPL_PLAN","BNPL_LINE","PERSONAL_LOAN","HIRE_PURCHASE","CREDIT_SALE","LEASING","FACTORING","TRADE_CREDIT","TELCO_POSTPAID","TELCO_DEVICE","UTILITY_POWER","UTILITY_WATER","UTILITY_OTHER","RENTAL","OTHER"],"description":"What was asked for."},
{"name":"amount_requested","need":"required","description":"How much was asked for."},
{"name":"tenor_days","need":"optional","description":"For how many days."},
{"name":"decision","need":"required","words":["PENDING","APPROVED","COUNTER_OFFERED","DECLINED","WITHDRAWN","EXPIRED"],"description":"Where the decision stands. Declines are never shown to anybody else."},
{"name":"decision_at","need":"optional","description":"The instant of the decision."},
{"name":"amount_approved","need":"conditional","description":"How much was approved or offered."},
{"name":"account_ref","need":"optional","max_length":64,"description":"The account that came of it, as its snapshots name it."},
{"name":"channel","need":"optional","words":["ONLINE","APP","IN_STORE","AGENT","PHONE","OTHER"],"description":"How the application was made."}
]}
$definition$,
 'backward', 'migration', '2026-11-24', 'migration', '2026-11-24');
