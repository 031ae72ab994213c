INSERT INTO lineage_told (kind, run_id, told_at) VALUES ('commit', gen_random_uuid(), now());
