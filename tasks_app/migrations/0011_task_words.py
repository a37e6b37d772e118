r"""An index that finds the words of an owner or an assignee among those of few others.

`task_found` holds each word once, for everybody: of ten million tasks a search passed a month's tens of thousands with
a common word, to find the hundred of one owner. Here a word ends in `\x01` and the first byte of the MD5 digest of
whom the task belongs or is assigned to, so that a search passes a 256th of the others'. Searches in everybody's tasks
look for `word\x01` as a prefix.
"""

from typing import Any

from django.db import migrations

from config.data import indexes

# No text holds \x01 to \x03: the parser of words takes them for blanks. A lexeme has at most 2,046 bytes; a search none
# as long as that.
FUNCTIONS = r"""
CREATE FUNCTION task_shelf(person text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT E'\x01' || left(md5(person), 2)
$$;
CREATE FUNCTION task_words(title text, description text, owner text, assignee text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    _found text[] := array_remove(ARRAY[E'\x01' || owner, E'\x02' || assignee], NULL);
    _owner text := E'\x01' || left(md5(owner), 2);  -- task_shelf(owner): a call of it costs as much as the rest
    _assignee text := nullif(E'\x01' || left(md5(assignee), 2), _owner);
    _word text;
BEGIN
    FOREACH _word IN ARRAY tsvector_to_array(to_tsvector('simple', title || ' ' || description)) LOOP
        CONTINUE WHEN octet_length(_word) > 2043;
        _found := _found || (_word || _owner);
        IF _assignee IS NOT NULL THEN
            _found := _found || (_word || _assignee);
        END IF;
    END LOOP;
    RETURN array_to_tsvector(_found);
END $$;
-- What the index finds for a query in the tasks of one person, or of all (NULL). It has no places of words: those of a
-- phrase are looked for apart, and one that must not be there is left to `task_phrase`.
CREATE FUNCTION task_query(query tsquery, person text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(string_agg(
        CASE WHEN part[1] NOT LIKE '''%' THEN regexp_replace(part[1], '<(-|[0-9]+)>', '&', 'g')
            WHEN person IS NULL THEN left(part[1], -1) || E'\x01'':*'
            ELSE left(part[1], -1) || task_shelf(person) || '''' END,
        '' ORDER BY number
    ), '')::tsquery
    FROM regexp_matches(
        regexp_replace(query::text, $re$!\( (?:'(?:[^']|'')*'|[^'()])* \)$re$, E'!''\x03''', 'g'),
        $re$'(?:[^']|'')*'|[^']+$re$, 'g'
    ) WITH ORDINALITY AS found(part, number)
$$;
-- The query itself when it has phrases, which rows that were found by `task_query` have still to match; else NULL.
CREATE FUNCTION task_phrase(query tsquery) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN query::text ~ '<(-|[0-9]+)>' THEN query END
$$;
"""
BACK = """
DROP FUNCTION task_phrase;
DROP FUNCTION task_query;
DROP FUNCTION task_words;
DROP FUNCTION task_shelf;
"""
# A small list of what is not sorted in yet: each search reads all of it.
DEFINITION = "USING gin (task_words(title, description, owner, assignee), labels) WITH (gin_pending_list_limit = 256)"


def create(apps: Any, schema_editor: Any) -> None:
    indexes.create(schema_editor.connection, "task", "task_searched", DEFINITION)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks_app", "0010_task_page_json")]
    operations = [
        migrations.RunSQL(FUNCTIONS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), BACK),
        migrations.RunPython(create, lambda apps, schema_editor: schema_editor.execute("DROP INDEX task_searched")),
    ]
