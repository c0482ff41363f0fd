"""One cache for all samples or one for each: which is faster on a CPU for a load, and what the second takes. Pure.

In one cache a row looks at every cell in use, in one of its own at its own cells alone, each of which costs as much as
two of the others, and 200 more in all (measured on SmolLM2-135M and Qwen2.5 0.5B, see `benchmarks/README.md`). So
caches of their own pay where many samples grow long, or each has a prompt of its own. What is shared of prompts is
copied then, which costs little beside it.
"""

from __future__ import annotations

from math import ceil

from ttscale.compiler.frozen import dataclass

AT_ONCE = 16  # long samples that run together in one cache, see `work.EVEN`
OWN_COST = 2
WORTH = 1000  # cells: from here on a token takes about a tenth less
STEP = 256


@dataclass(frozen=True, slots=True)
class Advice:
    """Caches of their own are faster: cells that a row looks at in one cache and in its own; what to write instead."""

    together: int
    own: int
    slots: int
    ctx: int

    @property
    def cells(self) -> int:
        """What the caches hold in all: one for each sample, and one for each prompt beside it."""
        return 2 * self.slots * self.ctx


def advice(samples: int, prompt: int, new: int, longest: int) -> Advice | None:
    """Whether samples are faster with caches of their own, None where not.

    `samples` of each prompt, of `prompt` tokens and half of `new` on the way; `longest` is the most tokens that a
    prompt and its answer may have.
    """
    prompts = ceil(AT_ONCE / max(1, min(samples, AT_ONCE)))
    together = prompts * prompt + AT_ONCE * new // 2
    own = prompt + new // 2
    if together < OWN_COST * own + WORTH:
        return None
    return Advice(together, own, AT_ONCE, -(-longest // STEP) * STEP)
