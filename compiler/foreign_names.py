"""Names from other tools, with what does the same here: a stage, a rule, a block or an argument.

    instead_of("majority")     # "`vote()` does this: `generate(…, n: 8) |> vote()`"

People who come from Python, DSPy, Archon or optillm try the names they know; a near spelling would mislead them.
"""

from __future__ import annotations

from collections.abc import Mapping

_VOTE = "`vote()` does this: `generate(…, n: 8) |> vote()`"
_BEST = "write `generate(…, n: 8) |> score(by: yes_no) |> select(by: score)`"
_GENERATE = "`generate` asks a model: `generate(ask(question), from: small)`"
_SEVERAL = "write `generate(ask(question), from: [a, b, c]) |> fuse(from: a)`"
_FUSE = "`fuse()` writes new answers from those it sees: `… |> fuse()`"
_REVISE = "write `repeat 2 with xs = drafts { yield xs |> critique() |> fuse() }`"
_TOP = "write `filter(top: 3, by: score)`, or `rank(keep: 3)` to let a model order them"
_JUDGE = "`score(by: yes_no)` lets a model judge each answer, and `verify()` keeps those it accepts"
_MAP = "write `map part in parts, max: 8 { yield generate(…) }`, then `|> fuse()` joins what it gives"
_BRANCH = "write `match which { a => …  _ => … }`, or `stage(…) when condition`"
_LOOP = "write `repeat 3 with xs = drafts { yield xs |> … }`; loops have a fixed bound"
_REASON = "ask for the steps in the prompt's text, such as “Think step by step”; `thinking:` is for models that think"
_SEARCH = "step-wise search is `explore`: `explore(ask(question), policy: beam)`; also `mcts`, `dvts`, `particles`"
_JOIN = "`a + b` joins two pools"
_TESTS = "`run_tests(with: tests)` tries programs, the answers of a prompt that gives `Code(python)`"
_EXAMPLES = "examples are an argument: `generate(…, examples: data[0:50], shots: 4, choose: similar)`"
_TYPES = "what an answer is read as is the prompt's result type: `prompt ask(question: Text) -> Number = …`"

INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(
        ("majority", "majorityvote", "plurality", "selfconsistency", "consensus", "voting", "mode", "cotsc"), _VOTE
    ),
    **dict.fromkeys(("bestofn", "bon", "rerank", "reranker", "rejectionsampling", "argmax"), _BEST),
    **dict.fromkeys(
        (
            *("sample", "samples", "sampler", "generator", "predict", "predictor", "complete", "completion", "llm"),
            *("ask", "call", "invoke", "prompt", "query", "chat", "lm", "run", "model", "answer", "infer"),
        ),
        _GENERATE,
    ),
    **dict.fromkeys(("moa", "mixtureofagents", "ensemble", "ensembler", "multimodel", "layer"), _SEVERAL),
    **dict.fromkeys(
        ("fuser", "fusion", "aggregate", "aggregator", "merge", "combine", "synthesize", "summarize", "reduce"), _FUSE
    ),
    **dict.fromkeys(("refine", "selfrefine", "reflexion", "reflect", "improve", "debate", "selfcorrect"), _REVISE),
    **dict.fromkeys(("rankby", "ranker", "sort", "sortby", "order", "topk", "take", "head", "limit", "keep"), _TOP),
    **dict.fromkeys(("judge", "grade", "grader", "evaluate", "rate", "scorer", "reward", "rewardmodel"), _JUDGE),
    **dict.fromkeys(("mapreduce", "foreach", "parallel", "gather", "batch"), _MAP),
    **dict.fromkeys(("route", "router", "switch", "branch", "cond", "ifelse"), _BRANCH),
    **dict.fromkeys(("loop", "iterate", "chain", "sequence"), _LOOP),
    **dict.fromkeys(("chainofthought", "cot", "cotreflection", "think", "reason"), _REASON),
    **dict.fromkeys(("treeofthoughts", "tot", "mcts", "beamsearch", "beam", "rstar"), _SEARCH),
    **dict.fromkeys(("concat", "join", "union", "extend", "append"), _JOIN),
    **dict.fromkeys(("unittests", "unittestgenerator", "unittestevaluator", "tests", "test", "exec"), _TESTS),
    **dict.fromkeys(("fewshot", "bootstrapfewshot", "labeledfewshot", "knnfewshot", "demos", "examples"), _EXAMPLES),
    **dict.fromkeys(("parse", "parser", "extract", "signature", "outputparser", "typedpredictor"), _TYPES),
    **dict.fromkeys(("unique", "dedup", "deduplicate", "distinct"), "write `… |> filter(unique: true)`"),
    **dict.fromkeys(("critic", "criticize", "feedback", "review"), "`critique()` writes what is good and bad of each"),
    **dict.fromkeys(("verifier", "check", "checker", "validate", "validator"), "`verify()` keeps what a judge accepts"),
    **dict.fromkeys(("len", "count", "length"), "`size(pool)` is how many candidates there are"),
    **dict.fromkeys(("str", "string", "repr", "format"), "`text(x)` makes a value into Text"),
    **dict.fromkeys(("int", "float", "number"), _TYPES),
    **dict.fromkeys(
        ("max", "maximum", "top", "highest"), "`select(by: score)` picks the best; `best(pool)` is its score"
    ),
    **dict.fromkeys(
        ("print", "log", "display"), "a pipeline only returns; `ttscale run --trace` and `show` tell the rest"
    ),
    **dict.fromkeys(("retry", "timeout", "fallback"), "it is an argument: `generate(…, retry: 2, timeout: 60s)`"),
    **dict.fromkeys(
        ("embed", "embedding", "similarity", "cluster"), "there is no such stage; `vote()` joins equal answers"
    ),
    **dict.fromkeys(("range", "enumerate", "zip"), _LOOP),
    **dict.fromkeys(("dspy", "module", "outputfield", "inputfield", "archon", "openai", "client"), _GENERATE),
    **dict.fromkeys(("none", "null", "nil"), "the missing value is written `none`"),
    "true": "write `true`",
    "false": "write `false`",
    "self": "a pipeline's inputs and bindings are named as they are, without `self.`",
    "temperature": "it is an argument: `generate(…, temperature: 0.8)`",
    "env": 'a key is read from the environment: `model far = openai("…", name: "…", key: env("API_KEY"))`',
}
"""By the name in small letters without `_`, what to write instead."""

STEPWISE: Mapping[str, str] = {
    **dict.fromkeys(("n", "beams", "beam_width", "particles", "num_particles", "samples", "keep"), "width"),
    **dict.fromkeys(("max_tokens", "tokens_per_step", "step_size"), "step_tokens"),
    **dict.fromkeys(("depth", "max_steps", "max_depth", "rounds"), "steps"),
    **dict.fromkeys(("expand", "children", "branching", "breadth"), "branch"),
    **dict.fromkeys(("by", "scorer", "using", "reward", "verifier", "prm"), "judge"),
    **dict.fromkeys(("algorithm", "method", "strategy", "search"), "policy"),
    **dict.fromkeys(("budget", "iterations", "rollouts", "simulations"), "expansions"),
}
"""What others call the arguments of `explore`."""


def instead_of(name: str) -> str | None:
    """What to write instead of a name that other tools use, or None."""
    return INSTEAD.get(name.replace("_", "").lower())
