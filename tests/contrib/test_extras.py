"""Who has not installed a package is told how, and nobody else has to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import networkpype

ROOT = Path(networkpype.__file__).parents[1]


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("package", "module", "distribution"),
    [
        ("prometheus_client", "prometheus", "prometheus-client"),
        ("opentelemetry", "opentelemetry", "opentelemetry-api"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_command(
    package: str, module: str, distribution: str
) -> None:
    done = run(
        f"import sys; sys.modules[{package!r}] = None\n"
        "from networkpype import MissingExtraError\n"
        f"try: import networkpype.contrib.{module}\n"
        "except MissingExtraError as error: print(error)\n"
    )
    assert distribution in done.stdout
    assert f'run: pip install "networkpype[{module}]"' in done.stdout


def test_importing_networkpype_imports_neither() -> None:
    done = run(
        "import sys, networkpype, networkpype.exchanges, networkpype.contrib\n"
        "print(sorted({'prometheus_client', 'opentelemetry'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]"


def test_the_collector_for_opentelemetry_needs_no_sdk() -> None:
    done = run(
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from networkpype.contrib.opentelemetry import OpenTelemetryCollector\n"
        "from networkpype import ThrottleWaited\n"
        "OpenTelemetryCollector()(ThrottleWaited('ip', 1.0))\n"
        "print('done')"
    )
    assert (done.stdout.strip(), done.returncode) == ("done", 0)
