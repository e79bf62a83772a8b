# SPDX-License-Identifier: Apache-2.0
"""MatSynth through the real `datasets` library: a folder of the Hub's layout, and a Hub on the loopback."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from multishade.assets.fetch import matsynth, matsynth_stream
from multishade.assets.fetch.client import FetchError, FetchPolicy
from multishade.assets.fetch.ingest import FetchJob, FetchResult, write_result
from multishade.assets.fetch.map_files import write_map
from multishade.assets.fetch.matsynth import MatSynthOptions, fetch_matsynth
from multishade.assets.manifest import read_materials
from multishade.assets.sandbox import Limits
from multishade.assets.scanning.map_images import read_map
from multishade.assets.verify import verify_file
from multishade.errors import AssetError
from tests.support.loopback import loopback

QUICK = FetchPolicy(attempts=2, first_wait=0.01)
LIMITS = Limits(workers=1)
CATEGORIES = (
    "ceramic concrete fabric ground leather marble metal misc plaster plastic stone terracotta wood".split()
)
IMAGES = "basecolor diffuse displacement height metallic normal opacity roughness specular blend_mask".split()
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
# MatSynth
"""


def png(pixels: np.ndarray) -> dict[str, Any]:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return {"bytes": packed.getvalue(), "path": None}


def material(number: int, part: str) -> dict[str, Any]:
    """Odd ones are metal; every third is CC-BY; number 4 has no base colour."""
    rng = np.random.default_rng(number + 100 * (part == "test"))
    images: dict[str, Any] = dict.fromkeys(IMAGES)
    images["basecolor"] = None if number == 4 else png(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8))
    images["normal"] = png(np.full((48, 48, 3), (128, 128, 255), np.uint8))
    images["height"] = png(rng.integers(0, 65535, (48, 48), dtype=np.uint16))
    images["roughness"] = png(np.full((48, 48), 100, np.uint8))
    images["metallic"] = png(np.full((48, 48), 0, np.uint8))
    metadata = {
        "authors": ["Jo", "Max"],
        "license": "CC-BY" if number % 3 == 2 else "CC0",
        "link": f"https://example.org/{number}",
        "physical_size": 50.0 if number == 0 else None,
    }
    category = "metal" if number % 2 else "wood"
    return {"name": f"{part} No. {number}", "category": category, "metadata": metadata, **images}


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import datasets

    folder = tmp_path_factory.mktemp("hub")
    text = datasets.Value("string")
    metadata = {
        "authors": datasets.List(text),
        "license": text,
        "link": text,
        "physical_size": datasets.Value("float32"),
    }
    names = datasets.ClassLabel(names=CATEGORIES)
    images = {name: datasets.Image() for name in IMAGES}
    features = datasets.Features({"name": text, "category": names, "metadata": metadata, **images})
    (folder / "data").mkdir()
    datasets.disable_progress_bars()
    for part, shards in (("train", 2), ("test", 1)):
        for shard in range(shards):
            rows = [material(3 * shard + number, part) for number in range(3)]
            table = datasets.Dataset.from_list(rows, features=features)
            table.to_parquet(str(folder / "data" / f"{part}-{shard:05d}-of-{shards:05d}.parquet"))
    (folder / "README.md").write_text(CARD)
    return folder


def fetch(hub_folder: Path | str, folder: Path, **changes: Any) -> FetchResult:
    options = MatSynthOptions(**({"repository": str(hub_folder), "max_size": None} | changes))
    manifest = folder / "materials.jsonl"
    result = fetch_matsynth(options, FetchJob(folder / "cache", manifest, QUICK, LIMITS))
    write_result(result, manifest)
    return result


def test_materials_come_with_kind_scale_licence_and_their_bytes(hub_folder: Path, tmp_path: Path) -> None:
    result = fetch(hub_folder, tmp_path)
    rows = read_materials(tmp_path / "materials.jsonl")
    assert [row.id for row in rows] == [f"train-No-{number}" for number in (0, 1, 2, 3, 5)]
    assert [row.kind for row in rows] == ["non-metallic", "metallic", "non-metallic", "metallic", "metallic"]
    assert rows[0].scale == 0.5 and rows[1].scale is None
    assert [row.licence for row in rows] == ["CC0-1.0", "CC0-1.0", "CC-BY", "CC0-1.0", "CC-BY"]
    assert all((row.normal_convention, row.normal_convention_from) == ("opengl", "given") for row in rows)
    assert rows[1].tags == ("matsynth", "metal")
    for row in rows:
        verify_file(row)
        assert row.split in ("train", "val")
    assert (rows[0].path / "height.png").read_bytes() == material(0, "train")["height"]["bytes"]
    assert not (rows[0].path / "diffuse.png").exists()
    assert [(each.name, each.reason) for each in result.rejected] == [("train No. 4", "has no base colour")]
    credits = (tmp_path / "materials.jsonl.credits.tsv").read_text().splitlines()
    assert credits[3].split("\t") == [
        "train-No-2",
        "train No. 2",
        "Jo, Max",
        "https://example.org/2",
        "CC-BY",
    ]


def test_the_test_part_stays_for_testing(hub_folder: Path, tmp_path: Path) -> None:
    assert {row.split for row in fetch(hub_folder, tmp_path, part="test").rows} == {"test"}


def test_a_run_continues_where_the_last_one_stopped(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed: list[str] = []
    save = matsynth._save

    def noting(example: dict[str, Any], *rest: Any) -> dict[str, Any]:
        streamed.append(example["name"])
        return save(example, *rest)

    monkeypatch.setattr(matsynth, "_save", noting)
    few = fetch(hub_folder, tmp_path, limit=2)
    assert [row.id for row in few.rows] == ["train-No-0", "train-No-1"]
    every = fetch(hub_folder, tmp_path)
    assert streamed == [f"train No. {number}" for number in range(6)]
    assert every.rows[:2] == few.rows and len(every.rows) == 5
    assert fetch(hub_folder, tmp_path) == every and len(streamed) == 6


def test_licence_and_category_select_materials(hub_folder: Path, tmp_path: Path) -> None:
    free = fetch(hub_folder, tmp_path, licences=("cc0",))
    assert {row.licence for row in free.rows} == {"CC0-1.0"}
    assert "its licence 'CC-BY' is not among cc0" in {each.reason for each in free.rejected}
    metal = fetch(hub_folder, tmp_path, categories=("metal",))
    assert {row.kind for row in metal.rows} == {"metallic"}
    with pytest.raises(AssetError, match="'gpl' is not one of"):
        fetch(hub_folder, tmp_path, licences=("gpl",))


def test_a_broken_stream_is_opened_again(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open, opened = matsynth_stream.open_data_set, {"times": 0, "breaks": 2}

    class Breaking:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[Any]:
            for number, example in enumerate(self._stream):
                if number == 2 and opened["times"] <= opened["breaks"]:
                    raise ConnectionError("the connection was reset")
                yield example

        def state_dict(self) -> Any:
            return self._stream.state_dict()

        def load_state_dict(self, state: Any) -> None:
            self._stream.load_state_dict(state)

    def opening(repository: str, part: str) -> tuple[Any, list[str]]:
        opened["times"] += 1
        stream, names = real_open(repository, part)
        return Breaking(stream), names

    monkeypatch.setattr(matsynth_stream, "open_data_set", opening)
    assert len(fetch(hub_folder, tmp_path / "a").rows) == 5 and opened["times"] == 3
    opened.update(times=0, breaks=99)

    def never(repository: str, part: str) -> tuple[Any, list[str]]:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(matsynth_stream, "open_data_set", never)
    gone = fetch(hub_folder, tmp_path / "a")
    assert len(gone.rows) == 5 and gone.stopped is not None and "no route to host" in gone.stopped


def test_a_full_disk_stops_the_run_and_keeps_what_is_there(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = {"left": 7}

    def filling(data: bytes, folder: Path, column: str, max_size: int | None) -> str:
        writes["left"] -= 1
        if writes["left"] < 0:
            raise OSError(28, "No space left on device")
        return write_map(data, folder, column, max_size)

    with monkeypatch.context() as patch:
        patch.setattr(matsynth, "write_map", filling)
        stopped = fetch(hub_folder, tmp_path)
    assert (
        stopped.stopped is not None
        and "No space left on device" in stopped.stopped
        and len(stopped.rows) == 1
    )
    assert not list((tmp_path / "cache").rglob("*.part"))
    assert len(fetch(hub_folder, tmp_path).rows) == 5


def test_a_data_set_of_another_form_is_named(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "other"
    (folder / "data").mkdir(parents=True)
    datasets.Dataset.from_list([{"name": "x"}]).to_parquet(
        str(folder / "data" / "train-00000-of-00001.parquet")
    )
    (folder / "README.md").write_text(CARD.replace("  - split: test\n    path: data/test-*\n", ""))
    with pytest.raises(FetchError, match="has another form than expected"):
        fetch(folder, tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shrinking_keeps_depth_mean_and_unit_normals(tmp_path: Path, dtype: type) -> None:
    from multishade.imaging.codecs import encode_png

    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    grey = rng.integers(0, top, (64, 32), dtype=dtype)
    assert write_map(encode_png(grey), tmp_path, "height", 32) == "height.png"
    small = read_map(tmp_path / "height.png")
    assert small.shape == (32, 16, 1) and abs(small.mean() - grey.mean() / top) < 1e-3
    vectors = rng.normal([0, 0, 2], 0.4, (64, 64, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    stored = np.round((vectors + 1) / 2 * top).astype(dtype)
    write_map(encode_png(stored), tmp_path, "normal", 16)
    length = np.linalg.norm(read_map(tmp_path / "normal.png") * 2 - 1, axis=2)
    np.testing.assert_allclose(length, 1, atol=0.02)
    write_map(encode_png(grey), tmp_path, "roughness", 64)
    assert (tmp_path / "roughness.png").read_bytes() == encode_png(grey)
    with pytest.raises(AssetError, match="its basecolor is not in a supported image format"):
        write_map(b"nothing", tmp_path, "basecolor", None)


def test_a_map_that_cannot_be_shrunk_is_named(tmp_path: Path) -> None:
    import cv2

    wide = io.BytesIO()
    Image.new("I;16", (2_000_000, 1)).save(wide, "TIFF")
    floats = cv2.imencode(".tif", np.zeros((8, 8, 3), np.float32))[1].tobytes()
    for data, reason in (
        (wide.getvalue(), "its normal cannot be decoded"),
        (floats, "its normal holds float32"),
    ):
        with pytest.raises(AssetError, match=reason):
            write_map(data, tmp_path, "normal", 4)


def test_a_hub_is_streamed_over_its_own_protocol(hub_folder: Path, tmp_path: Path) -> None:
    """In a process of its own, since the Hub's address is read when the library is imported."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from multishade.assets.fetch.client import FetchPolicy\n"
        "from multishade.assets.fetch.ingest import FetchJob\n"
        "from multishade.assets.fetch.matsynth import MatSynthOptions, fetch_matsynth\n"
        "from multishade.assets.sandbox import Limits\n"
        "from multishade.errors import AssetError\n"
        "folder = Path(sys.argv[1])\n"
        "options = MatSynthOptions(max_size=32, repository=sys.argv[2])\n"
        "policy = FetchPolicy(attempts=1, first_wait=0.01)\n"
        "job = FetchJob(folder, folder / 'm.jsonl', policy, Limits(workers=1))\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        found = fetch_matsynth(options, job)\n"
        "    except AssetError as error:\n"
        "        sys.exit(f'error: {error}')\n"
        "    print(len(found.rows), sorted({row.kind for row in found.rows}), found.stopped)\n"
    )
    (tmp_path / "run.py").write_text(code)

    def run(repository: str, endpoint: str) -> subprocess.CompletedProcess[str]:
        home = str(tmp_path / "home")
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": home, "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "cache"), repository]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)

    with loopback() as server:
        files = (path for path in hub_folder.rglob("*") if path.is_file())
        server.hub["gvecchio/MatSynth"] = {
            path.relative_to(hub_folder).as_posix(): path.read_bytes() for path in files
        }
        done = run("gvecchio/MatSynth", server.url)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip() == "5 ['metallic', 'non-metallic'] None"
        ranges = [asked for path, asked in server.asked if path.startswith("/storage/")]
        assert ranges and all(ranges)  # parts of the files, never a whole one
        missing = run("gvecchio/NoSuchSet", server.url)
        assert missing.returncode == 1 and "NoSuchSet" in missing.stderr
