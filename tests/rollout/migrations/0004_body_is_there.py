"""New rows are checked from here on; the old ones by the next migration, without a lock that holds anybody up."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rollout", "0003_fill_body")]
    operations = [
        AddConstraintNotValid(
            "note",
            models.CheckConstraint(condition=models.Q(body__isnull=False), name="rollout_note_body_is_there"),
        ),
    ]
