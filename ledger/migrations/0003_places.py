import django.contrib.postgres.functions
import django.db.models.deletion
from django.db import migrations, models

from ledger.kept import keep

# Events get their row of `unplaced` from the database itself: no way of writing an event passes it by. Events that are
# there already get their places here, in the order of their numbers; creating the trigger keeps new ones out meanwhile.
PLACE = """
CREATE FUNCTION ledger_to_be_placed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_unplaced (event_id) SELECT id FROM fresh;
    RETURN NULL;
END
$$;
CREATE TRIGGER ledger_event_to_be_placed AFTER INSERT ON ledger_event
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_to_be_placed();
INSERT INTO ledger_place (event_id) SELECT id FROM ledger_event ORDER BY id;
"""
UNDO = """
DROP TRIGGER ledger_event_to_be_placed ON ledger_event;
DROP FUNCTION ledger_to_be_placed();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_kept")]

    operations = [
        migrations.CreateModel(
            name="Place",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, unique=True)),
                ("event", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="place", to="ledger.event")),
            ],
        ),
        migrations.CreateModel(
            name="Unplaced",
            fields=[
                ("event", models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name="+", serialize=False, to="ledger.event")),
            ],
        ),
        migrations.RunSQL(PLACE, UNDO),
        keep("ledger_place"),
    ]
