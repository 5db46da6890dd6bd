"""`python -m config.embedded COMMAND ...` runs a command beside the embedded server of CANDOUR_HOME.

The server is started if it does not run, and then stopped again. The command finds psql, pg_dump and pg_restore on its
PATH and the addresses of the database in DATABASE_URL (role app) and DATABASE_OWNER_URL (role owner).
"""

import os
import subprocess
import sys

from config.embedded import EmbeddedError, Server, binaries, environment, home_folder


def main(command: list[str]) -> int:
    if not command:
        sys.stderr.write("Usage: python -m config.embedded COMMAND [ARGUMENT ...]\n")
        return 2
    home = home_folder()
    try:
        with Server(home):
            path = os.pathsep.join([str(binaries()), os.environ.get("PATH", os.defpath)])
            return subprocess.run(command, env={**os.environ, **environment(home), "PATH": path}).returncode
    except (EmbeddedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
