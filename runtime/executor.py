"""Runs one question through a graph: stages as soon as their needs are done, under one ledger, into one result.

Each stage is a task that waits for the stages it reads, looks at its guards, and gives a value; one whose guards do not
hold gives none. Branches run side by side, except that stages which ask one scripted model go in plan order, since
its replies do. When a limit ends the work, stages answer with what they have (see each stage) and the result says so.

Codes:
    R0701  a model could not be loaded, or did not answer
    R0702  a prompt is longer than the model's context
    R0703  no sample gave an answer
    R0704  the budget ended before any answer
    R0705  a prompt cannot be filled
    R0706  a prompt needs a value that this run does not have
    R0707  an expression cannot be evaluated
    R0708  an input is missing, unknown or of the wrong type
    R0709  stopped before any answer
    R0710  a prompt does not fit how its stage asks (raised in `stages/rank`)
    R0717  a prover that is not installed (raised in `stages/prove`)
    R0716  documents that cannot be read (raised in `stages/retrieve`)
    R0722  a concept memory that cannot be used (raised in `stages/recall`)
    R0714  the schema file of a `Json(…)` type is missing, or is no schema
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.ir import Graph, Guard, Model, Operand, Stage, Strategy, refs
from ttscale.compiler.plan import Plan
from ttscale.compiler.said import inputs_of
from ttscale.compiler.types import CHAT, Answers, Text, Type
from ttscale.runtime.answers import SchemaError, coerce, show
from ttscale.runtime.bank.asking import Asking
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.calls import Caller
from ttscale.runtime.chats import ChatError, turns_of
from ttscale.runtime.desk import Desk, Engines
from ttscale.runtime.engines.base import ContextExceeded, Engine, EngineError
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate, single
from ttscale.runtime.fewshot import RowStore
from ttscale.runtime.ledger import Admission, Amount, Ledger
from ttscale.runtime.memory import Memories, View
from ttscale.runtime.plugins import PluginFault
from ttscale.runtime.pool import Pool
from ttscale.runtime.result import BudgetExhausted, Result, RunError
from ttscale.runtime.stages import run_stage
from ttscale.runtime.stages.context import RunNotes, StageContext, as_argument
from ttscale.runtime.stages.decide import decision
from ttscale.runtime.template_note import NotingEngines
from ttscale.runtime.trace import Listener, Recorder

_CHARACTERS_A_TOKEN = 2


class NamedEngines:
    """Engines that are already open, by declared model name."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines

    async def get(self, model: Model) -> Engine:
        """The engine under the model's name, started. Raises EngineError."""
        engine = self._engines.get(model.name)
        if engine is None:
            raise EngineError(f"there is no engine for model `{model.name}`")
        await engine.start()
        return engine


async def execute(
    graph: Graph,
    plan: Plan,
    inputs: Mapping[str, object],
    engines: Engines | Mapping[str, Engine],
    *,
    run_seed: int = 0,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    folder: Path | None = None,
    rows: RowStore | None = None,
    bank: BankRun | None = None,
    memories: View | None = None,
) -> Result:
    """Answer one question.

    `inputs` are the pipeline's, by name. Setting `stop` ends the work as a spent budget does. `folder` is where schema
    files are looked for; `rows` keeps the rows of few-shot examples from one run to the next. Samples that the `bank`
    has are not made again, and new ones are kept in it. `memories` are the concept memories as this run sees them;
    without them what is remembered ends with the question. Raises RunError where no answer can be given,
    BudgetExhausted where a limit is why.
    """
    house = NamedEngines(engines) if isinstance(engines, Mapping) else engines
    run = _Run(graph, plan, check_inputs(graph, inputs), house, run_seed, listener, folder, rows, bank, memories)
    return await run.result(stop)


def check_inputs(graph: Graph, inputs: Mapping[str, object]) -> dict[str, object]:
    """The pipeline's inputs, each as its type. Raises RunError (R0708) for one that is missing, unknown or wrong."""
    known = dict(graph.inputs)
    for name in inputs:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean `{near}`?" if near else f"it takes {', '.join(known) or 'no inputs'}"
            raise RunError(Diagnostic("R0708", f"pipeline `{graph.pipeline}` has no input `{name}`", None, hint=hint))
    values: dict[str, object] = {}
    for name, type_ in known.items():
        if name not in inputs:
            raise RunError(Diagnostic("R0708", f"pipeline `{graph.pipeline}` needs its input `{name}`: {type_}", None))
        given = inputs[name]
        if isinstance(type_, Text) and isinstance(given, str):
            values[name] = given
            continue
        if type_ == CHAT:
            try:
                values[name] = turns_of(given)
            except ChatError as error:
                message = f"input `{name}` of pipeline `{graph.pipeline}` is no conversation: {error}"
                raise RunError(Diagnostic("R0708", message, None, hint=error.hint)) from error
            continue
        value, key = coerce(type_, given)
        if key is None:
            message = f"input `{name}` of pipeline `{graph.pipeline}` is {type_}, and {given!r:.60} is not"
            raise RunError(Diagnostic("R0708", message, None))
        values[name] = value
    return values


class _Run:
    """One question on its way."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        inputs: Mapping[str, object],
        engines: Engines,
        run_seed: int,
        listener: Listener | None,
        folder: Path | None,
        rows: RowStore | None,
        bank: BankRun | None,
        memories: View | None,
    ) -> None:
        self.graph = graph
        self.inputs = inputs
        self.folder = folder
        self.rows = rows if rows is not None else RowStore(folder)
        self.memories = memories if memories is not None else Memories(kept=False).view()
        self.recorder = Recorder(listener)
        self.notes = RunNotes()
        self.values: dict[str, object] = {}
        self.sequential: dict[str, int] = {}
        self.finished = {stage.path: asyncio.Event() for stage in graph.stages}
        self.before = _turns(graph.stages)
        bounds = [_bound(plan, stage, input_excess(graph, inputs)) for stage in graph.stages]
        self.admission = Admission(Ledger(graph.budget, bounds), graph.budget.seconds, self._expired)
        self.noting = noting = NotingEngines(engines, self.notes.notes, self.recorder)
        asking = None if bank is None else Asking(bank, inputs)
        self.desk = Desk(noting, self.admission, self.recorder, run_seed, bank=asking)

    def _expired(self, reason: str) -> None:
        self.desk.limits_met.setdefault(reason)
        self.desk.cancel_running()

    async def result(self, stop: asyncio.Event | None) -> Result:
        """Run all stages, then read the result."""
        self.recorder.emit("run_started", data={"pipeline": self.graph.pipeline, "params": dict(self.graph.params)})
        watch = asyncio.create_task(self._watch(stop)) if stop is not None else None
        try:
            await self._run_stages()
            result = self._finish()
        except EngineError as error:
            raise RunError(_engine_diagnostic(error, None), self.recorder.trace) from error
        except PluginFault as fault:
            raise RunError(_plugin_diagnostic(fault, None), self.recorder.trace) from fault
        except SchemaError as error:
            raise RunError(self._schema_diagnostic(error), self.recorder.trace) from error
        except RunError as error:
            error.trace = self.recorder.trace
            raise
        finally:
            self.admission.close()
            if watch is not None:
                watch.cancel()
        self.recorder.emit(
            "run_finished",
            cause=result.cut_reason,
            cost=result.cost,
            seconds=result.seconds,
            data={"answer": result.answer, "decided": result.decided, "cut": result.cut},
        )
        return result

    def _schema_diagnostic(self, error: SchemaError) -> Diagnostic:
        """The mistake at the first stage whose answers are of a `Json` type."""
        spans = [stage.span for stage in self.graph.stages if "Json(" in str(stage.type)]
        return Diagnostic("R0714", str(error), spans[0] if spans else None, hint=error.hint)

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.admission.expire("stopped")

    async def _run_stages(self) -> None:
        tasks = [
            asyncio.create_task(self._run_stage(position, stage)) for position, stage in enumerate(self.graph.stages)
        ]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_stage(self, position: int, stage: Stage) -> None:
        needs = stage.needs()
        for path in (*needs, *self.before[stage.path]):
            await self.finished[path].wait()
        caller = Caller(self.desk, stage, position)
        began = self.recorder.elapsed()
        earlier = max((self.sequential.get(path, 0) for path in needs), default=0)
        try:
            if not self._is_wanted(stage):
                self.recorder.emit("stage_skipped", stage, cause="its guards do not hold")
                return
            self.recorder.emit("stage_started", stage)
            value = await self._value(stage, caller)
            self.values[stage.path] = value
            size = {"size": len(value)} if isinstance(value, Pool) else {}
            self.recorder.emit("stage_finished", stage, seconds=self.recorder.elapsed() - began, data=size)
        except EngineError as error:
            raise RunError(_engine_diagnostic(error, stage)) from error
        except PluginFault as fault:
            raise RunError(_plugin_diagnostic(fault, stage)) from fault
        except ExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            self.sequential[stage.path] = earlier + caller.sequential_tokens
            self.admission.seal(position)
            self.finished[stage.path].set()

    async def _value(self, stage: Stage, caller: Caller) -> object:
        folder, rows, memories = self.folder, self.rows, self.memories
        context = StageContext(stage, caller, self.recorder, self.notes, self, folder, rows, memories)
        piped = None if stage.source is None else self.evaluate(stage.source)
        if piped == ():  # what a source that a settled `when` left out stands for
            piped = Pool((), context.item_type)
        if stage.when is not None and not self.evaluate(stage.when):
            self.recorder.emit("note", stage, cause="its condition does not hold")
            return Pool((), context.item_type) if stage.source is None else piped
        return await run_stage(context, piped)

    def _is_wanted(self, stage: Stage) -> bool:
        """Whether all guards hold and the piped pool exists."""
        return self._hold(stage.guards) and (stage.source is None or self.exists(stage.source))

    def _hold(self, guards: Sequence[Guard]) -> bool:
        return all(self.exists(one.operand) and single(self.evaluate(one.operand)) in one.values for one in guards)

    def exists(self, operand: Operand) -> bool:
        """Whether every stage that the operand reads has run."""
        return all(path in self.values for path in refs(operand))

    def evaluate(self, operand: Operand, own: Pool | None = None) -> object:
        """The value of an operand. Raises RunError (R0707)."""
        try:
            return evaluate(operand, self.inputs, self.values, own)
        except EvaluationError as error:
            raise RunError(Diagnostic("R0707", str(error), error.span, hint=error.hint)) from error

    # --- the result ------------------------------------------------------------------------------------

    def _finish(self) -> Result:
        returns = self.graph.returns
        value = self.evaluate(self.graph.result) if self.exists(self.graph.result) else None
        pool, decided = decision(self.graph, self.values, self.notes.decided)
        answer = [c.answer for c in value] if isinstance(value, Pool) and isinstance(returns, Answers) else None
        if not isinstance(returns, Answers):
            answer = as_argument(value, returns)  # type: ignore[assignment]
        limits = tuple(self.desk.limits_met)
        self.noting.end(self.graph)
        if self.desk.bank is not None and self.desk.bank.trouble:
            self.notes.notes.setdefault(f"samples may not have been kept: {self.desk.bank.trouble}")
        if answer is None and isinstance(returns, Text):
            answer = self._longest_cut(pool)  # type: ignore[assignment]
        total = replace(self.recorder.trace.total, sequential_tokens=max(self.sequential.values(), default=0))
        self.recorder.trace.total = total
        is_said = isinstance(value, Pool) and any(candidate.is_readable for candidate in value)  # of a `T?`: "none"
        if (answer is None and not is_said) or (answer == [] and not pool.candidates):
            self._require_an_answer(limits)
        if answer is None and not is_said:
            left = "no answer could be read" if pool.candidates else "no candidate is left to answer with"
            self.notes.notes.setdefault(left)
        for note in self._left_out():
            self.notes.notes.setdefault(note)
        text = "" if answer is None else _shown(returns, answer)
        return Result(
            answer,
            text,
            pool,
            total,
            self.recorder.elapsed(),
            bool(limits),
            limits[0] if limits else "",
            self.recorder.trace,
            decided,
            tuple(self.notes.notes),
            dict(self.notes.judgements),
            self._samples(returns.item if isinstance(returns, Answers) else returns),
            {stage.path: self.values[stage.path] for stage in self.graph.stages if stage.path in self.values},
        )

    def _left_out(self) -> Iterator[str]:
        """What loops with a `max:` had more items than they took."""
        for loop in self.graph.capped:
            count = self.evaluate(loop.size) if self._hold(loop.guards) and self.exists(loop.size) else None
            if isinstance(count, int) and count > loop.limit:
                yield f"`{loop.text}` took {loop.limit} of {count} items (max: {loop.limit})"

    def _samples(self, wanted: Type) -> Pool:
        """The candidates of the first layer that read as the pipeline's own type, else all of them."""
        first = self.graph.first_layer()
        pools = [
            value
            for stage in self.graph.stages
            if stage.path in first and isinstance(value := self.values.get(stage.path), Pool)
        ]
        fitting = [pool for pool in pools if pool.type == wanted] or pools[:1]
        type_ = fitting[0].type if fitting else wanted
        return Pool(tuple(candidate for pool in fitting for candidate in pool), type_)

    @staticmethod
    def _longest_cut(pool: Pool) -> str | None:
        """Where a Text is wanted and all was cut short, the longest of what is there is better than nothing."""
        return max((c.text for c in pool if c.finish == "cut" and c.text.strip()), key=len, default=None)

    def _require_an_answer(self, limits: Sequence[str]) -> None:
        """Raise where there is no answer at all; samples that were made but cannot be read are an answer of none."""
        trace = self.recorder.trace
        if "stopped" in limits:
            raise BudgetExhausted(Diagnostic("R0709", "stopped before any answer", None), trace)
        if limits:
            spent = f"{trace.calls} calls and {trace.tokens} tokens were spent"
            message = f"the budget ended before any answer: its limit on {limits[0]} was met"
            hint = f"raise `{limits[0]}` in `budget`, or ask for fewer or shorter samples"
            raise BudgetExhausted(Diagnostic("R0704", message, None, label=spent, hint=hint), trace)
        for failure in self.notes.failures:
            stage, error = failure.stage, failure.error
            given = self.values.get(stage.path)
            gave_nothing = stage.source is None and isinstance(given, Pool) and not given.candidates
            if self.notes.made and not gave_nothing:
                continue  # what was made elsewhere and cannot be read is the reason, not this failure
            if error is not None:
                raise RunError(_engine_diagnostic(error, stage), trace) from error
            message = f"no sample gave an answer; the first failed: {failure.reason}"
            raise RunError(Diagnostic("R0703", message, stage.span), trace)


def _shown(returns: Type, answer: object) -> str:
    if isinstance(returns, Answers):
        items = answer if isinstance(answer, list) else [answer]
        return "\n".join("" if item is None else show(returns.item, item) for item in items)
    return show(returns, answer)


def _turns(stages: Sequence[Stage]) -> dict[str, tuple[str, ...]]:
    """For each stage that asks a scripted model, the earlier stages that ask the same one."""
    asked: dict[str, list[str]] = {}
    before: dict[str, tuple[str, ...]] = {}
    for stage in stages:
        scripts = {model.name for model in models_of(stage) if model.kind == "script"}
        before[stage.path] = tuple(path for name in sorted(scripts) for path in asked.get(name, ()))
        for name in scripts:
            asked.setdefault(name, []).append(stage.path)
    return before


def models_of(stage: Stage) -> tuple[Model, ...]:
    """The models that a stage may ask, those inside its rules included."""
    found: list[Model] = []

    def walk(value: object) -> None:
        if isinstance(value, Model):
            found.append(value)
        elif isinstance(value, tuple):
            for part in value:
                walk(part)
        elif isinstance(value, Strategy):
            walk(value.args)
            walk(tuple(part for _, part in value.named))

    for name in sorted(stage.args):
        walk(stage.args[name])
    return tuple(found)


def input_excess(graph: Graph, inputs: Mapping[str, object]) -> int:
    """By how many tokens the inputs may be longer than the plan assumed, at most."""
    return sum(
        max(0, len(str(inputs.get(name, ""))) // _CHARACTERS_A_TOKEN - assumed.high)
        for name, assumed in inputs_of(graph, {}).items()
    )


def _bound(plan: Plan, stage: Stage, excess: int) -> Amount:
    """What a stage may spend at most, before it has said which calls it makes."""
    planned = plan.stages.get(stage.path)
    if planned is None:
        return Amount()
    most = planned.maximum
    return Amount(most.calls, most.tokens + most.calls * excess, most.usd)


def _engine_diagnostic(error: EngineError, stage: Stage | None) -> Diagnostic:
    code = "R0702" if isinstance(error, ContextExceeded) else "R0701"
    return Diagnostic(code, str(error), None if stage is None else stage.span, hint=error.hint)


def _plugin_diagnostic(fault: PluginFault, stage: Stage | None) -> Diagnostic:
    span = fault.span if fault.span is not None or stage is None else stage.span
    return Diagnostic(fault.code, str(fault), span, label=fault.where, hint=fault.hint)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside a group of errors."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
