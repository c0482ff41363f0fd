"""The other side of `self_consistency.py`: its_hub answers what stands on standard input, a JSON object a line.

Runs in a Python that has `its_hub[lm]` 1.2; it needs nothing of ours. Each line has `messages`; each reply has seconds,
the samples' texts, the index of the chosen one and the new tokens.
"""

import argparse
import asyncio
import json
import re
import sys
import time

from its_hub import OpenAICompatibleLanguageModel, SelfConsistency
from its_hub.api.types import ChatMessage, ChatMessages


def last_number(text: str) -> str:
    """What a text votes for: its last number, or nothing."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return found[-1].replace(",", "").rstrip(".") if found else ""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="ends in /v1")
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("--temperature", type=float, required=True)
    options = parser.parse_args()
    model = OpenAICompatibleLanguageModel(
        endpoint=options.url,
        api_key="none",
        model_name="local",
        max_completion_tokens=options.max_tokens,
        temperature=options.temperature,
    )
    method = SelfConsistency(consistency_space_projection_func=last_number)
    for line in sys.stdin:
        turns = [ChatMessage(**turn) for turn in json.loads(line)["messages"]]
        began = time.perf_counter()
        result = await method.ainfer(model, ChatMessages(turns), budget=options.n, return_response_only=False)
        reply = {
            "seconds": time.perf_counter() - began,
            "texts": [one.get("content") or "" for one in result.responses],
            "selected": result.selected_index,
            "new_tokens": result.usage.completion_tokens,
        }
        print(json.dumps(reply), flush=True)
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())
