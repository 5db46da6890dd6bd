"""Working ahead: the next item is made while the present one is worked on, or several are worked on at a time. Arrow and
zlib let go of the interpreter.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
Made = TypeVar("Made")
AT_ONCE = 2


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one made, in a thread of its own, while the present one is worked on."""
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not stop.is_set():
            try:
                waiting.put((kind, value), timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
        except Exception as wrong:  # given on to the reader's thread
            put("failed", wrong)
        else:
            put("end", None)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "end":
                return
            if kind == "failed":
                raise value
            yield value
    finally:
        stop.set()


def several(items: Iterator[T], work: Callable[[T], Made]) -> Iterator[tuple[T, Made]]:
    """Each item with what is made of it, in their order; AT_ONCE are worked on at the same time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[tuple[T, Future[Made]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > AT_ONCE:
                first, made = waiting.popleft()
                yield first, made.result()
        for item, made in waiting:
            yield item, made.result()
