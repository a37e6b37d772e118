-- Roles, the database and the replica's slot. Safe to run again: it makes what is missing and sets the passwords.
-- Run by psql as the superuser, with TASKMILL_DB_PASSWORD and REPLICATION_PASSWORD in the environment.
\set ON_ERROR_STOP on
\set QUIET on
\getenv app_password TASKMILL_DB_PASSWORD
\getenv replication_password REPLICATION_PASSWORD

-- CREATEDB is for test databases; the application itself needs its own database only.
SELECT 'CREATE ROLE taskmill LOGIN CREATEDB' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'taskmill') \gexec
SELECT 'CREATE ROLE replicator LOGIN REPLICATION' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'replicator') \gexec
ALTER ROLE taskmill PASSWORD :'app_password';
ALTER ROLE replicator PASSWORD :'replication_password';
GRANT pg_monitor TO taskmill;

SELECT 'CREATE DATABASE taskmill OWNER taskmill' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'taskmill') \gexec
SELECT 'SELECT pg_create_physical_replication_slot(''replica_1'')' WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'replica_1') \gexec

\connect taskmill
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
