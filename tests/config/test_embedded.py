"""The embedded server: started, attached to, stopped, killed, and never left behind."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil
import psycopg
import pytest
from pgmq.base import PGMQConfig
from psycopg.conninfo import make_conninfo

from config import embedded
from config.embedded.home import SOCKET_MAX_BYTES, socket_folder

CODE_THAT_STARTS = """
import sys, time
from pathlib import Path
from config import embedded
server = embedded.Server(Path(sys.argv[1]), dies_with_parent=sys.argv[2] == "dies").start()
print(server.process.pid, flush=True)
time.sleep(120)
"""


def gone(pid: int, seconds: float = 20) -> bool:
    until = monotonic() + seconds
    while monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        sleep(0.05)
    return False


def pid_of(server: embedded.Server) -> int:
    assert server.process is not None
    return server.process.pid


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_server_starts_is_attached_to_and_stops_with_its_owner(home: Path) -> None:
    first = embedded.Server(home).start()
    second = embedded.Server(home).start()
    assert (first.owned, second.owned) == (True, False)
    pid = pid_of(first)
    assert pid_of(second) == pid
    second.stop()
    assert pid_of(first) == pid
    first.stop()
    assert first.process is None
    assert gone(pid)


def test_server_stays_while_somebody_else_uses_it(home: Path) -> None:
    starter = embedded.Server(home).start()
    other = embedded.Server(home).start()
    pid = pid_of(starter)
    starter.stop()
    assert pid_of(other) == pid
    other.stop()
    assert gone(pid)


def test_supervisor_stops_it_under_everybody(home: Path) -> None:
    supervisor = embedded.Server(home).start()
    other = embedded.Server(home).start()
    pid = pid_of(supervisor)
    supervisor.stop(force=True)
    assert gone(pid)
    other.stop()


def test_data_outlives_kill_9_of_the_server(home: Path) -> None:
    with embedded.Server(home) as server:
        url = embedded.environment(home)["DATABASE_OWNER_URL"]
        with psycopg.connect(url) as owner:
            owner.execute("CREATE TABLE kept AS SELECT 7 AS n")
        pid = pid_of(server)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
    assert (home / "postgres" / "postmaster.pid").exists()
    with embedded.Server(home) as server, psycopg.connect(url) as owner:
        assert server.owned
        assert owner.execute("SELECT n FROM kept").fetchone() == (7,)


def test_stale_pid_file_with_a_number_in_use_is_survived(home: Path) -> None:
    """After a reboot the number in postmaster.pid may belong to anybody."""
    embedded.Server(home).start().stop()
    stale = f"{os.getpid()}\n{home / 'postgres'}\n1\n5432\n{home}\n\n  1  1\nready   \n"
    (home / "postgres" / "postmaster.pid").write_text(stale)
    with embedded.Server(home) as server:
        assert server.owned
        assert pid_of(server) != os.getpid()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_server_dies_with_a_killed_parent(home: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", CODE_THAT_STARTS, home, "dies"], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_server_left_by_a_killed_command_is_stopped_by_the_next(home: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", CODE_THAT_STARTS, home, "no"], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert psutil.pid_exists(pid)
    with embedded.Server(home) as server:
        assert not server.owned
        assert pid_of(server) == pid
    assert gone(pid)


def test_everything_secret_is_closed(home: Path) -> None:
    with embedded.Server(home):
        found = modes(home)
    assert found.pop("secrets.json") == 0o600
    assert found.pop("postgres") == 0o700
    assert {mode for name, mode in found.items() if name.startswith(".lock")} == {0o600}
    assert {found["logs"], found["tmp"]} == {0o700}
    assert modes(home / "logs")["postgres.log"] == 0o600
    assert not stat.S_IMODE(home.stat().st_mode) & 0o066  # nobody else lists or writes


def test_folders_above_are_not_opened(base: Path) -> None:
    """As root the server's user must pass through them, and that is all it may."""
    above = base / "above"
    above.mkdir(mode=0o700)
    with embedded.Server(above / "home"):
        assert stat.S_IMODE(above.stat().st_mode) == (0o701 if os.geteuid() == 0 else 0o700)


@pytest.mark.parametrize("user", ["postgres", "owner", "app", "broker"])
def test_nobody_enters_without_the_password(home: Path, user: str) -> None:
    with embedded.Server(home) as server:
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(host=str(server.socket), dbname="postgres", user=user, password=password)


def test_roles_reach_their_own_database_only(home: Path) -> None:
    with embedded.Server(home) as server:
        secret = embedded.load_secrets(home)
        allowed = {("owner", "candour"), ("app", "candour"), ("broker", "broker")}
        for user in ("owner", "app", "broker"):
            for database in ("candour", "broker", "postgres"):
                reach = make_conninfo(host=str(server.socket), dbname=database, user=user, password=secret[user])
                if (user, database) in allowed:
                    psycopg.connect(reach).close()
                else:
                    with pytest.raises(psycopg.OperationalError):
                        psycopg.connect(reach)


def test_broker_database_holds_pgmq_only(home: Path) -> None:
    with embedded.Server(home), psycopg.connect(_broker_dsn(home)) as broker:
        schemas = broker.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    assert schemas == [("pgmq",)]


def _broker_dsn(home: Path) -> str:
    from config.celery import transport_options

    dsn: str = transport_options(embedded.environment(home)["CELERY_BROKER_URL"], 300)["conn_string"]
    return dsn


def test_long_and_odd_paths_work(base: Path) -> None:
    home = base / "Capitals and a blank" / ("long" * 25)
    folder = socket_folder(home)
    assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_MAX_BYTES
    with embedded.Server(home):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with psycopg.connect(embedded.environment(home)["DATABASE_URL"]) as app:
            assert app.execute("SELECT current_user::text").fetchone() == ("app",)
    short = base / "It's Blank %"
    with embedded.Server(short):
        psycopg.connect(embedded.environment(short)["DATABASE_URL"]).close()
        psycopg.connect(PGMQConfig(conn_string=_broker_dsn(short)).dsn).close()


def test_lost_secrets_are_not_made_anew_beside_old_data(home: Path) -> None:
    embedded.Server(home).start().stop()
    kept = (home / "secrets.json").rename(home / "aside")
    with pytest.raises(embedded.EmbeddedError, match=r"secrets\.json is missing"):
        embedded.Server(home).start()
    kept.rename(home / "secrets.json")


def test_data_of_another_version_is_refused(home: Path) -> None:
    embedded.prepare_home(home)
    embedded.load_secrets(home)
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(embedded.EmbeddedError, match="made by PostgreSQL 16"):
        embedded.Server(home).start()


def test_broken_off_initdb_is_begun_again(home: Path) -> None:
    embedded.prepare_home(home)
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "half").write_text("made")
    with embedded.Server(home) as server:
        assert server.owned
    assert not (home / "postgres.new").exists()
