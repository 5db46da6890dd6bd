from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("disclosures", "0003_standing_declarations"), ("ledger", "0004_standing_reference")]

    operations = [keep("disclosures_standingdeclaration", "revoked_at", "revoked_by_id")]
