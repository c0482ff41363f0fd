"""The signatures of the stages that make candidates: from a prompt, from other candidates, or from documents."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler.parameters import Parameter
from ttscale.compiler.signature import USING, Signature, asking
from ttscale.compiler.signatures_memory import NEARNESS

BOUNDARIES = ("paragraph", "line", "sentence", "code", "tokens")
"""Where a step of `explore` may end."""

GENERATE = Signature(
    "generate",
    "none",
    (
        Parameter("prompt", "prompt", required=True, many=True, doc="one filled prompt or a list of them"),
        *(
            Parameter(p.name, p.kind, p.default, many=True, low=p.low, high=p.high, doc=p.doc)
            if p.name in ("from", "temperature")
            else p
            for p in asking(512, None)
        ),
        Parameter("n", "int", 1, up_to=True, low=1, high=4096, doc="samples for each prompt, model and temperature"),
        Parameter("start", "int", 4, low=1, doc="size of the first round of `n: up to N`"),
        Parameter("round", "int", low=1, doc="samples of every further round; default rounds double"),
        Parameter("until", "condition", doc="tested on complete rounds of `n: up to N`"),
        Parameter("hedge", "bool", False, doc="adds one greedy sample"),
        Parameter("combine", "combination", doc="other models of one vocabulary that have a say in every token"),
        Parameter("watch", "watch", many=True, doc="watchers on each running answer: repetition, overthinking, …"),
        Parameter("constrain", "bool", doc="keep answers to the form of their type; JSON is unless this is false"),
        Parameter("more", "pool", doc="fresh samples: a series that this pool did not use"),
        Parameter("examples", "pool", doc="rows shown as few-shot turns"),
        Parameter("shots", "int", 0, low=0, doc="how many of them"),
        Parameter("choose", "name", "first", choices=("first", "random", "balanced", "similar")),
        Parameter("embedder", "model", doc="the model whose vectors say which rows are `similar`; default words"),
    ),
    positional=("prompt",),
    keeps=False,
    calls="n",
    doc="samples answers to a prompt",
)

CLASSIFY = Signature(
    "classify",
    "none",
    (
        Parameter("prompt", "prompt", required=True, doc="a prompt whose answer is a Choice or a Bool"),
        Parameter("from", "model"),
        Parameter("min_probability", "float", low=0, high=1, doc="below it the answer is none"),
    ),
    positional=("prompt",),
    keeps=False,
    calls="labels",
    at_most_one=True,
    doc="scores every label from one prefill and answers with the likeliest",
)

FUSE = Signature(
    "fuse",
    "pool",
    (
        USING,
        *asking(512, None),
        Parameter("n", "int", 1, low=1, high=4096, doc="new candidates"),
        Parameter("show", "int", low=1, doc="how many candidates each new one is written from; default all"),
        Parameter("choose", "name", choices=("first", "random"), doc="which of them; default the first"),
        Parameter("group", "int", low=2, doc="merge groups of this size, then what they gave, until one is left"),
        Parameter("among", "pool", doc="an earlier pool: it is listed, and the candidates are named by number"),
    ),
    uses=frozenset({"critiqued", "ranked", "scored"}),
    keeps=False,
    offers=("answers", "n", "kept"),
    std_prompt="fuse_answers",
    calls="n",
    doc="writes new candidates from the ones it sees",
)

REVISE = Signature(
    "revise",
    "pool",
    (USING, *asking(512, None), Parameter("n", "int", 1, low=1, high=4096, doc="rewrites of each candidate")),
    uses=frozenset({"critiqued"}),
    keeps=False,
    offers=("answer", "critique"),
    std_prompt="revise_answer",
    calls="each",
    doc="writes every candidate again, in the light of its critique where it has one",
)

EXPLORE = Signature(
    "explore",
    "none",
    (
        Parameter("prompt", "prompt", required=True, doc="a filled prompt, whose answer is written step by step"),
        Parameter("policy", "policy", "beam", doc="what is gone on from: beam, particles, mcts, …"),
        Parameter("width", "int", 4, low=1, high=1024, doc="states kept, particles, or answers wanted"),
        Parameter("branch", "int", 4, low=1, high=256, doc="continuations written of one state"),
        Parameter("judge", "judge", "yes_no", doc="a rule that scores a beginning, or a prompt"),
        *(
            replace(p, many=True, doc="the model; two for `cascade`: small, then large") if p.name == "from" else p
            for p in asking(512, None)
            if p.name not in ("max_tokens", "thinking")
        ),
        Parameter("steps", "int", 10, low=1, high=1024, doc="steps of an answer, at most"),
        Parameter("step_tokens", "int", 128, low=1, doc="new tokens of a step, at most"),
        Parameter("boundary", "name", "paragraph", choices=BOUNDARIES, doc="where a step ends"),
        Parameter("separator", "text", many=True, doc="texts of one's own that end a step, in the place of `boundary`"),
        Parameter("final", "text", many=True, doc="texts in a step that end the answer with it"),
        Parameter("of", "name", "last", choices=("last", "min", "mean", "prod"), doc="step scores as one number"),
        Parameter("top", "float", low=1e-9, doc="the judge's highest number; default 9 for `digit`, else 1"),
        Parameter("expansions", "int", low=1, doc="states gone on from, at most; default as the policy"),
        Parameter("judgements", "int", low=1, doc="beginnings judged, at most"),
        Parameter("tokens", "int", low=1, doc="new tokens of all steps together, at most"),
        Parameter("as", "name", doc="the score's name; default the judge's rule"),
    ),
    positional=("prompt",),
    gives=frozenset({"scored", "stepped"}),
    keeps=False,
    offers=("steps", "step", "answer"),
    prompt_results=("Choice", "Bool", "Number", "Int", "Float"),
    std_prompt="judge_step",
    calls="n",
    doc="grows answers step by step, judges their beginnings and goes on from promising ones",
)

DECOMPOSE = Signature(
    "decompose",
    "none",
    (
        Parameter("question", "content", required=True, doc="what is split: a Text of the run"),
        USING,
        *asking(512, 0.0),
        Parameter("most", "int", 6, low=1, high=64, doc="parts, at most; further ones are left out"),
        Parameter("tries", "int", 2, low=1, high=8, doc="asked so often, at most, until parts can be read"),
    ),
    positional=("question",),
    keeps=False,
    offers=("most",),
    std_prompt="split_question",
    calls="once",
    doc="splits a question into parts, of which later ones may need the answers to earlier ones",
)

RETRIEVE = Signature(
    "retrieve",
    "none",
    (
        Parameter("query", "content", required=True, doc="what is looked up: a Text of the run"),
        Parameter("files", "text", many=True, doc="files or patterns, beside the file that names them"),
        Parameter("among", "content", many=True, doc="texts of the run instead of files: an input, or a pool"),
        Parameter("k", "int", 5, low=1, high=1024, doc="passages, at most"),
        Parameter("by", "name", "words", choices=NEARNESS, doc="words in common, a model's vectors, or both"),
        Parameter("from", "model", doc="the model that makes vectors, `by: embedding` and `by: both`"),
        Parameter("field", "text", "text", doc="what is read of the rows of .jsonl and .json files"),
        Parameter("length", "int", 1200, low=16, doc="bytes of a passage, at most"),
        Parameter("order", "name", "reversed", choices=("reversed", "ranked"), doc="the best last, or first"),
    ),
    positional=("query",),
    gives=frozenset({"scored", "ranked"}),
    keeps=False,
    doc="looks up the passages of documents that have most to do with a text",
)
