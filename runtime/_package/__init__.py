"""ttscale: programs that sample, judge and choose on local models.

    import ttscale
    program = ttscale.load("self_consistency.tts")
    result = program.run("A farmer has 17 sheep …", n=8)

Names are imported when they are first used, so that `import ttscale` and the command's `--help` cost nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttscale.compiler.diagnostics import CompileError, Diagnostic, InternalError
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.pool import Candidate, Pool
    from ttscale.runtime.program import Program, load
    from ttscale.runtime.result import Result

    __version__: str

_HOMES = {
    "Candidate": "ttscale.runtime.pool",
    "CompileError": "ttscale.compiler.diagnostics",
    "Diagnostic": "ttscale.compiler.diagnostics",
    "EngineError": "ttscale.runtime.engines.base",
    "InternalError": "ttscale.compiler.diagnostics",
    "Pool": "ttscale.runtime.pool",
    "Program": "ttscale.runtime.program",
    "Result": "ttscale.runtime.result",
    "load": "ttscale.runtime.program",
}

__all__ = [
    "Candidate",
    "CompileError",
    "Diagnostic",
    "EngineError",
    "InternalError",
    "Pool",
    "Program",
    "Result",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value: Any = version("ttscale")
        except PackageNotFoundError:
            value = "unknown"
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'ttscale' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
