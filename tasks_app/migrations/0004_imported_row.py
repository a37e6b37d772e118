"""What imports remember of rows that tell neither an id nor a time. A new table: the version before needs none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0003_count_tasks")]
    operations = [
        migrations.CreateModel(
            name="ImportedRow",
            fields=[
                ("row", models.UUIDField(primary_key=True, serialize=False)),
                ("task", models.UUIDField()),
            ],
            options={"db_table": "task_import"},
        ),
    ]
