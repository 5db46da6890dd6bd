from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_walls")]

    operations = [keep("ledger_wall")]
