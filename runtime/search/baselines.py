"""What a search has to beat: the simple uses of the same model and prompt, made from the pipeline's first `generate`.

A baseline that the pipeline does not permit (a vote over texts, labels that are none) is left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.ir import Model
from ttscale.compiler.models import model_ir
from ttscale.compiler.types import BOOL, Answers, Choice, Optional, Type
from ttscale.compiler.walk import nodes
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.evaluate.api import arm_of
from ttscale.runtime.evaluate.arms import Arm
from ttscale.runtime.model_facts import look
from ttscale.runtime.search.recipe import compiled, fixed_text, source_of
from ttscale.runtime.search.spare import SHOTS

if TYPE_CHECKING:
    from ttscale.runtime.search.space import SearchSpace

LEFT_OUT = ("n", "from", "start", "round", "until", "hedge", "more", "series", "keep")
MAJORITY = 8
"""Of how many samples a majority is taken before it is known what the winner costs."""


@dataclass(frozen=True)
class Baseline:
    """One simple pipeline: its name, its text as the body of the searched pipeline, and how to ask it."""

    label: str
    body: str
    arm: Arm


@dataclass(frozen=True)
class Skipped:
    """A baseline that could not be made, and why."""

    label: str
    why: str


class BaselineMaker:
    """Makes baselines of one searched pipeline; `spare` are rows for examples, "" where there are none."""

    def __init__(self, space: SearchSpace, spare: str = "") -> None:
        self.space, self.spare = space, spare
        self.text = source_of(space.program.checked.linked).text
        declaration = space.symbol.declaration
        assert isinstance(declaration, ast.PipelineDecl)
        self.declaration = declaration
        self.call = self._first_generate()

    def _first_generate(self) -> ast_expressions.Call | None:
        if self.space.symbol.module != self.space.program.checked.linked.entry:
            return None  # an imported pipeline's text is not this file's
        for node in nodes(self.declaration):
            if isinstance(node, ast_expressions.Call) and node.callee.name == "generate" and node.args:
                return node
        return None

    def all(self) -> tuple[list[Baseline], list[Skipped]]:
        """Those that are measured first."""
        made: list[Baseline] = []
        skipped: list[Skipped] = []
        for label, body in self._bodies():
            found = self.make(label, body)
            if isinstance(found, Skipped):
                skipped.append(found)
            elif all(found.arm.digest != other.arm.digest for other in made):
                made.append(found)
        if self.call is None:
            skipped.append(Skipped("single sample", "the pipeline does not begin with a `generate` of this file"))
        return made, skipped

    def majority(self, n: int) -> Baseline | Skipped:
        """The majority of n samples."""
        return self.make(f"majority of {n}", f"{self._generate(n)} |> vote()")

    def make(self, label: str, body: str) -> Baseline | Skipped:
        """One baseline, or why it cannot be."""
        try:
            text = fixed_text(self.space, {}, body)
            program = compiled(self.space.program, text)
            arm = arm_of(program, self.space.pipeline, {}, label=label)
        except CompileError as error:
            return Skipped(label, error.diagnostics[0].message)
        except EngineError as error:
            return Skipped(label, str(error))
        return Baseline(label, body, replace(arm, label=label))

    def _bodies(self) -> Iterator[tuple[str, str]]:
        if self.call is None:
            return
        first = " |> select(by: first)"
        yield "single sample", f"{self._generate(1)}{first}"
        yield "greedy", f"{self._generate(1, temperature='0')}{first}"
        kind = self.space.returns
        if not isinstance(kind, Answers):
            most = self._most_samples()
            yield f"majority of {most}", f"{self._generate(most)} |> vote()"
        if _has_labels(kind):
            yield "classify", f"classify({self._prompt()}, from: {self._model()})"
        for model in self._other_models():
            yield f"single sample of {model}", f"{self._generate(1, model=model)}{first}"
        if self._thinks():
            yield "single sample without thoughts", f"{self._generate(1, thinking='off')}{first}"
            yield "single sample with thoughts", f"{self._generate(1, thinking='on')}{first}"
        if self.spare and self._argument("examples") is None and not self._shows_examples():
            shown = self._generate(1, examples=self.spare, shots=str(SHOTS))
            yield f"single sample after {SHOTS} examples", f"{shown}{first}"

    # --- the call's parts ------------------------------------------------------------------------

    def _argument(self, name: str) -> ast_expressions.Expr | None:
        assert self.call is not None
        return next((arg.value for arg in self.call.args if arg.name == name), None)

    def _text_of(self, expr: ast_expressions.Expr) -> str:
        return self.text[expr.span.start : expr.span.end]

    def _prompt(self) -> str:
        assert self.call is not None
        first = self.call.args[0].value
        if isinstance(first, ast_expressions.ListExpr):
            first = first.items[0]
        return self._text_of(first)

    def _model(self) -> str:
        """The first model that is asked; a parameter's default."""
        value = self._argument("from")
        if isinstance(value, ast_expressions.ListExpr):
            value = value.items[0]
        if value is None:
            return ""
        text = self._text_of(value)
        own = {**self.space.default, **self.space.fixed}.get(text)
        return str(own[0]) if isinstance(own, tuple) else str(own) if own is not None else text

    def _generate(self, n: int, model: str = "", **settings: str) -> str:
        assert self.call is not None
        parts = [self._prompt()]
        model = model or self._model()
        if model:
            parts.append(f"from: {model}")
        parts.append(f"n: {n}")
        for arg in self.call.args[1:]:
            if arg.name is not None and arg.name not in (*LEFT_OUT, *settings):
                parts.append(f"{arg.name}: {self._single(arg.value)}")
        parts += [f"{name}: {value}" for name, value in settings.items()]
        return f"generate({', '.join(parts)})"

    def _single(self, value: ast_expressions.Expr) -> str:
        return self._text_of(value.items[0] if isinstance(value, ast_expressions.ListExpr) else value)

    def _most_samples(self) -> int:
        """The largest number of samples that the searched parameter may have, else `MAJORITY`."""
        _, numbers = self.samples()
        return max([n for n in numbers if n > 2], default=MAJORITY)

    def samples(self) -> tuple[str, list[int]]:
        """The searched parameter that says how many samples are drawn, and its values; "" where there is none."""
        value = self._argument("n") if self.call is not None else None
        axis = self.space.axes.get(self._text_of(value)) if value is not None else None
        numbers = [own for own in (axis.values or ()) if type(own) is int] if axis is not None else []
        return (axis.name, numbers) if axis is not None and numbers else ("", [])

    def with_samples(self, n: int) -> dict[str, object] | None:
        """The default assignment with at least so many samples, where their number is searched; None elsewhere."""
        name, numbers = self.samples()
        if not name or n < 1:
            return None
        return {**self.space.default, name: min([own for own in numbers if own >= n], default=max(numbers))}

    def _shows_examples(self) -> bool:
        """Whether the prompt has turns of its own that show how to answer."""
        assert self.call is not None
        name = re.match(r"[A-Za-z_]\w*", self._prompt())
        symbol = self.space.program.checked.linked.main.names.get(name.group()) if name is not None else None
        declaration = symbol.declaration if symbol is not None else None
        return isinstance(declaration, ast.PromptDecl) and any(p.role == "assistant" for p in declaration.parts)

    def _other_models(self) -> list[str]:
        """The largest of the other models that the program declares or imports, where sizes are known."""
        models = {name: model for name, model in self._models().items() if name != self._model()}
        facts = look(models, self.space.program.folder)
        sizes = {name: own.memory.weights for name, own in facts.items() if own.memory is not None}
        return [max(sizes, key=lambda name: sizes[name])] if sizes else []

    def _models(self) -> dict[str, Model]:
        """All models that the file can name; those given from outside in the place of declared ones."""
        program = self.space.program
        linked = program.checked.linked
        declared = {name: own for name, own in linked.main.names.items() if own.kind == "model"}
        given = program.replaced_models
        alone = given.get("") if len(declared) == 1 else None
        return {name: given.get(name) or alone or model_ir(symbol, linked) for name, symbol in declared.items()}

    def _thinks(self) -> bool:
        """Whether the model can write thoughts; False where nobody knows."""
        name = self._model()
        model = self._models().get(name)
        facts = look({name: model}, self.space.program.folder).get(name) if model is not None else None
        return bool(facts is not None and facts.abilities is not None and facts.abilities.thinking)


def _has_labels(kind: Type) -> bool:
    inner = kind.item if isinstance(kind, Optional) else kind
    return isinstance(inner, Choice) or inner == BOOL
