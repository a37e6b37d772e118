-- Roles, the database and the replica's slot. Safe to run again: it makes what is missing and sets the passwords.
-- Run by psql as the superuser, with a password for each role in the environment (docs/operators/database-roles.md).
\set ON_ERROR_STOP on
\set QUIET on
\getenv api_password TASKMILL_DB_PASSWORD
\getenv worker_password TASKMILL_WORKER_PASSWORD
\getenv migrator_password TASKMILL_MIGRATOR_PASSWORD
\getenv reader_password TASKMILL_READER_PASSWORD
\getenv replication_password REPLICATION_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['taskmill', 'taskmill_worker', 'taskmill_migrator', 'taskmill_reader', 'replicator']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE taskmill PASSWORD :'api_password' NOCREATEDB;
-- Below the pooler's limits (2 s), which end the connection with the statement.
ALTER ROLE taskmill SET statement_timeout = '1800ms';
ALTER ROLE taskmill SET lock_timeout = '1500ms';
ALTER ROLE taskmill SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE taskmill_worker PASSWORD :'worker_password';
ALTER ROLE taskmill_migrator PASSWORD :'migrator_password';
ALTER ROLE taskmill_reader PASSWORD :'reader_password';
ALTER ROLE taskmill_reader SET default_transaction_read_only = on;
ALTER ROLE replicator REPLICATION PASSWORD :'replication_password';
REVOKE pg_monitor FROM taskmill;
GRANT pg_monitor TO taskmill_migrator; -- `migrate` tells whose transaction it gives way to

SELECT 'CREATE DATABASE taskmill' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'taskmill') \gexec
SELECT 'SELECT pg_create_physical_replication_slot(''replica_1'')' WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'replica_1') \gexec
ALTER DATABASE taskmill OWNER TO taskmill_migrator;
REVOKE ALL ON DATABASE taskmill FROM PUBLIC;
GRANT CONNECT ON DATABASE taskmill TO taskmill, taskmill_worker, taskmill_reader;
GRANT TEMPORARY ON DATABASE taskmill TO taskmill_worker; -- `import_tasks`

\connect taskmill
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
REASSIGN OWNED BY taskmill TO taskmill_migrator; -- of a database from before there were several roles

-- What the migrator makes from now on. Months are reached through their tables and need nothing of their own.
SET ROLE taskmill_migrator;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO taskmill, taskmill_worker;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO taskmill_reader;
ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO taskmill, taskmill_worker;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO taskmill, taskmill_worker, taskmill_reader;
RESET ROLE;

-- What was there before (a role that may read a table has had its rights: `migrate` has made them fewer since).
SELECT format('GRANT %s ON %s TO %I', CASE role WHEN 'taskmill_reader' THEN 'SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END, oid::regclass, role)
FROM pg_class, unnest(ARRAY['taskmill', 'taskmill_worker', 'taskmill_reader']) AS role
WHERE relnamespace = 'public'::regnamespace AND relowner = 'taskmill_migrator'::regrole AND relkind IN ('r', 'p')
  AND NOT relispartition AND NOT has_table_privilege(role, oid, 'SELECT') \gexec
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', oid::regprocedure, role)
FROM pg_proc, unnest(ARRAY['taskmill', 'taskmill_worker', 'taskmill_reader']) AS role
WHERE pronamespace = 'public'::regnamespace AND proowner = 'taskmill_migrator'::regrole
  AND (proname, role) <> ('make_month', 'taskmill_reader') AND NOT has_function_privilege(role, oid, 'EXECUTE') \gexec
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO taskmill, taskmill_worker;
