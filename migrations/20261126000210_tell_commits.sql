-- Runs of the lake that a lineage service has been told of: the ledger of appends is what there is to tell, this says
-- what was. Events and this row are written in one transaction.
CREATE TABLE lineage_told (
    kind     text        NOT NULL,
    run_id   uuid        NOT NULL,
    told_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, run_id)
);

ALTER TABLE lineage_told ENABLE ROW LEVEL SECURITY;
ALTER TABLE lineage_told FORCE ROW LEVEL SECURITY;
CREATE POLICY lineage_told_system ON lineage_told USING (etr_is_system());
