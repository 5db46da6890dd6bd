"""The PostgreSQL that comes with the site: started, attached to and stopped here. No Django is imported.

Everything lies under one folder, CANDOUR_HOME: the data in `postgres/`, the passwords in `secrets.json` (0600), the
server's log in `logs/postgres.log`. The server listens on a Unix socket only and asks every role for its password, the
superuser included.

The binaries of the wheel are run directly: its own launcher takes any live process with the number in a stale
`postmaster.pid` for the server, and as root widens the permissions of every parent folder
(docs/decisions/embedded-postgresql.md).
"""

from config.embedded.home import (
    BASE_DIR,
    DATABASE,
    EmbeddedError,
    environment,
    home_folder,
    load_secrets,
    locked,
    open_lock,
    open_log,
    prepare_home,
)
from config.embedded.machine import die_with_parent
from config.embedded.server import Server, binaries

__all__ = [
    "BASE_DIR",
    "DATABASE",
    "EmbeddedError",
    "Server",
    "binaries",
    "die_with_parent",
    "environment",
    "home_folder",
    "load_secrets",
    "locked",
    "open_lock",
    "open_log",
    "prepare_home",
]
