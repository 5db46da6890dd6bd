"""The forms of filings, of standing declarations and of authorisations."""

from disclosures.forms.authorisation import (
    AmendmentForm,
    ConfirmForm,
    ProposalForm,
    RefuseForm,
    RevokeForm,
    TakeBackForm,
    initial_terms,
)
from disclosures.forms.fields import PlainText, WholeField
from disclosures.forms.filing import (
    DeclarationForm,
    ReasonForm,
    ReceiptForm,
    SectionForm,
    SectionReasonsForm,
    StandingForm,
    StepForm,
    WithdrawForm,
    initial_of,
    section_form,
    section_reasons_form,
)

__all__ = [
    "AmendmentForm",
    "ConfirmForm",
    "DeclarationForm",
    "PlainText",
    "ProposalForm",
    "ReasonForm",
    "ReceiptForm",
    "RefuseForm",
    "RevokeForm",
    "SectionForm",
    "SectionReasonsForm",
    "StandingForm",
    "StepForm",
    "TakeBackForm",
    "WholeField",
    "WithdrawForm",
    "initial_of",
    "initial_terms",
    "section_form",
    "section_reasons_form",
]
