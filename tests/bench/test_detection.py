"""The generator of usage logs keeps its promises: seeds, shares, rates, truth. Real traces may be absent."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bench.detection import (
    NEGATIVES,
    RECIPES,
    NoDataError,
    Truth,
    attackers,
    benign,
    big,
    negatives,
    report,
    scenario,
    traces,
)
from bench.detection.content import Content, Lengths, new_templates, simhashes, spoken
from bench.detection.log import account_name, table, together, write
from bench.detection.parts import DAY
from monitoring import schema

try:
    traces.folder()
    absent = ""
except NoDataError as error:
    absent = str(error)
needs_data = pytest.mark.skipif(bool(absent), reason=absent)
SMALL = {"days": 2.0, "scale": 0.06}


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- Recipes: these need no data -----------------------------------------------------------------------------------
@pytest.mark.parametrize("timing", ["balanced", "jitter"])
def test_an_account_of_a_hydra_makes_26_calls_a_day(timing: str) -> None:
    part = attackers.hydra(rng(), 10, "a2-200", size=200, timing=timing)
    (block,) = part.blocks
    _, calls = np.unique(block["account"], return_counts=True)
    a_day = calls / part.facts["days"]
    assert a_day.mean() == pytest.approx(26, rel=0.03)
    if timing == "balanced":
        assert calls.max() - calls.min() <= 5, "the scheduler is even"


def test_exponential_gaps_have_a_cv_of_one() -> None:
    (block,) = attackers.hydra(rng(2), 14, "a4-jitter-hydra", size=60, timing="jitter").blocks
    cvs = []
    for account in np.unique(block["account"]):
        gaps = np.diff(block["ts"][block["account"] == account])
        cvs.append(gaps.std() / gaps.mean())
    assert np.median(cvs) == pytest.approx(1, abs=0.1)


def test_office_hours_are_kept() -> None:
    part = attackers.hydra(rng(3), 14, "a4-office-hydra", size=20, timing="office")
    (block,) = part.blocks
    local = block["ts"] / 1e6 + part.facts["zone"] * 3600
    assert ((local // DAY) % 7 < 5).all()
    assert ((local % DAY) / 3600 >= 9).all()
    assert ((local % DAY) / 3600 < 17.5).all()


@pytest.mark.parametrize(("templates", "least", "most"), [(True, 0.2, 1.0), (False, 0.0, 0.03)])
def test_prompts_of_a_template_are_alike_and_others_are_not(templates: bool, least: float, most: float) -> None:
    (block,) = attackers.hydra(rng(4), 7, "a2-20", size=20, templates=templates).blocks
    some = rng().choice(np.unique(block["template"]), 400, replace=False)
    apart = np.bitwise_count(some[:, None] ^ some[None, :]).astype(int)
    np.fill_diagonal(apart, 64)
    assert least <= (apart.min(1) <= 10).mean() <= most


def test_simhashes_are_as_far_apart_as_the_model_says() -> None:
    found = simhashes(rng(2), new_templates(rng(), 1_000), np.arange(2_000) % 1_000, np.full(2_000, 0.9))
    apart = np.bitwise_count(found[:1_000] ^ found[1_000:])
    assert apart.mean() == pytest.approx(64 * np.arccos(0.9) / np.pi, rel=0.05)


def test_a_repeated_prompt_has_the_same_hashes() -> None:
    block = spoken(rng(), 5_000, Content(Lengths(300, 0.5, 200, 0.5), ("m",), repeats=0.3))
    pairs = {
        (int(p), int(t), int(i))
        for p, t, i in zip(*(block[c] for c in ("prompt", "template", "input_tokens")), strict=True)
    }
    assert len(pairs) == len(np.unique(block["prompt"])) == pytest.approx(3_500, rel=0.05)


def test_a_red_team_stays_within_its_authorisation() -> None:
    part = negatives.redteam(rng(5), 10, "test", authorised=True)
    rows = together(part.blocks)
    for record in part.authorisations:
        own = np.isin(rows["account"], record["accounts"])
        assert own.any()
        assert np.isin(rows["net"][own], record["nets"]).all()
        assert (rows["ts"][own] >= record["starts"] * 1e6).all()
        assert (rows["ts"][own] <= record["ends"] * 1e6).all()
        assert own.sum() <= record["caps"]["requests"]
        assert 0.25 < rows["refused"][own].mean() < 0.75
    assert np.isin(rows["account"], np.concatenate([record["accounts"] for record in part.authorisations])).all()


def test_gaps_in_a_window_have_its_cv_and_bursts_do_not_stand_where_windows_begin() -> None:
    for cv in (0.4, 1.0, 3.0):
        seconds = traces.fill(rng(), np.array([5_000]), np.array([cv]), 6_000.0)
        gaps = np.diff(seconds)
        assert len(seconds) == 5_000
        assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.15)
    for cv in (20.0, 45.0):  # one long gap and the rest a burst, not gaps that are all alike
        bursts = [np.diff(traces.fill(rng(seed), np.array([12]), np.array([cv]), 600.0)) for seed in range(100)]
        assert np.median([gaps.std() / gaps.mean() for gaps in bursts]) > 0.5
        assert np.median([np.median(gaps) for gaps in bursts]) < 1
    starts = [traces.fill(rng(seed), np.array([50]), np.array([15.0]), 600.0)[0] for seed in range(200)]
    assert np.mean(np.array(starts) < 6) < 0.1


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.csv.gz"])
def test_a_row_is_one_of_the_schema(name: str, tmp_path: Path) -> None:
    import csv

    import jsonschema

    rows = table(together(attackers.hydra(rng(6), 3, "a2-20", size=5).blocks), 1_767_571_200)
    write(rows.slice(0, 50), tmp_path / name, header={"tool": "test"})
    with gzip.open(tmp_path / name, "rt") as file:
        head, *lines = file.read().splitlines()
    assert schema.HEADER_KEY in json.loads(head.removeprefix("# "))
    if ".csv" in name:
        found = []
        for row in csv.DictReader(lines):
            kinds = {c.name: c.type for c in schema.COLUMNS}
            found.append({k: v if kinds[k] == "string" else json.loads(v) for k, v in row.items() if v})
    else:
        found = [json.loads(line) for line in lines]
    assert len(found) == 50
    for row in found:
        jsonschema.validate(row, schema.json_schema())


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_big_log_has_its_rows_whatever_the_workers(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big, "CHUNK", 1_000)
    for workers in (1, 2):
        big.write_log(tmp_path / f"{workers}.gz", 2_500, kind, workers=workers)
    assert (tmp_path / "1.gz").read_bytes() == (tmp_path / "2.gz").read_bytes()
    with gzip.open(tmp_path / "1.gz", "rt") as file:
        lines = file.read().splitlines()
    assert len(lines) == 2_500 + (kind == "csv")
    if kind == "jsonl":
        assert len(json.loads(lines[0])) == 20


# --- Whole logs, from real traces ------------------------------------------------------------------------------------
@needs_data
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        scenario("a2-20+nat", seed, "test", out=tmp_path / f"{name}.jsonl.gz", **SMALL)
        digests.append(hashlib.sha256((tmp_path / f"{name}.jsonl.gz").read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


@needs_data
@pytest.mark.parametrize("name", [n for n in [*RECIPES, *NEGATIVES] if n not in {"a2-2000", "a3-05"}])
def test_every_account_of_a_log_has_its_truth(name: str, tmp_path: Path) -> None:
    truth = scenario(name, 3, "test", out=tmp_path / "log.jsonl.gz", **SMALL)
    with gzip.open(tmp_path / "log.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    assert {row["account"] for row in rows} == set(truth.labels)
    assert len(rows) == truth.rows
    assert [row["ts"] for row in rows] == sorted(row["ts"] for row in rows)
    assert set().union(*rows) <= set(truth.columns)
    assert name in truth.labels.values()
    assert truth.attackers == ({a for a, label in truth.labels.items() if label == name} if name in RECIPES else set())
    assert Truth.load(tmp_path / "log.jsonl.gz.truth.json") == truth
    assert bool(truth.authorisations) == (name == "redteam-authorised")
    for group in truth.sets:
        assert {truth.labels[account] for account in group["accounts"]} == {group["label"]}


@needs_data
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_attack_is_the_promised_share_of_each_accounts_traffic(share: float) -> None:
    part = attackers.mixed(rng(8), 5, "a3", share=share, split="test", size=20)
    attack = part.blocks[0]
    begin, end = attack["ts"][0], attack["ts"][-1]
    during = {account: [0, 0] for account in part.labels}
    for number, block in enumerate(part.blocks):
        inside = (block["ts"] >= begin) & (block["ts"] <= end)
        for account, calls in zip(*np.unique(block["account"][inside], return_counts=True), strict=True):
            during[int(account)][number > 0] += int(calls)
    shares = [mine / (mine + rest) for mine, rest in during.values()]
    assert np.mean(shares) == pytest.approx(share, rel=0.1)
    assert max(shares) < share * 1.6


@needs_data
def test_ordinary_accounts_are_a_table_for_calibration() -> None:
    rows = benign("calibration", 2, 1, scale=0.06)
    assert isinstance(rows, pa.Table)
    assert rows.column_names == [column.name for column in schema.COLUMNS]
    assert pa.types.is_timestamp(rows.schema.field("ts").type)
    assert rows.num_rows > 1_000


@needs_data
def test_no_word_gives_an_attacker_away(tmp_path: Path) -> None:
    """Models, endpoints, parameters and endings of attackers and negatives are all used by ordinary accounts too."""
    ordinary = benign("test", 5, 4, scale=0.5)
    parts = [
        make(rng(9), 5, "test") for name, make in (RECIPES | NEGATIVES).items() if name not in {"a2-2000", "a3-05"}
    ]
    others = table(together(block for part in parts for block in part.blocks), 0)
    for column in ("model", "endpoint", "params", "finish_reason", "status"):
        assert set(others[column].unique().to_pylist()) <= set(ordinary[column].unique().to_pylist()), column


@needs_data
def test_no_client_is_in_both_halves() -> None:
    halves = [{(c.model, c.number) for c in traces.clients(split)} for split in traces.SPLITS]
    assert not halves[0] & halves[1]
    assert min(len(half) for half in halves) > 60


# --- The report -------------------------------------------------------------------------------------------------------
def truth(labels: dict[str, str]) -> Truth:
    return Truth("a1", 1, "test", 1, "2026-01-05T00:00:00Z", 10, [], labels)


def test_an_account_stands_at_its_highest_rung_and_explained_findings_stand_apart() -> None:
    run = report.Run(
        truth({"a": "a1", "b": "a1", "c": "light", "d": "redteam-authorised"}),
        {
            "findings": [
                {"rung": "noted", "unit": "account", "accounts": ["a", "c"]},
                {"rung": "corroborated pattern", "unit": "set", "accounts": ["a"]},
                {"rung": "corroborated", "unit": "set", "accounts": ["d"], "explained": True},
            ]
        },
    )
    found = report.tallies([run])
    assert [found["a1"].share(rung) for rung in report.RUNGS] == [0.5, 0.5, 0.5]
    assert [found["light, beside an attack"].share(rung) for rung in report.RUNGS] == [1, 0, 0]
    assert found["redteam-authorised, beside an attack"].explained == 1
    assert "0 are corroborated" in report.authorised([run])
    assert "| a1 | 2 | 1 | 50% | 50% | 50% | ≥ 99% | missed |" in report.markdown(report.attack_table(found))
    assert report.text(report.benign_table(found)).count("missed") == 0
    assert len(report.time_table([run])) == 2


def test_wilsons_interval() -> None:
    low, high = report.interval(0, 100)
    assert low == 0
    assert high == pytest.approx(
        0.037, abs=0.0005
    )  # Brown, Cai, DasGupta 2001, table of Wilson's limits: z^2 / (n + z^2)


def test_an_account_has_one_name() -> None:
    block = attackers.hydra(rng(), 3, "a2-20", size=2).blocks[0]
    names = set(table(block, 0)["account"].to_pylist())
    assert names == {account_name(account) for account in np.unique(block["account"])}
