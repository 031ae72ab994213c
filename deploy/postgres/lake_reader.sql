-- The role by which engines find the tables of the lake (SQL catalog): it reads the two tables of the catalog and nothing
-- else. Run once by an administrator in eTR+'s database, after `etrplus migrate`, with the password in the environment:
--   ETR_LAKE_READER_PASSWORD=… psql --set ON_ERROR_STOP=1 --file lake_reader.sql etrplus
\set ON_ERROR_STOP on
\getenv password ETR_LAKE_READER_PASSWORD
CREATE ROLE etr_lake_reader LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
-- The catalog belongs to no contributor: its rows show in system scope. What else has rows in that scope is not granted.
ALTER ROLE etr_lake_reader SET etr.scope = 'system';
ALTER ROLE etr_lake_reader SET default_transaction_read_only = on;
SELECT format('GRANT CONNECT ON DATABASE %I TO etr_lake_reader', current_database()) \gexec
GRANT USAGE ON SCHEMA public TO etr_lake_reader;
GRANT SELECT ON iceberg_tables, iceberg_namespace_properties TO etr_lake_reader;
