"""What was decided on an organisation stays as it was written."""

from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_suspended"), ("ledger", "0002_kept")]

    operations = [keep("accounts_organisationdecision")]
