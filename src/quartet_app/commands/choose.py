"""Choose the net that is right for some data: tune each net for the same time, train the winners, and say which.

    quartet choose data=mnist1d --minutes 10
    quartet choose data=own_images data.source.folder=photos --hours 2
    quartet choose data=mnist1d --nets cnn,rnn,transformer,mlp --size 1e5

Each KEY=VALUE changes the experiments of all nets. The time is shared out equally to the nets. The same command goes on
where it was interrupted. The answer is a page, and answer.json for programs; the champion is registered in MLflow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.cli import typed_overrides, typed_path
from quartet_app.commands.compare import typed_price

MINUTES = 30.0
# Limits of cost: what `comparison.limits` calls them, and an example.
LIMITS = {
    "latency": ("latency_ms", "the time of one answer of the exported model, as 5ms"),
    "bytes": ("bytes", "its size on disk, as 20MB"),
    "flops": ("flops", "FLOPs of training on one sample, as 5e7"),
}


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet choose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = argument_parser.add_argument
    add("overrides", metavar="KEY=VALUE", nargs="*", help="data=…, and whatever else holds for all nets")
    add("--nets", metavar="NET,NET", help="the nets that compete; by default all that can be asked this")
    add("--minutes", type=float, help=f"the time that all of it may take; by default {MINUTES:g}")
    add("--hours", type=float, help="the same in hours")
    add("--size", help="parameters of each net, such as 1e5; by default those of the line of the grid")
    add("--seeds", type=int, default=3, help="runs of each winner that the answer rests on; by default 3")
    add("--line", help="a line of conf/experiment/grid/, where the data have several or none")
    add("--out", type=typed_path, help="the answer's folder; by default answers/<line>")
    for limit, (_, about) in LIMITS.items():
        add(f"--{limit}", help=f"the net may cost at most this: {about}")
    add("--price", type=typed_price, help="of an hour of the machine: says what each training costs, as --price 2.5")
    add("--devices", type=int, help="runs at once; by default the number of GPUs, or cores")
    add("--address", help="a Ray cluster that shares this folder, or auto; by default this machine alone")
    add("--no-register", action="store_true", help="leave MLflow's registry as it is")
    add("--resume", action="store_true", help="go on with the newest answer that is not finished; needs nothing else")
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_intermixed_args(arguments)
    from quartet_app.choose.choose import choose
    from quartet_app.choose.question import ask
    from quartet_app.choose.resume import stored
    from quartet_app.choose.search import Place
    from quartet_app.comparison.limits import parse_limit

    for key in ("seeds", "devices", "minutes", "hours"):
        value = getattr(args, key)
        if value is not None and value <= 0:
            raise QuartetError(f"--{key}: given {value:g}, needs more than 0")
    if args.resume:
        if args.overrides or args.nets or args.line:
            raise QuartetError("--resume: goes on with the question that was asked; leave out the rest, or --resume")
        question, folder = stored(args.out)
        left_out: list[str] = []
    else:
        if args.minutes is not None and args.hours is not None:
            raise QuartetError("--minutes and --hours are both given; give one of them")
        question, left_out = ask(
            typed_overrides(args.overrides),
            nets=[net for net in args.nets.split(",") if net] if args.nets else None,
            line=args.line,
            size=args.size,
            seconds=args.hours * 3600 if args.hours is not None else (args.minutes or MINUTES) * 60,
            seeds=args.seeds,
            price=args.price,
            limits={
                kind: parse_limit(kind, getattr(args, limit), option=f"--{limit}")
                for limit, (kind, _) in LIMITS.items()
                if getattr(args, limit) is not None
            },
        )
        folder = args.out or Path("answers") / question.line
    print(
        "\n".join(choose(question, left_out, folder, Place(args.address, args.devices), register=not args.no_register))
    )
