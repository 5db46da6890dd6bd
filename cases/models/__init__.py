"""What a case is made of, a noun a file."""

from cases.models.calendar import HolidayOverride, Outage
from cases.models.case import (
    BriefVersion,
    Case,
    CaseReminder,
    ConflictDeclaration,
    Decision,
    DecisionProposal,
    Note,
    Outcome,
    Party,
    Publication,
)
from cases.models.exhibit import Exhibit, ExhibitComment
from cases.models.notice import (
    Adjustment,
    AnswerDraft,
    ExtensionRequest,
    Notice,
    NoticeReminder,
    Question,
    Response,
    ResponseReading,
    Service,
    ServiceDoubt,
)
from cases.models.referral import DeclineHead, LateAddition, Referral, ReferralStep

__all__ = [
    "Adjustment",
    "AnswerDraft",
    "BriefVersion",
    "Case",
    "CaseReminder",
    "ConflictDeclaration",
    "Decision",
    "DecisionProposal",
    "DeclineHead",
    "Exhibit",
    "ExhibitComment",
    "ExtensionRequest",
    "HolidayOverride",
    "LateAddition",
    "Note",
    "Notice",
    "NoticeReminder",
    "Outage",
    "Outcome",
    "Party",
    "Publication",
    "Question",
    "Referral",
    "ReferralStep",
    "Response",
    "ResponseReading",
    "Service",
    "ServiceDoubt",
]
