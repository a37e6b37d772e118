"""The task table, partitioned from the first day: a later change would have to copy every row."""

from typing import Any

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import config.data.ids

TABLE = """
CREATE TABLE task (
    id uuid NOT NULL PRIMARY KEY,
    title varchar(200) NOT NULL,
    description text NOT NULL,
    status varchar(16) NOT NULL,
    priority varchar(16) NOT NULL,
    due_at timestamptz,
    labels varchar(50)[] NOT NULL,
    owner varchar(255) NOT NULL,
    assignee varchar(255),
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    completed_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT task_status CHECK (status IN ('pending', 'in-progress', 'completed')),
    CONSTRAINT task_priority CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    CONSTRAINT task_completed_at CHECK ((status = 'completed') = (completed_at IS NOT NULL))
) PARTITION BY RANGE (id);

-- One index for each order that a list has; id ends every key, so that ties have one order.
CREATE INDEX task_owner ON task (owner, id DESC);
CREATE INDEX task_owner_status ON task (owner, status, id DESC);
CREATE INDEX task_owner_active ON task (owner, id DESC) WHERE status <> 'completed' AND deleted_at IS NULL;
CREATE INDEX task_owner_due ON task (owner, coalesce(due_at, 'infinity'), id);
CREATE INDEX task_owner_due_desc ON task (owner, coalesce(due_at, '-infinity') DESC, id DESC);
CREATE INDEX task_owner_updated ON task (owner, updated_at DESC, id DESC);
CREATE INDEX task_owner_trash ON task (owner, deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX task_assignee ON task (assignee, id DESC) WHERE assignee IS NOT NULL;
CREATE INDEX task_search ON task USING gin (to_tsvector('simple', title || ' ' || description));
"""


def person(column: str, **more: Any) -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=django.db.models.deletion.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        db_column=column,
        related_name="+",
        **more,
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE task")],
            state_operations=[
                migrations.CreateModel(
                    name="Task",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=config.data.ids.uuid7,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("title", models.CharField(max_length=200)),
                        ("description", models.TextField(blank=True, default="")),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("in-progress", "In Progress"),
                                    ("completed", "Completed"),
                                ],
                                default="pending",
                                max_length=16,
                            ),
                        ),
                        (
                            "priority",
                            models.CharField(
                                choices=[
                                    ("low", "Low"),
                                    ("normal", "Normal"),
                                    ("high", "High"),
                                    ("urgent", "Urgent"),
                                ],
                                default="normal",
                                max_length=16,
                            ),
                        ),
                        ("due_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "labels",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=50),
                                blank=True,
                                default=list,
                                size=None,
                            ),
                        ),
                        ("owner", person("owner")),
                        ("assignee", person("assignee", null=True, blank=True)),
                        ("version", models.IntegerField(default=1)),
                        ("created_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                        ("completed_at", models.DateTimeField(blank=True, null=True)),
                        ("deleted_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={"db_table": "task"},
                ),
            ],
        ),
    ]
