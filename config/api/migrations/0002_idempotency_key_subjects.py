"""Answers that tell of several objects. Nullable, without a default: no row is rewritten, and the version before,
which does not know the column, goes on inserting.
"""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0001_idempotency_key")]
    operations = [
        migrations.AddField(
            model_name="idempotencykey",
            name="subjects",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), null=True, size=None),
        ),
    ]
