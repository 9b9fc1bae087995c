import itertools
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

# The campus of the end-to-end tests, and its sandbox, are those of other rooms too.
sys.path.append(str(Path(__file__).parent / "e2e"))

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def one_box():
    """One sandbox for the whole run of this worker."""
    from campus import Box

    from alerting.sandbox.process import start

    with start(seed=7, idle_exit_s=600) as handle:
        yield Box(handle)


@pytest.fixture
def box(one_box):
    """The sandbox, as new."""
    one_box.fresh()
    return one_box


@pytest.fixture(scope="session")
def postgres_address():
    """One PostgreSQL for the whole run of this worker, or the one ALERT_TEST_POSTGRES names."""
    if given := os.environ.get("ALERT_TEST_POSTGRES"):
        yield given
        return
    from alerting.testing.postgres import PostgresServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PostgresServer(port)
    try:
        yield server.start().address
    finally:
        server.close()


@pytest.fixture(scope="session")
def fresh_place(postgres_address):
    """Return a function that returns a place where no ledger is yet."""
    from alerting.ledger.postgres.place import Place
    from alerting.secret import Secret

    def place():
        return Place(address=Secret(postgres_address), schema=f"t{os.getpid()}_{next(_NUMBERS)}")

    return place


@pytest.fixture
def fresh_database(postgres_address):
    """Return the address of an empty database."""
    import psycopg

    name = f"d{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    yield postgres_address.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def meanwhile(postgres_address):
    """Return a function that runs a change on a ledger while the block it is asked in holds its own."""
    import psycopg

    with ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_address, autocommit=True) as watcher:

        def begin(ledger, change):
            def run():
                with ledger.transaction():
                    return change(ledger)

            future = pool.submit(run)
            pid, until = ledger._connection.raw.info.backend_pid, time.monotonic() + 10
            waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
            while not future.done() and watcher.execute(waits, (pid,)).fetchone() != (True,):
                assert time.monotonic() < until
                time.sleep(0.005)
            return future

        yield begin
