"""What an import reads: rows of NDJSON and CSV, byte for byte, each wrong one with its line and all its reasons"""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.data import ids
from tasks_app.importing import files, lines
from tasks_app.importing.files import CSV, NDJSON, NotStarted, Wrong
from tasks_app.importing.lines import Line

AT = datetime(2024, 2, 29, 23, 59, 59, 123_000, tzinfo=UTC)


def rows(content: bytes, kind: str = NDJSON) -> list[files.Row]:
    return list(files.rows(io.BytesIO(content), kind, lines.COLUMNS))


def values(content: bytes, kind: str = NDJSON) -> list[Any]:
    return [row.value for row in rows(content, kind)]


def line(**given: Any) -> Line:
    return lines.read(1, {"title": "a", "owner": "alice", **given})


def refused(**given: Any) -> str:
    with pytest.raises(Wrong) as wrong:
        line(**given)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", b"{", CSV),
        ("a.NDJSON", b"title", NDJSON),
        ("a.jsonl", b"[", NDJSON),
        ("-", b'\xef\xbb\xbf \n{"title"', NDJSON),
        ("-", b"", NDJSON),
        ("tasks", b"title,owner", CSV),
    ],
)
def test_the_format_follows_the_name_or_else_the_first_character(name: str, content: bytes, kind: str) -> None:
    file = io.BufferedReader(io.BytesIO(content))
    assert files.kind(name, file) == kind
    assert file.read() == content


def test_ndjson_may_have_a_mark_blank_lines_any_line_ends_and_no_last_one() -> None:
    found = rows(b'\xef\xbb\xbf{"title": "a"}\r\n\n  \n{"title": "b\\r\\n\\u00e9"}\n\xef\xbb\xbf{}\n{"title": "c"}')
    assert [row.line for row in found] == [1, 4, 5, 6]
    assert [row.value for row in found if row.line != 5] == [{"title": "a"}, {"title": "b\r\né"}, {"title": "c"}]
    assert isinstance(found[2].value, Wrong), "a mark that is not at the start is no JSON"


@pytest.mark.parametrize("bad", [b"{", b'{"a": 1, "a": 2}', b'"\xff"', b"NaN", b'{"a": "\\u0000"}', b'"\\ud800"'])
def test_a_line_that_is_no_json_spoils_itself_only(bad: bytes) -> None:
    first, last = b'{"title": "a"}\n', b'\n{"title": "b"}'
    one, wrong, other = values(first + bad + last)
    assert (one, other) == ({"title": "a"}, {"title": "b"})
    assert isinstance(wrong, Wrong)


def test_an_endless_line_is_not_held_in_memory(settings: Any) -> None:
    settings.MAX_BODY_BYTES = 10_000
    file = io.BytesIO(b'{"title": "' + b"x" * 95_000 + b'"}\n{"title": "b"}\n')
    largest = 0

    class Watched(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal largest
            piece = file.readline(-1 if size is None else size)
            largest = max(largest, len(piece))
            return piece

    found = list(files.rows(Watched(), NDJSON, lines.COLUMNS))
    assert [row.line for row in found] == [1, 2]
    assert str(found[0].value) == "The row has more than 10000 bytes."
    assert found[1].value == {"title": "b"}
    assert largest <= 10_001


def test_csv_keeps_texts_byte_for_byte() -> None:
    text = 'He said "yes",\r\nthen\n\tleft;\r no ß é 🎉 \'=1+1 '
    cell = '"' + text.replace('"', '""') + '"'
    found = rows(f"\ufefftitle,owner,description\r\n a ,alice,{cell}\r\nb,bob,\r\n".encode(), CSV)
    assert [row.line for row in found] == [2, 6], "the text has three line ends of its own"
    assert [row.value for row in found] == [
        {"title": " a ", "owner": "alice", "description": text},
        {"title": "b", "owner": "bob"},
    ]


def test_csv_labels_are_a_json_array_as_in_an_export() -> None:
    head = b"title,owner,labels\n"
    assert values(head + b'a,b,"[""x"", ""y""]"\na,b,"x,y"\na,b,\n', CSV) == [
        {"title": "a", "owner": "b", "labels": ["x", "y"]},
        {"title": "a", "owner": "b", "labels": "x,y"},
        {"title": "a", "owner": "b"},
    ]
    assert refused(labels="x,y") == "labels: Expected an array."


def test_csv_rows_that_are_none_spoil_themselves_only() -> None:
    found = rows(b'title,owner\na\nb,c,d\n\n\xff,x\n"a"b,c\nlast,bob\n"open,x\ny', CSV)
    good = [(row.line, row.value) for row in found if not isinstance(row.value, Wrong)]
    assert good == [(7, {"title": "last", "owner": "bob"})]
    assert [(row.line, str(row.value)) for row in found if isinstance(row.value, Wrong)] == [
        (2, "The row has 1 cells, the header 2."),
        (3, "The row has 3 cells, the header 2."),
        (5, "The row is not UTF-8."),
        (6, "The row is not CSV: ',' expected after '\"'."),
        (8, "The row is not CSV: unexpected end of data."),
    ]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b'"', "no header"),
        (b"title\n", "lacks owner"),
        (b"owner,id\n", "lacks title"),
        (b"title,owner,title\n", "twice"),
        (b"title,owner,version,colour\n", "'version', 'colour'"),
        (b"title;owner\n", "'title;owner'"),
    ],
)
def test_csv_whose_header_is_wrong_is_not_begun(head: bytes, reason: str) -> None:
    with pytest.raises(NotStarted, match=reason):
        rows(head, CSV)
    with pytest.raises(NotStarted, match="no header"):
        rows(b"", CSV)


def test_a_file_stays_open_so_that_it_can_be_read_again() -> None:
    file = io.BytesIO(b"title,owner\na,b\n")
    for _ in range(2):
        file.seek(0)
        assert len(list(files.rows(file, CSV, lines.COLUMNS))) == 1


def test_a_row_obeys_the_rules_of_a_call() -> None:
    row = {"title": " ", "owner": "", "priority": "big", "version": 3, "labels": ["a", "a"], "due_at": "tomorrow"}
    with pytest.raises(Wrong) as wrong:
        lines.read(7, row)
    for name in row:
        assert f"{name}: " in str(wrong.value)
    with pytest.raises(Wrong, match=r"title: This field is required\. owner: This field is required\."):
        lines.read(7, {})
    with pytest.raises(Wrong, match="Expected a JSON object"):
        lines.read(7, [1])


def test_the_time_of_a_task_is_its_ids_or_what_the_row_says() -> None:
    identifier = ids.uuid7(AT)
    assert line(id=str(identifier)).at == AT
    assert line(created_at="2024-02-29T23:59:59.1239Z").at == AT, "without what no stored time has"
    assert line(id=str(identifier), created_at="2024-03-01T00:59:59.123+01:00").at == AT
    assert line(status="completed", completed_at="2024-02-29T23:59:59.123Z").at == AT
    nothing = line(id=None, created_at=None, completed_at=None)
    assert (nothing.at, nothing.id) == (None, None)


def test_what_contradicts_itself_is_refused() -> None:
    identifier, later = str(ids.uuid7(AT)), datetime.now(UTC) + timedelta(hours=1)
    contradictions: list[dict[str, Any]] = [
        {"id": "8b9ad1b0-7c0e-4cde-8c0e-1f2a3b4c5d6e"},
        {"id": identifier.upper()},
        {"id": str(ids.uuid7(later))},
        {"id": "ffffffff-ffff-7fff-bfff-ffffffffffff"},
        {"id": identifier, "created_at": "2024-02-29T23:59:59.124Z"},
        {"created_at": later.isoformat()},
        {"created_at": "1969-12-31T23:59:59Z"},
        {"created_at": "2024-02-30T00:00:00Z"},
        {"completed_at": "2024-02-29T23:59:59Z"},
        {"completed_at": "2024-02-29T23:59:59Z", "status": "pending"},
        {"completed_at": later.isoformat(), "status": "completed"},
        {"completed_at": "2024-02-29T00:00:00Z", "status": "completed", "created_at": "2024-03-01T00:00:00Z"},
        {"completed_at": "2024-02-29T00:00:00Z", "status": "completed", "id": identifier},
    ]
    for given in contradictions:
        assert refused(**given).startswith(f"{next(iter(given))}: "), given


def test_equal_rows_have_one_key_however_they_are_written() -> None:
    csv = values(b"owner,title,description,created_at\nalice,a,,2024-02-29T23:59:59.123Z\n", CSV)[0]
    jsons = [
        {"title": "a", "owner": "alice", "created_at": "2024-03-01T00:59:59.123+01:00", "labels": []},
        {"created_at": "2024-02-29T23:59:59.123Z", "owner": "alice", "title": "a", "status": "pending", "due_at": None},
    ]
    keys = {lines.read(1, row).key for row in [csv, *map(json.loads, map(json.dumps, jsons))]}
    assert len(keys) == 1
    assert line(created_at="2024-02-29T23:59:59.124Z").key not in keys


def test_the_ids_of_rows_are_for_ever() -> None:
    """What they are made of is kept by nobody: another way would make every task of an older file again."""
    one = line(created_at="2024-02-29T23:59:59.123Z", labels=["x"], status="completed")
    assert ids.derived(AT, one.name(0).bytes).hex == "018df74f80937633aca0f186d11351d8"
    assert ids.derived(AT, one.name(1).bytes).hex == "018df74f80937581b2b7abb9bd515b70"
    assert ids.instant(ids.derived(AT, one.name(0).bytes)) == AT
    assert ids.derived(AT, b"").version == 7
