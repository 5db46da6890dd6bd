"""What the tests of faults bring, for feeds as well."""

from tests.faults.conftest import broken, owner, without_constraint

__all__ = ["broken", "owner", "without_constraint"]
