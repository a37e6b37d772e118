"""Nullable and without a default: no row is touched, and release 1, which does not know it, goes on inserting."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rollout", "0001_note")]
    operations = [migrations.AddField("note", "body", models.TextField(null=True))]
