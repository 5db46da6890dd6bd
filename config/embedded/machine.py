"""What the machine must grant: a user that is not root, a way through the folders, and a word when a parent dies."""

import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from config.embedded.home import EmbeddedError

SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root: then it runs as this user


def die_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """What a child runs first so that the kernel sends it a signal when its parent dies, kill -9 included (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()
    pr_set_pdeathsig = 1

    def before_exec() -> None:
        libc.prctl(pr_set_pdeathsig, int(sent), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", None) or error
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the user {SYSTEM_USER} could not be made: {detail}"
        ) from error
    return pwd.getpwnam(SYSTEM_USER)


def let_pass(folder: Path) -> None:
    """Let the server's user walk through the folders above (x, never r); change nothing that is already so."""
    for parent in (folder, *folder.parents):
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Let the server's user read the wheel's own files, which an unusual umask may have closed."""
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)
