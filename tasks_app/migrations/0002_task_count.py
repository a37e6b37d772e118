"""How many tasks each owner has, kept by the statements that change them (docs/decisions/0010-counts-are-sums.md).

The triggers come first and count from then on; 0003 adds what was there. They are the table's, not a month's, so that
they see each statement once. Making one needs a moment without a writer, which `migrate` tries for.
"""

from django.db import migrations, models

DUE_ON = "CASE WHEN status <> 'completed' THEN (due_at AT TIME ZONE 'UTC')::date END"
TRIGGERS = f"""
CREATE FUNCTION task_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_count (owner, status, due_on, number)
        SELECT owner, status, {DUE_ON}, count(*) FROM added WHERE deleted_at IS NULL GROUP BY 1, 2, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO task_count (owner, status, due_on, number)
        SELECT owner, status, {DUE_ON}, -count(*) FROM removed WHERE deleted_at IS NULL GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO task_count (owner, status, due_on, number)
        SELECT owner, status, due_on, sum(number)
        FROM (
            SELECT owner, status, {DUE_ON} AS due_on, 1 AS number FROM added WHERE deleted_at IS NULL
            UNION ALL
            SELECT owner, status, {DUE_ON}, -1 FROM removed WHERE deleted_at IS NULL
        ) AS change
        GROUP BY owner, status, due_on HAVING sum(number) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER task_counted_insert AFTER INSERT ON task
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION task_counted();
CREATE TRIGGER task_counted_update AFTER UPDATE ON task
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION task_counted();
CREATE TRIGGER task_counted_delete AFTER DELETE ON task
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION task_counted();
"""  # noqa: S608 (constants)
BACK = """
DROP TRIGGER task_counted_insert ON task;
DROP TRIGGER task_counted_update ON task;
DROP TRIGGER task_counted_delete ON task;
DROP FUNCTION task_counted();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0001_task")]
    operations = [
        migrations.CreateModel(
            name="TaskCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("owner", models.CharField(max_length=255)),
                ("status", models.CharField(max_length=16)),
                ("due_on", models.DateField(null=True)),
                ("number", models.BigIntegerField()),
                ("folded", models.BooleanField(db_default=False)),
            ],
            options={
                "db_table": "task_count",
                "indexes": [
                    models.Index(fields=["owner"], include=["status", "due_on", "number"], name="task_count_owner"),
                    models.Index(condition=models.Q(("folded", False)), fields=["owner"], name="task_count_unfolded"),
                ],
            },
        ),
        migrations.RunSQL(TRIGGERS, BACK),
    ]
