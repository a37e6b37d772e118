"""The event log, partitioned from the first day: a later change would have to copy every row."""

import django.db.models.functions.datetime
from django.db import migrations, models

import config.data.ids
import config.events.fields

TABLE = """
CREATE TABLE event (
    id uuid NOT NULL PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    type varchar(64) NOT NULL,
    subject uuid NOT NULL,
    owner varchar(255) NOT NULL,
    actor varchar(255) NOT NULL,
    version integer,
    changes jsonb,
    data jsonb,
    request_id varchar(64) NOT NULL,
    traceparent varchar(55) NOT NULL,
    at timestamptz NOT NULL
) PARTITION BY RANGE (id);

-- The relay's order, a task's history, a user's change feed.
CREATE INDEX event_log ON event (xid, id);
CREATE INDEX event_subject ON event (subject, xid, id);
CREATE INDEX event_owner ON event (owner, xid, id);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE event")],
            state_operations=[
                migrations.CreateModel(
                    name="Event",
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
                        (
                            "xid",
                            config.events.fields.Xid8Field(
                                db_default=config.events.fields.CurrentTransaction(), editable=False
                            ),
                        ),
                        ("type", models.CharField(max_length=64)),
                        ("subject", models.UUIDField()),
                        ("owner", models.CharField(max_length=255)),
                        ("actor", models.CharField(max_length=255)),
                        ("version", models.IntegerField(null=True)),
                        ("changes", models.JSONField(null=True)),
                        ("data", models.JSONField(null=True)),
                        ("request_id", models.CharField(default="", max_length=64)),
                        ("traceparent", models.CharField(default="", max_length=55)),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "event",
                        "indexes": [
                            models.Index(fields=["xid", "id"], name="event_log"),
                            models.Index(fields=["subject", "xid", "id"], name="event_subject"),
                            models.Index(fields=["owner", "xid", "id"], name="event_owner"),
                        ],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="ProcessedEvent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "event_id", "consumer", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("event_id", models.UUIDField()),
                ("consumer", models.CharField(max_length=100)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"db_table": "events_processed"},
        ),
        migrations.CreateModel(
            name="RelayCursor",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("xid", config.events.fields.Xid8Field()),
                ("event_id", models.UUIDField(db_column="id")),
            ],
            options={"db_table": "events_cursor"},
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.UUIDField(default=config.data.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("queue", models.CharField(max_length=64)),
                ("task", models.CharField(max_length=128)),
                ("event_id", models.UUIDField(null=True)),
                ("payload", models.JSONField()),
                ("error", models.TextField()),
                ("died_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("replayed_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "events_dead_letter",
                "indexes": [models.Index(fields=["queue", "id"], name="events_dead_letter_queue")],
            },
        ),
    ]
