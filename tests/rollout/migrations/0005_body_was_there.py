"""In a transaction of its own: it scans the table, which must not happen under the lock of the migration before."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("rollout", "0004_body_is_there")]
    operations = [ValidateConstraint("note", "rollout_note_body_is_there")]
