from django.db import migrations

# What was declared before there were walls around events.
FILL = """
INSERT INTO ledger_wall (root_type, root_id, user_id)
SELECT 'cases.case', case_id, user_id FROM cases_conflictdeclaration
UNION SELECT 'disclosures.filing', filing_id, user_id FROM disclosures_filingbarrier
UNION SELECT 'evidence.evidenceitem', item_id, user_id FROM evidence_barrier
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0004_doubts_and_outages"),
        ("ledger", "0006_walls_kept"),
        ("disclosures", "0004_standing_kept"),
        ("evidence", "0002_kept"),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
