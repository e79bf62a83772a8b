# SPDX-License-Identifier: Apache-2.0
"""`multishade infer FOLDER`: its tree is kept, what is done is skipped, one bad photo does not stop the rest."""

from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from multishade.cli import main
from multishade.inference.jobs import list_jobs
from tests.support.rose_samples import tiny_model

PLAIN = ["--video", "none", "--integrate", "none", "--formats", "normal_gl"]


def photo(path: Path, level: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 20, 3), level, np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.png", "day/a.png", "day/late/b.png", ".hidden/c.png"):
        photo(folder / name)
    return folder


def test_the_tree_is_kept_and_only_what_changed_is_made_again(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model().save_pretrained(tmp_path / "model")
    out = photos / "out"  # inside of what is searched
    (photos / "day" / "bad.png").write_bytes(b"no photo")
    command = ["infer", str(photos), "--model", str(tmp_path / "model"), "-o", str(out), *PLAIN]
    assert main(command) == 1
    first = capsys.readouterr()
    assert "bad.png" in first.err and "1 of 4 photos have no result" in first.err
    made = {str(path.parent.relative_to(out)): path for path in out.rglob("record.json")}
    assert set(made) == {"a", "day/a", "day/late/b"}
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 3 * 320
    times = {name: path.stat().st_mtime_ns for name, path in made.items()}

    (photos / "day" / "bad.png").unlink()
    photo(photos / "a.png", 140)
    (out / "day" / "a" / "record.json").unlink()  # as if that photo's files had been cut off
    assert main(command) == 0
    assert "1 of 3 photos are done; --overwrite makes them again" in capsys.readouterr().out
    again = {name: path.stat().st_mtime_ns for name, path in made.items()}
    assert [name for name in made if again[name] == times[name]] == ["day/late/b"]
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 3 * 320  # what was done before is on it, too

    assert main([*command, "--overwrite"]) == 0
    assert "are done" not in capsys.readouterr().out


def test_masks_lie_in_the_same_tree_or_flat(photos: Path, tmp_path: Path) -> None:
    masks = photos / "masks"
    for name in ("day/a.tif", "b.png"):
        photo(masks / name, 255)
    jobs = {str(job.place): job.mask for job in list_jobs([photos], tmp_path / "out", masks)}
    assert jobs == {"a": None, "day/a": masks / "day" / "a.tif", "day/late/b": masks / "b.png"}


def test_a_place_of_masks_that_is_no_folder_is_refused_and_missing_masks_are_counted(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model().save_pretrained(tmp_path / "model")
    command = ["infer", str(photos), "--model", str(tmp_path / "model"), "-o", str(tmp_path / "out"), *PLAIN]
    for wrong in (tmp_path / "nothing", photos / "a.png"):
        assert main([*command, "--masks", str(wrong)]) == 2
        assert f"--masks {wrong}: not a folder" in capsys.readouterr().err
    photo(tmp_path / "masks" / "b.png", 255)
    assert main([*command, "--masks", str(tmp_path / "masks")]) == 0
    assert "has no mask for 2 of 3 photos" in capsys.readouterr().err


def test_another_mask_and_a_model_that_was_trained_again_make_results_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "photos" / "a.png")
    photo(tmp_path / "mask.png", 255)
    tiny_model().save_pretrained(tmp_path / "model")
    command = ["infer", str(tmp_path / "photos"), "--mask", str(tmp_path / "mask.png"), *PLAIN]
    command += ["--model", str(tmp_path / "model"), "-o", str(tmp_path / "out")]

    def is_made_again() -> bool:
        assert main(command) == 0
        return "1 of 1 photos are done" not in capsys.readouterr().out

    assert is_made_again() and not is_made_again()
    mask = np.full((16, 20, 3), 255, np.uint8)
    mask[:4] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert is_made_again() and not is_made_again()
    tiny_model().save_pretrained(tmp_path / "model")
    assert is_made_again() and not is_made_again()


def test_photos_of_one_name_have_a_place_each(photos: Path, tmp_path: Path) -> None:
    photo(photos / "a.jpg")
    places = [job.place for job in list_jobs([photos, photos / "day" / "a.png"], tmp_path)]
    assert len(set(places)) == len(places) == 4 and PurePath("a-png") in places
