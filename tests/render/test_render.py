# SPDX-License-Identifier: Apache-2.0
"""Rendering data sets as a user does, by the command line: same bytes, nothing lost, clear words on failure."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import trimesh

from multishade.cli import main
from multishade.config import load_config
from multishade.imaging import codecs
from multishade.imaging.color import png_to_linear
from multishade.imaging.quality import psnr
from multishade.render.failures import FailureKind, read_shard_failure
from multishade.render.plan import make_plan
from multishade.render.run import render
from multishade.shards.dataset import Dataset
from multishade.shards.tar import read_shard

# A start of Ray takes as long as these shards: tests that are not about it render in this process, with the same bytes.
pytestmark = [pytest.mark.blender, pytest.mark.usefixtures("one_process")]

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "configs" / "demo.yaml"
SMALL = [
    "camera.width=48",
    "camera.height=48",
    "shards.groups=2",
    "shards.count=2",
    "render.samples={parallel: 8, point: 8, environment: 8, mixed: 8, shading: 4}",
    "render.quality={psnr: 30, first: 2}",
]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of four quick objects."""
    rows = [
        {
            "id": f"superquadric-{seed}",
            "source": "builtin",
            "location": f"superquadric/{seed}",
            "family": "superquadric",
        }
        for seed in range(3)
    ]
    rows.append({"id": "monkey", "source": "blender", "location": "monkey", "family": "monkey"})
    path = tmp_path_factory.mktemp("manifest") / "objects.jsonl"
    path.write_text(
        "".join(json.dumps({**row, "licence": "CC0-1.0", "split": "train"}) + "\n" for row in rows)
    )
    return path


def arguments(objects: Path, output: Path | str, *options: str, overrides: tuple[str, ...] = ()) -> list[str]:
    sets = [f"--set={override}" for override in (*SMALL, f"sources.objects={objects}", *overrides)]
    return ["render", str(DEMO), *sets, "-o", str(output), "--shards", "0-1", *options]


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tar"))}


@pytest.fixture(scope="module")
def reference(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards that were rendered in this process, from Python."""
    folder = tmp_path_factory.mktemp("reference")
    result = render(make_plan(load_config(DEMO, [*SMALL, f"sources.objects={objects}"])), folder)
    assert result.complete and [report.samples for report in result.rendered] == [4, 4]
    return folder


def test_shards_hold_what_the_plan_says(reference: Path) -> None:
    keys = [key for path in sorted(reference.glob("*.tar")) for key, _ in read_shard(path)]
    assert keys == [f"s{s:06d}-g{g:04d}-v{v}" for s in range(2) for g in range(2) for v in range(2)]
    record = json.loads((reference / "dataset.json").read_text())
    assert record["plan"]["shards"] == 2
    for path in reference.glob("*.tar"):
        meta = next(iter(read_shard(path)))[1]["meta.json"].decode()
        reached = json.loads(meta)["quality"]
        assert all(4 <= image["samples"] <= 8 and image["psnr"] > 10 for image in reached.values())
        for private in (str(reference), str(Path.home()), os.uname().nodename):
            assert private not in meta


@pytest.mark.usefixtures("with_ray")
def test_two_workers_of_ray_give_the_same_bytes(objects: Path, reference: Path, tmp_path: Path) -> None:
    assert main(arguments(objects, tmp_path, "--workers", "2")) == 0
    assert hashes(tmp_path) == hashes(reference)


def test_more_threads_and_a_process_for_every_group_give_the_same_bytes(
    objects: Path, reference: Path, tmp_path: Path
) -> None:
    changes = ("runtime.groups_per_child=1",)
    assert main(arguments(objects, tmp_path, "--cpus-per-worker", "2", overrides=changes)) == 0
    assert hashes(tmp_path) == hashes(reference)


@pytest.mark.usefixtures("with_ray")
def test_a_running_cluster_is_joined(objects: Path, reference: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        assert main(arguments(objects, tmp_path, "--address", cluster.address)) == 0
        assert main(arguments(objects, tmp_path, "--address", cluster.address, "--cpus-per-worker", "9")) == 0
    finally:
        cluster.shutdown()
    assert hashes(tmp_path) == hashes(reference)


@pytest.mark.usefixtures("with_ray")
def test_a_cluster_that_does_not_answer_is_named(
    objects: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(objects, tmp_path, "--address", "127.0.0.1:9")) == 2
    assert "--address 127.0.0.1:9: no Ray cluster answers there" in capsys.readouterr().err


def test_a_rerun_renders_nothing(objects: Path, reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in reference.iterdir()}
    assert main(arguments(objects, reference, "--no-sheet")) == 0
    assert "0 shards rendered (0 samples), 2 already there" in capsys.readouterr().out
    assert main(arguments(objects, f"file://{reference}", "--no-sheet")) == 0  # a URL is no local path
    assert "0 shards rendered (0 samples), 2 already there" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in reference.iterdir()} == before


def test_a_folder_of_another_data_set_is_refused(
    objects: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes(reference)
    assert main(arguments(objects, reference, overrides=("views.count=3",))) == 2
    assert "config.views.count: 2 -> 3" in capsys.readouterr().err
    assert hashes(reference) == before


def test_replay_makes_the_same_sample_and_a_scene(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(reference), "s000001-g0001-v1"]) == 0
    assert "the same bytes" in capsys.readouterr().out
    scene = tmp_path / "scene.blend"
    assert main(["replay", str(reference), "s000000-g0000-v0", "--blend", str(scene)]) == 0
    assert scene.stat().st_size > 10_000
    assert main(["replay", str(reference), "s000009-g0000-v0"]) == 2
    assert "no such shard" in capsys.readouterr().err


RENDER_FILE = """
import bpy, sys
bpy.ops.wm.read_factory_settings()
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
bpy.ops.render.render(write_still=True)
"""


@pytest.fixture(scope="module")
def sharp(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of one sample with little noise."""
    folder = tmp_path_factory.mktemp("sharp")
    samples = ("render.samples={parallel: 64, point: 8, environment: 64}", "render.quality.psnr=null")
    overrides = (*samples, "camera={width: 96, height: 96}", "shards={groups: 1, count: 1}")
    shown = ("views={count: 1, canonical: [front]}", "formats.image_compression=zip")
    assert main(arguments(objects, folder, "--shards", "0", overrides=(*overrides, *shown))) == 0
    return folder


@pytest.mark.parametrize("field", ["image_parallel", "image_env0"])
def test_a_saved_scene_renders_the_image_of_the_sample(field: str, sharp: Path, tmp_path: Path) -> None:
    key = "s000000-g0000-v0"
    scene = tmp_path / "elsewhere" / "scene.blend"
    scene.parent.mkdir()
    arguments_of_replay = ["replay", str(sharp), key, "--blend", str(scene), "--light", field]
    assert main(arguments_of_replay) == 0
    subprocess.run([sys.executable, "-c", RENDER_FILE, str(scene)], check=True, capture_output=True)
    rendered = codecs.read_png(scene.parent / f"{key}-{field}.png")
    sample = Dataset(sharp)[key]
    assert rendered.shape == (96, 96, 4)  # the whole frame, not the box of the object
    solid = sample.mask & (sample.alpha > 0.99)
    assert solid.sum() > 500
    assert np.abs(rendered[..., 3] / 65535 - sample.alpha).mean() < 0.01
    assert psnr(png_to_linear(rendered[..., :3]), sample.images[field], solid) > 35


def test_replay_notices_a_shard_that_was_changed(reference: Path, tmp_path: Path) -> None:
    shutil.copytree(reference, tmp_path, dirs_exist_ok=True)
    shard = tmp_path / "multishade-000000.tar"
    content = bytearray(shard.read_bytes())
    place = content.index(b"depth.exr") + 512 + 2000
    content[place] ^= 1
    shard.write_bytes(content)
    assert main(["replay", str(tmp_path), "s000000-g0000-v0"]) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(how: signal.Signals, objects: Path, reference: Path, tmp_path: Path) -> None:
    """Ctrl-C (or a batch system's SIGTERM) in mid-shard: no Blender is left, and a rerun gives the same bytes.

    Until then it ran with the priority of the command.
    """
    command = [sys.executable, "-m", "multishade", *arguments(objects, tmp_path, "--workers", "1")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A background job is started with Ctrl-C ignored, and so would be what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 400
        while not (started := blenders_below(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        priorities = {child.nice() for child in started}
        time.sleep(1.0)
        process.send_signal(how)
        output, _ = process.communicate(timeout=180)
    assert process.returncode == 130, output
    assert priorities == {psutil.Process().nice()}, output  # Ray would have its workers give way
    assert not [child for child in started if child.is_running()], output
    assert not list(tmp_path.glob(".*.tar*")) and not list(tmp_path.glob("*.tmp"))
    assert main(arguments(objects, tmp_path)) == 0
    assert hashes(tmp_path) == hashes(reference)


def blenders_below(pid: int) -> list[psutil.Process]:
    """Ray starts its workers below the driver, and they start Blender."""
    try:
        family = psutil.Process(pid).children(recursive=True)
        return [process for process in family if "blender_scripts.server" in " ".join(process.cmdline())]
    except psutil.NoSuchProcess:
        return []


def test_bad_assets_are_left_out_by_name_and_the_rest_is_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, empty, torn = (tmp_path / f"{name}.ply" for name in ("good", "empty", "torn"))
    trimesh.creation.icosphere(subdivisions=3).export(good)
    trimesh.PointCloud([[0, 0, 0], [1, 0, 0], [0, 1, 0]]).export(empty)
    torn.write_bytes(good.read_bytes()[:300])
    rows = []
    for path in (good, empty, torn):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(
            {
                "id": path.stem,
                "source": "file",
                "location": path.name,
                "sha256": digest,
                "licence": "CC0-1.0",
                "split": "train",
                "family": "file",
            }
        )
    rows.append({**rows[0], "id": "changed", "sha256": "0" * 64})
    manifest = tmp_path / "objects.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    run = arguments(manifest, out, "--shards", "0", overrides=("shards.groups=4",))
    assert main(run) == 1
    printed = capsys.readouterr().out
    assert "(empty, " in printed and "holds no faces" in printed
    assert "(torn, " in printed and "cannot import" in printed
    assert "(changed, " in printed and "sha256" in printed
    assert len(list(read_shard(out / "multishade-000000.tar"))) == 2  # two views of the one good object
    marker = json.loads((out / "multishade-000000.json").read_text())
    assert {failure["object"] for failure in marker["failures"]} == {"empty", "torn", "changed"}
    assert {failure["kind"] for failure in marker["failures"]} == {"asset"}
    # A rerun does not pretend that all is well.
    assert main(run) == 1
    assert "3 groups were left out" in capsys.readouterr().out


@pytest.mark.usefixtures("with_ray")
def test_a_shard_that_cannot_be_made_does_not_stop_the_others(
    objects: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "multishade-000000.tar").mkdir()  # nothing can be renamed onto a folder
    assert main(arguments(objects, out)) == 1
    assert "shard 0 failed: " in capsys.readouterr().out
    assert (out / "multishade-000001.tar").is_file()


def test_missing_device_is_one_clear_error_before_the_work(
    objects: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run = arguments(objects, out, "--gpus-per-worker", "0.5", overrides=("render.device=optix",))
    assert main(run) == 2
    printed = capsys.readouterr()
    message = "render.device is 'optix', but Cycles finds no such device here; available: cpu"
    assert printed.err.count(message) == 1
    assert printed.out == ""  # nothing about shards that do not exist
    assert not list(out.glob("*.tar")) and not list(out.glob("*.failures.json"))


def test_a_worker_without_the_device_gives_its_shard_up_at_once(
    objects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multishade.render.run._require_device", lambda config: None)  # as on a cluster
    config = load_config(DEMO, [*SMALL, f"sources.objects={objects}", "render.device=optix"])
    result = render(make_plan(config), tmp_path, [0])
    assert result.given_up[0].kind is FailureKind.DEVICE and not result.given_up[0].groups
    assert read_shard_failure(tmp_path / "multishade-000000.tar") == result.given_up[0]


def test_gpus_for_a_data_set_of_the_cpu_are_refused(
    objects: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(objects, tmp_path / "out", "--gpus-per-worker", "1")) == 2
    assert "1 GPUs per worker, but render.device is 'cpu'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shards", "0-9"], "the data set has 2 shards, 0 to 1"),
        (["--shards", "one"], "write numbers and ranges such as 0-3"),
        (["--set", "views.cuont=2"], "unknown setting 'views.cuont'"),
        (["--set", "sources.objects=/nowhere.jsonl"], "/nowhere.jsonl"),
        (["-o", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    objects: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(objects, tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*.tar"))


def test_photometric_and_cast_shards(objects: Path, tmp_path: Path) -> None:
    for mode, fields in (("photometric", 3), ("cast", 1)):
        overrides = (f"shading.mode={mode}", "shading.count=4", "camera.type=orthographic", "shards.groups=1")
        assert main(arguments(objects, tmp_path / mode, "--shards", "0", overrides=overrides)) == 0
        from multishade.shards.sample import decode_sample

        sample = decode_sample(*next(iter(read_shard(tmp_path / mode / "multishade-000000.tar"))))
        assert sample.shading is not None
        assert sample.shading.shape == ((4, 48, 48, 3) if fields == 3 else (4, 48, 48))
        assert sample.shading.max() > 0.2
