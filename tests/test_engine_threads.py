"""The number of threads follows what calls take."""

from __future__ import annotations

from collections.abc import Callable

from ttscale.runtime.engines.llama.threads import LATEST, ThreadChoice, levels


def run(choice: ThreadChoice, calls: int, seconds: Callable[[int], float], rows: int = 16) -> list[int]:
    used = []
    for _ in range(calls):
        threads = choice.choose(rows)
        used.append(threads)
        choice.observe(rows, threads, seconds(threads))
    return used


def quiet(threads: int) -> float:
    return 1.0 / threads


def contended(threads: int) -> float:
    return 20.0 if threads == 2 else 1.0


def test_a_quiet_machine_keeps_all_threads_and_is_tried_ever_less_often() -> None:
    used = run(ThreadChoice(2), 5000, quiet)
    assert used.count(1) / len(used) < 0.02
    assert used[-LATEST:].count(1) <= 3


def test_where_the_load_tells_of_no_neighbour_fewer_threads_are_tried_seldom() -> None:
    used = run(ThreadChoice(2, meter=lambda: 2.0), 500, quiet)
    assert used.count(1) == 1
    used = run(ThreadChoice(2, meter=lambda: 2.0), 5000, quiet)
    assert 2 <= used.count(1) < 8, "a limit that no load shows is found too"


def test_a_slow_call_is_answered_at_once_though_the_load_follows_later() -> None:
    choice = ThreadChoice(2, meter=lambda: 2.0)
    run(choice, 500, quiet)
    used = run(choice, 100, contended)
    assert used[:12].count(2) <= 9
    assert used[12:].count(2) <= 6


def test_a_busy_neighbour_is_noticed_within_a_few_calls() -> None:
    choice = ThreadChoice(2)
    run(choice, 500, quiet)
    used = run(choice, 100, contended)
    assert used[:12].count(2) <= 9
    assert used[12:].count(2) <= 6


def test_a_machine_that_is_busy_from_the_start_is_noticed_too() -> None:
    assert run(ThreadChoice(2), 60, contended)[12:].count(2) <= 4


def test_where_all_cores_are_in_use_the_first_call_has_one_thread_less_and_the_other_is_tried_once() -> None:
    used = run(ThreadChoice(2, busy=True), 60, contended)
    assert used[0] == 1 and used.count(2) <= 2
    assert run(ThreadChoice(2, busy=True), LATEST, quiet)[-1] == 2


def test_all_threads_come_back_when_the_neighbour_has_gone() -> None:
    choice = ThreadChoice(2)
    run(choice, 200, contended)
    assert run(choice, 2 * LATEST, quiet)[-1] == 2


def test_all_threads_come_back_soon_where_the_load_tells_that_the_neighbour_has_gone() -> None:
    others = [2.0]
    choice = ThreadChoice(2, meter=lambda: others[0] + 1.0)  # one thread of ours
    run(choice, 20 * LATEST, contended)
    assert choice.choose(16) == 1
    others[0] = 0.0
    used = run(choice, 40, quiet)
    assert 2 in used[:20] and used[-1] == 2
    slow = ThreadChoice(2, meter=lambda: 0.0)  # free as it is, two threads are no faster
    used = run(slow, 5000, lambda threads: 1.0 if threads == 1 else 1.3)
    assert used[200:].count(2) / len(used) < 0.02, "a load that stays low is no reason to try again and again"


def test_a_try_that_was_slow_is_made_again_only_after_twenty_times_as_long() -> None:
    choice = ThreadChoice(2, busy=True)
    seconds: dict[int, float] = {1: 0.0, 2: 0.0}
    for call in range(20_000):
        rows = 1 + call % 60  # sizes of all kinds
        threads = choice.choose(rows)
        took = 0.001 if threads == 1 else 5.0  # barriers that wait for a thread put aside
        seconds[threads] += took
        choice.observe(rows, threads, took)
    assert seconds[2] <= 5.0, "one try of five seconds is enough for twenty seconds of calls"


def test_more_threads_are_not_tried_while_no_core_is_free() -> None:
    load = [7.0]
    choice = ThreadChoice(2, busy=True, meter=lambda: load[0])
    assert 2 not in run(choice, 2000, contended)
    load[0] = 1.0
    assert run(choice, 100, quiet)[-1] == 2


def test_fewer_threads_are_tried_while_no_core_is_free_for_more() -> None:
    choice = ThreadChoice(4, busy=True, meter=lambda: 9.0)
    used = run(choice, 400, lambda threads: 1.0 if threads == 2 else 5.0)
    assert used[0] == 3 and 4 not in used and used[-1] == 2


def test_cores_that_become_free_in_the_middle_of_a_try_end_it() -> None:
    load = [4.0]
    choice = ThreadChoice(4, meter=lambda: load[0])
    run(choice, 200, lambda threads: 1.0 if threads == 2 else 5.0)
    assert choice.choose(16) == 2
    while choice.choose(256) != 3:  # prompts begin with two threads, and have never had all of them
        run(choice, 1, lambda threads: 1.0, rows=256)
    load[0] = 0.5
    used = run(choice, 100, quiet, rows=256)
    assert used[-1] == 4


def test_half_of_the_threads_are_tried_where_another_model_takes_the_other_half() -> None:
    assert levels(16) == (16, 15, 8) and levels(2) == (2, 1) and levels(1) == (1,)
    shared = ThreadChoice(16)
    used = run(shared, 400, lambda threads: 1.0 if threads == 8 else 9.0 + threads)
    assert used[-1] == 8
    assert run(shared, 6 * LATEST, lambda threads: 1.0 / threads)[-1] >= 15, "one more or less is no difference"


def test_prompts_and_samples_have_numbers_of_their_own() -> None:
    choice, prompts, samples = ThreadChoice(4), [], []
    for _ in range(600):
        prompts += run(choice, 1, lambda threads: 1.0 / threads, rows=256)
        samples += run(choice, 1, lambda threads: 1.0 if threads == 3 else 5.0, rows=16)
    assert prompts[300:].count(4) > 280 and samples[300:].count(3) > 280


def test_another_size_begins_with_what_the_nearest_has_found() -> None:
    choice = ThreadChoice(4)
    run(choice, 50, lambda threads: 9.0 if threads == 4 else 1.0)
    assert choice.choose(64) == 3


def test_a_number_that_the_user_gave_is_kept() -> None:
    assert set(run(ThreadChoice(2, adapts=False), 300, contended)) == {2}
    assert set(run(ThreadChoice(1), 300, contended)) == {1}
