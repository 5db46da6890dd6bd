"""`python -m bench.detection.calibrate`: the reference of real clients that the method ships (monitoring/reference.json).

From the calibration half of the real clients, one value each, as it was recorded: calls, tokens, rates and the CV of each
ten minutes. Nothing is resampled and nothing of the drawn behaviour goes in.
"""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pandas as pd

from bench.detection.traces import WINDOW, Client, clients, folder
from monitoring.measures import among_peers, evenness_score
from monitoring.reference import FILE

POINTS = 201
MODEL_AT_LEAST = 10  # clients
SPLIT = "calibration"


def main() -> None:
    """Write the reference."""
    found = pd.DataFrame([_client(client) for client in clients(SPLIT)])
    out = pd.DataFrame(index=found.index)
    out["volume"] = among_peers(np.log10(1 + found.calls), found.model, np.log10(1 + found.calls), found.model)
    out["taken"] = among_peers(np.log10(1 + found.taken), found.model, np.log10(1 + found.taken), found.model)
    # Output for input is read within one model. A log's model has twenty peers; of these, two have eighteen clients.
    known = found[found.oi > 0]
    known = known[known.groupby("model").oi.transform("size") >= MODEL_AT_LEAST]
    returned = np.log10(known.oi)
    out["harvest"] = among_peers(returned, known.model, returned, known.model, least=MODEL_AT_LEAST)
    out["regularity"] = -np.log(found.cv.clip(lower=0.001))
    out["evenness"] = found.evenness
    out["quota"] = found.quota
    both = np.minimum(found.hc, found.active)
    out["clock"] = both.where(found.cv < 0.7, both - 1)
    FILE.write_text(json.dumps(_reference(out), indent=1) + "\n")
    print(out.describe(percentiles=[0.5, 0.9, 0.95, 0.99]).T.to_string())


def _client(client: Client) -> dict[str, Any]:
    row = _summary()[client.model, client.number]
    hours = client.rates[: len(client.rates) // 6 * 6].reshape(-1, 6).sum(axis=1) * WINDOW
    busy = hours > 0
    inner = busy.copy()
    inner[1:] &= busy[:-1]
    inner[:-1] &= busy[1:]
    inner[[0, -1]] = False
    counts = hours[inner]
    even = evenness_score(float(counts.mean()), float(counts.var()), len(counts)) if len(counts) >= 12 else np.nan
    return {
        "model": client.model,
        "calls": client.requests,
        "taken": client.requests * float(row["mean_out"] or 0),
        "oi": float(row["out_in"] or 0),
        "cv": float(row["cv_active"] or "nan"),
        "hc": float(row["circ_entropy"]),
        "active": float(row["active_share"]),
        "evenness": even,
        "quota": _quota(client),
    }


def _quota(client: Client) -> float:
    """As `monitoring.indicators.timing.quota` has it, of what was recorded; NaN for less than a week."""
    days = client.rates[: len(client.rates) // 144 * 144].reshape(-1, 144).sum(axis=1) * WINDOW
    inner = np.trim_zeros(days)[1:-1]
    inner = inner[inner > 0]
    worked = inner[inner >= np.median(inner) / 4] if len(inner) else inner
    return evenness_score(float(worked.mean()), float(worked.var()), len(worked)) if len(worked) >= 5 else float("nan")


def _summary() -> dict[tuple[str, int], dict[str, str]]:
    with (folder() / "client_summary.csv").open(newline="") as file:
        return {(row["model"], int(row["client"])): row for row in csv.DictReader(file)}


def _reference(found: pd.DataFrame) -> dict[str, Any]:
    kept = {}
    for name in found:
        known = found[name].dropna().to_numpy(dtype=float)
        if len(known):
            points = np.quantile(known, np.linspace(0, 1, POINTS))
            kept[name] = {
                "clients": len(known),
                "quantiles": points.tolist(),
            }
    return {
        "name": "servegen-calibration-2",
        "about": (
            f"{len(found)} real clients of a large provider (Alibaba ServeGen, Apache-2.0), those of the calibration half, "
            "one value each as recorded over 1 or 14 days. Quantiles of scores, evenly spaced from lowest to highest."
        ),
        "scores": kept,
        "covariance": _covariance(found),
    }


def _covariance(found: pd.DataFrame) -> dict[str, float]:
    """Of -2 ln p between families, over the clients that have them all."""
    families = {
        "volume": ["volume", "taken"],
        "content": ["harvest"],
        "time": ["regularity", "evenness", "quota", "clock"],
    }
    logs = {}
    for family, names in families.items():
        ranks = pd.concat([found[n].rank(ascending=False) / (found[n].notna().sum() + 1) for n in names], axis=1)
        logs[family] = -2 * np.log((ranks.min(axis=1) * len(names)).clip(upper=1))
    out = {}
    for one in sorted(logs):
        for other in sorted(logs):
            if one < other:
                both = logs[one].notna() & logs[other].notna()
                out[f"{one} {other}"] = float(f"{np.cov(logs[one][both], logs[other][both])[0, 1]:.4g}")
    return out


if __name__ == "__main__":
    main()
