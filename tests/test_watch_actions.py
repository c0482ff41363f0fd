"""Every watcher that sees something in what is written can stop, drop, inject or branch."""

from __future__ import annotations

import pytest
from running import answer, pipeline
from ttscale.runtime.result import Result

SEEN = {
    "repetition": ("window: 2, times: 2", "so so so so so so so so so so"),
    "overthinking": ('agree: 2, marks: "\\n"', "Is it 4?\\nIt is 4.\\nSo it is 4.\\nIt is 4, or so it is said.\\nOr 9"),
    "underthinking": ("tokens: 3", "it may be 1 or not at all or so they say"),
    "stable": ("times: 2, every: 3", "It is 4 I say it is 4 and so on and on"),
    "confidence": ("-0.4, window: 2", "it may be 1 or not at all or so they say"),
}
"""For each watcher its arguments, and what a model writes that it sees something in."""
THEN = {"stop": "then: stop", "drop": "then: drop", "inject": 'then: inject, say: " No:"', "branch": "then: branch"}


async def watched(name: str, then: str) -> tuple[Result, list[str], str]:
    """A run of one sample, the texts of its candidates, and what the model would have written."""
    arguments, written = SEEN[name]
    call = f"generate(ask(question), from: m, watch: {name}({arguments}, {THEN[then]})) |> vote()"
    models = f'model m = script("{written}", " Answer: 7")'
    result = await answer(pipeline(f"return {call}", models))
    texts = [event.data["candidate"].text for event in result.trace.of("candidate")]  # type: ignore[union-attr]
    return result, texts, written.replace("\\n", "\n")


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("name", SEEN)
async def test_each_watcher_can_do_each_thing(name: str, then: str) -> None:
    result, texts, whole = await watched(name, then)
    first = result.trace.of("watched")[0].data
    assert (first["watcher"], first["what"]) == (name, then)
    match then:
        case "stop":
            assert len(texts[0]) < len(whole) and whole.startswith(texts[0]) and len(texts) == 1
        case "drop":
            assert result.answer is None and len(texts) == 1
        case "inject":
            assert " No: Answer: 7" in texts[0] and result.answer == 7
        case "branch":
            assert len(texts) == 2 == result.trace.total.calls
            assert whole in texts and any(text.endswith("Answer: 7") for text in texts)
