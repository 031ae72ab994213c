-- A batch, what happened to it, and the work it causes. Identifiers of persons never stand here.

CREATE TABLE batches (
    batch_id uuid PRIMARY KEY,
    contributor_id uuid NOT NULL REFERENCES contributors,
    client_id uuid NOT NULL REFERENCES clients,
    dataset text NOT NULL CHECK (dataset IN ('account_snapshot', 'repayment_event', 'application')),
    mode text NOT NULL CHECK (mode IN ('FULL', 'DELTA', 'REPLACE')),
    period_end date NOT NULL,
    -- What the contributor declared; columns above repeat what is searched for.
    envelope jsonb NOT NULL,
    state text NOT NULL CHECK (state IN (
        'receiving', 'received', 'validating', 'rejected', 'on_hold', 'accepted', 'published', 'curated',
        'swept', 'cancelled', 'failed', 'superseded', 'recalled')),
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    content_type text NOT NULL,
    content_encoding text NOT NULL CHECK (content_encoding IN ('identity', 'gzip', 'zstd')),
    -- How the bronze object is kept: 'identity' as received, 'zstd' losslessly packed by us.
    stored_encoding text NOT NULL CHECK (stored_encoding IN ('identity', 'zstd')),
    object_key text NOT NULL,
    -- Digest and length of the bytes as received, checked at every read.
    sha256 bytea CHECK (length(sha256) = 32),
    received_bytes bigint,
    stored_bytes bigint,
    receipt text,
    -- Not before this instant may a sweeper take an unfinished upload for dead; moved on while bytes flow.
    receiving_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    received_at timestamptz,
    settled_at timestamptz,
    published_at timestamptz,
    -- Conservation: every record is accounted for exactly once.
    received_records bigint,
    accepted_records bigint,
    rejected_records bigint,
    duplicate_records bigint,
    unprocessed_records bigint,
    warned_records bigint,
    totals jsonb,
    rules_version text,
    rejects_key text,
    hold_explanation text,
    failure text,
    CONSTRAINT batches_conservation CHECK (
        received_records IS NULL
        OR (received_records = accepted_records + rejected_records + duplicate_records + unprocessed_records
            AND warned_records <= accepted_records)),
    CONSTRAINT batches_counted_when_judged CHECK (
        state NOT IN ('rejected', 'on_hold', 'accepted', 'published', 'curated') OR received_records IS NOT NULL),
    CONSTRAINT batches_receipted_when_received CHECK (
        state IN ('receiving', 'swept')
        OR (sha256 IS NOT NULL AND received_bytes IS NOT NULL AND receipt IS NOT NULL AND received_at IS NOT NULL)),
    CONSTRAINT batches_published_at CHECK ((published_at IS NOT NULL) = (state IN ('published', 'curated', 'superseded', 'recalled')))
);

-- A key belongs to one submission for good; only a submission that was never acknowledged gives it back.
CREATE UNIQUE INDEX batches_idempotency_key ON batches (client_id, idempotency_key) WHERE state <> 'swept';
CREATE INDEX batches_by_contributor ON batches (contributor_id, batch_id DESC) WHERE state NOT IN ('receiving', 'swept');
CREATE INDEX batches_by_digest ON batches (contributor_id, sha256) WHERE state NOT IN ('receiving', 'swept', 'cancelled');
CREATE INDEX batches_unfinished ON batches (receiving_until) WHERE state = 'receiving';
CREATE INDEX batches_period ON batches (contributor_id, dataset, period_end) WHERE state NOT IN ('receiving', 'swept');

CREATE TABLE batch_transitions (
    transition_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES batches,
    contributor_id uuid NOT NULL,
    from_state text,
    to_state text NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text
);
CREATE INDEX batch_transitions_by_batch ON batch_transitions (batch_id);

CREATE TABLE batch_findings (
    batch_id uuid NOT NULL REFERENCES batches,
    contributor_id uuid NOT NULL,
    code text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('R', 'W', 'W*')),
    records bigint NOT NULL CHECK (records > 0),
    samples jsonb NOT NULL,
    PRIMARY KEY (batch_id, code, severity)
);

-- One edge per derivation: what came from what.
CREATE TABLE lineage_edges (
    edge_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contributor_id uuid NOT NULL,
    batch_id uuid NOT NULL REFERENCES batches,
    from_kind text NOT NULL,
    from_ref text NOT NULL,
    to_kind text NOT NULL,
    to_ref text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX lineage_edges_by_batch ON lineage_edges (batch_id);

-- Work. One lane per contributor: its batches are refined one at a time and in the order of arrival, so that
-- rules which look at an account's history always see the same history. Lanes are leased, never jobs alone.
CREATE TABLE lanes (
    contributor_id uuid PRIMARY KEY REFERENCES contributors,
    lease_token uuid,
    lease_expires_at timestamptz,
    last_leased_at timestamptz,
    CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))
);

CREATE TABLE jobs (
    job_id uuid PRIMARY KEY,
    job_no bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    contributor_id uuid NOT NULL REFERENCES lanes,
    batch_id uuid NOT NULL REFERENCES batches,
    state text NOT NULL CHECK (state IN ('queued', 'done', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    -- Attempts in a row of which nobody said how they ended: their workers died.
    unreported_attempts integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    last_error text
);
CREATE INDEX jobs_queued ON jobs (contributor_id, job_no) WHERE state = 'queued';
CREATE INDEX jobs_by_batch ON jobs (batch_id);

-- A lane exists as long as its contributor does.
CREATE FUNCTION etr_open_lane() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lanes (contributor_id) VALUES (NEW.contributor_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER contributors_open_lane AFTER INSERT ON contributors
    FOR EACH ROW EXECUTE FUNCTION etr_open_lane();

ALTER TABLE batches ENABLE ROW LEVEL SECURITY;
ALTER TABLE batches FORCE ROW LEVEL SECURITY;
CREATE POLICY batches_own ON batches USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE batch_transitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE batch_transitions FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_transitions_own ON batch_transitions USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE batch_findings ENABLE ROW LEVEL SECURITY;
ALTER TABLE batch_findings FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_findings_own ON batch_findings USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE lineage_edges ENABLE ROW LEVEL SECURITY;
ALTER TABLE lineage_edges FORCE ROW LEVEL SECURITY;
CREATE POLICY lineage_edges_own ON lineage_edges USING (etr_is_system() OR contributor_id = etr_contributor());

ALTER TABLE lanes ENABLE ROW LEVEL SECURITY;
ALTER TABLE lanes FORCE ROW LEVEL SECURITY;
CREATE POLICY lanes_system ON lanes USING (etr_is_system());

ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY jobs_own ON jobs USING (etr_is_system() OR contributor_id = etr_contributor());
