from django.db import migrations

from ledger.kept import keep

INSERT_ONLY = [
    "adjustment",
    "briefversion",
    "casereminder",
    "conflictdeclaration",
    "decision",
    "decisionproposal",
    "exhibit",
    "exhibitcomment",
    "holidayoverride",
    "lateaddition",
    "note",
    "noticereminder",
    "outage",
    "party",
    "publication",
    "question",
    "referralstep",
    "response",
    "responsereading",
    "service",
]


class Migration(migrations.Migration):
    dependencies = [("cases", "0001_initial"), ("ledger", "0002_kept")]

    operations = [
        *(keep(f"cases_{table}") for table in INSERT_ONLY),
        keep(
            "cases_case",
            "state",
            "round",
            "round_ends_at",
            "refers_at",
            "remind_at",
            "officer_id",
            "deputy_id",
            "ended_at",
        ),
        keep("cases_notice", "state", "due_at", "remind_at"),
        keep("cases_referral", "state", "authority_reference"),
        keep(
            "cases_extensionrequest",
            "state",
            "escalated_at",
            "decided_at",
            "decided_by_id",
            "decision_reasons",
        ),
        keep("cases_servicedoubt", "settled_at", "settled_by_id", "settlement"),
    ]
