"""Executors of concurrent.futures: processes here, or the workers of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Pool:
    """What makes an executor, how many workers it has, and whether they may be on other machines."""

    make: Callable[[], Executor]
    jobs: int
    elsewhere: bool = False


@contextmanager
def executors(jobs: int, cluster: str | None) -> Iterator[Pool | None]:
    """Many workers; None for one process. Raises click.BadParameter."""
    if cluster is None and jobs == 1:
        yield None
        return
    if cluster is None:
        others = multiprocessing.active_children()
        make, made = of_processes(jobs), list[Executor]()

        def one_more() -> Executor:
            made.append(make())
            return made[-1]

        try:
            yield Pool(one_more, jobs)
        finally:  # whoever still works does so for nobody
            for child in multiprocessing.active_children():
                if child not in others:
                    child.terminate()
            for executor in made:  # waits: a thread that ends while Python does writes a traceback
                executor.shutdown(cancel_futures=True)
        return
    try:
        from distributed import Client
    except ImportError:
        raise click.BadParameter(
            "needs Dask: pip install 'toykernel[cluster]'", param_hint="--cluster"
        ) from None
    try:
        client = Client(cluster, timeout="5s")
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise click.BadParameter(f"cannot reach {cluster}: {why}", param_hint="--cluster") from None
    with client:
        yield Pool(client.get_executor, max(sum(client.ncores().values()), 1), elsewhere=True)


def of_processes(jobs: int) -> Callable[[], Executor]:
    """So many processes of this machine; Ctrl-C is for the parent alone."""
    from concurrent.futures import ProcessPoolExecutor

    from emu.engine_quirks import room_for_translations

    room_for_translations()  # a pool whose workers find none would wait for them for ever
    context = multiprocessing.get_context("fork")
    return lambda: ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)


def _begin() -> None:
    """A worker: Ctrl-C is not for it, and it ends when its parent does, however that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
