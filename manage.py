#!/usr/bin/env python
"""Django's commands. Without DATABASE_URL they use the embedded PostgreSQL of CANDOUR_HOME, started where needed."""

import contextlib
import gc
import os
import sys

# These make or empty tables, so they run as the role that owns them. Everything else runs as `app`.
AS_OWNER = {
    "createcachetable",
    "flush",
    "loaddata",
    "makemigrations",
    "migrate",
    "showmigrations",
    "sqlflush",
    "sqlmigrate",
    "squashmigrations",
}
WITHOUT_DATABASE = {
    "analyse_log",
    "check",
    "collectstatic",
    "diffsettings",
    "findstatic",
    "help",
    "startapp",
    "version",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # What is imported stays: it is not looked through for garbage hundreds of times, which is a fifth of a start. A command
    # that holds much in few objects looks more often (analyse_log).
    gc.set_threshold(50_000)
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "help")
    role = os.environ.setdefault("CANDOUR_DB_ROLE", "owner" if command in AS_OWNER else "app")
    with contextlib.ExitStack() as stack:
        if not os.environ.get("DATABASE_URL"):
            from config import embedded

            home = embedded.home_folder()
            try:
                if command not in WITHOUT_DATABASE:
                    stack.enter_context(embedded.Server(home))
                for name, value in embedded.environment(home).items():
                    os.environ.setdefault(name, value)
            except embedded.EmbeddedError as error:
                sys.exit(f"manage.py {command}: {error}")
            os.environ.setdefault("CANDOUR_MODE", "demo")
            os.environ.setdefault("CANDOUR_URL", "http://localhost:8000")
        elif role == "owner" and not os.environ.get("DATABASE_OWNER_URL"):
            sys.exit(
                f"manage.py {command}: DATABASE_URL is set but DATABASE_OWNER_URL is not. This command runs as the "
                "role that owns the tables; docs/operations.md, Database roles, says how to make it."
            )
        from django.core.management import execute_from_command_line

        try:
            execute_from_command_line(sys.argv)
        finally:
            gc.freeze()  # nor is it looked through once more, for half a second, before the process ends


if __name__ == "__main__":
    main()
