"""A program opened for a command: checked, its models replaced, its parameters bound, planned, ready to answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ttscale.cli.options import chosen_bank, is_locked, parameters, replacements
from ttscale.cli.sources import check_file, home_for
from ttscale.compiler.canonical import module_hash
from ttscale.compiler.models import model_from_locator
from ttscale.compiler.types import Type
from ttscale.runtime.bank.runs import BankRuns
from ttscale.runtime.executor import execute
from ttscale.runtime.fewshot import RowStore
from ttscale.runtime.memory import Memories, View
from ttscale.runtime.model_facts import Facts, known, look
from ttscale.runtime.models import EngineHouse, home_of
from ttscale.runtime.program import Program

if TYPE_CHECKING:
    from ttscale.compiler.diagnostics import Diagnostic
    from ttscale.compiler.driver import Checked
    from ttscale.compiler.ir import Model
    from ttscale.compiler.plan import Plan
    from ttscale.compiler.scope import Linked
    from ttscale.runtime.engines.base import Engine, Work
    from ttscale.runtime.result import Result
    from ttscale.runtime.trace import Listener


class Choices(Protocol):
    """The options that say which program, pipeline, parameters and models are meant."""

    @property
    def file(self) -> str: ...
    @property
    def pipeline(self) -> str | None: ...
    @property
    def params(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def seed(self) -> int: ...
    @property
    def locked(self) -> bool: ...


@dataclass(frozen=True)
class Chosen:
    """A choice made by a command that does not run anything."""

    file: str
    pipeline: str | None = None
    params: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    seed: int = 0
    locked: bool = False


class CountedHouse(EngineHouse):
    """Engines that are remembered once opened, so that their counters can be read."""

    def __init__(self, base_dir: Path) -> None:
        super().__init__(base_dir)
        self.opened: dict[int, Engine] = {}
        self._names: dict[int, str] = {}

    async def get(self, model: Model, *, load: bool = True) -> Engine:
        engine = await super().get(model, load=load)
        self.opened[id(engine)] = engine
        self._names.setdefault(id(engine), model.name)
        return engine

    def shared_prompt_tokens(self) -> int:
        """Prompt tokens that were asked for and did not have to be computed, because a prefix was shared."""
        stats = [engine.stats() for engine in self.opened.values()]
        return sum(max(0, s.prompt_asked - s.prompt_computed) for s in stats)

    def work(self) -> dict[str, list[Work]]:
        """What each of several models that answer together has computed, in the order of their names in the key."""
        told = {self._names[key]: list(engine.stats().models) for key, engine in self.opened.items()}
        return {name: models for name, models in told.items() if models}


@dataclass
class Opened:
    """A program with one pipeline chosen and planned."""

    file: str
    checked: Checked
    plan: Plan
    folder: Path
    seed: int
    rows: RowStore = field(default_factory=RowStore)
    bank: BankRuns = field(default_factory=lambda: BankRuns(None))
    facts: Mapping[str, Facts] = field(default_factory=dict)
    warnings: Sequence[Diagnostic] = ()
    house: CountedHouse = field(init=False)
    memories: View = field(default_factory=lambda: Memories().view())

    def __post_init__(self) -> None:
        self.house = CountedHouse(self.folder)

    def use_bank(self, bank: Path | None, no_bank: bool) -> None:
        """Ask the bank that `--bank` and `--no-bank` choose; a program of scripted models alone needs none."""
        if bank is not None or no_bank or any(model.kind != "script" for model in self.plan.graph.models.values()):
            self.bank = chosen_bank(bank, no_bank)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the pipeline's inputs, in order."""
        return tuple(name for name, _ in self.plan.graph.inputs)

    @property
    def returns(self) -> Type:
        """The declared type of the answer."""
        return self.plan.graph.returns

    async def answer(
        self, inputs: Mapping[str, object], listener: Listener | None, stop: asyncio.Event | None
    ) -> Result:
        """Answer one question; setting `stop` answers with what is there. Raises RunError."""
        bank = self.bank.of(self.plan.graph, self.seed)
        return await execute(
            self.plan.graph,
            self.plan,
            inputs,
            self.house.for_run(with_bank=bank is not None),
            run_seed=self.seed,
            listener=listener,
            stop=stop,
            folder=self.folder,
            rows=self.rows,
            bank=bank,
            memories=self.memories,
        )

    def saved(self) -> int:
        """Prompt tokens that shared prefixes saved so far."""
        return self.house.shared_prompt_tokens()

    async def close(self) -> None:
        """Close the engines and the bank."""
        await self.house.close()
        self.bank.close()

    def identity(self) -> dict[str, Any]:
        """What ran, as plain data: the file, its hash, the pipeline, parameters and models."""
        graph = self.plan.graph
        linked = self.checked.linked
        return {
            "file": self.file,
            "hash": module_hash(linked, linked.entry),
            "pipeline": graph.pipeline,
            "params": dict(graph.params),
            "models": {name: {"kind": m.kind, "locator": m.locator} for name, m in sorted(graph.models.items())},
            "seed": self.seed,
            **({"python": dict(python_hashes(linked))} if linked.python else {}),
        }

    def fingerprint(self) -> str:
        """A hash of all that a row's answer depends on but the row: texts, pipeline, parameters, models, weights, seed.

        Raises EngineError where weights are missing.
        """
        graph = self.plan.graph
        modules = {
            name if name != self.checked.linked.entry else "": module_hash(self.checked.linked, name)
            for name in self.checked.linked.modules
        }
        models = [
            (name, m.kind, m.locator, repr(m.options), weights_digest(m, self.folder))
            for name, m in sorted(graph.models.items())
        ]
        params = {name: repr(value) for name, value in graph.params.items()}
        modules |= dict(python_hashes(self.checked.linked))
        parts = [sorted(modules.values()), graph.pipeline, params, models, self.seed]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def weights_digest(model: Model, folder: Path) -> str:
    """The digest of a model's weights and of all else that makes its answers, empty for models without a file here."""
    from ttscale.runtime.model_files import answers_digest

    return answers_digest(model, home_of(model, folder))


def python_hashes(linked: Linked) -> list[tuple[str, str]]:
    """The Python files that a program uses, as they are written in it, with the hashes of their texts."""
    return sorted({path: module.digest for (_, path), module in linked.python.items()}.items())


def from_here(name: str, locator: str) -> Model:
    """The model that `--model` names; a path is relative to where the user stands, not to the program's file."""
    from ttscale.runtime.model_files import at_folder

    return at_folder(model_from_locator(name, locator), Path.cwd())


def replaced(checked: Checked, texts: Sequence[str]) -> dict[str, Model]:
    """What `--model` puts in the place of declared models; the name "" is left where it cannot be the only one's.

    In a recipe the name "" stands for all models that are not named.
    """
    declared = [symbol.name for symbol in checked.linked.main.names.values() if symbol.kind == "model"]
    given = replacements(texts)
    if "" in given and (len(declared) == 1 or (declared and is_recipe(checked.linked.entry))):
        text = given.pop("")
        given |= {name: text for name in declared if name not in given}
    return {name: from_here(name, text) for name, text in given.items()}


def is_recipe(module: str) -> bool:
    """Whether a module is the program of a recipe: an installed one, or one in a folder with a manifest."""
    from ttscale.library.names import FILE, MANIFEST
    from ttscale.library.recipes import recipe_of

    path = Path(module)
    if path.is_file():
        return path.name == FILE and path.with_name(MANIFEST).is_file()
    return recipe_of(module) is not None


def require_feasible(
    checked: Checked, pipeline: str | None, plan: Plan, facts: Mapping[str, Facts]
) -> list[Diagnostic]:
    """Warnings about these parameters and models, with what the models' files have told.

    Raises CompileError where no run can keep to its budget, fit its context, or have what it asks of its models.
    """
    from ttscale.compiler.bind import choose_pipeline
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.feasible import infeasible

    symbol, _ = choose_pipeline(checked.linked, pipeline)
    found = infeasible(plan.graph, symbol, known(facts)) if symbol is not None else []
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise CompileError(found, checked.sources)
    return found


def open_program(choices: Choices) -> Opened:
    """Check, replace, bind and plan. Raises CompileError, or Failure where `--locked` finds a difference."""
    checked = check_file(choices.file).require_ok()
    file = Path(choices.file)
    folder = home_for(choices.file)
    given = replaced(checked, choices.models)
    program = Program(checked, given, folder)
    plan = program.plan(choices.pipeline, params=parameters(choices.params))
    facts = look(plan.graph.models, folder)
    warnings = require_feasible(checked, choices.pipeline, plan, facts)
    if choices.locked or is_locked():
        from ttscale.cli.lock_file import check_lock

        check_lock(checked, file, list(plan.graph.models.values()))
    return Opened(choices.file, checked, plan, folder, choices.seed, program.rows, facts=facts, warnings=warnings)
