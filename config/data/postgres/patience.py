"""How long a call waits for a database: not at all for one that is known to hang, and never much in all.

The pooler ends what a server does not answer, but nothing ends what the pooler does not answer, and one slow answer by
itself means little. So a wait that grows long makes a probe ask in the background; when that gets no answer either, the
breaker opens: those who wait give up, and nobody begins to. All long waits of one call share one budget.

For servers of calls only (`is_on`): a worker or a command has nobody who waits for its answer.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from contextvars import Context, ContextVar
from functools import cache, partial
from time import monotonic
from typing import Any, ClassVar, Self

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from prometheus_client import Gauge
from psycopg.abc import PQGen, PQGenConn
from psycopg.errors import _WaitTimeout

from config.breaker import Breaker

is_on = False
DOUBTFUL = 0.4  # seconds that a wait may last before databases are asked whether they still answer
BUDGET = 2.5  # seconds for all that lasts longer, in one call; more than each of the pooler's limits (2 s)
SILENCE = 1.0  # seconds without a step forward that a probe takes for no answer
OF_A_REPLICA = 0.8  # seconds after which a read goes elsewhere when its replica is still in doubt
LOOK_EVERY = 0.1

OPEN = Gauge(
    "taskmill_database_breaker_open",
    "1 while this process leaves a database alone",
    ["database"],
    multiprocess_mode="livemax",
)


class _Budget:
    spent = 0.0  # seconds


# Of the calls that a wait is for; nobody has any outside of calls.
_budgets: ContextVar[frozenset[_Budget]] = ContextVar("budgets", default=frozenset())
_own: ContextVar[_Budget | None] = ContextVar("own budget", default=None)


class _Thread(threading.local):
    budgets: frozenset[_Budget] | None = None  # of one that asks for calls (`wait_for`)


_thread = _Thread()


@cache
def of(alias: str) -> Breaker:
    return Breaker(f"database {alias}", lambda: _answers(alias), tell=OPEN.labels(alias).set)


def begin_call() -> None:
    """All waits in this context and its copies share one budget."""
    _budgets.set(frozenset([_Budget()]))


def begin_beside() -> None:
    """A call beside others of the context's: it has a budget of its own besides that for all that holds them up."""
    own = _Budget()
    _own.set(own)
    _budgets.set(_budgets.get() | {own})


def wait_for(calls: Iterable[Context]) -> None:
    """Waits in this thread are those of the calls that have these, in whatever context, and hold up nobody else."""
    _thread.budgets = frozenset(own for context in calls if (own := context.get(_own)) is not None)


def is_left_alone(alias: str) -> bool:
    return of(alias).is_open


def _check(breaker: Breaker | None) -> None:
    if breaker is not None and breaker.is_open:
        raise psycopg.OperationalError(f"The {breaker.name} does not answer and is left alone.")


def _doubt(waited_for: Breaker) -> None:
    """All are asked at once: behind one frozen pooler a call would find out about one after the other."""
    for breaker in {waited_for, *map(of, (DEFAULT_DB_ALIAS, *settings.REPLICAS))}:
        breaker.doubt(f"the {waited_for.name} has not answered for {DOUBTFUL} s")


class _Wait:
    """One long wait of a call. `look` raises when it has to end."""

    def __init__(self, alias: str, lasted: float) -> None:
        self._breaker, self._since, self._charged = of(alias), monotonic() - lasted, 0.0
        self._budgets = _budgets.get() if _thread.budgets is None else _thread.budgets
        self._is_of_a_replica = alias in settings.REPLICAS

    def look(self) -> None:
        lasted = monotonic() - self._since
        for budget in self._budgets:
            budget.spent += lasted - self._charged
        self._charged = lasted
        spent = max([lasted, *(budget.spent for budget in self._budgets)])
        if lasted >= DOUBTFUL:
            _doubt(self._breaker)
        _check(self._breaker)
        in_doubt = self._is_of_a_replica and lasted >= OF_A_REPLICA and self._breaker.is_probing
        if spent >= BUDGET or in_doubt:
            raise psycopg.OperationalError("The database did not answer in time.")

    def hear(self) -> None:
        """A step was made, and the next one is waited for."""


class _Silence(_Wait):
    """A wait of a probe: of a busy server each step of a login is slow, a frozen one makes none."""

    def __init__(self, lasted: float) -> None:
        self._since = monotonic() - lasted

    def look(self) -> None:
        if monotonic() - self._since >= SILENCE:
            raise psycopg.OperationalError("The database says nothing.")

    def hear(self) -> None:
        self._since = monotonic()


class Connection(psycopg.Connection[Any]):
    """A probe's; those of calls are made by `of_calls`."""

    breaker: ClassVar[Breaker | None] = None
    begin: ClassVar["staticmethod[[float], _Wait]"] = staticmethod(
        _Silence
    )  # with the seconds that the wait has lasted already

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        _check(cls.breaker)
        return _watched(super()._connect_gen(conninfo), cls.begin(0.0))

    def wait(self, gen: PQGen[Any], interval: float = LOOK_EVERY, timeout: float | None = None) -> Any:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        _check(self.breaker)
        try:
            return super().wait(gen, interval, DOUBTFUL)
        except _WaitTimeout:
            return self._wait_on(gen)

    def _wait_on(self, gen: PQGen[Any]) -> Any:
        wait = self.begin(DOUBTFUL)
        while True:
            try:
                wait.look()
            except psycopg.OperationalError:
                self.close()  # what it still sends would be taken for the next answer
                raise
            with suppress(_WaitTimeout):
                return super().wait(gen, LOOK_EVERY, LOOK_EVERY)


def _watched(connecting: PQGenConn[Any], wait: _Wait) -> PQGenConn[Any]:
    """The same steps, with a look whenever psycopg comes by without news (each tenth of a second)."""
    step = next(connecting)
    try:
        while True:
            if ready := (yield step):
                wait.hear()
            else:
                wait.look()
            step = connecting.send(ready)
    except StopIteration as end:
        return end.value


@cache
def of_calls(alias: str) -> type[Connection]:
    return type("Connection", (Connection,), {"breaker": of(alias), "begin": staticmethod(partial(_Wait, alias))})


def _answers(alias: str) -> bool:
    """A whole login and a question: what is frozen still takes connections. Asked in a thread of the breaker's own."""
    try:
        with Connection.connect(**{**connections[alias].get_connection_params(), "autocommit": True}) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
