"""Whether a recipe's evidence is about the rows and the weights that are there now, by their hashes.

`compiler.evidence` compares the program itself, which needs no file; this reads the files that the evidence names.

Codes:
    W0567  evidence that was measured with other rows
    W0568  evidence that was measured with other weights
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.compiler.data import dataset_ir
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.evidence import evidence_of, place_of
from ttscale.compiler.models import model_ir
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.tables import DataError

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked
    from ttscale.compiler.scope import Linked

SHA = "sha256:"
HINT = "measure it again with `ttscale eval`, or take the evidence out"


def check_evidence_files(checked: Checked, folder: Path) -> list[Diagnostic]:
    """Warnings where the evidence of the entry file is about other rows or weights, or where these are not there.

    `folder` is where relative paths are looked for whose file is not known. A program with errors has none.
    """
    if not checked.ok:
        return []
    linked = checked.linked
    source = linked.sources.get(linked.main.tree.span.file)
    said = evidence_of(source.text) if source is not None else None
    if source is None or not said:
        return []
    found: list[Diagnostic] = []
    for name, text in said.items():
        span = place_of(source, name)
        digest = next((word for word in reversed(text.split()) if word.startswith(SHA)), "")
        if name == "dataset":
            wrong = _other_rows(linked, text.split()[0], digest)
            found += [Diagnostic("W0567", wrong, span, "warning", hint=HINT)] if wrong else []
        elif name.startswith("model-"):
            wrong = _other_weights(linked, name.removeprefix("model-"), digest, folder)
            found += [Diagnostic("W0568", wrong, span, "warning", hint=HINT)] if wrong else []
    return found


def _other_rows(linked: Linked, name: str, digest: str) -> str:
    """What is wrong with a dataset; "" for nothing."""
    from ttscale.runtime.datasets.rows import path_of
    from ttscale.runtime.engines.llama.digest import file_digest

    symbol = linked.main.names.get(name)
    if symbol is None or symbol.kind != "dataset":
        return f"the evidence names a dataset `{name}`, and the program has none"
    if not digest:
        return ""  # generated tasks, and rows of the hub, are known by name alone
    try:
        path = path_of(dataset_ir(symbol, linked))
    except DataError as error:
        return f"the rows of `{name}` cannot be compared with the evidence: {error}"
    if not path.is_file():
        return f"the rows of `{name}` cannot be compared with the evidence: there is no file {path}"
    return "" if file_digest(path) == digest else f"`{name}` has other rows now than when this was measured"


def _other_weights(linked: Linked, name: str, digest: str, folder: Path) -> str:
    """What is wrong with a model's weights; "" for nothing, or for a model that is not a file."""
    from ttscale.runtime.model_files import answers_digest
    from ttscale.runtime.models import home_of

    if name.endswith(")"):
        return ""  # models that answer together are declared one by one; what they are is told by a run
    symbol = linked.main.names.get(name)
    if symbol is None or symbol.kind != "model":
        return f"the evidence names a model `{name}`, and the program has none"
    model = model_ir(symbol, linked)
    try:
        now = answers_digest(model, home_of(model, folder))
    except EngineError as error:
        return f"the weights of `{name}` cannot be compared with the evidence: {error}"
    if now == digest:
        return ""
    if not digest:
        return f"`{name}` was no weight file when this was measured"
    return f"`{name}` has other weights now than when this was measured"
