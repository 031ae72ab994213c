-- A rejected application is known by its own reference: an account it has perhaps none yet.
ALTER TABLE rejected_records
    ADD COLUMN application_ref text CHECK (length(application_ref) BETWEEN 1 AND 64);
