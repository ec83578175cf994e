"""Make sentences with a paraphrase and a scramble each, of the article's kind.

A paraphrase says the same with other words in another order. A scramble has the sentence's words in other places and
says something else, as who does what to whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Triple(NamedTuple):
    """A sentence, another that says the same, and one of the same words that says something else."""

    sentence: str
    paraphrase: str
    scramble: str
    pattern: str


ARTICLE = Triple(
    "The fluffy cat came here on Sunday",
    "On Sunday, the cat, which was fluffy, came here",
    "The Sunday came here on a fluffy cat",
    "the article's",
)

PEOPLE = ("man", "woman", "boy", "girl", "child", "player", "worker", "dancer", "cook", "farmer", "singer", "climber")
ANIMALS = ("dog", "cat", "horse", "bird", "cow", "puppy")
LOOKS = ("young", "little", "tall", "small", "happy", "tired", "thin", "strong")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "pink")
THINGS = ("ball", "bag", "book", "camera", "guitar", "bike", "chair", "bottle", "box", "cup")
CLOTHES = ("shirt", "hat", "jacket", "dress", "coat", "helmet")
PLACES = ("grass", "street", "beach", "bench", "stage", "field", "bridge", "mountain", "roof", "boat")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
POSES = ("sitting", "standing", "lying", "sleeping", "waiting", "playing")
CAME = ("came here", "walked home", "ran away", "went outside", "stood still", "slept here")
DEEDS = (("holding", "held"), ("carrying", "carried"), ("watching", "watched"), ("touching", "touched"),
         ("pushing", "pushed"), ("pulling", "pulled"))  # fmt: skip


def triples(count: int, *, seed: int) -> list[Triple]:
    """Return `count` different triples, as many of each pattern as can be; a seed makes the same ones."""
    draw = np.random.default_rng(seed)
    found: dict[str, Triple] = {}
    while len(found) < count:
        made = PATTERNS[len(found) % len(PATTERNS)](draw)
        found.setdefault(made.sentence, made)
    return list(found.values())


def day(draw: np.random.Generator) -> Triple:
    """Return a triple like the article's: who came on a day."""
    who, look, came, when = one(draw, ANIMALS + PEOPLE), one(draw, LOOKS), one(draw, CAME), one(draw, DAYS)
    which = "which" if who in ANIMALS else "who"
    return Triple(
        f"The {look} {who} {came} on {when}",
        f"On {when}, the {who}, {which} was {look}, {came}",
        f"The {when} {came} on a {look} {who}",
        "who came on a day",
    )


def place(draw: np.random.Generator) -> Triple:
    """Return a triple of who is where: the place and the person change places."""
    who, look, pose, where = one(draw, PEOPLE), one(draw, LOOKS), one(draw, POSES), one(draw, PLACES)
    return Triple(
        f"A {look} {who} is {pose} on the {where}.",
        f"On the {where} there is a {pose} {who}, who is {look}.",
        f"A {look} {where} is {pose} on the {who}.",
        "who is where",
    )


def deed(draw: np.random.Generator) -> Triple:
    """Return a triple of who does what to whom: active and passive, and the roles exchanged."""
    (doing, done), (doer, other) = one(draw, DEEDS), two(draw, PEOPLE)
    look, colour = one(draw, LOOKS), one(draw, COLOURS)
    wear = one(draw, CLOTHES)
    return Triple(
        f"A {look} {doer} is {doing} a {other} in a {colour} {wear}.",
        f"A {other} in a {colour} {wear} is being {done} by a {look} {doer}.",
        f"A {look} {other} is {doing} a {doer} in a {colour} {wear}.",
        "who does what to whom",
    )


def possession(draw: np.random.Generator) -> Triple:
    """Return a triple of which person has which thing: looks and colours change places."""
    (left, right), (look, second), (this, that) = two(draw, PEOPLE), two(draw, COLOURS), two(draw, THINGS)
    return Triple(
        f"A {left} has a {look} {this} and a {right} has a {second} {that}.",
        f"There is a {right} with a {second} {that} and a {left} with a {look} {this}.",
        f"A {left} has a {second} {that} and a {right} has a {look} {this}.",
        "who has what",
    )


PATTERNS = (day, place, deed, possession)


def one(draw: np.random.Generator, among: Sequence[T]) -> T:
    """Return one of the given, drawn."""
    return among[int(draw.integers(len(among)))]


def two(draw: np.random.Generator, among: Sequence[str]) -> tuple[str, str]:
    """Return two different ones of the given, drawn in order."""
    first, second = draw.choice(len(among), 2, replace=False)
    return among[int(first)], among[int(second)]
