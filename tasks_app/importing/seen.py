"""Which rows of the file were met before, in a temporary table: a million of them are not held in memory."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tasks_app.importing.lines import Line
from tasks_app.services import imports

_MAKE = """
DROP TABLE IF EXISTS pg_temp.import_seen;
CREATE TEMPORARY TABLE import_seen (key uuid PRIMARY KEY, first bigint NOT NULL, times bigint NOT NULL)
"""
_MEET = """
INSERT INTO pg_temp.import_seen AS seen
SELECT key, min(line), count(*) FROM unnest(%s::uuid[], %s::bigint[]) AS met(key, line) GROUP BY key
ON CONFLICT (key) DO UPDATE SET times = seen.times + excluded.times
RETURNING key, first, times
"""


class Met(NamedTuple):
    before: int  # equal rows above it
    first: int  # the line of the first of them


def forget() -> None:
    with imports.cursor() as cursor:
        cursor.execute(_MAKE)


def meet(lines: Sequence[Line]) -> list[Met]:
    keys, numbers = [line.key for line in lines], [line.number for line in lines]
    with imports.cursor() as cursor:
        cursor.execute(_MEET, [keys, numbers])
        first, left = {}, Counter(keys)
        for key, line, times in cursor.fetchall():
            first[key], left[key] = line, times - left[key]
    met = []
    for key in keys:
        met.append(Met(left[key], first[key]))
        left[key] += 1
    return met
