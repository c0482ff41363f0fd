"""Programs from Python: load a file, run it on a question or many, plan it, test it.

    program = load("self_consistency.tts")
    result = program.run("A farmer has 17 sheep …", n=8)
    async for row in program.run_many([{"question": "…"}, {"question": "…"}]): ...

All work happens on an event loop of the program's own, in a thread that starts with the first run: so `run` works in
scripts and inside running event loops (notebooks) alike, and engines stay open between runs. Close the program, or use
it as a context manager, to free its models.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ttscale.compiler.ast import PipelineDecl
from ttscale.compiler.bind import bind, choose_pipeline
from ttscale.compiler.cases import tests_ir
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.ir import Graph, Model
from ttscale.compiler.models import GGUF_PREFIXES, model_from_locator
from ttscale.compiler.plan import Plan
from ttscale.compiler.python_names import LoadFault
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader, load_source
from ttscale.library.recipes import called
from ttscale.library.standard import stage_prompts
from ttscale.runtime.bank.runs import BankRuns
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.data_columns import DataColumns
from ttscale.runtime.desk import Engines
from ttscale.runtime.executor import execute
from ttscale.runtime.fewshot import RowStore, plan_with_rows
from ttscale.runtime.memory import Memories, View
from ttscale.runtime.models import EngineHouse
from ttscale.runtime.probes import told
from ttscale.runtime.python_files import PythonFiles
from ttscale.runtime.result import Result, RunError
from ttscale.runtime.testing import TestReport, run_tests
from ttscale.runtime.trace import Listener

if TYPE_CHECKING:
    from ttscale.runtime.evaluate import Report
    from ttscale.runtime.metrics import Metric
    from ttscale.runtime.search.api import Outcome, Wishes
    from ttscale.runtime.search.loop import News

T = TypeVar("T")
_POLL_SECONDS = 0.2
"""How often a waiting `run` looks up, so that Ctrl-C is heard on every system."""


@dataclass(frozen=True)
class RowResult:
    """One row of `run_many`: its place among the rows, its inputs, and a result or the error that it ended with."""

    index: int
    inputs: Mapping[str, object]
    result: Result | None
    error: RunError | None


def load(
    source: str | Path,
    models: Mapping[str, str | Model] | None = None,
    *,
    allow_python: bool = False,
    allow: Collection[str] = (),
    bank: str | Path | Bank | None = None,
) -> Program:
    """The program in a file, in a text (one with a line break), or of a recipe: `load("self-consistency")`.

    `models` replaces declared models by name: `{"small": "qwen2.5.gguf"}`; the name "" stands for the only one.
    `allow_python` lets the program run Python files that do not stand in its own folder, and `allow` grants recipes
    what they need: `network`, `code`, `files`, `env:NAME`. Samples that the `bank` has (a file, made where there is
    none) are not made again, and new ones are kept in it; without one nothing is kept. Raises CompileError where the
    program has errors, BankError where the bank is none.
    """
    is_text = isinstance(source, str) and "\n" in source
    granted = {*allow, *(("python",) if allow_python else ())}
    try:
        recipe = None if is_text or Path(source).is_file() else called(str(source))
        base = recipe.folder if recipe is not None else Path.cwd() if is_text else Path(source).resolve().parent
        loader = FileLoader(PythonFiles(base, allow="python" in granted), DataColumns(), granted, told=told)
        if recipe is not None:
            file, _ = loader.entry(recipe.name, f"={recipe.version}")
        else:
            file = SourceFile("<text>", str(source)) if is_text else load_source(source)
    except LoadFault as fault:
        raise CompileError([Diagnostic(fault.code, str(fault), None, hint=fault.hint)], {}) from fault
    checked = compile_source(file, loader).require_ok()
    replaced = {
        name: model if isinstance(model, Model) else _from_here(model_from_locator(name, model))
        for name, model in (models or {}).items()
    }
    return Program(checked, replaced, base, bank)


def _from_here(model: Model) -> Model:
    """A model given from outside, its relative path taken from the working directory."""
    if model.kind != "gguf" or model.locator.startswith(GGUF_PREFIXES):
        return model
    return replace(model, locator=str(Path(model.locator).expanduser().absolute()))


class Program:
    """A checked program whose pipelines can be planned and run.

    `diagnostics` are the warnings it was loaded with. Parameters and inputs are given by name; a name that is also
    an argument of the method goes into `params`.
    """

    def __init__(
        self,
        checked: Checked,
        models: Mapping[str, Model] | None = None,
        base_dir: Path | None = None,
        bank: str | Path | Bank | None = None,
    ) -> None:
        self._checked = checked
        self._models = dict(models or {})
        self._folder = base_dir if base_dir is not None else Path.cwd()
        self._house = EngineHouse(self._folder)
        self.rows = RowStore(self._folder)
        self.memories = Memories()
        self._seen = self.memories.view()
        self._plans: dict[object, Plan] = {}
        self._loop: _LoopThread | None = None
        self._bank = BankRuns(bank)
        self.between: Callable[[Engines], Engines] | None = None
        """What stands between a run and its engines, such as the meter of a search."""

    @property
    def replaced_models(self) -> Mapping[str, Model]:
        """The models that stand in for declared ones, by name."""
        return self._models

    @contextmanager
    def keeping(self, bank: Path) -> Iterator[None]:
        """Keep samples in this bank meanwhile, where the program has none. Raises BankError."""
        before = self._bank
        if before.is_there:
            yield
            return
        self._bank = BankRuns(bank)
        try:
            yield
        finally:
            self._bank.close()
            self._bank = before

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the compiler said: warnings and lint."""
        return self._checked.diagnostics

    @property
    def checked(self) -> Checked:
        """What the compiler made of the file: its linked modules, pipelines and sources."""
        return self._checked

    @property
    def folder(self) -> Path:
        """Where relative paths are looked for whose file is not known."""
        return self._folder

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The names of the pipelines of the file itself, in order."""
        return tuple(self._checked.pipelines)

    def graph(
        self, pipeline: str | None = None, *, params: Mapping[str, object] | None = None, **named: object
    ) -> Graph:
        """A pipeline's graph with its parameters bound. Raises CompileError for a wrong one."""
        return self.plan(pipeline, params=params, **named).graph

    def plan(self, pipeline: str | None = None, *, params: Mapping[str, object] | None = None, **named: object) -> Plan:
        """What a pipeline may cost for one question, with its parameters bound. Raises CompileError."""
        given = {**(params or {}), **named}
        key = (pipeline, tuple(sorted((name, repr(value)) for name, value in given.items())))
        if key not in self._plans:
            graph, found = bind(self._checked, pipeline, given, self._models, std=stage_prompts())
            if graph is None:
                raise CompileError(found, self._checked.sources)
            self._plans[key] = plan_with_rows(graph, self.rows)
        return self._plans[key]

    def run(
        self,
        *inputs: object,
        pipeline: str | None = None,
        params: Mapping[str, object] | None = None,
        seed: int = 0,
        listener: Listener | None = None,
        **named: object,
    ) -> Result:
        """Answer one question.

        `inputs` are the pipeline's, in order or by name; other names are parameters. The `listener` hears events as
        they happen, in the program's own thread. Ctrl-C answers with what is there, a second one ends at once. Raises
        CompileError, RunError, BudgetExhausted.
        """
        plan, values = self._bound(inputs, pipeline, params, named)
        stop = asyncio.Event()
        future = self._thread().submit(self._execute(plan, values, seed, listener, stop, view=self.memories.view()))
        return self._wait(future, stop)

    async def arun(
        self,
        *inputs: object,
        pipeline: str | None = None,
        params: Mapping[str, object] | None = None,
        seed: int = 0,
        listener: Listener | None = None,
        **named: object,
    ) -> Result:
        """As `run`, from a coroutine; cancelling it cancels the work."""
        plan, values = self._bound(inputs, pipeline, params, named)
        work = self._execute(plan, values, seed, listener, None, view=self.memories.view())
        return await asyncio.wrap_future(self._thread().submit(work))

    async def run_many(
        self,
        rows: Iterable[Mapping[str, object] | str],
        *,
        concurrency: int = 8,
        on_result: Callable[[RowResult], None] | None = None,
        pipeline: str | None = None,
        params: Mapping[str, object] | None = None,
        seed: int = 0,
        **named: object,
    ) -> AsyncIterator[RowResult]:
        """Answer many questions, `concurrency` at a time, giving each as it finishes.

        A row is the inputs by name, or the only input. A row that ends without an answer has an `error` and the others
        go on. Leaving the loop early cancels what runs.
        """
        waiting = iter(enumerate(rows))
        finished: asyncio.Queue[RowResult | None] = asyncio.Queue()
        view = self.memories.view()

        async def worker() -> None:
            try:
                for index, row in waiting:
                    finished.put_nowait(await self._row(index, row, pipeline, params, seed, named, view))
            finally:
                finished.put_nowait(None)

        workers = [asyncio.create_task(worker()) for _ in range(max(1, concurrency))]
        left = len(workers)
        try:
            while left:
                row = await finished.get()
                if row is None:
                    left -= 1
                    continue
                if on_result is not None:
                    on_result(row)
                yield row
            for task in workers:
                task.result()
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def answer(
        self,
        plan: Plan,
        inputs: Mapping[str, object],
        *,
        seed: int = 0,
        listener: Listener | None = None,
        of: Program | None = None,
    ) -> Result:
        """Answer one question with a plan that is at hand.

        `of` is the program that made the plan, where it is another one: files and examples are its own, and the models
        are shared with this one. Raises RunError, BudgetExhausted.
        """
        work = self._execute(plan, inputs, seed, listener, None, of)
        return await asyncio.wrap_future(self._thread().submit(work))

    def evaluate(
        self, rows: Iterable[Mapping[str, object]] | str, metric: str | Metric | None = None, **settings: Any
    ) -> Report:
        """Measure a pipeline on rows: accuracy, costs, judges, where right answers were lost.

        `rows` are mappings with the inputs by name and the gold under `answer`, or the text of rows of a dataset that
        the program declares, such as "gsm[0:100]", whose shape's metric is the usual one. `settings` are those of
        `ttscale.runtime.evaluate.evaluate`: pipelines, params, seeds, folder, precision, concurrency, ablate. Ctrl-C
        reports on what is done.
        """
        from ttscale.runtime.evaluate import evaluate

        self._seen = self.memories.view()
        stop = asyncio.Event()
        work = evaluate(self, rows, metric, stop=stop, **settings)
        return self._wait(self._thread().submit(work), stop)

    def search(
        self,
        name: str | None = None,
        wishes: Wishes | None = None,
        *,
        heard: Callable[[News], None] | None = None,
        others: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Search the parameters of a pipeline, as the `search` of that name says (the only one where none is named).

        The outcome has a document of plain data and the winner's text. Ctrl-C ends it with what is there. Raises
        SearchError, RunError, MetricError, DataError, CompileError.
        """
        from ttscale.runtime.search.api import Wishes, carry_out, named

        self._seen = self.memories.view()
        stop = asyncio.Event()
        work = carry_out(self, named(self, name), wishes or Wishes(), stop=stop, heard=heard, others=others)
        return self._wait(self._thread().submit(work), stop)

    def test(self, *, live: bool = False, only: str = "") -> TestReport:
        """Run the tests of the file; `live` ones too if wished, `only` those whose name contains it."""
        cases = tests_ir(self._checked.linked, self._models, std=stage_prompts())
        future = self._thread().submit(run_tests(cases, self._folder, live=live, only=only))
        return self._wait(future, asyncio.Event())

    async def _row(
        self,
        index: int,
        row: Mapping[str, object] | str,
        pipeline: str | None,
        params: Mapping[str, object] | None,
        seed: int,
        named: Mapping[str, object],
        view: View,
    ) -> RowResult:
        positional: tuple[object, ...] = () if isinstance(row, Mapping) else (row,)
        by_name: dict[str, object] = {**named, **(row if isinstance(row, Mapping) else {})}
        plan, values = self._bound(positional, pipeline, params, by_name)
        try:
            future = self._thread().submit(self._execute(plan, values, seed, None, None, view=view))
            result: Result = await asyncio.wrap_future(future)
            return RowResult(index, values, result, None)
        except RunError as error:
            return RowResult(index, values, None, error)

    async def _execute(
        self,
        plan: Plan,
        inputs: Mapping[str, object],
        seed: int,
        listener: Listener | None,
        stop: asyncio.Event | None,
        of: Program | None = None,
        view: View | None = None,
    ) -> Result:
        made_by = of if of is not None else self
        bank = self._bank.of(plan.graph, seed)
        engines: Engines = self._house.for_run(with_bank=bank is not None)
        return await execute(
            plan.graph,
            plan,
            inputs,
            engines if self.between is None else self.between(engines),
            run_seed=seed,
            listener=listener,
            stop=stop,
            folder=made_by._folder,
            rows=made_by.rows,
            bank=bank,
            memories=view if view is not None else self._seen,
        )

    def _bound(
        self,
        inputs: tuple[object, ...],
        pipeline: str | None,
        params: Mapping[str, object] | None,
        named: Mapping[str, object],
    ) -> tuple[Plan, dict[str, object]]:
        """The plan for the parameters among the names, and the inputs by name."""
        symbol, _ = choose_pipeline(self._checked.linked, pipeline)
        declaration = symbol.declaration if symbol is not None else None
        known = [field.name for field in declaration.inputs] if isinstance(declaration, PipelineDecl) else []
        given = {name: value for name, value in named.items() if name in known}
        plan = self.plan(pipeline, params={**(params or {}), **{k: v for k, v in named.items() if k not in known}})
        names = [name for name, _ in plan.graph.inputs]
        free = [name for name in names if name not in given]
        if len(inputs) > len(free):
            takes = f"takes {len(names)} {'input' if len(names) == 1 else 'inputs'}: {', '.join(names)}"
            message = f"pipeline `{plan.graph.pipeline}` {takes or 'takes no inputs'}"
            raise RunError(Diagnostic("R0708", message, None, hint="give parameters by name"))
        return plan, {**dict(zip(free, inputs, strict=False)), **given}

    # --- the loop --------------------------------------------------------------------------------------

    def _thread(self) -> _LoopThread:
        if self._loop is None:
            self._loop = _LoopThread()
        return self._loop

    def _wait(self, future: concurrent.futures.Future[T], stop: asyncio.Event) -> T:
        asked_to_stop = False
        while True:
            try:
                concurrent.futures.wait([future], timeout=_POLL_SECONDS)
                if future.done():
                    return future.result()
            except KeyboardInterrupt:
                if asked_to_stop:
                    future.cancel()
                    raise
                asked_to_stop = True
                self._thread().call(stop.set)

    def close(self) -> None:
        """Close all engines, the bank that was named by its file, and the program's thread; idempotent."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.submit(self._house.close()).result()
            loop.stop()
        self._bank.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ttscale", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the loop."""
        self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
