from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_places")]

    # A new database has it already: the migration before makes a sequence for every kind of reference.
    operations = [
        migrations.RunSQL("CREATE SEQUENCE IF NOT EXISTS reference_standing", migrations.RunSQL.noop),
    ]
