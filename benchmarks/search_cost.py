"""What a search costs beside its answers: our own time a trial, and how much faster two workers are.

    python benchmarks/search_cost.py overhead              # 1,000 scripted trials, beside Optuna alone
    python benchmarks/search_cost.py workers --delay 0.5   # one worker against two on an objective that waits

Time is CPU time for the first and by the wall for the second, whose objective only sleeps.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ttscale.compiler.searches import searches
from ttscale.runtime.program import load
from ttscale.runtime.search.asking import Asker
from ttscale.runtime.search.book import Book, Limits
from ttscale.runtime.search.history import Tried
from ttscale.runtime.search.loop import Driver
from ttscale.runtime.search.records import Records
from ttscale.runtime.search.samplers import optuna_sampler, proposer
from ttscale.runtime.search.space import SearchSpace
from ttscale.runtime.search.study import StudyLog, optuna_quiet, storage_of

PROGRAM = '''tts 1

model small = script("Answer: 1")

prompt solve(question: Text) -> Number = """{{ question }}"""

dataset sums = jsonl("sums.jsonl", question: question, answer: answer)

pipeline main(question: Text) -> Number {
  param n: Int in [1 .. 64] log = 8
  param heat: Float in [0.1 .. 1.2] = 0.7
  param share: Float in [0.1 .. 0.9] = 0.5
  param twice: Bool = false
  param more: Int in [1 .. 16] = 4
  drafts = generate(solve(question), from: small, n: n, temperature: heat)
  second = generate(solve(question), from: small, n: more, temperature: share, series: 1) when twice
  return drafts + second |> vote()
}

search tune over main { maximize accuracy on sums }
'''


def value(assignment: Mapping[str, Any]) -> float:
    """What the scripted objective says: a hill with its top inside."""
    hill = -((math.log(assignment["n"]) - 2.5) ** 2) - (assignment["heat"] - 0.6) ** 2
    return float(hill - (0.1 * abs(assignment["more"] - 5) if assignment["twice"] else 0.3))


class Scripted(Driver):
    """The loop of a search on a scripted objective that takes `delay` seconds."""

    delay: float = 0.0

    async def _measured(self, trial: Any, assignment: dict[str, object], history: Any) -> Tried | None:
        if self.delay:
            await asyncio.sleep(self.delay)
        return Tried(trial.number, assignment, "done", (value(assignment),), 1)


def ours(
    folder: Path,
    trials: int,
    sampler: str,
    delay: float = 0.0,
    worker: int = 0,
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Make trials through the whole loop, in a study on disk; how many there are then. `ready` is before the loop."""
    with load(PROGRAM) as program:
        space = SearchSpace(program, "main")
        storage, _, url = storage_of(None, folder)
        log = StudyLog(f"tune-{sampler}", space, (True,), storage, optuna_sampler(sampler, worker))
        book = Book(url, log.name, Limits(trials=trials))

        async def run() -> None:
            asker = Asker(program, Records(None), (), asyncio.Event())
            own = proposer(sampler, space, (True,), worker)
            driver = Scripted(searches(program.checked.linked)[0], space, log, asker, book, [], own)
            driver.delay = delay
            ready()
            await driver.run()

        asyncio.run(run())
        made = len(log.history())
        book.close()
    return made


def optuna_alone(folder: Path, trials: int, sampler: str) -> None:
    """The same trials as a plain Optuna program makes them, with one attribute a trial."""
    optuna = optuna_quiet()
    own = optuna_sampler(sampler, 0) or optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=f"sqlite:///{folder / 'alone.sqlite'}", sampler=own, direction="maximize")
    for _ in range(trials):
        trial = study.ask()
        assignment = {
            "n": trial.suggest_int("n", 1, 64, log=True),
            "heat": trial.suggest_float("heat", 0.1, 1.2),
            "share": 0.5,
            "twice": trial.suggest_categorical("twice", [True, False]),
        }
        if assignment["twice"]:
            assignment |= {"share": trial.suggest_float("share", 0.1, 0.9), "more": trial.suggest_int("more", 1, 16)}
        trial.set_user_attr("assignment", str(assignment))
        study.tell(trial, value(assignment))


def overhead(trials: int, sampler: str) -> None:
    """Print our CPU time a trial beyond Optuna's, once all is imported."""
    with tempfile.TemporaryDirectory() as name:
        optuna_alone(Path(name), 2, sampler)
        ours(Path(name), 2, sampler)
    with tempfile.TemporaryDirectory() as name:
        start = time.process_time()
        optuna_alone(Path(name), trials, sampler)
        alone = time.process_time() - start
    with tempfile.TemporaryDirectory() as name:
        start = time.process_time()
        made = ours(Path(name), trials, sampler)
        whole = time.process_time() - start
    each = (whole - alone) / made * 1000
    print(
        f"{sampler}: {made} trials took {whole:.1f} s of CPU time, Optuna alone {alone:.1f} s: "
        f"{each:.1f} ms a trial are our own"
    )


def workers(trials: int, delay: float) -> None:
    """Print how long one and two workers take for the same trials, from when all have started."""
    took = []
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            ours(Path(name), 1, "random")  # the tables are there
            command = [sys.executable, __file__, "worker", name, "--trials", str(trials), "--delay", str(delay)]
            running = [
                subprocess.Popen([*command, "--number", str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for n in range(count)
            ]
            for process in running:
                assert process.stdout is not None
                process.stdout.readline()
            start = time.monotonic()
            for process in running:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
                process.stdin.flush()
            for process in running:
                process.wait()
            took.append(time.monotonic() - start)
        print(
            f"{count} worker{'s' if count > 1 else ''}: {took[-1]:.1f} s for {trials} trials of {delay} s", flush=True
        )
    print(f"two take {took[1] / took[0]:.2f} of the time of one")


def wait_for_go() -> None:
    """Say that this worker is ready, and wait for the others."""
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=["overhead", "workers", "worker"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--delay", type=float, default=0.5)
    parser.add_argument("--number", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.what == "overhead":
        overhead(arguments.trials or 1_000, arguments.sampler)
    elif arguments.what == "workers":
        workers(arguments.trials or 40, arguments.delay)
    else:
        ours(arguments.folder, arguments.trials, "random", arguments.delay, arguments.number, wait_for_go)


if __name__ == "__main__":
    main()
