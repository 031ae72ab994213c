-- Shadows: a batch judged again under today's rules, beside what its records are now. Nothing changes before another
-- operator promotes one.

CREATE TABLE shadows (
    shadow_id       uuid PRIMARY KEY,
    contributor_id  uuid NOT NULL REFERENCES contributors,
    batch_id        uuid NOT NULL REFERENCES batches,
    state           text NOT NULL CHECK (state IN ('queued', 'judged', 'promoting', 'promoted', 'outdated', 'failed')),
    requested_by    uuid NOT NULL REFERENCES clients,
    requested_at    timestamptz NOT NULL,
    judged_at       timestamptz,
    -- Where the batch stood, and the rules, when it was judged again.
    batch_state     text,
    rules_version   text,
    -- Where the batch would go.
    verdict         text,
    -- Counts and hits of rules as they are and as they would be, and which records would change sides.
    before          jsonb,
    after           jsonb,
    difference      jsonb,
    promoted_by     uuid REFERENCES clients,
    promoted_at     timestamptz,
    -- The number of the versions that its promotion wrote.
    publication_no  bigint,
    failure         text,
    CONSTRAINT shadows_four_eyes CHECK (promoted_by <> requested_by),
    CONSTRAINT shadows_judged CHECK (state NOT IN ('judged', 'promoting', 'promoted')
        OR (judged_at IS NOT NULL AND verdict IS NOT NULL AND before IS NOT NULL AND after IS NOT NULL
            AND difference IS NOT NULL)),
    CONSTRAINT shadows_promoted CHECK (state <> 'promoted' OR (promoted_by IS NOT NULL AND publication_no IS NOT NULL))
);
CREATE INDEX shadows_by_batch ON shadows (batch_id);

ALTER TABLE shadows ENABLE ROW LEVEL SECURITY;
ALTER TABLE shadows FORCE ROW LEVEL SECURITY;
CREATE POLICY shadows_system ON shadows USING (etr_is_system());

-- The shadow that a job judges or promotes.
ALTER TABLE jobs ADD COLUMN shadow_id uuid REFERENCES shadows;
