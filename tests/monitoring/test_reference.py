"""How rare a value is among real clients, who are few: counted as whole ones, and never rarer than so many bear out."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.reference import LEAST, Reference, shipped


def reference(clients: np.ndarray) -> Reference:
    """One that has the quantiles of these, as `bench.detection.calibrate` writes them."""
    return Reference("R", "", "", {"m": np.quantile(clients, np.linspace(0, 1, 201))}, {"m": len(clients)}, {})


CLIENTS = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0])  # eleven
KNOWN = reference(CLIENTS)


@pytest.mark.parametrize(
    ("score", "clients"), [(0.5, 11), (1, 11), (2, 10), (89, 2), (100, 2), (143.9, 2), (144, 1), (144.1, 0)]
)
def test_whole_clients_are_counted_though_quantiles_lie_between_them(score: float, clients: int) -> None:
    assert KNOWN.at_or_above("m", np.array([score])).tolist() == [clients]


@pytest.mark.parametrize("size", [31, 45, 67, 95, 300])
def test_never_fewer_clients_are_counted_than_have_it(size: int) -> None:
    clients = np.sort(np.random.default_rng(size).exponential(1, size))
    told = reference(clients).at_or_above("m", clients)
    have = np.arange(size, 0, -1)
    assert (told >= have).all()
    assert (told - have).max() <= 1 + size // 200  # as coarse as the quantiles


@pytest.mark.parametrize("name", sorted(shipped().scores))
def test_a_value_that_one_client_of_the_shipped_reference_has_is_not_one_in_a_hundred(name: str) -> None:
    largest = float(shipped().scores[name][-1])
    told = shipped().false_alarms(name, np.linspace(largest - 0.01, largest, 5))
    assert min(told) >= 1 / shipped().clients[name] > 0.01


def test_what_no_client_has_is_as_rare_as_so_few_excesses_tell() -> None:
    """The 95th percentile lies halfway between 89 and 144; the excesses over it are those of the highest ten quantiles, and
    as good as a twentieth of eleven clients.
    """
    high = 116.5
    excess = float(np.mean(np.linspace(high, 144, 11)[1:]) - high)
    few = 11 / 20
    told = KNOWN.false_alarms("m", np.array([200.0]))[0]
    assert told == pytest.approx(0.05 * (1 + (200 - high) / (few * excess)) ** -few)
    # An exponential tail of a mean that is taken as known says less.
    assert KNOWN.tail("m", np.array([200.0]))[0] == pytest.approx(0.05 * np.exp(-(200 - high) / excess))
    assert told > 0.05 * np.exp(-(200 - high) / excess)
    assert KNOWN.tail("m", np.array([1e99]))[0] == LEAST
    # Below it the clients are counted, the one who is looked at among them.
    assert KNOWN.tail("m", np.array([34.0, 2.0])).tolist() == [5 / 12, 11 / 12]
