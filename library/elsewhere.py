"""Names that people search for and no recipe has: why there is none, and what comes nearest.

    NOT_HERE["entropy-decoding"]    # Elsewhere("it changes …", "adaptive-sampling")
    instead("entropy_decoding")     # "`entropy_decoding` is no recipe: it changes …; nearest is `adaptive-sampling`"

Recipes are programs over models that stay as they are: no weights and no hidden states are changed, and a recipe
reaches no other machine. Techniques that need that are named here with the reason, so that whoever knows a name
of optillm or of a paper is not left with "there is no recipe of that name".
"""

from __future__ import annotations

from ttscale.compiler.frozen import dataclass
from ttscale.library.names import normal


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Why a technique is no recipe, and what to take instead: a recipe's name, or a sentence with a command."""

    why: str
    nearest: str


_DECODING = "it changes how each token is drawn by entropy and attention inside the decoder, which engines do not show"
_NETWORK = "it reaches other machines by itself, and a recipe is data that asks models only"
_PROXY = "it is a part of a server that stands before a model, not a way of finding answers"

NOT_HERE: dict[str, Elsewhere] = {
    "cot-decoding": Elsewhere(
        "it branches at the first token and compares the gaps between token probabilities inside the decoder",
        "confidence-pruning",
    ),
    "entropy-decoding": Elsewhere(_DECODING, "adaptive-sampling"),
    "dola": Elsewhere("it compares layers of the network, which engines do not show", "confidence-pruning"),
    "speculative-decoding": Elsewhere(
        "it makes a model faster and changes no answer; see `draft:` in docs/models.md", "speculative-reasoning"
    ),
    "steering": Elsewhere("it changes activations, and recipes take models as they are", "difficulty-budget"),
    "longcepo": Elsewhere(
        "it plans over texts that are longer than the context; here passages are looked up first", "retrieve-and-answer"
    ),
    "memory": Elsewhere(
        "it keeps earlier conversations between questions, and every question of a recipe stands for itself",
        "retrieve-and-answer",
    ),
    "spl": Elsewhere(
        "it learns a system prompt from earlier questions, and a recipe does not change by being used",
        "`ttscale search` with a `param … Prompt`",
    ),
    "readurls": Elsewhere(_NETWORK, "retrieve-and-answer, with the pages put among its passages"),
    "web-search": Elsewhere(_NETWORK, "retrieve-and-answer, with the pages put among its passages"),
    "deep-research": Elsewhere(_NETWORK, "retrieve-and-answer --pipeline rounds"),
    "mcp": Elsewhere(_NETWORK, "program-aided, for tools that compute"),
    "react": Elsewhere("it calls tools between its thoughts, and recipes have none", "program-aided"),
    "proxy": Elsewhere(_PROXY, "`or_else:` of a model call"),
    "privacy": Elsewhere(_PROXY, "a model on this machine, `gguf(…)`"),
    "json": Elsewhere(
        "every recipe's answer may be a record, and then it is JSON of that form", "`ttscale new extract`"
    ),
    "structured-output": Elsewhere(
        "every recipe's answer may be a record, and then it is JSON of that form", "`ttscale new extract`"
    ),
    "few-shot": Elsewhere("examples are an argument of `generate`", "`ttscale try DATA.csv`, which shows what they do"),
    "classify": Elsewhere("labels are a stage of the language", "`ttscale new classify`"),
    "extract": Elsewhere("forms are a type of the language", "`ttscale new extract`"),
    "graph-of-thoughts": Elsewhere("its graphs are made by a program for each task", "generate-rank-fuse"),
    "skeleton-of-thought": Elsewhere(
        "it is about speed: parts of one answer are written side by side", "plan-and-solve"
    ),
    "least-to-most": Elsewhere(
        "the parts of a question that answer each other cannot be unrolled beforehand", "plan-and-solve"
    ),
    "self-ask": Elsewhere(
        "its further questions are looked up one after another", "retrieve-and-answer --pipeline rounds"
    ),
    "step-back": Elsewhere("it is one more prompt before the answer, as principles are", "leap"),
    "chain-of-verification": Elsewhere("its checks are questions to the same model", "verify-and-retry"),
    "cove": Elsewhere("its checks are questions to the same model", "verify-and-retry"),
    "fine-tuning": Elsewhere("recipes take models as they are", "`ttscale search`, which tunes what is around them"),
    "grpo": Elsewhere("it trains a model, and recipes take models as they are", "self-consistency"),
}
"""By the one spelling of names (`normal`)."""


def instead(name: str) -> str:
    """What to say of a name that is no recipe's; nothing for one that is not known either."""
    found = NOT_HERE.get(normal(name))
    if found is None:
        return ""
    nearest = found.nearest if "`" in found.nearest else f"`{found.nearest}`"
    if "," in found.nearest and "`" not in found.nearest:
        recipe, _, rest = found.nearest.partition(",")
        nearest = f"`{recipe}`,{rest}"
    return f"{found.why}; nearest is {nearest}"
