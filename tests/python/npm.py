"""Fetches a package of npm's once, checks that it is the one that was looked at, and unpacks it."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from tracers import REPOSITORY, unavailable


def package(name: str, version: str, sha512: str) -> Path:
    """The directory of a package; where the registry cannot be reached, skip the test."""
    cache = REPOSITORY / "target" / name
    archive = cache / f"{name}-{version}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            unavailable(f"npm is not installed, which fetches {name}")
        cache.mkdir(parents=True, exist_ok=True)
        command = [str(npm), "pack", f"{name}@{version}", "--pack-destination", str(cache)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            # A registry that cannot be reached is neither a tool that is missing nor a fault of ours.
            reason = f"npm cannot fetch {name}@{version}: {done.stderr.strip()[:300]}"
            print(f"skipped: {reason}")
            pytest.skip(reason)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != sha512:
        archive.unlink()
    assert digest == sha512, f"{archive} is not the {name}@{version} that was looked at; it was removed"
    with tarfile.open(archive) as packed:
        packed.extractall(cache, filter="data")
    return cache / "package"
