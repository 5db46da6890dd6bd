from django.db import migrations

from ledger.kept import FUNCTION, keep
from ledger.references import SEQUENCES


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION ledger_keep()"),
        keep("ledger_event"),
        *(
            migrations.RunSQL(f"CREATE SEQUENCE {name}", f"DROP SEQUENCE {name}")
            for name in sorted(SEQUENCES.values())
        ),
    ]
