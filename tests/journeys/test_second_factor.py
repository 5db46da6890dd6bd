"""Two-step sign-in: asked of an administrator before anything else, by an app, by recovery code and by passkey."""

from __future__ import annotations

from typing import Any

from tests.cases.world import World
from tests.cast import PASSWORD, code, person


def test_an_administrator_must_set_up_a_second_step(w: World, enter: Any, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    admin = person(w.respondent.organisation, "company_admin", "ann@kestrel.example", second_factor=False)
    visitor = enter(width=320)
    visitor.go("account_login")
    visitor.sign_in(admin.email, PASSWORD)
    assert visitor.heading == "Two-step sign-in"
    visitor.go("disclosures")
    assert visitor.heading == "Two-step sign-in", "nothing else before that"
    visitor.follow("Set up an authenticator app")
    _again(visitor)
    secret = visitor.page.locator("#authenticator_secret").inner_text()
    visitor.fill({"code": "123456"})
    visitor.press("Turn it on")
    assert visitor.errors()
    visitor.fill({"code": code(secret)})
    visitor.press("Turn it on")
    assert visitor.heading == "Recovery codes"
    recovery = visitor.page.locator("#recovery_codes li").all_inner_texts()
    assert len(recovery) == 10
    visitor.go("disclosures")
    assert visitor.heading == "Disclosures"
    visitor.press("Sign out")

    visitor.go("account_login")
    visitor.sign_in(admin.email, PASSWORD)
    assert visitor.heading == "Enter your security code"
    visitor.fill({"code": recovery[0]})
    visitor.press("Sign in")
    assert visitor.heading == "What waits for you"
    visitor.go("mfa_index")
    visitor.reads("9 codes left")
    visitor.follow("Make new recovery codes")
    _again(visitor)
    visitor.press("Make new codes")
    visitor.reads("10 codes of 10 left")
    visitor.go("mfa_deactivate_totp")
    assert visitor.heading == "Turn off the authenticator app"
    seen = {"mfa_authenticate", "mfa_activate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"}
    assert seen <= visitor.visited


def _again(visitor: Any) -> None:
    """What changes how an account is protected asks for the password once more."""
    assert visitor.heading == "Confirm that it is you"
    visitor.fill({"password": PASSWORD})
    visitor.press("Confirm")


def test_a_passkey_signs_in_by_itself(w: World, enter: Any, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    admin = person(w.respondent.organisation, "company_admin", "ann@kestrel.example", second_factor=False)
    visitor = enter()
    device = visitor.page.context.new_cdp_session(visitor.page)
    device.send("WebAuthn.enable")
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    visitor.go("account_login")
    visitor.sign_in(admin.email, PASSWORD)
    visitor.follow("Add a security key or passkey")
    _again(visitor)
    visitor.fill({"name": "Laptop"})
    visitor.page.locator('input[name="passwordless"]').check()
    visitor.press("Add")
    assert visitor.heading == "Recovery codes"
    visitor.go("mfa_list_webauthn")
    visitor.reads("Laptop", "A passkey: it signs you in by itself.")
    visitor.follow("Rename Laptop")
    visitor.fill({"name": "Old laptop"})
    visitor.press("Save")
    visitor.reads("Old laptop")
    visitor.press("Sign out")
    visitor.go("account_login")
    visitor.press("Sign in with a passkey")
    assert visitor.heading == "What waits for you"
    visitor.go("mfa_list_webauthn")
    visitor.follow("Remove Old laptop")
    assert visitor.heading == "Confirm that it is you"
    assert {"mfa_add_webauthn", "mfa_edit_webauthn"} <= visitor.visited
