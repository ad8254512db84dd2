"""Work in processes of their own, where threads would wait for each other to get at the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from earlywarn.compiled import in_one_thread, threads

__all__ = ["in_processes"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def in_processes(work: Callable[[Part], Result], parts: Sequence[Part], *, most: int) -> Iterator[Result]:
    """Work on parts in processes, and give the results in the order of the parts; here where one would do.

    The processes do not run the user's script anew, as those of the standard library would on some systems.

    Parameters
    ----------
    work : callable
        Takes one part; it and the part are sent to another process.
    parts : sequence
    most : int
        At most so many processes, and no more than `earlywarn.compiled.threads`.

    Yields
    ------
    What ``work`` gives

    Examples
    --------
    >>> list(in_processes(abs, [-1, 2], most=1))
    [1, 2]
    """
    several = min(threads(), len(parts), most)
    if several <= 1:
        yield from map(work, parts)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    pool = Parallel(n_jobs=several, backend="loky", batch_size=1, return_as="generator")
    try:
        yield from pool(delayed(in_one_thread)(work, part) for part in parts)
    finally:
        get_reusable_executor().shutdown(wait=True)  # else they stay for minutes, with all that they held
