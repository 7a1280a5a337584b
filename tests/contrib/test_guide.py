"""The guide lists every metric, and names none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from networkpype.contrib._metrics import EVENT_METRICS, LIMIT_METRICS, READABLE, Kind, Metric

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "metrics.md"
EVERY = (*EVENT_METRICS, *LIMIT_METRICS, READABLE)


def row_of(metric: Metric) -> tuple[str, list[str], str, str]:
    labels = metric.labels if metric.brief is None else metric.brief
    return metric.prometheus, [*labels], metric.opentelemetry, metric.help.removesuffix(".")


def test_the_tables_are_what_is_told() -> None:
    rows = re.findall(
        r"^\| `(networkpype_\w+)` \|(.*?)\|(.*?)\| (.*) \|$", GUIDE.read_text("utf-8"), re.M
    )
    found = [
        (name, re.findall(r"`(\w+)`", labels), other.strip(" `"), told)
        for name, labels, other, told in rows
    ]
    assert found == [row_of(metric) for metric in EVERY]


def test_every_name_in_the_guide_is_one_that_is_told() -> None:
    histograms = [each.prometheus for each in EVERY if each.kind is Kind.HISTOGRAM]
    known = {each.prometheus for each in EVERY} | {f"{each}_bucket" for each in histograms}
    named = set(re.findall(r"\bnetworkpype_\w+", GUIDE.read_text("utf-8")))
    assert named - known == set()
    assert len(named) > len(EVERY)


def test_alerts_select_by_labels_that_are_there() -> None:
    alerts = GUIDE.read_text("utf-8").partition("```yaml")[2].partition("```")[0]
    selected = re.findall(r"(networkpype_\w+)\{(\w+)=", alerts)
    assert selected
    for name, label in selected:
        [metric] = [each for each in EVERY if each.prometheus == name]
        assert label in metric.labels
