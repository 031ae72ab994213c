-- Few rows: what operators list, and what a recall of a replacement brings back.
CREATE INDEX batches_failed ON batches (batch_id DESC) WHERE state = 'failed';
CREATE INDEX batches_superseded_by ON batches (superseded_by) WHERE superseded_by IS NOT NULL;
