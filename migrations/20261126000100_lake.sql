-- The lake: which table is where, and what has landed in it.

-- The catalog of Iceberg tables, in the layout of Iceberg's JDBC catalog: other engines read the same two tables.
CREATE TABLE iceberg_tables (
    catalog_name               varchar(255) NOT NULL,
    table_namespace            varchar(255) NOT NULL,
    table_name                 varchar(255) NOT NULL,
    metadata_location          varchar(1000),
    previous_metadata_location varchar(1000),
    iceberg_type               varchar(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);

CREATE TABLE iceberg_namespace_properties (
    catalog_name   varchar(255) NOT NULL,
    namespace      varchar(255) NOT NULL,
    property_key   varchar(255) NOT NULL,
    property_value varchar(1000),
    PRIMARY KEY (catalog_name, namespace, property_key)
);

-- One append to a table. `writing`: its files are being made; `written`: they are complete and wait for the table;
-- `landed`: the table has them; `abandoned`: whoever made them is gone, its rows wait again; `swept`: and the files too.
CREATE TABLE lake_commits (
    commit_id    uuid        NOT NULL PRIMARY KEY,
    table_name   text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('writing', 'written', 'landed', 'abandoned', 'swept')),
    created_at   timestamptz NOT NULL,
    written_at   timestamptz,
    landed_at    timestamptz,
    abandoned_at timestamptz,
    snapshot_id  bigint,
    rows         bigint,
    bytes        bigint,
    file_paths   text[],
    -- The files with their statistics, as the table needs them: until they have landed.
    files        jsonb,
    CHECK (state NOT IN ('written', 'landed') OR (rows IS NOT NULL AND file_paths IS NOT NULL)),
    CHECK (state <> 'landed' OR landed_at IS NOT NULL),
    CHECK (state <> 'abandoned' OR abandoned_at IS NOT NULL)
);
-- One committer at a time has a table in hand.
CREATE UNIQUE INDEX lake_commits_open ON lake_commits (table_name) WHERE state IN ('writing', 'written');
CREATE INDEX lake_commits_abandoned ON lake_commits (abandoned_at) WHERE state = 'abandoned';
CREATE INDEX lake_commits_landed ON lake_commits (table_name, landed_at) WHERE state = 'landed';

-- What is to land, in the order in which it was entered: the rows that one publication gave a journal, a change of a
-- batch that readers must know of, the rejected records of a verdict. Written in the transaction of the effect.
CREATE TABLE lake_entries (
    entry_no        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    publication_no  bigint,
    rows            bigint      NOT NULL CHECK (rows >= 0),
    known_from      timestamptz NOT NULL,
    contributor_id  uuid        NOT NULL,
    batch_id        uuid        NOT NULL,
    -- The batch that took the place of this one, when that is the change.
    superseded_by   uuid,
    commit_id       uuid,
    table_name      text        NOT NULL,
    -- What the batch became, when that is the change.
    state           text
);
CREATE INDEX lake_entries_waiting ON lake_entries (table_name, entry_no) WHERE commit_id IS NULL;
CREATE INDEX lake_entries_commit ON lake_entries (commit_id) WHERE commit_id IS NOT NULL;
CREATE INDEX lake_entries_batch ON lake_entries (batch_id);
-- What a publication gave a journal is one entry, in however many portions it was written.
CREATE UNIQUE INDEX lake_entries_publication ON lake_entries (table_name, contributor_id, batch_id, publication_no)
    WHERE table_name <> 'silver.batches' AND publication_no IS NOT NULL;
-- And what was rejected of a batch at one instant is one.
CREATE UNIQUE INDEX lake_entries_rejects ON lake_entries (batch_id, known_from)
    WHERE table_name = 'quarantine.rejected_records';

-- What was published before there was a lake.
INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
SELECT 'silver.account_snapshots', contributor_id, batch_id, publication_no, count(*), min(known_from)
FROM account_snapshots GROUP BY contributor_id, batch_id, publication_no;
INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
SELECT 'silver.repayment_events', contributor_id, batch_id, publication_no, count(*), min(known_from)
FROM repayment_events GROUP BY contributor_id, batch_id, publication_no;
INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
SELECT 'silver.applications', contributor_id, batch_id, publication_no, count(*), min(known_from)
FROM applications GROUP BY contributor_id, batch_id, publication_no;
INSERT INTO lake_entries (table_name, contributor_id, batch_id, rows, known_from)
SELECT 'quarantine.rejected_records', contributor_id, batch_id, count(*), rejected_at
FROM rejected_records GROUP BY contributor_id, batch_id, rejected_at;
INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, superseded_by, rows, known_from, state)
SELECT 'silver.batches', t.contributor_id, t.batch_id, b.publication_no,
    CASE WHEN t.to_state = 'superseded' THEN b.superseded_by END, 1, t.at, t.to_state
FROM batch_transitions t JOIN batches b USING (batch_id)
WHERE t.to_state IN ('published', 'superseded', 'recalled') AND NOT b.dry_run
ORDER BY t.at;

ALTER TABLE iceberg_tables ENABLE ROW LEVEL SECURITY;
ALTER TABLE iceberg_tables FORCE ROW LEVEL SECURITY;
CREATE POLICY iceberg_tables_system ON iceberg_tables USING (etr_is_system());
ALTER TABLE iceberg_namespace_properties ENABLE ROW LEVEL SECURITY;
ALTER TABLE iceberg_namespace_properties FORCE ROW LEVEL SECURITY;
CREATE POLICY iceberg_namespace_properties_system ON iceberg_namespace_properties USING (etr_is_system());
ALTER TABLE lake_commits ENABLE ROW LEVEL SECURITY;
ALTER TABLE lake_commits FORCE ROW LEVEL SECURITY;
CREATE POLICY lake_commits_system ON lake_commits USING (etr_is_system());
ALTER TABLE lake_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE lake_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY lake_entries_own ON lake_entries USING (etr_is_system() OR contributor_id = etr_contributor());
