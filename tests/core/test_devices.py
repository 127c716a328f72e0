"""Where training runs, and what is said where a device is missing."""

import os
from types import SimpleNamespace

import pytest
import torch

from featurelearning.training import devices


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Put the process back afterwards: its threads, and the variables that `configure` sets."""
    for name in ("CACHE_DIR", "COMPILE_THREADS", "CPP_CACHE_PRECOMPILE_HEADERS"):
        monkeypatch.setenv(f"TORCHINDUCTOR_{name}", "")
        monkeypatch.delenv(f"TORCHINDUCTOR_{name}")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_threads_and_the_cache_folder_of_this_processor_are_set(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH_FOLDER", str(tmp_path))
    assert devices.configure(2, "cpu", "$SCRATCH_FOLDER/compile") == torch.device("cpu")
    assert torch.get_num_threads() == 2
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compile" / devices.processor())


def test_the_home_folder_is_expanded_where_the_job_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert devices.cache_folder("~/x").parent == tmp_path / "x"


def test_a_cache_folder_of_a_variable_that_is_not_set_is_refused(monkeypatch):
    monkeypatch.setenv("SCRATCH_FOLDER", "")
    with pytest.raises(ValueError) as caught:
        devices.cache_folder("$SCRATCH_FOLDER/compile")
    message = str(caught.value)
    assert message.startswith("compile_cache: '$SCRATCH_FOLDER/compile' names the environment variable SCRATCH_FOLDER,")
    assert message.endswith("write the folder itself, such as the default, .cache/compile")


def test_a_relative_cache_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    devices.configure(1, "cpu", ".cache/compile")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / ".cache" / "compile" / devices.processor())


def test_the_processors_folder_name_is_plain_and_stable():
    assert devices.processor() == devices.processor()
    assert devices.processor().replace("-", "").replace("_", "").isalnum()


def test_cuda_asked_for_and_absent_is_refused(no_gpu, tmp_path):
    with pytest.raises(ValueError) as caught:
        devices.configure(1, "cuda", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"device: 'cuda' was asked for, but torch {torch.__version__} finds no CUDA device")
    assert "allowed here: 'auto'" in message and "install a CUDA build of torch" in message


def test_auto_falls_back_to_the_cpu_and_says_so(no_gpu, tmp_path, capsys):
    assert devices.configure(1, "auto", tmp_path) == torch.device("cpu")
    assert capsys.readouterr().out == "device: auto finds no CUDA device, training runs on the CPU\n"


def test_cpu_asked_for_is_silent(no_gpu, tmp_path, capsys):
    devices.configure(1, "cpu", tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("device, wanted", [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_a_gpu_is_taken_unless_the_cpu_is_asked_for(monkeypatch, tmp_path, device, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.configure(1, device, tmp_path) == torch.device(wanted)


def test_the_recorded_name_says_which_instructions_the_cpu_has():
    assert devices.name(torch.device("cpu")).startswith("cpu: ")
    assert torch.backends.cpu.get_cpu_capability() in devices.name(torch.device("cpu"))


CUDA = torch.device("cuda", 0)
SMI = """#!/bin/sh
[ "$*" = "--id=GPU-1234 --query-gpu=utilization.gpu --format=csv,noheader" ] && echo "87 %"
"""


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 20 000 bytes, half of them free, of which at most three MiB were taken."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 20_000))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234"))


def test_training_may_take_four_fifths_of_a_gpus_memory_and_all_of_a_cpus(gpu):
    assert devices.memory(CUDA) == 16_000 and devices.memory(torch.device("cpu")) is None


def test_a_result_says_how_a_gpu_was_used_and_nothing_of_a_cpu(gpu, tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert devices.usage(CUDA) == {"device_memory_peak": "3 MiB", "device_utilization": "87 %"}
    assert devices.usage(torch.device("cpu")) == {}


@pytest.mark.parametrize("program", [None, "#!/bin/sh\nexit 9\n"])
def test_a_utilization_that_nvidia_smi_does_not_tell_is_unknown(gpu, tmp_path, monkeypatch, program):
    monkeypatch.setenv("PATH", str(tmp_path))
    if program:
        (tmp_path / "nvidia-smi").write_text(program)
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert devices.utilization(CUDA) == "unknown"
