"""Concurrently: writes go on while it is built. It is empty until the first answer about several objects."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("api", "0002_idempotency_key_subjects")]
    operations = [
        AddIndexConcurrently(
            model_name="idempotencykey",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("subjects__isnull", False)),
                fields=["subjects"],
                name="idempotency_key_subjects",
            ),
        ),
    ]
