"""Read the command line, run one verb, turn errors of ours into one clear message."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from earlywarn.cli import backtest, check, demo, explain, ingest, recommend, score, simulate, train, warmup
from earlywarn.cli import features as features_verb
from earlywarn.errors import EarlywarnError

__all__ = ["VERBS", "main", "parser"]

#: Every verb in the order of its use, and the module that carries it out.
VERBS = {
    "demo": demo,
    "check": check,
    "ingest": ingest,
    "train": train,
    "backtest": backtest,
    "score": score,
    "recommend": recommend,
    "explain": explain,
    "features": features_verb,
    "simulate": simulate,
    "warmup": warmup,
}
_ABOUT = """\
See late payment coming in your own billing data, before the due date, and do something helpful.

The main job, from tables in a folder (invoices.csv, payments.csv, customers.csv, …; Parquet too):

  earlywarn demo                                       try it on data that come with the library
  earlywarn check data/                                what is in the tables, and what was set aside
  earlywarn ingest data/ store/                        tables larger than memory, as a store
  earlywarn train data/ --out model/                   learn from what has matured
  earlywarn backtest data/ --out backtest.html          how good that would have been in the past
  earlywarn recommend data/ --model model/ --capacity calls=40 --out plan.csv
  earlywarn explain data/ --model model/ --customer 1042 --language nl
  earlywarn features explain usage_spike_30d data/     what one feature reads, on one customer's data
  earlywarn simulate data/                             tables of a biller that does not exist, its truth apart
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="earlywarn", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--verbose", action="store_true", help="show notices while working")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="command")
    for verb in VERBS.values():
        verb.add(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the process when left out.

    Returns
    -------
    int
        0 done, 1 faults were found (``check``), 2 an error that says what to do.
    """
    asked = parser().parse_args(arguments)
    if asked.verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return int(asked.run(asked))
    except EarlywarnError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads us, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("stopped.", file=sys.stderr)
        return 130
