"""A month of a partitioned table, made by whoever writes: a function with the rights of the tables' owner.

So that nobody who serves calls or jobs may change the schema, and a month that the job has not made is made by the
first write that needs it (config.data.partitions). It makes months and nothing else, of the owner's own tables.
"""

from django.db import migrations

# The CHECK proves the bounds, so that ATTACH scans nothing; and it locks nobody out. A month has no rights of its own:
# it is reached through its table.
FUNCTION = """
CREATE FUNCTION make_month(_parent text, _month date) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    _table text := _parent || to_char(_month, '_YYYY_MM');
    _check text := _table || '_range';
    _low text := lpad(to_hex(extract(epoch FROM _month)::bigint * 1000), 12, '0') || repeat('0', 20);
    _high text := lpad(to_hex(extract(epoch FROM (_month + interval '1 month')::date)::bigint * 1000), 12, '0')
        || repeat('0', 20);
    _role regrole;
BEGIN
    IF _month <> date_trunc('month', _month) OR _month NOT BETWEEN '1970-01-01' AND now() + interval '10 years' THEN
        RAISE EXCEPTION 'there is no month %', _month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM pg_class WHERE oid = to_regclass(quote_ident(_parent)) AND relkind = 'p'
        AND relowner = current_user::regrole;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no months', _parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('partitions'));
    PERFORM FROM pg_inherits
        WHERE inhparent = to_regclass(quote_ident(_parent)) AND inhrelid = to_regclass(quote_ident(_table));
    IF FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING ALL, CONSTRAINT %I CHECK (id >= %L AND id < %L))',
        _table, _parent, _check, _low::uuid, _high::uuid
    );
    EXECUTE format(
        'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', _parent, _table, _low::uuid, _high::uuid
    );
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', _table, _check);
    FOR _role IN
        SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl)
        WHERE oid = to_regclass(quote_ident(_table)) AND grantee NOT IN (relowner, 0)
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s', _table, _role);
    END LOOP;
    RETURN true;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_event")]
    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION make_month")]
