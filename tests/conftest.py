import itertools
import os
import socket

import pytest

_NUMBERS = itertools.count(1)


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
