"""What every test shares: where the private Asterisk is (the feature marks are in tests/plugins)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes is the machine's affair; pytest's own limit ends a test that hangs."""
settings.register_profile("same", ANY_MACHINE, derandomize=True)
settings.register_profile("search", ANY_MACHINE, derandomize=False)


def pytest_configure(config: pytest.Config) -> None:
    """`make test` tries the same examples every time, so that it tells about the change; `make proof` looks for new."""
    settings.load_profile("search" if config.getoption("markexpr") == "proof" else "same")


@pytest.fixture(scope="session")
def asterisk_root() -> Path:
    """The folder of the private Asterisk: run-bin/asterisk starts it. Without it the test fails."""
    root = ROOT / ".asterisk"
    if not os.access(root / "run-bin/asterisk", os.X_OK):
        pytest.fail("no private Asterisk: run `make setup` first", pytrace=False)
    return root
