"""A task, and a page of any list, by plans that a connection keeps (docs/decisions/0013-lists-in-a-function.md).

PostgreSQL plans a statement anew each time it is sent, over all months, and a pooler in transaction mode keeps no
prepared statements. What stands in a PL/pgSQL function is planned once a connection; it leaves out months as it runs.
"""

import re

from django.db import migrations

# NULL stands for what is not asked for. `…_from` includes its bound, `…_to` does not.
FILTERS = """
    id >= _floor AND id < _high
    AND (_owner IS NULL OR owner = _owner)
    AND (_assignee IS NULL OR assignee = _assignee) AND (NOT _unassigned OR assignee IS NULL)
    AND (_statuses IS NULL OR status = ANY (_statuses)) AND (_priorities IS NULL OR priority = ANY (_priorities))
    AND (_labels IS NULL OR labels @> _labels::varchar[])
    AND (_due_from IS NULL OR due_at >= _due_from) AND (_due_to IS NULL OR due_at < _due_to)
    AND (_updated_from IS NULL OR updated_at >= _updated_from)"""
# The expression of the index `task_found`, letter for letter.
FOUND = (
    "(to_tsvector('simple', title || ' ' || description)"
    r" || array_to_tsvector(array_remove(ARRAY[E'\x01' || owner, E'\x02' || assignee], NULL)))"
)
# What the index of each way finds, in the page's order.
OWNER, ASSIGNEE, ANY = "owner = _owner", "assignee = _assignee", "true"
BY_ID = {
    "owner": OWNER,
    "status": f"{OWNER} AND status = _statuses[1]",
    "active": f"{OWNER} AND status <> 'completed'",
    "assignee": ASSIGNEE,
    "any": ANY,
}
BY_KEY = {"owner": OWNER, "assignee": ASSIGNEE, "any": ANY}
# order -> key, direction, what is behind the place where the page begins, the bound behind which nothing is read
KEYS = {
    "due_at": ("coalesce(due_at, 'infinity')", "ASC", ">", "<= coalesce(_due_to, 'infinity')"),
    "-due_at": ("coalesce(due_at, '-infinity')", "DESC", "<", ">= coalesce(_due_from, '-infinity')"),
    "-updated_at": ("updated_at", "DESC", "<", ">= coalesce(_updated_from, '-infinity')"),
}


def page(condition: str, order: str) -> str:
    """In the order of an index."""
    return f"SELECT * FROM task WHERE {condition} AND {FILTERS} ORDER BY {order} LIMIT _size"  # noqa: S608 (constants)


def found(condition: str, order: str) -> str:
    """Out of the index `task_found`, which has no order: OFFSET 0 forbids to read all tasks in the page's order.

    Planned each time, because everything depends on how rare the words are.
    """
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[0] not in names:
            names.append(match[0])
        return f"${names.index(match[0]) + 1}"

    where = f"(_find IS NULL OR {FOUND} @@ _find) AND {condition} AND {FILTERS}"
    text = f"SELECT * FROM (SELECT * FROM task WHERE {where} OFFSET 0) task ORDER BY {order} LIMIT _size"  # noqa: S608
    text = re.sub(r"\b_[a-z_]+", numbered, text)
    return f"EXECUTE $query$ {text} $query$ USING {', '.join(names)}"


def statements() -> dict[tuple[str, str], str]:
    """By order and way."""
    made = {}
    for order, direction in (("-created_at", "DESC"), ("created_at", "ASC")):
        for way, condition in BY_ID.items():
            made[order, way] = page(f"deleted_at IS NULL AND {condition}", f"id {direction}")
        made[order, "found"] = found("deleted_at IS NULL", f"id {direction}")
    for order, (key, direction, behind, end) in KEYS.items():
        place = f"deleted_at IS NULL AND ({key}, id) {behind} (_key, _key_id) AND {key} {end}"
        for way, condition in BY_KEY.items():
            made[order, way] = page(f"{place} AND {condition}", f"{key} {direction}, id {direction}")
        made[order, "found"] = found(place, f"{key} {direction}, id {direction}")
    trash = "owner = _owner AND deleted_at IS NOT NULL AND (deleted_at, id) < (_key, _key_id)"
    made["-deleted_at", "owner"] = page(trash, "deleted_at DESC, id DESC")
    return made


def branches() -> str:
    return "\n        ELS".join(
        f"IF _order = '{order}' AND _way = '{way}' THEN\n            RETURN QUERY {statement};"
        for (order, way), statement in statements().items()
    )


# The newest tasks are looked for in the newest months first: a user who has a page there pays for no others.
FUNCTION = f"""
CREATE FUNCTION task_page(
    _order text, _way text, _size integer,
    _owner text DEFAULT NULL, _assignee text DEFAULT NULL, _unassigned boolean DEFAULT false,
    _statuses text[] DEFAULT NULL, _priorities text[] DEFAULT NULL, _labels text[] DEFAULT NULL,
    _low uuid DEFAULT '00000000-0000-0000-0000-000000000000', _high uuid DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    _due_from timestamptz DEFAULT NULL, _due_to timestamptz DEFAULT NULL, _updated_from timestamptz DEFAULT NULL,
    _words text DEFAULT NULL, _key timestamptz DEFAULT NULL, _key_id uuid DEFAULT NULL
) RETURNS SETOF task LANGUAGE plpgsql STABLE ROWS 100
SET plan_cache_mode = force_generic_plan SET enable_sort = off SET jit = off AS $$
DECLARE
    _floor uuid := _low;
    _newest timestamp;  -- of the window, in UTC
    _months integer := 1;
    _rows integer;
    _find tsquery;
BEGIN
    IF _words IS NOT NULL THEN
        _find := websearch_to_tsquery('simple', _words);
        IF numnode(_find) = 0 THEN RETURN; END IF;
    END IF;
    IF _way = 'found' AND _owner IS NOT NULL THEN
        _find := coalesce(_find && task_lexeme(E'\\x01' || _owner), task_lexeme(E'\\x01' || _owner));
    END IF;
    IF _way = 'found' AND _assignee IS NOT NULL THEN
        _find := coalesce(_find && task_lexeme(E'\\x02' || _assignee), task_lexeme(E'\\x02' || _assignee));
    END IF;
    _newest := least(now(), task_instant(_high)) AT TIME ZONE 'UTC';
    LOOP
        IF _order = '-created_at' AND _months < 10 THEN
            _floor := greatest(_low, task_floor(date_trunc('month', _newest) - make_interval(months => _months)));
            _months := _months + 6;
        ELSE
            _floor := _low;
        END IF;
        {branches()}
        ELSE
            RAISE EXCEPTION 'no list of tasks is ordered by % and found by %', _order, _way;
        END IF;
        GET DIAGNOSTICS _rows = ROW_COUNT;
        _size := _size - _rows;
        EXIT WHEN _size <= 0 OR _floor <= _low;
        _high := _floor;
    END LOOP;
END $$;
"""

HELPERS = r"""
CREATE FUNCTION task_by_id(_id uuid) RETURNS SETOF task LANGUAGE plpgsql STABLE ROWS 1
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY SELECT * FROM task WHERE id = _id;
END $$;
-- A text as it stands, for the index `task_found`.
CREATE FUNCTION task_lexeme(word text) RETURNS tsquery LANGUAGE sql IMMUTABLE AS $$
    SELECT ('''' || replace(replace(word, '\', '\\'), '''', '''''') || '''')::tsquery
$$;
-- The time that an id holds, and the lowest id of a time (UTC).
CREATE FUNCTION task_instant(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
$$;
CREATE FUNCTION task_floor(at timestamp) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
"""
BACK = """
DROP FUNCTION task_page;
DROP FUNCTION task_by_id;
DROP FUNCTION task_lexeme;
DROP FUNCTION task_instant;
DROP FUNCTION task_floor;
"""


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0005_task_found")]
    operations = [migrations.RunSQL(HELPERS + FUNCTION, BACK)]
