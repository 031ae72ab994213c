-- Archive queries: what profiles of many persons would have said on a day, as it was known at an instant, from the lake.

CREATE TABLE archive_queries (
    archive_query_id      uuid        PRIMARY KEY,
    client_id             uuid        NOT NULL REFERENCES clients,
    idempotency_key       text        NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- SHA-256 of the request's body.
    content_sha256        bytea       NOT NULL CHECK (octet_length(content_sha256) = 32),
    purpose               text        NOT NULL,
    end_user              text,
    client_reference      text        NOT NULL,
    -- The valid day and the known instant.
    as_of                 date        NOT NULL,
    known_at              timestamptz NOT NULL,
    format                text        NOT NULL CHECK (format IN ('PARQUET', 'CSV')),
    subjects              integer     NOT NULL CHECK (subjects BETWEEN 1 AND 1000000),
    attribute_set_version text        NOT NULL,
    state                 text        NOT NULL
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'expired')),
    requested_at          timestamptz NOT NULL,
    -- What was being written when the query was asked may bear an earlier instant: it runs when all of that has ended.
    asked_in              xid8        NOT NULL DEFAULT pg_current_xact_id(),
    -- Not taken up again before.
    run_at                timestamptz NOT NULL,
    started_at            timestamptz,
    finished_at           timestamptz,
    attempts              integer     NOT NULL DEFAULT 0,
    -- Names the attempt that goes on, and the object that the last one may have left.
    attempt               uuid,
    subjects_done         integer     NOT NULL DEFAULT 0 CHECK (subjects_done BETWEEN 0 AND subjects),
    -- The snapshot of each table that was read.
    snapshots             jsonb,
    result_key            text,
    result_bytes          bigint,
    result_sha256         bytea       CHECK (octet_length(result_sha256) = 32),
    expires_at            timestamptz,
    failure               text,
    UNIQUE (client_id, idempotency_key),
    CHECK (state <> 'done' OR (result_key IS NOT NULL AND result_bytes IS NOT NULL AND result_sha256 IS NOT NULL
        AND expires_at IS NOT NULL AND finished_at IS NOT NULL AND snapshots IS NOT NULL)),
    CHECK (state <> 'running' OR attempt IS NOT NULL),
    CHECK (state <> 'failed' OR failure IS NOT NULL)
);
CREATE INDEX archive_queries_open ON archive_queries (run_at) WHERE state IN ('queued', 'running');
CREATE INDEX archive_queries_kept ON archive_queries (expires_at) WHERE state = 'done';
CREATE INDEX archive_queries_left ON archive_queries (archive_query_id)
    WHERE state IN ('failed', 'cancelled') AND attempt IS NOT NULL;

-- Whom a query is about: the answers to questions of the same client. The footprint names the person and the consent.
CREATE TABLE archive_query_subjects (
    archive_query_id uuid    NOT NULL REFERENCES archive_queries,
    -- Its place in the request, counted from 1.
    subject_no       integer NOT NULL,
    query_id         uuid    NOT NULL,
    PRIMARY KEY (archive_query_id, subject_no)
);
-- From a person's footprints to the archive queries that they were in.
CREATE INDEX archive_query_subjects_query ON archive_query_subjects (query_id);

CREATE TRIGGER archive_query_subjects_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archive_query_subjects
    FOR EACH STATEMENT EXECUTE FUNCTION etr_refuse_change();

ALTER TABLE archive_queries ENABLE ROW LEVEL SECURITY;
ALTER TABLE archive_queries FORCE ROW LEVEL SECURITY;
CREATE POLICY archive_queries_system ON archive_queries USING (etr_is_system());
ALTER TABLE archive_query_subjects ENABLE ROW LEVEL SECURITY;
ALTER TABLE archive_query_subjects FORCE ROW LEVEL SECURITY;
CREATE POLICY archive_query_subjects_system ON archive_query_subjects USING (etr_is_system());

-- What was withheld at an instant is asked for. A case that restricts its account again does so by another row: what was
-- withheld before stays as it was.
ALTER TABLE serving_restrictions DROP CONSTRAINT serving_restrictions_pkey;
ALTER TABLE serving_restrictions ADD COLUMN restriction_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
CREATE UNIQUE INDEX serving_restrictions_in_force ON serving_restrictions (contributor_id, account_ref, kind, case_id)
    WHERE lifted_at IS NULL;
