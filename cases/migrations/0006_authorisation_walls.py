from django.db import migrations

# Conflicts that were declared before there were authorisations to be walled off from.
FILL = """
INSERT INTO disclosures_authorisationbarrier (one_id, other_id, user_id)
SELECT DISTINCT one.organisation_id, other.organisation_id, declared.user_id
FROM cases_conflictdeclaration declared
JOIN cases_party one ON one.case_id = declared.case_id
JOIN cases_party other ON other.case_id = declared.case_id AND one.organisation_id < other.organisation_id
"""


class Migration(migrations.Migration):
    dependencies = [("cases", "0005_walls"), ("disclosures", "0006_authorisations_kept")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
