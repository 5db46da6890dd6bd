from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("disclosures", "0005_authorisations"), ("ledger", "0004_standing_reference")]

    operations = [
        # A new database has it already: ledger makes a sequence for every kind of reference.
        migrations.RunSQL("CREATE SEQUENCE IF NOT EXISTS reference_permission", migrations.RunSQL.noop),
        keep("disclosures_authorisation", "state", "confirmed_at", "revoked_at"),
        keep("disclosures_authorisationversion"),
        keep("disclosures_authorisationanswer"),
        keep("disclosures_authorisationbarrier"),
    ]
