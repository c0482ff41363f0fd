"""Write the questions of the notes demonstration: find one field in a hurried shop note.

Each line of the output is a JSON object with `id`, `note`, `question` and `answer`. A note holds five facts (a
customer, a city, a day, a color, an order number) and the question asks for one of them, so the gold answer is known
by construction. The two splits share no template: prompts are chosen on `dev` and figures are reported on `test`.

    python make_questions.py > questions.jsonl
    python make_questions.py --split dev --count 40 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator

NAMES = [
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emma",
    "Felix",
    "Grace",
    "Henry",
    "Iris",
    "Jack",
    "Kate",
    "Liam",
    "Maria",
    "Noah",
    "Olga",
    "Paul",
    "Rosa",
    "Sam",
    "Tina",
    "Victor",
]
CITIES = [
    "Paris",
    "Oslo",
    "Rome",
    "Madrid",
    "Berlin",
    "Dublin",
    "Vienna",
    "Lisbon",
    "Prague",
    "Athens",
    "Geneva",
    "Warsaw",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
COLORS = ["red", "blue", "green", "yellow", "black", "white", "purple", "orange", "brown", "grey"]
THINGS = [
    "lamp",
    "chair",
    "desk",
    "jacket",
    "bicycle",
    "tent",
    "mirror",
    "suitcase",
    "kettle",
    "clock",
    "sofa",
    "umbrella",
]

QUESTIONS = {
    "name": "What is the name of the customer?",
    "city": "Which city is in the note?",
    "day": "Which day is in the note?",
    "color": "What color is the {thing}?",
    "number": "What is the order number?",
}

TEMPLATES = {
    "dev": [
        "hi, {name} here. still waiting for my {color} {thing}, order {number}. send it to {city} before {day}!! thx",
        "phone call {day} - {name}, lives in {city}, wants to return the {color} {thing} (no. {number})",
        "URGENT {number}: {thing} for {name} is broken. color {color}. pick up in {city} on {day}",
        "{name} / {city} / {number} - asks if the {thing} also comes in {color}. call back {day}",
        "re: {number}. dear shop, the {thing} came to {city} on {day} but it is {color}. not what I ordered. {name}",
        "to do {day}: ship 1 {thing} ({color}) to {city}, customer {name}, ref {number}",
        "order {number} -> {city}. {color} {thing}. {name} says nobody is home except {day}",
        "met {name} at the {city} fair, likes our {color} {thing}, promised a price by {day}, file {number}",
    ],
    "test": [
        "{day} van to {city}: the {color} {thing} for {name}, paper says {number}",
        "spoke with {name} again... {number} still not in {city}. it is the {color} {thing}. try once more {day}",
        "good morning, I paid for a {color} {thing} ({number}) but on {day} an empty box came. {name}, {city}",
        "{city} shop called. {name} left a {color} {thing} at the desk, tag {number}, comes back {day}",
        "please cancel {number}!! bought the {color} {thing} by mistake. {name} from {city}. answer before {day}",
        "{name} = new address in {city}. so {number} ({thing}, {color}) leaves {day}, not today",
        "gift wrap the {color} {thing}, no. {number}. {name} will fetch it in {city}, {day} at noon",
        "repair list: {thing}, {color}, owner {name}, ticket {number}, ready {day}, goes to {city}",
        "thanks for the {color} {thing}! it reached {city} on {day}. my number was {number}. best, {name}",
        "why is {number} late? {name} needs that {color} {thing} for a party in {city} on {day}",
    ],
}


def questions(split: str, count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield `count` questions of one split, the five fields and then the templates in turn."""
    rng = random.Random(f"{split}-{seed}")
    templates = TEMPLATES[split]
    fields = list(QUESTIONS)
    for index in range(count):
        facts = {
            "name": rng.choice(NAMES),
            "city": rng.choice(CITIES),
            "day": rng.choice(DAYS),
            "color": rng.choice(COLORS),
            "thing": rng.choice(THINGS),
            "number": str(rng.randrange(1000, 10000)),
        }
        field = fields[index % len(fields)]
        note = templates[(index // len(fields)) % len(templates)].format(**facts)
        yield {
            "id": f"{split}-{index + 1:03d}",
            "note": note,
            "question": QUESTIONS[field].format(**facts),
            "answer": facts[field],
        }


def main() -> None:
    """Print one split as JSON Lines."""
    parser = argparse.ArgumentParser(description="Write the questions of the notes demonstration as JSON Lines.")
    parser.add_argument("--split", choices=sorted(TEMPLATES), default="test")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=21)
    options = parser.parse_args()
    for row in questions(options.split, options.count, options.seed):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
