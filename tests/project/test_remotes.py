"""Artifacts through DVC's remotes: S3, a damaged store, a damaged cache. The whole line's: test_line.py."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.secrets import SECRETS, leaks
from tests.project.tiny import ROOT, copy_project, dvc, environment, git

PAIRS = "data/binarize/pairs.parquet"
COMPLETIONS = "data/pull/completions.parquet"
BUCKET = "preference-data"


TEXT = (ROOT / "docs/remotes.md").read_text(encoding="utf-8")


def commands(title: str) -> list[str]:
    """The commands that a section of docs/remotes.md shows, but those marked as not run."""
    section = re.search(rf"^## {title}$.*?(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert section, title
    blocks = re.findall(r"(-->\n)?^ *```sh\n(.*?)^ *```", section.group(), flags=re.MULTILINE | re.DOTALL)
    return [line.strip() for marked, block in blocks if not marked for line in block.splitlines()]


def shell(folder: Path, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    names = {
        f"GIT_{who}_{what}": "test@example.invalid"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(folder, names),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two stages, run, committed, and pushed to a folder beside it, as the guide has it."""
    folder = tmp_path_factory.mktemp("shared") / "project"
    copy_project(folder, {"source": {"sample": {"rows": 20, "seed": 7}}}, ("pull", "binarize"))
    dvc(folder, "repro")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first run")
    told = [shell(folder, command) for command in commands("A folder")]
    assert "files pushed" in told[-1].stdout
    return folder


def fresh_clone(project: Path, folder: Path) -> Path:
    git(project, "clone", "-q", str(project), str(folder))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    found = [path for top in ("data/pull", "data/binarize", "metrics") for path in (folder / top).rglob("*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.is_file()}


def flip_a_bit(path: Path) -> None:
    """In the middle of the file, leaving its size, time and rights."""
    facts = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    path.chmod(facts.st_mode & 0o777)


def stored(store: Path, file: Path) -> Path:
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    return store / "files/md5" / md5[:2] / md5[2:]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server in this process, with an empty bucket."""
    pytest.importorskip("dvc_s3", reason="the extra s3 is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        urllib.request.urlopen(urllib.request.Request(f"{address}/{BUCKET}", method="PUT")).close()
        yield address
    finally:
        server.stop()


def use_s3(folder: Path, address: str) -> None:
    lines = ["[core]", "remote = bucket", "['remote \"bucket\"']"]
    lines += [f"url = s3://{BUCKET}/dvc", f"endpointurl = {address}"]
    (folder / ".dvc/config.local").write_text("\n".join(lines) + "\n")


def test_a_fresh_clone_takes_everything_from_s3(project: Path, s3: str, tmp_path: Path) -> None:
    """And the keys, which DVC takes from the environment, are nowhere."""
    use_s3(project, s3)
    said = [dvc(project, "push", more=SECRETS)]
    (project / ".dvc/config.local").unlink()
    clone = fresh_clone(project, tmp_path / "clone")
    use_s3(clone, s3)
    said.append(dvc(clone, "pull", more=SECRETS))
    assert files(clone) == files(project)
    said.append(again := dvc(clone, "repro", more=SECRETS))
    assert "Running stage" not in again.stdout and "Data and pipelines are up to date" in again.stdout
    assert git(clone, "status", "--short") == ""

    # Nobody there: an error within seconds.
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        nobody = f"http://127.0.0.1:{reserved.getsockname()[1]}"
    use_s3(clone, nobody)
    shutil.rmtree(clone / ".dvc/cache")
    shutil.rmtree(clone / "data/pull")
    said.append(failed := dvc(clone, "pull", "-v", check=False, more=SECRETS))
    assert failed.returncode != 0

    told = "".join(done.stdout + done.stderr for done in said)
    assert [name for name, value in SECRETS.items() if value in told] == []
    assert leaks(project.parent) == [] and leaks(tmp_path) == []


def test_a_remote_that_verifies_hands_out_nothing_damaged(project: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(project.parent / "store", store)
    flip_a_bit(stored(store, project / COMPLETIONS))
    clone = fresh_clone(project, tmp_path / "clone")
    shell(clone, commands("Damage")[0])  # its remote is ../store, too
    assert dvc(clone, "pull", check=False).returncode != 0
    assert not (clone / COMPLETIONS).exists() and files(clone).get(PAIRS) == (project / PAIRS).read_bytes()

    flip_a_bit(stored(store, project / COMPLETIONS))  # someone mends the store
    pull, repro = [shell(clone, command) for command in commands("A fresh clone")]
    assert "file" in pull.stdout and "Running stage" not in repro.stdout
    assert files(clone) == files(project)


def test_damage_that_dvc_hands_out_is_not_computed_with(project: Path, tmp_path: Path) -> None:
    """DVC brings it and calls it up to date; the stage that reads it stops, and one command takes it away."""
    store = tmp_path / "store"
    shutil.copytree(project.parent / "store", store)
    flip_a_bit(stored(store, project / COMPLETIONS))
    clone = fresh_clone(project, tmp_path / "clone")
    dvc(clone, "pull")
    assert files(clone) != files(project)

    failed = dvc(clone, "repro", "--force", "--single-item", "binarize", check=False)
    assert failed.returncode != 0
    assert f"(file {COMPLETIONS})" in failed.stderr and "python -m pipeline damaged --remove" in failed.stderr
    assert (clone / PAIRS).read_bytes() == (project / PAIRS).read_bytes()

    _, look, remove = commands("Damage")
    told = shell(clone, look, check=False)
    assert told.returncode == 1 and told.stdout.startswith(f"{COMPLETIONS}: MD5 ")
    assert "2 damaged" in told.stdout  # here, and in the cache
    shell(clone, remove)
    # The store is damaged still: the stage makes its outs again, and they are the same bytes.
    again = dvc(clone, "repro").stdout
    assert "Running stage 'pull'" in again and "Running stage 'binarize'" not in again
    assert files(clone) == files(project)


def test_every_block_of_the_guide_is_run_or_says_why_not() -> None:
    assert sum(map(len, map(commands, re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE)))) == 8
    assert len(re.findall(r"^<!-- Not run.*-->\n```sh", TEXT, flags=re.MULTILINE)) == 3
