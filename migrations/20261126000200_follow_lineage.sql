-- Following data: edges that lead on from a batch, events about runs on their way to a lineage service, and where
-- records stand in the bytes that were received.

-- What concerns no batch (a person who was erased by order) has its edges, too; the system alone sees them.
ALTER TABLE lineage_edges
    ALTER COLUMN batch_id DROP NOT NULL,
    ALTER COLUMN contributor_id DROP NOT NULL;
-- What was made of a batch under another batch's name: its replacement, a fix of its rejects.
CREATE INDEX lineage_edges_from_batch ON lineage_edges (from_ref) WHERE from_kind IN ('batch', 'rejected_records');

-- Events to be sent, in the order of `event_no` within a run. A row is written in the transaction of what it tells and
-- goes when the receiver has taken it. `next_try_at` also keeps two senders from one event.
CREATE TABLE lineage_outbox (
    event_no     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id       uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_try_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts     integer     NOT NULL DEFAULT 0,
    event        jsonb       NOT NULL,
    last_error   text
);
CREATE INDEX lineage_outbox_by_run ON lineage_outbox (run_id, event_no);

-- Where a record begins and ends in the content of its batch, once somebody has asked. Never wrong later: what was
-- received does not change. No digest of the record: of one line it could be guessed from.
CREATE TABLE record_ranges (
    batch_id    uuid        NOT NULL REFERENCES batches,
    record_no   bigint      NOT NULL CHECK (record_no > 0),
    wanted_at   timestamptz NOT NULL,
    located_at  timestamptz,
    byte_from   bigint      CHECK (byte_from >= 0),
    byte_to     bigint,
    -- Why it cannot be located; nobody tries again.
    failure     text,
    PRIMARY KEY (batch_id, record_no),
    CHECK ((located_at IS NULL) = (byte_from IS NULL) AND (located_at IS NULL) = (byte_to IS NULL)),
    CHECK (byte_to > byte_from)
);
CREATE INDEX record_ranges_wanted ON record_ranges (wanted_at) WHERE located_at IS NULL AND failure IS NULL;

-- Scopes are words of the code; the database holds their form, so that a new one needs no migration.
ALTER TABLE clients DROP CONSTRAINT clients_scopes_check;
ALTER TABLE clients ADD CONSTRAINT clients_scopes_check CHECK (
    cardinality(scopes) > 0 AND array_to_string(scopes, ' ') ~ '^[a-z]+(:[a-z]+)?( [a-z]+(:[a-z]+)?)*$');

ALTER TABLE lineage_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE lineage_outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY lineage_outbox_system ON lineage_outbox USING (etr_is_system());
ALTER TABLE record_ranges ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_ranges FORCE ROW LEVEL SECURITY;
CREATE POLICY record_ranges_system ON record_ranges USING (etr_is_system());
