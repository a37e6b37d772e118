"""`text` may be missing, so that release 4 can leave it out. The validated CHECK spares SET NOT NULL its scan."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rollout", "0005_body_was_there")]
    operations = [
        migrations.AlterField("note", "body", models.TextField()),
        migrations.RemoveConstraint("note", "rollout_note_body_is_there"),
        migrations.AlterField("note", "text", models.TextField(null=True)),
    ]
