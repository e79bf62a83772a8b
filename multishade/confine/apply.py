# SPDX-License-Identifier: Apache-2.0
"""A `Box` -> this process is held to it, for good: limits of the kernel, and Landlock where the kernel has it.

Landlock (https://docs.kernel.org/userspace-api/landlock.html) lets a process give up rights on files, on TCP, and on
processes and sockets outside of it; nothing that runs in it later gets them back, whatever code a hostile file starts.
It holds the thread that asks for it and all that it starts, so a process is confined before it starts threads, which
numerical packages do when they are imported.
"""

import dataclasses
import glob
import logging
import os
import tempfile
from pathlib import Path

from multishade.confine.box import DEVICES, GPU_CACHES, GPU_DEVICES, LOADERS, Box

LOG = logging.getLogger("multishade.confine")
TCP_SINCE = 4  # version of Landlock's interface


@dataclasses.dataclass(frozen=True)
class Support:
    """What this machine can confine.

    Attributes:
        landlock: Version of the kernel's interface, 0 if there is none.
        network: Whether TCP can be forbidden.
        limits: Whether the system has limits on memory, processor time and files (rlimits).
        missing: None, or what is missing and what to do, in one sentence.
    """

    landlock: int
    network: bool
    limits: bool
    missing: str | None


def support() -> Support:
    """Find out what this machine can confine; instant, changes nothing."""
    limits = _has_limits()
    try:
        import landlockpy
    except ImportError:
        return Support(0, False, limits, "landlockpy is not installed: pip install landlockpy")
    version = landlockpy.abi_version()
    missing = None
    if version == 0:
        missing = (
            "the kernel has no Landlock (it takes Linux 5.13 and landlock in /sys/kernel/security/lsm): foreign files "
            "are parsed under limits of memory, time and files alone"
        )
    elif version < TCP_SINCE:
        missing = f"the kernel's Landlock (version {version}) cannot forbid TCP: use Linux 6.7 or newer"
    return Support(version, version >= TCP_SINCE, limits, missing)


_said = False


def say_what_is_missing() -> None:
    """Log once in a process what `support` finds missing."""
    global _said
    if not _said:
        _said = True
        if (missing := support().missing) is not None:
            LOG.warning("%s", missing)


def confine(box: Box) -> None:
    """Hold this process to a box. To be called once, before a package is imported that starts threads.

    Temporary files go to the box's folder from now on.

    Args:
        box: What it may do.

    Raises:
        OSError: If the kernel offers a confinement and refuses to apply it.
    """
    if not os.environ.get("TMPDIR", "").startswith(box.scratch):
        os.environ["TMPDIR"] = box.scratch
    os.environ["OPENCV_TEMP_PATH"] = os.environ[
        "TMPDIR"
    ]  # OpenCV decodes HDR through a file in /tmp otherwise
    tempfile.tempdir = None
    _limit(box)
    if support().landlock:
        _landlock(box)


def _has_limits() -> bool:
    try:
        import resource  # noqa: F401  (Windows has none)
    except ImportError:
        return False
    return True


def _limit(box: Box) -> None:
    if not _has_limits():
        return
    import resource

    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: box.open_files,
        resource.RLIMIT_FSIZE: box.file_bytes,
        resource.RLIMIT_DATA: box.data_bytes,
        resource.RLIMIT_CPU: box.cpu_seconds,
    }
    if box.address_bytes is not None and (held := _address_space()) is not None:
        wanted[resource.RLIMIT_AS] = held + box.address_bytes
    for name, value in wanted.items():
        if value is None:
            continue
        soft, hard = resource.getrlimit(name)
        lowest = min(value, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY), value)
        # The hard limit of processor time stays, so that a server of many files can extend it from file to file.
        keep = name in (resource.RLIMIT_CPU, resource.RLIMIT_AS)
        try:
            resource.setrlimit(name, (lowest, hard if keep else lowest))
        except (ValueError, OSError):
            continue  # macOS knows some of these limits and refuses to set them


def _address_space() -> int | None:
    """Bytes of address space that this process holds; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _landlock(box: Box) -> None:
    from landlockpy import AccessFS, Ruleset, Scope

    listing = AccessFS.READ_DIR
    read = AccessFS.READ_FILE | listing
    write = (
        read
        | AccessFS.WRITE_FILE
        | AccessFS.TRUNCATE
        | AccessFS.MAKE_REG
        | AccessFS.MAKE_DIR
        | AccessFS.MAKE_SYM
        | AccessFS.REMOVE_FILE
        | AccessFS.REMOVE_DIR
        | AccessFS.REFER
    )
    on_files = (
        AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.EXECUTE | AccessFS.IOCTL_DEV
    )
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:

        def allow(path: str, access: AccessFS) -> None:
            try:
                rules.allow_path(path, access if os.path.isdir(path) else access & on_files)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                pass  # nothing is there that could be read

        for path in box.read:
            allow(path, read)
        for path in box.names:
            allow(path, listing)
        for path in DEVICES:
            allow(path, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
        for path in _programs(box.run):
            allow(path, AccessFS.EXECUTE | AccessFS.READ_FILE)
        if box.gpu:
            for path in (found for name in GPU_DEVICES for found in glob.glob(f"/dev/{name}")):
                allow(path, read | AccessFS.WRITE_FILE | AccessFS.IOCTL_DEV)
            for path in ("/proc/driver", *map(os.path.expanduser, GPU_CACHES)):
                allow(path, read if path == "/proc/driver" else write)
        for path in (box.scratch, *box.caches):
            allow(path, write)
        rules.restrict()


def _programs(run: tuple[str, ...]) -> list[str]:
    """The files that starting these programs executes: themselves, the loader of libraries, interpreters of scripts."""
    if not run:
        return []
    found = [os.path.realpath(path) for path in run]
    found += [loader for pattern in LOADERS for loader in glob.glob(pattern)]
    for path in list(found):
        with open(path, "rb") as file:
            if file.read(2) == b"#!":
                found += ["/bin", "/usr/bin", os.path.dirname(path)]
    return found
