"""What a disclosure and an allegation ask, section by section, and the declaration that ends both; what an authorisation
says.
"""

from disclosures.catalogue.allegation import ALLEGATION
from disclosures.catalogue.authorisation import AUTHORISATION
from disclosures.catalogue.choices import ACTIVITY, BANDS, LIMBS, PURPOSE, TIMEZONES
from disclosures.catalogue.disclosure import DISCLOSURE

SCHEMAS = {"disclosure": DISCLOSURE, "allegation": ALLEGATION}
DECLARATION = (
    "I declare that I have the authority to make this filing, that I have made reasonable enquiries, and that to the "
    "best of my knowledge and belief what it says is true and complete. I understand that I must correct it without "
    "delay if I learn that it is not."
)
DECLARATION_VERSION = "declaration-1"

__all__ = [
    "ACTIVITY",
    "ALLEGATION",
    "AUTHORISATION",
    "BANDS",
    "DECLARATION",
    "DECLARATION_VERSION",
    "DISCLOSURE",
    "LIMBS",
    "PURPOSE",
    "SCHEMAS",
    "TIMEZONES",
]
