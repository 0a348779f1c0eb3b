"""The tests run against the raptors_trace that is installed for this interpreter."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiers
import tracers

import raptors_trace


def pytest_configure() -> None:
    """Tracers end by SIGINT, which a shell's background command ignores, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    """Say what is tested: an installed wheel, not the sources beside the tests."""
    return [f"raptors-trace {raptors_trace.__version__} from {raptors_trace.__file__}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that is one of a tracer's quick ones is one of its tests; those of a higher tier are left out."""
    for item in items:
        if item.get_closest_marker("one_per_tracer") and not item.get_closest_marker("tracers"):
            raise pytest.UsageError(f"{item.nodeid} is marked one_per_tracer and not tracers")
    above = [marker for marker in tiers.MARKERS if tiers.is_above(marker)]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in above)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Only a marked test may run a tracer: nothing runs beside it, as setting a probe waits for every CPU."""
    tracers.allowed = item.get_closest_marker("tracers") is not None


# The kernel's setting for short waits until every CPU has passed through it (its documentation of RCU).
EXPEDITED = Path("/sys/kernel/rcu_expedited")


@pytest.fixture(scope="session", autouse=True)
def _short_waits(request: pytest.FixtureRequest) -> Iterator[None]:
    """In CI have the kernel hurry while tracers set their probes: a quarter less time for these tests."""
    traced = any(item.get_closest_marker("tracers") for item in request.session.items)
    if not (traced and os.environ.get("CI") and os.access(EXPEDITED, os.W_OK)):
        yield
        return
    before = EXPEDITED.read_text()
    EXPEDITED.write_text("1")
    yield
    EXPEDITED.write_text(before)


@pytest.fixture(autouse=True)
def _no_forced_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an argument or the automatic choice decide, whatever the shell says."""
    kinds = ("BACKEND", "THREADS", "STORES", "ALLOC", "BUFFER_CACHE")
    for kind in kinds:
        monkeypatch.delenv(f"RAPTORS_{kind}", raising=False)
    # Not what `raptors-trace tune` may have measured for this user.
    monkeypatch.setenv("RAPTORS_TABLE", "shipped")
