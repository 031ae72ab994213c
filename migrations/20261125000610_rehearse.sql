-- Rehearsals (dry_run): the same key may name the rehearsal and the submission that follows it, and the bytes of a
-- rehearsal go after a while.

CREATE UNIQUE INDEX batches_key ON batches (client_id, idempotency_key, dry_run) WHERE state <> 'swept';
DROP INDEX batches_idempotency_key;

-- When the object and the reject file of a rehearsal were removed; its row and its report stay.
ALTER TABLE batches ADD COLUMN files_removed_at timestamptz CHECK (files_removed_at IS NULL OR dry_run);
CREATE INDEX batches_rehearsals ON batches (settled_at) WHERE dry_run AND files_removed_at IS NULL;
