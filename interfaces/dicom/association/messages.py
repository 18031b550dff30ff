"""Messages of an accepted association for its thread, which sleeps until there are any (PS3.7)."""

from __future__ import annotations

import queue
import threading
from typing import Any

from pynetdicom.dimse import DIMSEServiceProvider

LOOK_SECONDS = 0.5  # how often an association without news looks at its timer


class Told(queue.Queue[Any]):
    """A queue that tells of what is put into it."""

    def __init__(self, news: threading.Semaphore) -> None:
        super().__init__()
        self._news = news

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Adds an item."""
        super().put(item, block, timeout)
        self._news.release()


class Requests(Told):
    """Messages; a C-CANCEL that came before a request of its Message ID was of an earlier one."""

    def __init__(self, news: threading.Semaphore, provider: DIMSEServiceProvider) -> None:
        super().__init__(news)
        self._provider = provider

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Adds a message with its context."""
        self._provider.cancel_req.pop(getattr(item[1], "MessageID", None) or 0, None)
        super().put(item, block, timeout)


class Messages(DIMSEServiceProvider):
    """A DIMSE provider whose user sleeps until there is a message or the association changes."""

    def __init__(self, assoc: Any, news: threading.Semaphore) -> None:
        super().__init__(assoc)
        self._news = news
        self.msg_queue = Requests(news, self)

    def get_msg(self, block: bool = False) -> Any:
        """The next message; without block it waits a while for one or for other news."""
        if block:
            return super().get_msg(block)
        self._news.acquire(timeout=LOOK_SECONDS)
        try:
            return self.msg_queue.get_nowait()
        except queue.Empty:
            return None, None
