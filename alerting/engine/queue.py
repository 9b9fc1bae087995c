"""Procrastinate's worker, run over the ledger's own writing connection.

So a worker needs no pool: what it asks of the database shares commits with the lanes, is repeated and mended
as theirs is, and ends when theirs ends. Only LISTEN has a connection of its own. Used are: defer, fetch,
finish and heartbeat. Not used: locks, retries, periodic tasks, aborts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from procrastinate import App, exceptions
from procrastinate.connector import BaseAsyncConnector, BaseConnector, Notify
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from alerting.engine.distributed import DistributedEngine, News, jobs_of, queue_of

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerWriter
    from alerting.telemetry import Log

#: The name of the one task there is, as the ledger writes it into jobs.
TASK: Final = "alerting.batch"
#: How many batches may be in hand at once; lanes that have enough take no more long before.
_MOST: Final = 10_000
_HEARTBEAT_S: Final = 3.0
#: When a worker starts it removes those not heard of for so long: long after the server has ended whoever
#: stands still in a transaction, and holds their rows.
_SILENT_S: Final = 60.0
#: The lanes and the engine ask for work themselves; this is only for a library that expects a number.
_SELDOM_S: Final = 60.0
_TOLD: Final = '{"type": "job_inserted", "job_id": 0}'


async def take_jobs(
    engine: DistributedEngine, writer: LedgerWriter, news: News, *, name: str, log: Log
) -> None:
    """Take jobs and deliver their batches until cancelled; then wait for the lanes to let go of them."""
    app = App(connector=LedgerConnector(writer, news))
    app.job_manager = LaneJobs(app.connector, engine, news, log)

    @app.task(name=TASK)
    async def deliver(batch: int, alert: int, channel: str) -> None:  # noqa: ARG001 - alert is for those who look
        await engine.deliver(channel, batch)

    with _Told(log):
        await app.run_worker_async(
            name=name,
            concurrency=_MOST,
            install_signal_handlers=False,
            delete_jobs="always",
            fetch_job_polling_interval=_SELDOM_S,
            abort_job_polling_interval=_SELDOM_S,
            update_heartbeat_interval=_HEARTBEAT_S,
            stalled_worker_timeout=_SILENT_S,
        )


class LedgerConnector(BaseAsyncConnector):
    """Procrastinate's way to the database: statements join the ledger's commits."""

    def __init__(self, writer: LedgerWriter, news: News) -> None:
        self._writer, self._news = writer, news

    async def open_async(self, pool: Any = None) -> None:
        """Do nothing: the connection is the ledger's."""

    async def close_async(self) -> None:
        """Do nothing: the connection is the ledger's."""

    async def execute_query_async(self, query: str, **arguments: Any) -> None:
        """Run a statement."""
        await self.execute_query_all_async(query, **arguments)

    async def execute_query_one_async(self, query: str, **arguments: Any) -> dict[str, Any]:
        """Run a statement and return its first row.

        Raises:
            NoResult: there is none.
        """
        rows = await self.execute_query_all_async(query, **arguments)
        if not rows:
            raise exceptions.NoResult
        return rows[0]

    async def execute_query_all_async(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        return await self._writer.do(lambda ledger: jobs_of(ledger).ask(query, arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Wake the worker when there is news: of the server, or of a lane that could take a job."""
        while True:
            await self._news.wait()
            for channel in channels:
                await on_notification(channel=channel, payload=_TOLD)


class LaneJobs(JobManager):
    """Fetches only what a lane could take at once, so that no worker keeps jobs from the others."""

    def __init__(self, connector: BaseConnector, engine: DistributedEngine, news: News, log: Log) -> None:
        super().__init__(connector)
        self._engine, self._news, self._log = engine, news, log

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:  # noqa: ARG002
        """Return the most urgent job that a lane here could take, marked as this worker's; None without.

        What is told meanwhile counts: the worker forgets what it hears while it fetches.
        """
        while True:
            told = self._news.told
            channels = await self._engine.wanted()
            job = await self._fetched(channels, worker_id) if channels else None
            if job is not None or told == self._news.told:
                return job

    async def _fetched(self, channels: list[str], worker_id: int) -> Job | None:
        heard = self._news.heard
        job = await super().fetch_job([queue_of(channel) for channel in channels], worker_id)
        if job is None:
            if heard == self._news.heard:
                self._engine.nothing_for(channels)
        elif job.task_name == TASK:
            # Offered here and not in the task, so that the next look knows of it already.
            self._engine.offer(str(job.task_kwargs["channel"]), int(str(job.task_kwargs["batch"])))
        return job

    async def finish_job_by_id_async(self, job_id: int, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - theirs
        """Drop a job that is through. That it is gone already, or stays, does no harm: nobody believes it."""
        try:
            await super().finish_job_by_id_async(job_id, status, delete_job)
        except Exception as error:  # noqa: BLE001 - its batch is settled in the ledger, whatever the job says
            self._log.warning("queue.said", words=f"job {job_id}: {type(error).__name__}")


class _Told(logging.Handler):
    """Brings what the library finds wrong into this program's log, instead of onto somebody's screen."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log, self._logger = log, logging.getLogger("procrastinate")
        self._before = self._logger.propagate

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one thing."""
        self._log.error("queue.said", words=record.getMessage()[:200])

    def __enter__(self) -> None:
        self._logger.addHandler(self)
        self._logger.propagate = False

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._before
