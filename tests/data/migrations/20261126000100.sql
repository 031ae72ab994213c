-- Synthetic rows.
INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type)
VALUES ('etrplus', 'silver', 'sample', 's3://sample/metadata.json', 'TABLE');
INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
VALUES ('etrplus', 'silver', 'exists', 'true');
INSERT INTO lake_commits (commit_id, table_name, state, created_at, written_at, landed_at, snapshot_id, rows, bytes, file_paths)
VALUES ('00000000-0000-4000-8000-0000000000f1', 'silver.sample', 'landed', '2026-02-01', '2026-02-01', '2026-02-01', 1, 1,
        100, '{s3://sample/1.parquet}');
INSERT INTO lake_entries (publication_no, rows, known_from, contributor_id, batch_id, commit_id, table_name)
VALUES (1, 1, '2026-02-01', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000b1',
        '00000000-0000-4000-8000-0000000000f1', 'silver.sample');
