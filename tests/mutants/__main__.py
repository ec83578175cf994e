"""Change the code in one place, see whether its tests fail, and do so many times: `make mutants`.

A test that does not fail when what it tests is wrong is no test. The changes ("mutants") are a random sample; each runs
in a copy of the repository, against the quick tests of its folder that run the changed line.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from mutants.folders import FOLDERS, ROOT, Folder
from mutants.mutations import Mutant, candidates
from mutants.trial import Baseline, Copy

BAR = 0.9  # the share that must be found
ACCEPTED = Path(__file__).with_name("accepted.yaml")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant in a folder: "found", "accepted" (with a reason in `accepted.yaml`) or "survived"."""

    folder: str
    mutant: Mutant
    verdict: str
    note: str  # the test that found it, or how many tests did not


def main(words: list[str]) -> int:
    """Try mutants and print what became of them; return 1 where fewer than BAR were found or have a reason."""
    chosen = parse(words)
    folders = {name: FOLDERS[name] for name in chosen.folder or FOLDERS}
    if chosen.only or chosen.plant:
        file = chosen.only or chosen.plant[0]
        folders = {name: Folder((file,), one.tests) for name, one in folders.items() if file in one.sources(ROOT)}
    if chosen.tests:
        folders = {name: Folder(one.code, tuple(chosen.tests)) for name, one in folders.items()}
    if not folders:
        print(f"mutants: {file} is in none of the folders {', '.join(FOLDERS)}", file=sys.stderr)
        return 2
    os.chdir(ROOT)  # where mutmut looks for its settings
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the copy goes, and what runs in it
    print(f"seed {chosen.seed}: the same code and --seed {chosen.seed} give the same mutants", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        copy = Copy(Path(place))
        start = time.monotonic()
        base = copy.baseline(sorted({test for folder in folders.values() for test in folder.tests}))
        print(f"{len(base.seconds)} tests took {time.monotonic() - start:.0f} s without a mutant", flush=True)
        for test in base.failed:
            print(f"  left out, as it failed: {test}", flush=True)
        outcomes = [one for name, folder in folders.items() for one in tried(name, folder, copy, base, chosen)]
    return summary(outcomes)


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--per-folder", type=int, default=25, metavar="N", help="how many mutants of each folder")
    parser.add_argument("--all", action="store_true", help="all of them (days)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="which are drawn")
    parser.add_argument("--folder", action="append", choices=FOLDERS, help="this folder alone (may be given again)")
    parser.add_argument("--only", metavar="FILE", help="mutants of this file alone")
    parser.add_argument("--plant", nargs=3, metavar=("FILE", "OLD", "NEW"), help="try this change of a file instead")
    parser.add_argument("--tests", action="append", metavar="PATH", help="run these tests instead of the folder's")
    return parser.parse_args(words)


def tried(name: str, folder: Folder, copy: Copy, base: Baseline, chosen: argparse.Namespace) -> Iterator[Outcome]:
    """Try the folder's mutants, one after the other, and print each."""
    sample = list(planted(*chosen.plant) if chosen.plant else drawn(folder, chosen))
    print(f"{name}: {len(sample)} mutants", flush=True)
    for place, mutant in enumerate(sample, start=1):
        start = time.monotonic()
        outcome = try_one(name, folder, mutant, copy, base)
        was, becomes = (text.replace("\n", " ⏎ ") for text in mutant.change)
        where = f"{mutant.file}:{mutant.lines.start}"
        took = time.monotonic() - start
        print(
            f"  {place}/{len(sample)} {outcome.verdict} in {took:.0f} s by {outcome.note}  {where}  {was} → {becomes}",
            flush=True,
        )
        yield outcome


def planted(file: str, old: str, new: str) -> Iterator[Mutant]:
    before = (ROOT / file).read_text(encoding="utf-8")
    if before.count(old) != 1:
        raise SystemExit(f"mutants: {file} has {old!r} {before.count(old)} times, not once")
    line = before[: before.index(old)].count("\n") + 1
    yield Mutant(file, before, before.replace(old, new), range(line, line + old.count("\n") + 1))


def drawn(folder: Folder, chosen: argparse.Namespace) -> Iterator[Mutant]:
    """Draw the folder's mutants, in an order that the seed decides."""
    known = [one for file in folder.sources(ROOT) for one in candidates(ROOT, file)]
    random.Random(chosen.seed).shuffle(known)
    wanted = len(known) if chosen.all else chosen.per_folder
    for one in known:
        if wanted and (mutant := one.mutant()) is not None:
            wanted -= 1
            yield mutant


def try_one(name: str, folder: Folder, mutant: Mutant, copy: Copy, base: Baseline) -> Outcome:
    tests = base.tests(mutant, folder.tests)
    code, log = copy.run(mutant, tests, base.seconds) if tests else (0, "")
    if code != 0:
        failed = [line for line in log.splitlines() if line.startswith(("FAILED", "ERROR"))]
        test = failed[0].split()[1] if failed else "its import" if code is not None else "the limit of time"
        return Outcome(name, mutant, "found", test)
    verdict = "accepted" if mutant.change in accepted(mutant.file) else "survived"
    return Outcome(name, mutant, verdict, f"{len(tests)} tests")


def accepted(file: str) -> set[tuple[str, str]]:
    return {(one["was"].strip(), one["becomes"].strip()) for one in reasons() if one["file"] == file}


def reasons() -> list[dict[str, str]]:
    """Return what is in `accepted.yaml`: the file, was, becomes and reason of each mutant that no test has to find."""
    return yaml.safe_load(ACCEPTED.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def summary(outcomes: list[Outcome]) -> int:
    """Print the survivors and a line for each folder; return the exit code."""
    survivors = [one for one in outcomes if one.verdict == "survived"]
    for one in survivors:
        print(f"\n{one.folder}: survived {one.note}\n{one.mutant.diff()}")
    print(f"\n{'':12} {'mutants':>8} {'found':>8} {'accepted':>8} {'survived':>8}")
    for name in [*dict.fromkeys(one.folder for one in outcomes), "all"]:
        count = Counter(one.verdict for one in outcomes if name in ("all", one.folder))
        print(f"{name:12} {count.total():8} {count['found']:8} {count['accepted']:8} {count['survived']:8}")
    share = 1 - len(survivors) / max(1, len(outcomes))
    print(f"{share:.1%} found or accepted; the bar is {BAR:.0%}")
    return int(share < BAR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
