"""Loaded code, now and later: the ufuncs of imported modules, and extensions that are imported later."""

from __future__ import annotations

import _imp
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    Report = Callable[[ModuleType | None], None]

_HOOKED = ("create_dynamic", "exec_dynamic")
_originals: dict[str, Callable[..., Any]] = {}
_wrappers: dict[str, Callable[..., Any]] = {}


def ufuncs(modules: Iterable[ModuleType] | None = None) -> list[np.ufunc]:
    """List every ufunc that is an attribute of a module, each once.

    Parameters
    ----------
    modules : iterable of module, optional
        The modules to search. Default: every module imported so far, so that the ufuncs
        of ``numpy.linalg``, ``numpy.fft`` and ``scipy.special`` are found too. No
        attribute is fetched by name: a module that loads lazily stays unloaded.
    """
    found: dict[int, np.ufunc] = {}
    for module in list(sys.modules.values()) if modules is None else modules:
        for value in list(getattr(module, "__dict__", {}).values()):
            if isinstance(value, np.ufunc):
                found[id(value)] = value
    return list(found.values())


def watch(report: Report) -> None:
    """Call ``report`` whenever an extension module has been loaded.

    It is called with None once the file is mapped, and with the module once its
    body has run. Both come through ``_imp``, which `importlib` looks up at each import.
    """
    if _originals:
        return
    for name in _HOOKED:
        _originals[name] = getattr(_imp, name)
    _wrappers["create_dynamic"] = _creating(_originals["create_dynamic"], report)
    _wrappers["exec_dynamic"] = _executing(_originals["exec_dynamic"], report)
    for name, wrapper in _wrappers.items():
        setattr(_imp, name, wrapper)


def unwatch() -> None:
    """Undo `watch`, unless other code has wrapped our function since."""
    for name, original in _originals.items():
        if getattr(_imp, name) is _wrappers[name]:
            setattr(_imp, name, original)
    _originals.clear()
    _wrappers.clear()


def _creating(original: Callable[..., Any], report: Report) -> Callable[..., Any]:
    def create_dynamic(*args: Any) -> Any:
        module = original(*args)
        report(None)
        return module

    return create_dynamic


def _executing(original: Callable[..., Any], report: Report) -> Callable[..., Any]:
    def exec_dynamic(module: ModuleType) -> Any:
        status = original(module)
        report(module)
        return status

    return exec_dynamic
