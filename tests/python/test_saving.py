"""Where a run is saved and shown from: links, pipes, devices, directories, small disks, and whose file it is."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, GUARD_SECONDS, compare, run, statements
from users import python_of_everybody

SHORT = ("--time", "0.2", "--size", "64", "--dtype", "float32")


def test_showing_a_pipe_waits_for_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [COMMAND, "show", str(pipe)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GUARD_SECONDS)
    assert done.returncode == 1
    assert "is not a regular file" in done.stderr


def refused(save: str, text: str, **options: Any) -> None:
    """Check that a place is refused, before a statement was run."""
    ran = "raise RuntimeError('it was run')"
    done = compare(*statements(ran), "--save", save, expected=1, **options)
    assert text in done.stderr
    assert "help: " in done.stderr
    assert "it was run" not in done.stderr


def test_what_a_save_would_destroy_is_refused(tmp_path: Path) -> None:
    pipe, thesis = tmp_path / "pipe", tmp_path / "thesis"
    os.mkfifo(pipe)
    thesis.write_text("my thesis")
    refused(str(pipe), "it is a pipe")
    refused(str(thesis), "it is not a run file")
    refused(str(tmp_path / "new") + "/", "not the name of a file")
    refused(str(tmp_path / "none" / "x"), "No such file or directory")
    assert thesis.read_text() == "my thesis"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "thesis"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_not_replaced_by_a_run(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this container lets nobody make a device")
    refused(str(device), "it is a device")
    assert device.is_char_device()


def test_a_run_is_saved_through_a_link_and_over_another_run(tmp_path: Path) -> None:
    link, run = tmp_path / "link", tmp_path / "run"
    link.symlink_to(run)
    compare(*statements("1"), "--save", str(link))
    first = run.read_bytes()
    compare(*statements("1"), "--save", str(link))
    assert link.is_symlink()
    assert run.read_bytes() != first
    subprocess.run([COMMAND, "show", str(link)], capture_output=True, check=True, timeout=GUARD_SECONDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "run"]


def test_a_run_that_cannot_be_saved_is_shown_all_the_same(tmp_path: Path) -> None:
    save = tmp_path / "run"
    setup = f"import os; os.makedirs({str(save)!r}, exist_ok=True)"
    done = compare(*statements("1", setup=setup), "--save", str(save), expected=1)
    assert "time per operation" in done.stdout
    assert "it is a directory" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_sudo_saves_belongs_to_the_user_who_called_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65533)
    python, needed = python_of_everybody()
    environment = {**os.environ, **needed, "SUDO_UID": "65534", "SUDO_GID": "65533", "HOME": str(home)}
    environment.pop("XDG_CACHE_HOME", None)
    save, link = tmp_path / "run.rtrace", tmp_path / "link"
    link.symlink_to(save)
    run("compare", *SHORT, "--python", python, "--save", str(link), env=environment)
    owner = save.stat()
    assert (owner.st_uid, owner.st_gid) == (65534, 65533)
    assert link.lstat().st_uid == 0
    # What is kept for later runs is as much theirs as the home it is in.
    kept = list(home.rglob("*"))
    assert kept
    assert {(path.stat().st_uid, path.stat().st_gid) for path in kept} == {(65534, 65533)}
    # Without sudo it is root's.
    for variable in ("SUDO_UID", "SUDO_GID"):
        del environment[variable]
    run("compare", *SHORT, "--python", python, "--save", str(save), env=environment)
    assert save.stat().st_uid == 0
