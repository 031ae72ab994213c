-- The role that eTR+ connects as: it owns its database and nothing else. Not a superuser and without BYPASSRLS, since
-- row-level security binds neither. Run once by an administrator, with the password in the environment:
--   ETR_DB_PASSWORD=… psql --set ON_ERROR_STOP=1 --file role.sql
\set ON_ERROR_STOP on
\getenv password ETR_DB_PASSWORD
CREATE ROLE etrplus LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE etrplus OWNER etrplus TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
REVOKE ALL ON DATABASE etrplus FROM PUBLIC;
