"""Followers in step with what any worker has answered, not only with what this one has stored."""

from __future__ import annotations

from fhir_server.core.news import News
from fhir_server.interactions.environment import Environment, Follower
from fhir_server.interactions.request import Request, Response


class Following:
    """Refreshes an environment's followers; news: between the workers of one store, None where there is no such thing.

    Without news, as between machines, each worker looks once a second.
    """

    def __init__(self, environment: Environment, news: News | None = None) -> None:
        self._environment = environment
        self._news = news
        self._seen = news.word() if news is not None else b""

    @property
    def behind(self) -> bool:
        """Whether others have stored something that is not taken in."""
        return self._news is not None and self._news.word() != self._seen

    async def before(self) -> None:
        """Before a request is performed: takes in what others have stored since the last one."""
        if self._news is not None and (word := self._news.word()) != self._seen:
            for follower in self._environment.followers:
                await follower.refresh()
            self._seen = word

    async def after(self, request: Request, response: Response) -> None:
        """After a request that may have stored something: takes it in, and tells the others."""
        concerned = [each for each in self._environment.followers if concerns(each, request, response)]
        for follower in concerned:
            await follower.refresh()
        if concerned:
            self.tell()

    def tell(self) -> None:
        """Has the other workers look."""
        if self._news is not None:
            self._news.tell()

    def close(self) -> None:
        """Ends the sharing."""
        if self._news is not None:
            self._news.close()


def concerns(follower: Follower, request: Request, response: Response) -> bool:
    """Whether the request may have changed what the follower follows; a Bundle's answer tells what it has stored."""
    if request.path:
        return request.path[0] in follower.types
    if response.told is not None:
        return not {version.type for version in response.told}.isdisjoint(follower.types)
    return any(f'"{type}/'.encode() in response.body for type in follower.types)
