"""From a configuration to a `.tts` program in canonical layout, and a list of what the program does not keep.

    written = write(configuration, file="moa.json")
    written.text, written.diagnostics

Layers become one flow of stages. Components of a layer that write candidates stand side by side with `+`; generators
with the same settings are one `generate` over a list of models. Candidates that no later layer reads are left out.
Critiques never outlive the candidates that they were written for, and unit tests are shown to generators and
evaluators alone: two defects of the original that are not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import field

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.format import format_module
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile, Span
from ttscale.library.archon.fields import KEEPERS, MAKERS, PAIRRM, Component, Configuration, Layer
from ttscale.library.archon.names import Models
from ttscale.library.archon.prompts import Prompts

MOST = 4096
"""The most samples of one stage."""
NAMES = {"generator": "drafts", "fuser": "fused", "mixed": "joined"}


@dataclass(frozen=True, slots=True)
class Written:
    """A program and what it does not keep of the configuration that it was made from."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = field(default=())


def write(configuration: Configuration, *, file: str = "", answer: str = "Text") -> Written:
    """The program of a configuration; `answer` is the type of its answers, as it is written in a program.

    `file` is named in a comment. The text is empty, with an error (E0441), where nothing makes a candidate.
    """
    writer = _Writer(configuration, answer)
    body = writer.body()
    if body is None:
        hint = 'begin with a layer of {"type": "generator", …}'
        writer.note("no layer makes candidates, so there is no answer", configuration.span, hint, "E0441", "error")
        return Written("", tuple(writer.notes))
    uses = "use std/prompts@1 as p\n" if writer.prompts.uses_std else ""
    origin = f"# Imported from Archon's {_line(file)}\n" if file else ""
    title = _line(configuration.name) or "A configuration of Archon's"
    header = f"## {title}.\npipeline main(question: Text) -> {answer} {{\n"
    parts = (f"tts 1\n{uses}", origin + writer.models.text(), writer.prompts.text(answer), header + body + "}\n")
    return Written(_laid_out("\n".join(part for part in parts if part)), tuple(writer.notes))


def _laid_out(text: str) -> str:
    source = SourceFile("<archon>", text)
    parsed = parse(source)
    module, _ = lower(parsed, source)
    return format_module(module, source)


def _line(text: str) -> str:
    """A text as part of a comment of one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split()).rstrip(".")


def _number(value: object) -> str:
    """A temperature as it is written in a program."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _read_layers(layers: Sequence[Layer]) -> list[bool]:
    """Whether something reads the candidates that stand after each layer."""
    read = [False] * len(layers)
    wanted = True
    for index in range(len(layers) - 1, -1, -1):
        read[index] = wanted
        layer = layers[index]
        makers = layer.of("generator", "fuser", *KEEPERS)
        wanted = wanted and (not makers or bool(layer.of("fuser", *KEEPERS)))
    return read


class _Writer:
    """Writes the layers of one configuration, one after the other."""

    def __init__(self, configuration: Configuration, answer: str) -> None:
        self.configuration = configuration
        self.answer = answer
        self.notes: list[Diagnostic] = []
        self.models = Models(self.note)
        self.prompts = Prompts()
        self.lines: list[str] = []
        self.comments: list[str] = []
        self.base = ""
        """What the flow begins with: a name, or an expression that has none yet."""
        self.named = True
        self.chain: list[str] = []
        self.size = 0
        self.tests = ""
        self.taken: set[str] = {"question", "main"}
        self.drawn: dict[tuple[object, ...], int] = {}
        self.told: set[str] = set()
        self.kind = "mixed"
        """The kind of component that the flow begins with, from which it gets its name."""
        self.by_tests = False
        self.criticised = False

    # --- what is said --------------------------------------------------------------------------------

    def note(self, message: str, place: Span, hint: str = "", code: str = "W0444", severity: str = "warning") -> None:
        """Say that something is not kept, once for the file where the same holds of several components."""
        if message not in self.told:
            self.told.add(message)
            self.notes.append(Diagnostic(code, message, place, severity, hint=hint))  # type: ignore[arg-type]

    # --- the flow ------------------------------------------------------------------------------------

    def body(self) -> str | None:
        """The statements of the pipeline; None where nothing makes a candidate."""
        layers = self.configuration.layers
        read = _read_layers(layers)
        for index, layer in enumerate(layers):
            self.layer(layer, layers[index + 1 :], is_read=read[index])
        if not self.base:
            return None
        if self.size > 1:
            self.chain.append('select(by: score("passed"))' if self.by_tests else "select(by: first)")
            if not self.by_tests:
                message = "several candidates are left, of which the program takes the first; Archon's code takes any"
                self.note(message, layers[-1].span)
        self.statement(f"return {self.flow()}")
        return "".join(f"  {line}\n" for line in self.lines)

    def flow(self) -> str:
        return " |> ".join([self.base, *self.chain])

    def statement(self, text: str) -> None:
        self.lines += [*self.comments, text]
        self.comments = []

    def fresh(self, name: str) -> str:
        """A name that the pipeline does not have yet."""
        found, number = name, 1
        while found in self.taken or self.models.has(found):
            number += 1
            found = f"{name}{number}"
        self.taken.add(found)
        return found

    def settle(self, name: str) -> str:
        """Give the flow so far a name, where it has none."""
        if not self.named or self.chain:
            bound = self.fresh(name)
            self.statement(f"{bound} = {self.flow()}")
            self.base, self.named, self.chain = bound, True, []
        return self.base

    # --- a layer -------------------------------------------------------------------------------------

    def layer(self, layer: Layer, later: Sequence[Layer], *, is_read: bool) -> None:
        """Write one layer onto the flow."""
        tests = layer.of("unit_test_generator")
        own = [one for one in layer.components if one.kind != "unit_test_generator"]
        if own and not is_read:
            message = f"the candidates of this layer ({', '.join(layer.kinds)}) are read by nobody and left out"
            self.note(message, layer.span, "Archon's generators do not read what stood before them")
        elif own:
            self.candidates(layer)
        if tests:
            self.unit_tests(tests, later)

    def candidates(self, layer: Layer) -> None:
        """Critics, then whoever makes or keeps candidates, side by side."""
        self.holes(layer)
        custom = [one for one in layer.components if one.custom]
        if custom and not self.base and not layer.of(*MAKERS):
            self.stand_in(custom[0])
        makers, critics = layer.of(*MAKERS), layer.of("critic")
        if makers and critics:
            self.note("critiques of candidates that their own layer replaces are left out", critics[0].span)
        elif critics and self.has_candidates(critics[0]):
            self.criticise(critics)
        parts = [*self.generators(layer.of("generator")), *self.others(layer)]
        if not parts:
            return
        kinds = {part.kind for part in parts}
        if len(parts) == 1 and parts[0].stages:
            self.chain += parts[0].stages
        else:
            written = [part.text if not part.stages else f"({part.text})" for part in parts]
            self.base, self.named, self.chain = " + ".join(written), False, []
        self.size = sum(part.size for part in parts)
        self.by_tests = kinds == {"unit_test_evaluator"}
        self.criticised = self.criticised and not makers
        if len(parts) > 1 or not parts[0].stages:
            self.kind = kinds.pop() if len(kinds) == 1 else "mixed"

    def has_candidates(self, component: Component) -> bool:
        """Whether there is something to judge; told where there is not."""
        if self.base:
            return True
        message = f"a {component.kind} in a layer before any candidate is left out; Archon stops there"
        self.note(message, component.span)
        return False

    def holes(self, layer: Layer) -> None:
        for one in layer.components:
            if one.custom:
                shown = json.dumps(dict(one.values), ensure_ascii=True)
                self.comments.append(f"# hole: `{_line(one.kind)}` belongs here: {_line(shown)}")

    def stand_in(self, component: Component) -> None:
        """A generator in the place of a component of somebody's own that has to make candidates."""
        model = self.models.of(component)
        self.prompts.use("ask")
        self.base, self.named, self.size = f"generate(ask(question), from: {model})", False, 1
        self.kind = "generator"

    def criticise(self, critics: Sequence[Component]) -> None:
        if len(critics) > 1:
            message = "of several critics in a layer the last one's critiques are read; Archon stops at them"
            self.note(message, critics[1].span)
        self.criticised = True
        for one in critics:
            self.only_one_sample(one)
            self.settle_source()
            self.prompts.uses_std = True
            self.chain.append(f"critique(using: p.critique_answers, {self.asked(one)})")

    def settle_source(self) -> str:
        """Name a flow that begins with an expression of its own, so that stages can be put behind it."""
        return self.base if self.named else self.settle(NAMES.get(self.kind, "joined"))

    def asked(self, one: Component, *more: str) -> str:
        """The arguments of a question to a component's model."""
        given = [f"from: {self.models.of(one)}", *more]
        if "temperature" in one.values:
            given.append(f"temperature: {_number(one.values['temperature'])}")
        if "max_tokens" in one.values:
            given.append(f"max_tokens: {one.values['max_tokens']}")
        return ", ".join(given)

    def only_one_sample(self, one: Component) -> None:
        if one.samples > 1:
            message = f"a {one.kind} reads one of its samples, so the program asks once"
            self.note(message, one.place("samples"))

    # --- generators ----------------------------------------------------------------------------------

    def generators(self, components: Sequence[Component]) -> list[_Part]:
        """One `generate` for every run of generators with the same settings."""
        groups: list[tuple[tuple[object, ...], list[Component]]] = []
        for one in components:
            plain = one.is_set("no_system")
            key = (plain, one.values.get("temperature"), one.values.get("max_tokens"), one.samples)
            if groups and groups[-1][0] == key:
                groups[-1][1].append(one)
            else:
                groups.append((key, [one]))
        return [self.generate(members) for _, members in groups]

    def generate(self, members: Sequence[Component]) -> _Part:
        first = members[0]
        name = "ask_plainly" if first.is_set("no_system") else "ask"
        name += "_with_tests" if self.tests else ""
        self.prompts.use(name)
        asked = f"{name}(question, {self.tests})" if self.tests else f"{name}(question)"
        models = [self.models.of(one) for one in members]
        given = [models[0] if len(models) == 1 else f"[{', '.join(models)}]"]
        samples = self.at_most(first)
        given += [f"n: {samples}"] if samples > 1 else []
        series = self.series([(asked, model, first.values.get("temperature")) for model in models])
        rest = self.asked(first, *given[1:], *series).split(", ", 1)[1:]
        text = ", ".join([f"generate({asked}", f"from: {given[0]}", *rest]) + ")"
        return _Part("generator", text, (), samples * len(models))

    def at_most(self, one: Component) -> int:
        """How many samples are drawn."""
        if one.samples > MOST:
            self.note(f"one stage draws at most {MOST:,} samples", one.place("samples"))
        return min(one.samples, MOST)

    def series(self, keys: Sequence[tuple[object, ...]]) -> list[str]:
        """The `series:` with which samples are fresh, though an earlier stage asked the same."""
        start = max(self.drawn.get(key, 0) for key in keys)
        for key in dict.fromkeys(keys):
            self.drawn[key] = start + keys.count(key)
        return [f"series: {start}"] if start else []

    # --- whoever reads candidates --------------------------------------------------------------------

    def others(self, layer: Layer) -> list[_Part]:
        """Fusers, rankers, verifiers and evaluators, each over the candidates of the layer before."""
        write: dict[str, Callable[[Component], tuple[list[str], int]]] = {
            "fuser": self.fuse,
            "ranker": self.rank,
            "verifier": self.verify,
            "unit_test_evaluator": self.evaluate,
        }
        readers = [one for one in layer.of(*write) if self.has_candidates(one)]
        if not readers:
            return []
        if len(readers) > 1 or layer.of("generator"):
            self.settle(NAMES.get(self.kind, "joined") if not self.chain else "kept")
        else:
            self.settle_source()
        found: list[_Part] = []
        for one in readers:
            stages, size = write[one.kind](one)
            if stages:
                found.append(_Part(one.kind, " |> ".join([self.base, *stages]), tuple(stages), size))
        return found

    def fuse(self, one: Component) -> tuple[list[str], int]:
        using: list[str] = []
        if one.is_set("length_control"):
            if self.criticised:
                self.prompts.use("fuse_shortly")
                using = ["using: fuse_shortly"]
            else:
                message = "`length_control` has no effect without critiques, in Archon as here"
                self.note(message, one.place("length_control"))
        samples = self.at_most(one)
        given = [*using, *([f"n: {samples}"] if samples > 1 else [])]
        given += self.series([(self.flow(), *using, self.models.of(one), one.values.get("temperature"))])
        return [f"fuse({self.asked(one, *given)})"], samples

    def rank(self, one: Component) -> tuple[list[str], int]:
        self.only_one_sample(one)
        keep = min(one.whole("top_k") or self.size, self.size)
        method: list[str] = []
        if one.model[1] == PAIRRM:
            method = ["method: pairwise"]
            message = "PairRM is no language model; a model that compares pairs stands in its place"
            hint = f"put the model that is to compare into `{self.models.of(one)}`"
            self.note(message, one.place("model"), hint, "W0445")
        return [f"rank({self.asked(one, *method, f'keep: {keep}')})"], keep

    def verify(self, one: Component) -> tuple[list[str], int]:
        self.only_one_sample(one)
        self.note("the verifier argues and decides in one call, not in two", one.span)
        stages, size = [f"verify({self.asked(one, 'verdicts: 1')})"], self.size
        first = one.whole("first_k")
        if first is not None and first < size:
            self.note("`first_k` saves no calls: all candidates are verified", one.place("first_k"))
            stages.append("select(by: first)" if first == 1 else f"filter(top: {first})")
            size = first
        return stages, size

    def evaluate(self, one: Component) -> tuple[list[str], int]:
        self.only_one_sample(one)
        if not self.tests:
            self.note("an evaluator without unit tests is left out; Archon stops there", one.span)
            return [], self.size
        self.prompts.use("count_passed")
        given = ("by: yes_no", f"using: count_passed(tests: {self.tests})", "as: passed")
        asked = self.asked(one, given[2])
        stages = [f"score({given[0]}, {given[1]}, {asked})"]
        first = one.whole("first_k") or (1 if one.is_set("first_pass") else None)
        if first is not None:
            place = one.place("first_k" if one.whole("first_k") else "first_pass")
            self.note("stopping at the first candidates that pass saves no calls: all are evaluated", place)
        keep = first or one.whole("top_k")
        if keep is None or keep >= self.size:
            return stages, self.size
        if keep == 1:
            return [*stages, 'select(by: score("passed"))'], 1
        self.note("evaluated candidates keep their order; Archon sorts them by the tests they pass", one.span)
        return [*stages, f'filter(top: {keep}, by: score("passed"))'], keep

    # --- unit tests ----------------------------------------------------------------------------------

    def unit_tests(self, components: Sequence[Component], later: Sequence[Layer]) -> None:
        """Bind the unit tests that a model writes, where a later layer reads them."""
        one = components[0]
        if not any(layer.of("generator", "unit_test_evaluator") for layer in later):
            self.note("unit tests that no generator or evaluator reads are left out", one.span)
            return
        if len(components) > 1:
            self.note("of several generators of unit tests in a layer the first is kept", components[1].span)
        if any(layer.of("fuser", "ranker", "critic", "verifier") for layer in later):
            self.note("unit tests are shown to generators and evaluators; Archon shows them to all", one.span)
        self.only_one_sample(one)
        cap = one.whole("unit_test_cap")
        self.prompts.use("write_tests" if cap is None else "write_some_tests")
        asked = "write_tests(question)" if cap is None else f"write_some_tests(question, {cap})"
        series = self.series([(asked, self.models.of(one), one.values.get("temperature"))])
        text = f"generate({asked}, {self.asked(one, *series)})"
        name = self.fresh("tests")
        if self.base:
            self.settle(NAMES.get(self.kind, "joined"))
        self.statement(f"{name} = {text}")
        self.tests = name


@dataclass(frozen=True, slots=True)
class _Part:
    """What one component, or several as one `generate`, gives: an expression, and how many candidates it makes.

    `stages` are those that stand behind the flow so far; there are none where the expression begins a new one.
    """

    kind: str
    text: str
    stages: tuple[str, ...]
    size: int
