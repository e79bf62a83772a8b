# SPDX-License-Identifier: Apache-2.0
"""A confined process reads its files and its code, writes to its scratch folder, and does nothing else."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from multishade.assets.sandbox import Limits, run_sandboxed
from multishade.config.models import Runtime
from multishade.confine import apply
from multishade.confine.apply import support
from multishade.confine.box import Box, code_on_path, with_python
from multishade.confine.launch import confined
from multishade.render.blender.confined import AssetFiles, blender_box, start_blender

needs_landlock = pytest.mark.skipif(not support().landlock, reason="this kernel has no Landlock")


def attempt(item: tuple[str, str]) -> str:
    """Do what hostile code in a parser would do; the function that the children of these tests call."""
    what, argument = item
    if what == "read":
        return Path(argument).read_bytes()[:20].decode("latin-1")
    if what == "list":
        return " ".join(os.listdir(argument))
    if what == "write":
        Path(argument).write_text("taken")
    elif what == "remove":
        os.remove(argument)
    elif what == "rename":
        os.rename(argument, argument + ".gone")
    elif what == "link":
        os.link(argument, "stolen")
    elif what == "connect":
        socket.create_connection(("127.0.0.1", int(argument)), 2).close()
    elif what == "listen":
        socket.create_server(("127.0.0.1", 0)).close()
    elif what == "abstract":
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("\0" + argument)
    elif what == "run":
        subprocess.run([argument], check=True)
    elif what == "signal":
        os.kill(os.getppid(), 0)
    elif what == "scratch":
        import tempfile

        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
            return os.path.dirname(file.name)
    elif what == "large":
        import tempfile

        with tempfile.TemporaryFile() as file:
            file.truncate(int(argument))
    elif what == "open":
        with contextlib.ExitStack() as files:
            for _ in range(int(argument)):
                files.enter_context(open(os.devnull, "rb"))
    return "done"


def outcome(what: str, argument: object, *readable: Path) -> str:
    (found,) = run_sandboxed(attempt, [(what, str(argument))], Limits(seconds=30, workers=1), readable)
    return found.reason or found.value


@needs_landlock
def test_a_parser_reads_its_assets_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    asset, secret = tmp_path / "assets" / "a.obj", tmp_path / "secret.txt"
    asset.write_text("v 0 0 0")
    secret.write_text("key")
    (tmp_path / "assets" / "link").symlink_to(secret)
    items = [
        ("read", str(asset)),
        *(
            ("read", str(path))
            for path in (secret, tmp_path / "assets" / "link", "/etc/passwd", "/proc/1/environ")
        ),
        ("read", f"/proc/{os.getpid()}/environ"),
        ("list", str(tmp_path)),
        ("list", os.path.expanduser("~")),
    ]
    found = sorted(
        run_sandboxed(attempt, items, Limits(seconds=30, workers=1), [tmp_path / "assets"]),
        key=lambda each: each.index,
    )
    assert found[0].value == "v 0 0 0"
    assert all("Permission" in str(each.reason) for each in found[1:]), found


@needs_landlock
def test_a_parser_writes_to_its_scratch_folder_alone(tmp_path: Path) -> None:
    asset = tmp_path / "a.obj"
    asset.write_text("v 0 0 0")
    items = [("scratch", ""), *((what, str(asset)) for what in ("write", "remove", "rename", "link"))]
    items += [("write", str(tmp_path / "new")), ("write", "/dev/shm/multishade-test")]
    limits = Limits(seconds=30, workers=1)
    found = sorted(run_sandboxed(attempt, items, limits, [tmp_path]), key=lambda each: each.index)
    assert os.path.basename(found[0].value).startswith("multishade-") and not os.path.exists(found[0].value)
    assert all(each.reason is not None for each in found[1:]), found
    assert [path.name for path in tmp_path.iterdir()] == ["a.obj"] and asset.read_text() == "v 0 0 0"


@needs_landlock
def test_a_parser_opens_no_connection_and_starts_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind("\0multishade-test")
        local.listen()
        items = [
            ("connect", str(server.getsockname()[1])),
            ("listen", ""),
            ("abstract", "multishade-test"),
            ("run", "/bin/sh"),
            ("run", sys.executable),
            ("signal", ""),
        ]
        found = list(run_sandboxed(attempt, items, Limits(seconds=30, workers=1)))
    assert len(found) == len(items)
    assert all("Permission" in str(each.reason) or "not permitted" in str(each.reason) for each in found), (
        found
    )


@pytest.mark.parametrize(("what", "amount"), [("large", 2 << 30), ("open", 2000)])
def test_files_are_limited_in_number_and_size_without_landlock_too(what: str, amount: int) -> None:
    assert "OSError" in outcome(what, amount) or "crashed" in outcome(what, amount)


def test_an_answer_that_is_not_json_of_the_right_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from multishade.assets.guarded import _read_answer
    from multishade.assets.scanning.meshes import MeshFacts

    for data in (
        b"\x80\x04\x95cos\nsystem\n(S'id'\ntR.",  # a pickle that runs a command
        b'[{"vertices": "many"}, null, false]',
        b'[{"vertices": null, "faces": null, "bounds": null, "mode": 1}, null, false]',
        b"[1, null, false]",
        b"[" * 100_000,
        b"[null, 3, false]",
        b"[null]",
    ):
        with pytest.raises((ValueError, TypeError, RecursionError)):
            _read_answer(data, MeshFacts)


@needs_landlock
def test_a_program_is_confined_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "asset").write_text("geometry")
    (tmp_path / "secret").write_text("key")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    box = with_python(Box(str(scratch))).reading([tmp_path / "asset"])
    code = "import sys, tempfile; print(tempfile.gettempdir(), open(sys.argv[1]).read())"

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = confined([sys.executable, "-c", code, str(tmp_path / name)], box)
        return subprocess.run(command, capture_output=True, text=True)

    assert run("asset").stdout.split() == [str(scratch), "geometry"]
    assert "PermissionError" in run("secret").stderr
    assert list(scratch.iterdir()) == []


@needs_landlock
def test_a_program_on_a_graphics_card_keeps_its_kernels_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made if it is missing; the drivers find it by their own variables, and the box lets them write."""
    monkeypatch.setenv("MULTISHADE_KERNELS", str(tmp_path / "kernels"))
    scratch, program = tmp_path / "scratch", tmp_path / "blender"
    scratch.mkdir()
    names = "XDG_CACHE_HOME OPTIX_CACHE_PATH CUDA_CACHE_PATH"
    script = f"for name in {names}; do mkdir -p ${{!name}}; touch ${{!name}}/$name; done; touch {tmp_path}/elsewhere"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    runtime = Runtime(blender=str(program))
    with start_blender(runtime, blender_box(scratch, "optix", runtime, AssetFiles())) as process:
        _, printed = process.communicate(timeout=120)
    kept = sorted(
        path.relative_to(tmp_path / "kernels").as_posix() for path in (tmp_path / "kernels").rglob("*_*")
    )
    assert kept == ["XDG_CACHE_HOME", "cuda/CUDA_CACHE_PATH", "optix/OPTIX_CACHE_PATH"], printed
    assert "Permission denied" in printed and not (tmp_path / "elsewhere").exists()
    assert blender_box(scratch, "cpu", runtime, AssetFiles()).caches == ()


def test_of_a_checkout_code_is_read_and_data_are_not(tmp_path: Path) -> None:
    for name in ("package/__init__.py", "data/secret.bin", "module.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    read, names = code_on_path((str(tmp_path),))
    inside = {
        Path(path).relative_to(tmp_path).as_posix() for path in read if Path(path).is_relative_to(tmp_path)
    }
    assert inside == {"package", "module.py"} and names == (str(tmp_path),)


def test_a_kernel_without_landlock_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import landlockpy

    monkeypatch.setattr(landlockpy, "abi_version", lambda: 0)
    monkeypatch.setattr(apply, "_said", False)
    assert support().landlock == 0 and "no Landlock" in str(support().missing)
    for _ in range(3):
        apply.say_what_is_missing()
    assert len(caplog.records) == 1 and "limits of memory" in caplog.records[0].message


def test_what_is_missing_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import landlockpy

    monkeypatch.setattr(landlockpy, "abi_version", lambda: 2)
    assert "cannot forbid TCP: use Linux 6.7" in str(support().missing)
    monkeypatch.setitem(sys.modules, "landlockpy", None)
    assert "pip install landlockpy" in str(support().missing)
