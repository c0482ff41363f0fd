"""What is measured: a pipeline with its parameters bound (an arm), and the questions (items) it is asked.

An arm's digest is a hash of all that its answers depend on but the question and the seed: its graph, the weights of its
models, the files of its examples and documents. Layout, comments and other declarations of the program do not change
it, so records made before such an edit stay good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.compiler.bind import choose_pipeline
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.ir import Dataset, Graph, Model
from ttscale.compiler.plan import Plan
from ttscale.compiler.scope import Symbol
from ttscale.compiler.types import Answers, Type
from ttscale.runtime.datasets import path_of
from ttscale.runtime.models import home_of, locate

if TYPE_CHECKING:
    from ttscale.runtime.program import Program


AT_ONCE = 32  # calls: from 16 sequences on a model makes nearly as many tokens a second as it can


@dataclass(frozen=True)
class Item:
    """One question: its id, the pipeline's inputs by name, the gold answer and all fields of its row."""

    id: str
    inputs: Mapping[str, object]
    gold: object = None
    row: Mapping[str, object] | None = None

    @property
    def asked(self) -> str:
        """A hash of inputs and gold: a question that keeps its id may still ask something else than it did."""
        return short_hash([dict(self.inputs), self.gold])

    def inputs_of(self, graph: Graph) -> dict[str, object]:
        """The inputs that one pipeline takes; others beside it may take more."""
        return {name: self.inputs[name] for name, _ in graph.inputs}


@dataclass(frozen=True)
class Arm:
    """One pipeline to be measured.

    `label` is unique in an evaluation. `pipeline` is the name that was asked for (None: the file's own choice),
    `without` the stage that an ablation left out.
    """

    label: str
    program: Program
    plan: Plan
    digest: str
    pipeline: str | None = None
    file: str = ""
    without: str = ""

    @property
    def graph(self) -> Graph:
        """The bound graph."""
        return self.plan.graph

    @property
    def answer_type(self) -> Type:
        """The type of one answer."""
        returns = self.graph.returns
        return returns.item if isinstance(returns, Answers) else returns


def pipeline_of(program: Program, name: str | None) -> Symbol:
    """The pipeline that a name stands for. Raises CompileError."""
    symbol, found = choose_pipeline(program.checked.linked, name)
    if symbol is None:
        raise CompileError(found, program.checked.sources)
    return symbol


def short_hash(value: object) -> str:
    """A hash of plain data in 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def graph_digest(graph: Graph, folder: Path) -> str:
    """The digest of a bound graph; weights are looked for in `folder`. Raises EngineError where they are missing."""
    return short_hash([plain_of(graph), _files(graph, folder)])


def _files(graph: Graph, folder: Path) -> list[tuple[str, str]]:
    """The hashes of the files that a graph reads: weights, rows of few-shot examples, documents.

    Documents that cannot be read have none: the run says what is wrong with them.
    """
    from ttscale.runtime.documents import DocumentError, documents_digest
    from ttscale.runtime.engines.llama.digest import file_digest
    from ttscale.runtime.stages.retrieve import document_paths

    found: dict[str, str] = {}
    for name, model in sorted(graph.models.items()):
        if model.kind == "gguf":
            found[f"model {name}"] = file_digest(locate(model, home_of(model, folder)))
        for part in model.beside:
            found[f"model {name} with {part.name}"] = file_digest(locate(part, home_of(part, folder)))
    for dataset in _datasets(graph):
        path = path_of(dataset)
        if path.is_file():
            found[f"rows {dataset.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for stage in graph.stages:
        if stage.op == "retrieve":
            with suppress(DocumentError):
                if paths := document_paths(stage):
                    found[f"documents of {stage.path}"] = documents_digest(paths)
    return sorted(found.items())


def _datasets(value: object) -> list[Dataset]:
    """Every dataset that a graph, or a part of it, names."""
    if isinstance(value, Dataset):
        return [value]
    if isinstance(value, Mapping):
        return [found for part in value.values() for found in _datasets(part)]
    if isinstance(value, tuple | list):
        return [found for part in value for found in _datasets(part)]
    if is_dataclass(value) and not isinstance(value, type):
        return [found for part in fields(value) if part.compare for found in _datasets(getattr(value, part.name))]
    return []


def plain_of(value: object) -> object:
    """A graph, or a part of it, as plain data without places in the text; files are told apart by their content."""
    if isinstance(value, Model):
        where = "" if value.kind == "gguf" else value.locator
        options = [[name, plain_of(option)] for name, option in value.options if name not in ("file", "sha256")]
        return ["Model", value.name, value.kind, where, options]
    if isinstance(value, Dataset):
        # Files are told apart by their content; tasks and data sets of the hub have their name alone.
        where = value.locator if value.kind in ("gym", "hf") else ""
        return ["Dataset", value.name, value.kind, where, plain_of(value.fields), plain_of(value.options)]
    if is_dataclass(value) and not isinstance(value, type):
        parts = [[part.name, plain_of(getattr(value, part.name))] for part in fields(value) if part.compare]
        return [type(value).__name__, parts]
    if isinstance(value, Mapping):
        return [[str(name), plain_of(part)] for name, part in sorted(value.items(), key=lambda pair: str(pair[0]))]
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, tuple | list):
        return [plain_of(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def questions_at_once(arms: Sequence[Arm]) -> int:
    """How many questions to work on at once, 4 to 16: enough that the arm with most calls has 32 of them together."""
    calls = max((arm.plan.maximum.calls for arm in arms), default=1)
    return min(16, max(4, -(-AT_ONCE // max(1, calls))))
