"""The connection to the storage of a search: memory, an SQLite file or a database server."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import InMemoryStorage, RDBStorage
    from sqlalchemy.engine import Engine

MEMORY = "memory"
_BUSY_S = 60.0  # wait for another writer's lock on an SQLite file
_CONNECT_S = 10


def sqlite_url(path: Path) -> str:
    """Return the address of a file, for `open_storage`.

    Example:
        >>> sqlite_url(Path("/tmp/study.db"))
        'sqlite:////tmp/study.db'
    """
    return f"sqlite:///{path.absolute()}"


def grace_s(heartbeat_s: float) -> int:
    """Return the seconds without a heartbeat after which a worker counts as dead.

    They are whole, as SQLite's clock is.

    Example:
        >>> grace_s(5.0), grace_s(0.2)
        (15, 1)
    """
    return max(1, math.ceil(3 * heartbeat_s))


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn errors of the storage into an `OSError` that names it.

    Raises:
        OSError: The storage cannot be read or written.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        fix = (
            "Is there room on the disk, and may the file be written?"
            if url.startswith("sqlite")
            else "Does the server run, and is the address right?"
        )
        raise OSError(
            f"the search's storage {_shown(url)} cannot be used: {reason}. {fix} Then the same call resumes."
        ) from error


def open_storage(url: str, heartbeat_s: float) -> RDBStorage | InMemoryStorage:
    """Open the storage at an address, and create its tables if they are missing.

    Raises:
        ValueError: The address is invalid, of an unknown kind, or of a file that is no database.
        ImportError: The driver is not installed.
    """
    from optuna.storages import InMemoryStorage, RDBStorage
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if url == MEMORY:
        return InMemoryStorage()
    try:
        address = make_url(url)
        address.get_dialect()
    except ArgumentError:
        raise ValueError(
            f"`storage` should be 'memory' or an address such as sqlite:///study.db or "
            f"postgresql+psycopg://user@host/database. Found {_shown(url)!r}."
        ) from None
    sqlite = address.get_backend_name() == "sqlite"
    if sqlite:
        _check_file(address.database)
        options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_S}}
    else:
        options = {"pool_pre_ping": True}  # the server may have restarted
    if address.get_backend_name() == "postgresql":
        options["connect_args"] = {"connect_timeout": _CONNECT_S}
    try:
        with experimental():
            storage = RDBStorage(
                url.replace("{", "{{").replace("}", "}}"),  # Optuna reads it as a template
                options,
                heartbeat_interval=math.ceil(heartbeat_s),
                grace_period=grace_s(heartbeat_s),
            )
    except ImportError as error:
        raise ImportError(
            f"the storage {_shown(url)} needs a driver that is not installed ({error.__cause__}). "
            "For PostgreSQL: pip install 'sennit[postgresql]'."
        ) from None
    if sqlite:
        _prepare_sqlite(storage.engine)
    return storage


def _check_file(path: str | None) -> None:
    if path and (file := Path(path)).is_file():
        with file.open("rb") as opened:
            head = opened.read(16)
        if head not in (b"", b"SQLite format 3\0"):
            raise ValueError(
                f"{path} should be an SQLite database. Found another kind of file. Move it away, or use "
                "another folder."
            )


def _prepare_sqlite(engine: Engine) -> None:
    """Reduce waits for the disk, and lock the file when a transaction begins.

    Otherwise two workers could both read that a trial is waiting, and both take it: SQLite has no row locks,
    and its driver begins a transaction only with the first write.
    """
    from sqlalchemy import event

    def connect(connection: Any, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    engine.dispose()  # earlier connections


@contextmanager
def experimental() -> Iterator[None]:
    """Silence Optuna's warnings about experimental features: heartbeats and names of metrics."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's message about each new study."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _shown(url: str) -> str:
    """Return an address without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
