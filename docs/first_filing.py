"""A first program: file a disclosure, hand in evidence, answer a notice, and follow the case to the referral.

Against the sandbox (`make sandbox`), whose clock it moves forward at the end:

    python docs/first_filing.py var/sandbox/demo.json

It needs httpx and nothing else.
"""

import json
import sys
import uuid
from datetime import date

import httpx


def sign_in(url: str, client: dict[str, str]) -> httpx.Client:
    """A session with a token, which is good for an hour."""
    answer = httpx.post(
        f"{url}/api/v1/token/",
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
    )
    answer.raise_for_status()
    token = answer.json()["access_token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def done(answer: httpx.Response) -> dict:
    """What was answered; what was refused is said with the place in what was sent."""
    if answer.is_error:
        problem = answer.json()
        for error in problem.get("errors", []):
            print(f"  {error['pointer']}: {error['detail']}", file=sys.stderr)
        sys.exit(f"{problem['status']} {problem['detail']} ({problem['type']})")
    return answer.json()


def post(api: httpx.Client, path: str, body: object, **headers: str) -> dict:
    """One POST under a key of its own: if the line breaks, it can be sent again, and is done once."""
    return done(api.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4()), **headers}))


def evidence(api: httpx.Client, reference: str) -> str:
    """Hand in a usage log; answers its reference. Without a claim of confidentiality, to be short."""
    known = {
        "title": "Requests by day",
        "kind": "access_log",
        "relevance": "Shows how many requests were made each day.",
        "source_system": "API gateway",
        "collected_by": "A. Archivist, platform team",
        "collected_on": "2026-07-02",
        "collection_method": "Exported by query",
        "original_retained_where": "Log store, hold set",
        "time_source": "UTC, kept by NTP",
        "sampling": "None",
        "pseudonymisation": "Account names replaced by keyed hashes; the key is held by the data protection officer",
        "personal_data": "false",
        "limb": "none",
        "collector_declares": "true",
    }
    rows = f"day,requests\n2026-05-04,61200\n2026-05-05,{len(reference)}0188\n"
    return done(api.post("/api/v1/evidence/", data=known, files={"file": ("requests.csv", rows)}))["reference"]


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        demo = json.load(file)
    client = next(c for c in demo["clients"] if c["organisation"] == "Harrier Analytics plc")
    api = sign_in(demo["url"], client)
    schema = done(api.get("/api/v1/schema/?format=json"))
    [example] = schema["paths"]["/api/v1/disclosures/"]["post"]["requestBody"]["content"]["application/json"][
        "examples"
    ].values()

    # 1. A disclosure. Tried first: a dry run says what would be wrong, and changes nothing.
    reference = f"FIRST-{uuid.uuid4().hex[:8]}"
    filing = {
        "content": {**example["value"]["content"], "filer_reference": reference},
        "standing_declaration": client["standing_declaration"],
    }
    post(api, "/api/v1/disclosures/?dry_run=true", filing)
    filed = post(api, "/api/v1/disclosures/", filing)
    print(f"filed {filed['reference']}: {filed['state']}, SHA-256 {filed['version']['sha256']}")

    # 2. A notice that waits for an answer, and evidence to answer it with.
    waiting = done(api.get("/api/v1/notices/?state=issued&kind=evidence"))["results"]
    if not waiting:
        sys.exit("No notice waits for an answer: start the sandbox anew.")
    url = f"/api/v1/notices/{waiting[0]['reference']}/"
    read = api.get(url)
    notice = done(read)
    print(f"{notice['reference']} in {notice['case']}: answer by the end of {notice['due_on']}")
    item = evidence(api, reference)
    replies = [
        {"question": q["number"], "how": "answer", "text": "Three accounts; see the log.", "evidence": [item]}
        for q in notice["questions"]
    ]
    # If-Match: nothing is answered to a notice that has changed since it was read.
    answered = post(api, f"{url}answer/", {"replies": replies}, **{"If-Match": read.headers["ETag"]})
    print(f"answered with {item}: {answered['state']}")

    # 3. The case, until it goes to the authority. Only the sandbox's clock can be moved.
    case = done(api.get(f"/api/v1/cases/{notice['case']}/"))
    while case["state"] == "open":
        days = max(1, (date.fromisoformat(case["refers_on"]) - date.fromisoformat(today(api))).days + 1)
        moved = done(api.post("/api/v1/sandbox/clock/", json={"days": days}))
        print(f"the clock says {moved['local_date']}")
        case = done(api.get(f"/api/v1/cases/{case['reference']}/"))
    print(f"{case['reference']} is {case['state']}, referred at {case['referred_at']}")


def today(api: httpx.Client) -> str:
    return done(api.get("/api/v1/sandbox/clock/"))["local_date"]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "var/sandbox/demo.json")
