"""Searches look into the index `task_searched`, those of the version before too: they call the same function."""

from importlib import import_module

from django.db import migrations

first = import_module("tasks_app.migrations.0006_task_page")
any_ = import_module("tasks_app.migrations.0008_task_any")
before = import_module("tasks_app.migrations.0009_search_windows")

WORDS = "task_words(title, description, owner, assignee)"
PHRASE = "to_tsvector('simple', title || ' ' || description)"
CHANGES = {
    "    _find tsquery;\n": "    _find tsquery;\n    _phrase tsquery;\n",
    "        IF numnode(_find) = 0 THEN RETURN; END IF;\n": (
        "        IF numnode(_find) = 0 THEN RETURN; END IF;\n"
        "        _phrase := task_phrase(_find);\n"
        "        _find := task_query(_find, coalesce(_owner, _assignee));\n"
    ),
}


def found(statement: str) -> str:
    """The same statement, with one parameter more behind the others."""
    query, _, names = statement.partition(" $query$ USING ")
    number = len(names.split(", ")) + 1
    condition = first.found("true", "id").partition("(SELECT * FROM task WHERE ")[2].partition(" AND true")[0]
    if condition not in query:
        raise AssertionError("a search is not what it was")
    words = f"($1 IS NULL OR {WORDS} @@ $1) AND (${number} IS NULL OR {PHRASE} @@ ${number})"
    return f"{query.replace(condition, words)} $query$ USING {names}, _phrase"


def function() -> str:
    text: str = before.function()
    searches = [statement for (_, way), statement in first.statements().items() if way == "found"]
    changes = {**CHANGES, **{statement: found(statement) for statement in searches}}
    for old, new in changes.items():
        if text.count(old) != 1:
            raise AssertionError(f"the function has changed: {old}")
        text = text.replace(old, new)
    return text


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0011_task_words")]
    operations = [migrations.RunSQL(any_.replace(function()), any_.replace(before.function()))]
