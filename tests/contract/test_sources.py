"""Every kind of service, held to the one contract. A kind is here as soon as it has a module in `sources/`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

from haechi.testing.source_contract import Ground, SourceContract
from tests.contract import sources

_MODULES = {
    info.name: importlib.import_module(f"{sources.__name__}.{info.name}")
    for info in pkgutil.iter_modules(sources.__path__)
}


def _param(kind: str, module: Any) -> Any:
    """A kind's tests run one after another, so that its server is started once."""
    marks = [pytest.mark.xdist_group(getattr(module, "GROUP", f"source-{kind}"))]
    if getattr(module, "SERVER", False):
        marks.append(pytest.mark.server)
    if getattr(module, "SLOW", False):
        marks.append(pytest.mark.slow)
    return pytest.param(kind, marks=marks)


@pytest.fixture(scope="module", params=[_param(kind, module) for kind, module in _MODULES.items()])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def ground(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with _MODULES[kind].ground(tmp_path_factory.mktemp(kind)) as ground:
        yield ground


class TestSources(SourceContract):
    pass
