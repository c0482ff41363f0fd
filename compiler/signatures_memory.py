"""The signatures of concept memory: `recall` reads what earlier runs learned, `remember` keeps what this one did."""

from __future__ import annotations

from ttscale.compiler.parameters import Parameter
from ttscale.compiler.signature import USING, Signature, asking

NEARNESS = ("words", "embedding", "both")
"""What passages are found by: their words, the vectors of a model, or both orders put together."""

_MEMORY = Parameter("memory", "text", doc="its name, or a file `….sqlite` beside the file that names it")

RECALL = Signature(
    "recall",
    "none",
    (
        Parameter("query", "content", required=True, doc="what concepts are wanted for: a Text of the run"),
        _MEMORY,
        Parameter("k", "int", 5, low=1, high=1024, doc="concepts, at most"),
        Parameter("by", "name", "words", choices=(*NEARNESS, "latest", "score"), doc="words, vectors, newest, best"),
        Parameter("from", "model", doc="the model that makes vectors, `by: embedding` and `by: both`"),
        Parameter("own", "bool", False, doc="whether what this very question taught is recalled too"),
        Parameter("as_of", "name", "start", choices=("start", "now"), doc="what is seen: as the run began, or now"),
        Parameter("length", "int", 1200, low=16, doc="bytes of a concept, at most; longer ones are cut"),
        Parameter("order", "name", "reversed", choices=("reversed", "ranked"), doc="the best last, or first"),
    ),
    positional=("query",),
    gives=frozenset({"scored", "ranked"}),
    keeps=False,
    doc="looks up concepts that earlier runs learned",
)

REMEMBER = Signature(
    "remember",
    "pool",
    (
        _MEMORY,
        USING,
        *asking(256, 0.0),
        Parameter("what", "name", "concept", choices=("concept", "text"), doc="what a model learns of it, or itself"),
        Parameter("note", "content", doc="a Text of the run that is kept instead, once for all candidates that teach"),
        Parameter("min_score", "float", doc="only candidates whose latest score is at least this"),
    ),
    offers=("answer",),
    prompt_results=("Text", "[Text]"),
    std_prompt="write_concept",
    calls="each",
    doc="keeps what candidates teach for later runs, and passes them on",
)
