"""Samplers of `ttscale search` on recorded verdicts, where the best is known because everything was tried.

The data are the 27,235 pairwise verdicts of six judges in LLMBar (github.com/princeton-nlp/LLMBar, MIT), a line each:
{"set", "item", "label", "evaluator", "strategy", "swap=False", "swap=True"}. A pipeline is a panel of judges (any of
the 63 non-empty sets of six), the way they are asked (8 strategies) and the order in which they see the two answers
(first, swapped, both): 1,512 pipelines. Its verdict is the panel's vote, by the rule of the language. No model runs.

    python benchmarks/search_samplers.py winners.jsonl.gz
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttscale.compiler import ir
from ttscale.compiler.searches import searches
from ttscale.compiler.types import Choice
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.program import load
from ttscale.runtime.search.asking import Asker
from ttscale.runtime.search.book import Book, Limits
from ttscale.runtime.search.history import Tried
from ttscale.runtime.search.loop import Driver
from ttscale.runtime.search.records import Records
from ttscale.runtime.search.samplers import chosen, optuna_sampler, proposer
from ttscale.runtime.search.space import Key, SearchSpace
from ttscale.runtime.search.study import StudyLog, storage_of
from ttscale.runtime.strategies import apply_stage

JUDGES = {
    "gpt4": "GPT-4",
    "chatgpt": "ChatGPT",
    "chatgpt_0301": "ChatGPT-0301",
    "falcon": "Falcon",
    "llama2": "LLaMA2",
    "palm2": "PaLM2",
}
STRATEGIES = ("CoT", "Metrics", "Metrics_Reference", "Reference", "Swap", "Swap_CoT", "Vanilla", "Vanilla_NoRules")
ORDERS = {"first": ("swap=False",), "swapped": ("swap=True",), "both": ("swap=False", "swap=True")}
VERDICT = Choice(("1", "2"))
SAMPLERS = ("random", "tpe", "gp", "greedy")
SHARE = 0.12
NEAR = 0.01


def program_text() -> str:
    """The space as a program."""
    models = "\n".join(f'model {name} = openai("http://recorded/v1", name: "{name}")' for name in JUDGES)
    strategies = ", ".join(STRATEGIES)
    return f'''tts 1

{models}

prompt judge(question: Text) -> Choice(one, two) = """{{{{ question }}}}"""

dataset pairs = jsonl("pairs.jsonl", question: question, answer: answer)

pipeline main(question: Text) -> Choice(one, two) {{
  param panel: [Model] in subsets({", ".join(JUDGES)}) = [chatgpt]
  param strategy: Choice in {{{strategies}}} = Vanilla
  param order: Choice in {{first, swapped, both}} = first
  return generate(judge(text(strategy) + text(order) + question), from: panel, n: 1) |> vote()
}}

search tune over main {{ maximize accuracy on pairs }}
'''


def recorded(path: Path) -> tuple[dict[tuple[Any, ...], Mapping[str, str | None]], dict[tuple[str, int], str]]:
    """The verdicts by question, judge and strategy, and the gold by question."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    verdicts = {(row["set"], row["item"], row["evaluator"], row["strategy"]): row for row in rows}
    return verdicts, {(row["set"], row["item"]): str(row["label"]) for row in rows}


def accuracy(assignment: Mapping[str, Any], verdicts: Mapping[Any, Any], gold: Mapping[Any, str]) -> float:
    """The share of pairs on which a panel's vote is right; a panel without a readable verdict is wrong."""
    right = 0
    for question, label in gold.items():
        told = [
            verdicts[(*question, JUDGES[judge], assignment["strategy"])][order]
            for judge in assignment["panel"]
            for order in ORDERS[assignment["order"]]
        ]
        pool = Pool(tuple(Candidate(text=v or "", answer=v, key=v) for v in told), VERDICT)
        picked = apply_stage("vote", VOTE_ARGS, pool).pool
        right += bool(picked.candidates) and picked.candidates[0].key == label
    return right / len(gold)


VOTE_ARGS: Mapping[str, ir.Argument] = {}


class Replayed(Driver):
    """The loop of a search on values that are known already."""

    table: Mapping[Key, float]

    async def _measured(self, trial: Any, assignment: dict[str, object], history: Any) -> Tried | None:
        value = self.table[tuple(assignment.items())]
        if value == max(self.table.values()):
            self.ended = "nothing better is to be found"
        return Tried(trial.number, assignment, "done", (value,), 419)


def searched(space: SearchSpace, sampler: str, seed: int, trials: int, table: Mapping[Key, float]) -> list[float]:
    """The values of the trials of one search, in order."""
    search = searches(space.program.checked.linked)[0]
    storage, _, url = storage_of(None, None)
    log = StudyLog(f"{sampler}-{seed}", space, (True,), storage, optuna_sampler(sampler, seed))
    book = Book(url, log.name, Limits(trials=trials))

    async def run() -> list[float]:
        asker = Asker(space.program, Records(None), (), asyncio.Event())
        own = proposer(sampler, space, (True,), seed)
        driver = Replayed(search, space, log, asker, book, [], own, free_first=False)
        driver.table = table
        await driver.run()
        return [t.values[0] for t in log.history() if t.values is not None and t.outcome == "done"]

    found = asyncio.run(run())
    book.close()
    return found


def main() -> None:
    """Try everything once, then each sampler with ten seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("verdicts", type=Path, help="winners.jsonl.gz")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    verdicts, gold = recorded(arguments.verdicts)
    space = SearchSpace(load(program_text()), "main")
    table = {tuple(own.items()): accuracy(own, verdicts, gold) for own in space.all()}
    best = max(table.values())
    near = sum(value >= best - NEAR for value in table.values())
    trials = int(SHARE * len(table))
    print(f"{len(table)} pipelines; the best is right on {best:.2%}")
    print(f"{near} ({near / len(table):.2%}) are within a point of it")
    default = chosen(space, 1, trials)
    print(f"{trials} trials ({SHARE:.0%}); the space chooses {default}\n")
    print("| sampler | seeds that came within a point | mean of the best | median trial of the first within a point |")
    print("|---|---|---|---|")
    for sampler in SAMPLERS:
        runs = [searched(space, sampler, seed, trials, table) for seed in range(arguments.seeds)]
        hits = [next((i + 1 for i, v in enumerate(run) if v >= best - NEAR), None) for run in runs]
        found = sorted(hit for hit in hits if hit is not None)
        mean = sum(max(run) for run in runs) / len(runs)
        median = found[len(found) // 2] if found else "-"
        name = f"{sampler} (default)" if sampler == default else sampler
        print(f"| {name} | {len(found)} of {len(runs)} | {mean:.2%} | {median} |", flush=True)


if __name__ == "__main__":
    main()
