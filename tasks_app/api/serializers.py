"""The task's JSON: strict on the way in; on the way out only for the schema (see tasks_app.representation)."""

from typing import Any

from django.db.models import DateTimeField
from rest_framework import serializers

from config.api import fields
from tasks_app.models import Priority, Status, Task
from tasks_app.representation import FIELDS


class TaskCreate(fields.Body):
    """A new task. Text is kept byte for byte."""

    title = fields.Text(min_length=1, max_length=200, blank=False, help_text="Characters; not white space only.")
    description = fields.Text(max_length=10_000, required=False, help_text="Characters; empty by default.")
    status = fields.Choice(choices=Status.choices, required=False, help_text="`pending` by default.")
    priority = fields.Choice(choices=Priority.choices, required=False, help_text="`normal` by default.")
    due_at = fields.Time(
        required=False, allow_null=True, help_text="With an offset; kept in UTC with milliseconds. Null by default."
    )
    labels = fields.Texts(
        child=fields.Text(min_length=1, max_length=50),
        max_length=20,
        required=False,
        help_text="Unique; none by default.",
    )
    assignee = fields.Text(
        min_length=1, max_length=255, required=False, allow_null=True, help_text="A known user's id; null by default."
    )


class TaskPatch(TaskCreate):
    """A JSON merge patch (RFC 7396): what is not sent is not touched, null empties, arrays are replaced whole."""

    title = fields.Text(
        min_length=1, max_length=200, blank=False, required=False, help_text="Characters; not white space only."
    )
    description = fields.Text(max_length=10_000, required=False, allow_null=True, help_text="Characters; null: empty.")
    status = fields.Choice(choices=Status.choices, required=False, help_text="All that an assignee may name.")
    priority = fields.Choice(choices=Priority.choices, required=False)
    labels = fields.Texts(
        child=fields.Text(min_length=1, max_length=50),
        max_length=20,
        required=False,
        allow_null=True,
        help_text="Unique; replaced as a whole; null: none.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        values = super().to_internal_value(data)
        # In a merge patch null removes a member: these two then have their defaults again.
        for name, default in (("description", ""), ("labels", [])):
            if name in values and values[name] is None:
                values[name] = default
        return values


class TaskOut(serializers.ModelSerializer[Task]):
    """A task. Times are UTC with milliseconds; `version` counts its changes and is its ETag."""

    # For the schema, and for the test that holds the read path's bytes against it.

    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, DateTimeField: fields.Time}
    owner = serializers.CharField(source="owner_id")
    assignee = serializers.CharField(source="assignee_id", allow_null=True)

    class Meta:
        model = Task
        fields = FIELDS
        read_only_fields = FIELDS


class EventOut(serializers.Serializer[Any]):
    """One entry of a task's history."""

    id = serializers.UUIDField()
    type = serializers.CharField(help_text="task.created, task.updated, task.completed, task.deleted, …")
    version = serializers.IntegerField(help_text="The task's version after it.")
    at = fields.Time()
    actor = serializers.CharField(help_text="The id of the user who did it.")
    request_id = serializers.CharField()
    changes = serializers.DictField(
        child=serializers.DictField(), allow_null=True, help_text='{field: {"from": …, "to": …}}'
    )


class ChangeOut(serializers.Serializer[Any]):
    """One entry of the change feed."""

    sequence = serializers.CharField(help_text="Ascends as text; names the entry, which may be delivered twice.")
    type = serializers.CharField(help_text="task.created, task.updated, task.completed, task.deleted, …")
    id = serializers.UUIDField(help_text="The task's.")
    version = serializers.IntegerField(help_text="The task's version after it.")
    at = fields.Time()
    changes = serializers.DictField(
        child=serializers.DictField(), allow_null=True, help_text='{field: {"from": …, "to": …}}'
    )
    task = TaskOut(allow_null=True, help_text="As it is now, maybe later than `version`; null: it is deleted.")


CREATE = TaskCreate()
PATCH = TaskPatch()
