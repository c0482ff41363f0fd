"""From a pipeline's graph to a configuration of Archon's, or the list of what Archon cannot express.

    configuration, found = export(graph, name="my-pipeline")

A graph fits where it is one flow: samples, then critics, rankers, fusers, verifiers and evaluators of unit tests, one
after the other; stages of several models over the same candidates, joined by `+`, are one layer. What does not fit is
an error (E0442) at its stage. What is kept but means less, such as the text of a prompt, is a warning (W0444).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.expand_settings import ENGINE_DEFAULTS
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span
from ttscale.compiler.types import Type
from ttscale.library.archon.fields import LOCAL_VLLM, PAIRRM, SERVICES
from ttscale.library.archon.prompts import Prompts

Made = dict[str, object]

INSTEAD = {
    "vote": "leave it out, or let `rank(keep: 1)` or `fuse` decide",
    "classify": "ask with `generate`",
    "score": "Archon scores by unit tests alone: `score(by: yes_no, using: …(tests: tests))`",
    "revise": "`fuse` with a critic before it makes new candidates from old ones",
    "choose": "give the parameters with which it takes one branch: `--param NAME=VALUE`",
    "run_tests": "Archon executes nothing",
}
SMALL_SETTINGS = (
    *("top_p", "top_k", "min_p", "repeat_penalty", "typical_p", "frequency_penalty", "presence_penalty"),
    *("penalty_window", "stop", "thinking"),
)
WITHOUT_FIELD = {
    "fuse": ("show", "group", "among", "choose"),
    "generate": ("examples", "until", "hedge"),
    "rank": ("orders", "evidence"),
}
"""Arguments that change what a stage does, and for which there is no field."""


class _Misfit(Exception):
    """Something of a graph that no configuration says."""

    def __init__(self, message: str, span: Span, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Layer:
    """Components side by side, the pool that they read (None for generators), and the unit tests that they read."""

    components: tuple[Made, ...]
    source: str | None
    tests: str | None = field(default=None)


def export(graph: ir.Graph, name: str = "") -> tuple[Made | None, list[Diagnostic]]:
    """The configuration that does what a graph does, and what it does not keep; None with an error where none does."""
    exporter = _Exporter(graph)
    try:
        layers = exporter.layers()
    except _Misfit as misfit:
        error = Diagnostic("E0442", misfit.message, misfit.span, hint=misfit.hint)
        return None, [error, *exporter.found]
    made: Made = {"name": name or graph.pipeline}
    if exporter.custom:
        made["custom"] = True
    made["layers"] = layers
    return made, exporter.found


class _Exporter:
    """Walks a graph from its result to its first samples."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.found: list[Diagnostic] = []
        self.custom = False
        self.told: set[str] = set()
        self.known = Prompts()

    def note(self, message: str, span: Span | None, hint: str = "", code: str = "W0444") -> None:
        if message not in self.told:
            self.told.add(message)
            self.found.append(Diagnostic(code, message, span, "warning", hint=hint))

    # --- the flow ------------------------------------------------------------------------------------

    def layers(self) -> list[list[Made]]:
        """All layers, the first one first. Raises _Misfit."""
        result = self.graph.result
        if not isinstance(result, ir.Ref):
            span = self.graph.stages[-1].span if self.graph.stages else Span("", 0, 0)
            raise _Misfit("the answer of a configuration is a candidate, and this is put together otherwise", span)
        self.about_the_whole(self.graph.stage(result.path).span)
        layers: list[_Layer] = []
        path: str | None = self.without_choice(result.path)
        while path is not None:
            layer = self.layer(path)
            layers.append(layer)
            path = layer.source
        layers.reverse()
        return self.with_tests(layers)

    def about_the_whole(self, span: Span) -> None:
        inputs = [(name, str(kind)) for name, kind in self.graph.inputs]
        if len(inputs) != 1 or not inputs[0][1].startswith(("Text", "Chat")):
            raise _Misfit("Archon takes one text or conversation, and the pipeline has other inputs", span)
        answers = str(_plain(self.graph.returns))
        if not answers.startswith("Text"):
            self.note(f"Archon's answers are plain text, and are not read as {answers}", span)
        if self.graph.budget != ir.Budget():
            self.note("Archon has no budget", span)
        if self.graph.params:
            fixed = ", ".join(f"{name} = {value}" for name, value in self.graph.params.items())
            self.note(f"parameters are fixed: {fixed}", span, "`--param NAME=VALUE` fixes them at another value")

    def without_choice(self, path: str) -> str:
        """The pool from which `select(by: first)` takes the answer; the stage itself where it is another one."""
        stage = self.graph.stage(path)
        if stage.op != "select" or _rule(stage) != "first" or not isinstance(stage.source, ir.Ref):
            return path
        before = self.graph.stage(stage.source.path)
        if before.op == "verify":
            return path
        if before.size.high > 1:
            self.note("Archon's code answers with any of the candidates that are left, not with the first", stage.span)
        return before.path

    def with_tests(self, layers: list[_Layer]) -> list[list[Made]]:
        """Layers in order, with the layer that writes unit tests before the first one that reads them."""
        found: list[list[Made]] = []
        written: str | None = None
        for layer in layers:
            if layer.tests is not None and layer.tests != written:
                written = layer.tests
                found.append([self.tests(self.graph.stage(written))])
            found.append(list(layer.components))
        return found

    def layer(self, path: str) -> _Layer:
        """The layer whose candidates the pool at `path` has. Raises _Misfit."""
        stage = self.graph.stage(path)
        if stage.op != "concat":
            return self.part(stage)
        parts = [self.part(one) for one in self.joined(stage)]
        sources = {part.source for part in parts if part.source is not None}
        tests = {part.tests for part in parts if part.tests is not None}
        if len(sources) > 1 or len(tests) > 1:
            hint = "let all of its stages read the same candidates"
            raise _Misfit(
                "`+` joins candidates of several layers, and a layer reads the one before it", stage.span, hint
            )
        components = tuple(component for part in parts for component in part.components)
        return _Layer(components, sources.pop() if sources else None, tests.pop() if tests else None)

    def joined(self, stage: ir.Stage) -> list[ir.Stage]:
        """The stages whose candidates a `+` joins, left to right."""
        sources = stage.args["sources"]
        found: list[ir.Stage] = []
        for source in sources if isinstance(sources, tuple) else ():
            if isinstance(source, ir.Ref):
                one = self.graph.stage(source.path)
                found += self.joined(one) if one.op == "concat" else [one]
        return found

    def part(self, stage: ir.Stage) -> _Layer:
        """The component or components that one stage is. Raises _Misfit."""
        if stage.when is not None or stage.guards:
            hint = "give the parameters with which it always runs"
            raise _Misfit(f"`{stage.op}` runs under a condition, and Archon has none", stage.span, hint)
        write: dict[str, Callable[[ir.Stage], _Layer]] = {
            "generate": self.generator,
            "fuse": self.fuser,
            "critique": self.critic,
            "rank": self.ranker,
            "verify": self.verifier,
            "score": self.evaluator,
            "select": self.chosen,
            "filter": self.chosen,
        }
        if stage.op not in write:
            raise _Misfit(f"Archon has no component for `{stage.op}`", stage.span, INSTEAD.get(stage.op, ""))
        for name in WITHOUT_FIELD.get(stage.op, ()):
            if _constant(stage, name) not in (None, False) or not isinstance(stage.args.get(name), ir.Const):
                raise _Misfit(f"Archon has no `{name}` for `{stage.op}`", stage.span, "leave it out")
        return write[stage.op](stage)

    # --- components ----------------------------------------------------------------------------------

    def component(self, kind: str, stage: ir.Stage, model: ir.Model, temperature: object, samples: int) -> Made:
        """The fields that every component has."""
        if model.combine is not None:
            message = f"`{model.combine.name}` puts several models together, and Archon asks one at a time"
            raise _Misfit(message, stage.span, "leave `combine:` out")
        service, name = self.service(model)
        for setting in SMALL_SETTINGS:
            value = stage.args.get(setting)
            if value is not None and not (isinstance(value, ir.Const) and value.value == ENGINE_DEFAULTS[setting]):
                self.note(f"`{setting}` is not kept: Archon has no field for it", stage.span)
        for policy in ("retry", "timeout", "or_else"):
            value = stage.args.get(policy)
            if value is not None and not (isinstance(value, ir.Const) and not value.value):
                self.note(f"`{policy}` is not kept: Archon tries failed calls again in its own way", stage.span)
        return {
            "type": kind,
            "model": name,
            "model_type": service,
            "temperature": temperature,
            "max_tokens": _constant(stage, "max_tokens"),
            "samples": samples,
        }

    def service(self, model: ir.Model) -> tuple[str, str]:
        """The `model_type` and `model` of a declared model."""
        options = dict(model.options)
        name = str(options.get("name", model.locator))
        if model.kind == "openai":
            for service, (address, _) in SERVICES.items():
                if model.locator.rstrip("/") == address:
                    return service, name
            if name == PAIRRM:
                return "Together_API", name
            if name == "tgi":
                return "tgi", model.locator
            if model.locator.rstrip("/") == LOCAL_VLLM:
                return "vLLM", name
        self.custom = True
        message = f"`{model.name}` answers at no service of Archon's; its `model_type` is to be added"
        hint = f'write a function for it, and give it to Archon: `archon.add_generator("{model.name}", …)`'
        self.note(message, model.span, hint, "W0445")
        return model.name, name

    def asked(self, kind: str, stage: ir.Stage, samples: int = 1) -> Made:
        model = stage.args.get("from")
        if not isinstance(model, ir.Model):
            raise _Misfit(f"`{stage.op}` asks no model", stage.span)
        return self.component(kind, stage, model, _constant(stage, "temperature"), samples)

    def source(self, stage: ir.Stage) -> str:
        if not isinstance(stage.source, ir.Ref):
            raise _Misfit(f"`{stage.op}` reads no candidates", stage.span)
        return stage.source.path

    def generator(self, stage: ir.Stage) -> _Layer:
        count = _constant(stage, "n")
        if not isinstance(count, int):
            raise _Misfit("Archon draws a fixed number of samples, not rounds", stage.span, "write `n: 16`")
        prompts, models, heats = (stage.args.get(name) for name in ("prompts", "models", "temperatures"))
        if not isinstance(prompts, tuple) or len(prompts) != 1 or not isinstance(prompts[0], ir.Filled):
            raise _Misfit("Archon's generators put the question as it is, and here are several prompts", stage.span)
        tests = self.question_only(prompts[0], stage)
        plain = not any(part.role == "system" for part in prompts[0].prompt.parts)
        made: list[Made] = []
        for model in models if isinstance(models, tuple) else ():
            for heat in heats if isinstance(heats, tuple) else ():
                if isinstance(model, ir.Model) and isinstance(heat, ir.Const):
                    made.append(self.component("generator", stage, model, heat.value, count))
        if plain:
            for component in made:
                component["no_system"] = True
        return _Layer(tuple(made), None, tests)

    def question_only(self, filled: ir.Filled, stage: ir.Stage) -> str | None:
        """The stage that wrote the unit tests which a prompt shows; told where a prompt says more than the question."""
        tests: str | None = None
        for name, operand in filled.args:
            if isinstance(operand, ir.Input):
                continue
            writer = self.writer(operand)
            if writer is None:
                message = f"Archon's generators read the question alone, and this one is given `{name}`"
                raise _Misfit(message, stage.span, "`fuse` and `rank` read earlier candidates")
            tests = writer
        self.own_words(filled.prompt, stage)
        return tests

    def writer(self, operand: ir.Operand) -> str | None:
        """The stage that wrote a list of texts in one sample, or None."""
        if not isinstance(operand, ir.Ref):
            return None
        stage = self.graph.stage(operand.path)
        is_list = str(_plain(stage.type)).startswith("[Text")
        return stage.path if stage.op == "generate" and is_list and stage.size.high == 1 else None

    def own_words(self, prompt: ir.Prompt, stage: ir.Stage) -> None:
        """Tell that a prompt's text is lost, where it is not one that an import would write."""
        if self.known.wrote(prompt) or prompt.name in STANDARD.get(stage.op, ()):
            return
        asks = "puts the question as it is" if stage.op == "generate" else "asks in words of its own"
        self.note(f"the text of `{prompt.name}` is not kept: Archon {asks}", stage.span)

    def judge_prompt(self, stage: ir.Stage) -> ir.Filled | None:
        using = stage.args.get("using")
        if isinstance(using, ir.Filled):
            self.own_words(using.prompt, stage)
            return using
        return None

    def fuser(self, stage: ir.Stage) -> _Layer:
        using = self.judge_prompt(stage)
        made = self.asked("fuser", stage, _whole(stage, "n"))
        if using is not None and using.prompt.name == "fuse_shortly" and self.known.wrote(using.prompt):
            made["length_control"] = True
        return _Layer((made,), self.source(stage))

    def critic(self, stage: ir.Stage) -> _Layer:
        using = self.judge_prompt(stage)
        if using is not None and not str(using.prompt.result).startswith("["):
            self.note("Archon's critic reviews all candidates in one call", stage.span)
        return _Layer((self.asked("critic", stage),), self.source(stage))

    def ranker(self, stage: ir.Stage) -> _Layer:
        made = self.asked("ranker", stage)
        self.judge_prompt(stage)
        pairwise = _constant(stage, "method") != "listwise"
        if made["model"] == PAIRRM:
            made["ranker_batch_size"] = 16
        elif pairwise:
            raise _Misfit("Archon's rankers order all candidates in one call", stage.span, "write `method: listwise`")
        made["top_k"] = _constant(stage, "keep") or stage.size.high
        return _Layer((made,), self.source(stage))

    def verifier(self, stage: ir.Stage) -> _Layer:
        if _constant(stage, "otherwise") != "all":
            raise _Misfit("Archon keeps all candidates where none is accepted", stage.span, "leave out `otherwise:`")
        if _constant(stage, "verdicts") != 1:
            self.note("Archon's verifier argues once for every candidate, and then decides", stage.span)
        self.judge_prompt(stage)
        return _Layer((self.asked("verifier", stage),), self.source(stage))

    def evaluator(self, stage: ir.Stage) -> _Layer:
        using = stage.args.get("using")
        tests = None
        if isinstance(using, ir.Filled) and _rule(stage) == "yes_no":
            found = [self.writer(operand) for _, operand in using.args]
            tests = found[0] if len(found) == 1 else None
        if tests is None or not isinstance(using, ir.Filled):
            raise _Misfit("Archon has no component for `score` that reads no unit tests", stage.span, INSTEAD["score"])
        self.own_words(using.prompt, stage)
        made = self.asked("unit_test_evaluator", stage)
        made["remove_unit_tests_from_prompt"] = True
        return _Layer((made,), self.source(stage), tests)

    def chosen(self, stage: ir.Stage) -> _Layer:
        """A choice after a verifier or an evaluator, which is a field of theirs."""
        before = self.graph.stage(self.source(stage))
        fields = [name for name in ("min_share", "min_score", "unique") if _constant(stage, name)]
        keep = 1 if stage.op == "select" else _constant(stage, "top")
        rule = _rule(stage)
        if keep is not None and not fields:
            if before.op == "verify" and rule == ("first" if stage.op == "select" else ""):
                layer = self.verifier(before)
                layer.components[0]["first_k"] = keep
                return layer
            if before.op == "score" and rule == "score":
                layer = self.evaluator(before)
                layer.components[0]["top_k"] = keep
                return layer
        hint = "`rank(keep: …)` is the component that chooses"
        raise _Misfit(f"Archon has no component for this `{stage.op}`", stage.span, hint)

    def tests(self, stage: ir.Stage) -> Made:
        """The component that writes unit tests."""
        prompts, models, heats = (stage.args.get(name) for name in ("prompts", "models", "temperatures"))
        assert isinstance(prompts, tuple) and isinstance(models, tuple) and isinstance(heats, tuple)
        filled, model, heat = prompts[0], models[0], heats[0]
        assert isinstance(filled, ir.Filled) and isinstance(model, ir.Model) and isinstance(heat, ir.Const)
        self.own_words(filled.prompt, stage)
        made = self.component("unit_test_generator", stage, model, heat.value, 1)
        counts = [operand.value for _, operand in filled.args if isinstance(operand, ir.Const)]
        if counts and isinstance(counts[0], int):
            made["unit_test_cap"] = counts[0]
        return made


STANDARD = {
    "fuse": ("fuse_answers",),
    "rank": ("rank_answers",),
    "verify": ("argue_verdict", "verify_answer"),
    "critique": ("critique_answer", "critique_answers"),
}
"""The library's own prompts, for which Archon's stand."""


def _constant(stage: ir.Stage, name: str) -> object:
    value = stage.args.get(name)
    return value.value if isinstance(value, ir.Const) else None


def _whole(stage: ir.Stage, name: str) -> int:
    value = _constant(stage, name)
    return value if isinstance(value, int) else 1


def _rule(stage: ir.Stage) -> str:
    """The name of the rule by which a stage chooses or scores, "" where it has none."""
    rule = stage.args.get("by")
    return rule.name if isinstance(rule, ir.Strategy) else ""


def _plain(kind: Type) -> Type:
    """The type of the answers of a pool; any other type as it is."""
    from ttscale.compiler.types import Answers

    return kind.item if isinstance(kind, Answers) else kind
