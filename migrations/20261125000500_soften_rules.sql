-- What operators let one contributor do: rules that are milder for a while, and values that stand in for fields that
-- its systems do not have. Nothing holds before a second operator has agreed, and nothing is ever deleted.

CREATE TABLE rule_overrides (
    override_id    uuid PRIMARY KEY,
    contributor_id uuid NOT NULL REFERENCES contributors,
    code           text NOT NULL CHECK (code ~ '^[A-Z][0-9]{3}$'),
    effect         text NOT NULL CHECK (effect IN ('off', 'warn')),
    reason         text NOT NULL CHECK (char_length(reason) BETWEEN 10 AND 1000),
    starts_on      date NOT NULL,
    -- The last day on which it holds.
    expires_on     date NOT NULL,
    requested_by   text NOT NULL CHECK (char_length(requested_by) BETWEEN 1 AND 200),
    requested_at   timestamptz NOT NULL,
    approved_by    text,
    approved_at    timestamptz,
    revoked_by     text,
    revoked_at     timestamptz,
    CONSTRAINT rule_overrides_end CHECK (expires_on >= starts_on AND expires_on - starts_on <= 366),
    CONSTRAINT rule_overrides_four_eyes CHECK (approved_by <> requested_by),
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
-- The same request twice is one request.
CREATE UNIQUE INDEX rule_overrides_once ON rule_overrides (contributor_id, code, starts_on) WHERE revoked_at IS NULL;

CREATE TABLE contributor_constants (
    constant_id    uuid PRIMARY KEY,
    contributor_id uuid NOT NULL REFERENCES contributors,
    dataset        text NOT NULL CHECK (dataset IN ('account_snapshot', 'repayment_event', 'application')),
    field          text NOT NULL CHECK (char_length(field) BETWEEN 1 AND 64),
    value          text NOT NULL CHECK (char_length(value) BETWEEN 1 AND 64),
    reason         text NOT NULL CHECK (char_length(reason) BETWEEN 10 AND 1000),
    requested_by   text NOT NULL CHECK (char_length(requested_by) BETWEEN 1 AND 200),
    requested_at   timestamptz NOT NULL,
    approved_by    text,
    approved_at    timestamptz,
    revoked_by     text,
    revoked_at     timestamptz,
    CONSTRAINT contributor_constants_four_eyes CHECK (approved_by <> requested_by),
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
CREATE UNIQUE INDEX contributor_constants_once ON contributor_constants (contributor_id, dataset, field)
    WHERE revoked_at IS NULL;

-- What a verdict was reached under, so that it can be explained when the agreement is another one: the overrides that
-- held, and in how many records each field was imputed.
ALTER TABLE batches ADD COLUMN softened jsonb;
ALTER TABLE batches ADD COLUMN imputed jsonb;

ALTER TABLE rule_overrides ENABLE ROW LEVEL SECURITY;
ALTER TABLE rule_overrides FORCE ROW LEVEL SECURITY;
CREATE POLICY rule_overrides_system ON rule_overrides USING (etr_is_system());
CREATE POLICY rule_overrides_own ON rule_overrides FOR SELECT USING (contributor_id = etr_contributor());

ALTER TABLE contributor_constants ENABLE ROW LEVEL SECURITY;
ALTER TABLE contributor_constants FORCE ROW LEVEL SECURITY;
CREATE POLICY contributor_constants_system ON contributor_constants USING (etr_is_system());
CREATE POLICY contributor_constants_own ON contributor_constants FOR SELECT USING (contributor_id = etr_contributor());
