"""Measure the speed of the workflow and print one table; run by hand (`make bench`), never asserted.

The first rows are timed here, in one run, interleaved and as the best of 20, so that they compare on a noisy machine.
The rows on whole runs are read from Snakemake's benchmark files in results/benchmarks, where a full run has left them.
"""

import argparse
import csv
import functools
import importlib.util
import math
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from featurelearning.networks import curvature, dense, two_layer_kernels, two_layer_relu
from featurelearning.optimizers import sigma_power
from featurelearning.optimizers.problem import Problem
from featurelearning.training import classification, descent, devices, loop
from featurelearning.training import methods as methods_by_name
from featurelearning.training.experiments import Models, Recipe
from tests import bench_workflow
from tests.preconditioning import synthetic
from workflow.core import configuration
from workflow.preconditioning import grid

ROOT = Path(__file__).resolve().parents[1]
MODELS, SAMPLES, INPUTS, HIDDEN = 10, 200, 10, 500
FLOP = 4 * SAMPLES * (INPUTS + 1) * HIDDEN + 4 * SAMPLES * HIDDEN  # of one model-step
CACHE = ROOT / ".cache" / "compile"
RATE, SLOW, DECAY, SQUARE, BEST_OF, THREADS = 0.01, 1e-5, 1e-6 / SAMPLES, 2048, 20, 2
BATCHES = (10, 100, 1000, 10_000)  # models at once on a GPU
GRAM = SAMPLES**2 * (HIDDEN + 1) + SAMPLES**3 // 3  # a symmetric product of features, and its Cholesky factor
SQUARE_GRADIENT = 2 * INPUTS * HIDDEN**2  # the first layer's gradient times a matrix of the hidden units
METHODS = {  # hyper-parameters, products of a model-step (FLOP), and how many fast gradient steps it may take
    "momentum": ({"momentum": 0.9}, FLOP, ""),
    "adam": ({}, FLOP, ""),
    "sam": ({"rho": 0.05}, 2 * FLOP, "<= 2.2 x"),
    "adahessian": ({"p": -1.0}, 3 * FLOP, "<= 3 x"),
    "row_sum_hessian": ({"p": -1.0}, 3 * FLOP, "<= 3 x"),
    "kfac_input": ({"damping": 1e-3}, FLOP + GRAM, "<= 8 x"),
    "kfac": ({"damping": 1e-3}, FLOP + 2 * GRAM, "<= 15 x"),
    "shampoo": ({}, FLOP + 2 * SQUARE_GRADIENT, "<= 8 x"),  # without its roots
    "muon": ({}, FLOP + 5 * 6 * INPUTS**2 * HIDDEN, "<= 8 x"),
    "soap": ({}, FLOP + 4 * SQUARE_GRADIENT + 10 * HIDDEN**3 // 3 // 10, "<= 10 x"),
}
AMORTISED = 1000  # steps of each method
GATHERED = (250, 500, 1000)  # shards
# A program between, for its size: a child's peak memory counts from that of the process which it was forked from.
OPTIONS = {"cwd": ROOT, "capture_output": True, "text": True}
MEASURED = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], stderr=subprocess.STDOUT)
print("KiB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def problem(m: int = MODELS, device: str = "cpu") -> tuple[dense.Params, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return models, inputs, labels and diagonal preconditioners of the default noise study's shape."""
    rng = np.random.default_rng(0)
    params = dense.stack(
        [two_layer_relu.kaiming_uniform(rng, INPUTS, HIDDEN, 1, 0.1) for _ in range(m)], torch.float32, device
    )
    x = torch.as_tensor(rng.standard_normal((m, SAMPLES, INPUTS)), dtype=torch.float32, device=device)
    y = torch.as_tensor(rng.standard_normal((m, SAMPLES)), dtype=torch.float32, device=device)
    return params, x, y, torch.linspace(0.5, 1.5, INPUTS, device=device).expand(m, INPUTS).contiguous()


def ours(steps: int, compiled: bool, folder: Path, m: int = MODELS, device: str = "cpu"):
    """Return a function that trains the batch for some steps as the workflow does: compiled descent, or torch step."""
    params, x, y, p = problem(m, device)
    rate, updates = torch.full((m,), RATE, device=device), torch.zeros(m, dtype=torch.int32, device=device)
    if compiled:
        library = two_layer_kernels.build(folder) or sys.exit(
            "bench: the C++ descent cannot be built here, so it has no speed"
        )
        advance = descent.stepper(two_layer_kernels, library, x, y, p, rate, DECAY)
    else:
        gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
        advance = loop.stepper(loop.Rule(gradients, sigma_power, Problem(p), rate, DECAY, compiled=True))
    return lambda: advance(params, {}, updates, steps)


def method(name: str, hyperparameters: dict[str, float], steps: int, folder: Path):
    """Return a function that trains the batch on by some steps of a method, as the workflow does on a CPU."""
    optimizer = importlib.import_module(f"featurelearning.optimizers.{name}")
    params, x, y, p = problem()
    about, m = {"folder": folder, "x": x, "y": y}, len(x)
    gradients = functools.partial(two_layer_kernels.gradients, **about)
    given = Problem(
        p,
        {key: torch.full((m, 1, 1), value) for key, value in hyperparameters.items()},
        loop.penalised(gradients, 0.0 if methods_by_name.decoupled(optimizer) else DECAY),
        functools.partial(two_layer_kernels.gradients_along, **about),
        two_layer_relu,
        x,
        curvature.squared_error_root,
        torch.arange(2 * m, dtype=torch.int32).reshape(m, 2),
    )
    rule = loop.Rule(gradients, optimizer, given, torch.full((m,), SLOW), DECAY, compiled=True)
    advance = loop.stepper(rule)
    at = [params, optimizer.init(params, given), torch.zeros(m, dtype=torch.int32)]

    def run() -> None:
        at[:] = advance(*at, steps)

    return run


def plain(steps: int):
    """Return a function that trains the models one by one with nn.Sequential and autograd, without logging."""
    params, x, y, p = problem()
    networks = []
    for i in range(MODELS):
        net = torch.nn.Sequential(torch.nn.Linear(INPUTS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
        values = (params["weight1"][i].T, params["bias1"][i, 0], params["weight2"][i].T, params["bias2"][i, 0])
        torch.nn.utils.vector_to_parameters(torch.cat([v.flatten() for v in values]), net.parameters())
        networks.append(net)

    @torch.enable_grad()
    def run() -> None:
        for _ in range(steps):
            for i, net in enumerate(networks):
                loss = torch.nn.functional.mse_loss(net(x[i])[:, 0], y[i])
                net.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for j, parameter in enumerate(net.parameters()):
                        gradient = parameter.grad @ torch.diag(p[i]) if j == 0 else parameter.grad
                        parameter -= RATE * gradient

    return run


def interleaved(functions: dict, rounds: int = BEST_OF) -> dict[str, float]:
    """Return the best time of each function, taken in turn after a warm-up."""
    best = dict.fromkeys(functions, float("inf"))
    for round_ in range(rounds + 2):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if round_ >= 2:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def hot_loop(threads: int, folder: Path) -> list[tuple[str, str, str]]:
    """Return the rows on the training step against the machine's matrix product and the plain loop."""
    torch.set_num_threads(threads)
    square = torch.randn(SQUARE, SQUARE)
    with torch.no_grad():
        functions = {"matmul": lambda: square @ square, "plain": plain(1)}
        functions |= {"descent": ours(20, True, folder), "torch": ours(20, False, folder)}
        best = interleaved(functions)
    rate = 2 * SQUARE**3 / best["matmul"]
    step, general, loop = best["descent"] / 20 / MODELS, best["torch"] / 20 / MODELS, best["plain"] / MODELS
    where = f"{threads} thread{'s' * (threads > 1)}"
    return [
        (f"matrix product {SQUARE}^3, {where}", f"{rate / 1e9:.0f} GFLOP/s", ""),
        (f"model-step, {where}", f"{step * 1e6:.1f} us", ""),
        (f"model-step of the general path (torch.compile), {where}", f"{general * 1e6:.1f} us", ""),
        (f"share of the matrix-product rate, {where}", f"{FLOP / step / rate:.2f}", ">= 0.35"),
        (f"plain per-model loop over ours, {where}", f"{loop / step:.1f} x ({loop * 1e6:.0f} us)", ">= 12 x"),
    ]


def amortised(functions: dict, rounds: int) -> dict[str, float]:
    """Return the time of some rounds of each function, taken in turn, after one that compiles."""
    total = dict.fromkeys(functions, 0.0)
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            total[name] += (round_ > 0) * (time.perf_counter() - start)
    return total


def methods(folder: Path) -> list[tuple[str, str, str]]:
    """Return the rows on the other methods, on one thread, over many steps: a model-step against the fast one's.

    Beside it stands the time that its products alone would take at the rate of the matrix product.
    """
    torch.set_num_threads(1)
    torch._dynamo.config.recompile_limit = 8 * len(METHODS)  # all methods share the code that is compiled for each
    square, each = torch.randn(SQUARE, SQUARE), AMORTISED // BEST_OF
    with torch.no_grad():
        rate = 2 * SQUARE**3 / interleaved({"matmul": lambda: square @ square})["matmul"]
        functions = {"descent": ours(each, True, folder)}
        functions |= {name: method(name, given, each, folder) for name, (given, *_) in METHODS.items()}
        total = amortised(functions, BEST_OF)
    rows = []
    for name, (_, flop, bar) in METHODS.items():
        micro = total[name] / AMORTISED / MODELS * 1e6
        value = f"{total[name] / total['descent']:.1f} x ({micro:.0f} us, products {flop / rate * 1e6:.0f} us)"
        rows.append((f"model-step of {name} over the fast gradient step, 1 thread, {AMORTISED} steps", value, bar))
    return rows


def images() -> list[tuple[str, str, str]]:
    """Return the row on training on images: the products of its steps against the matrix product, one thread."""
    torch.set_num_threads(1)
    n, d, hidden, steps = 1200, 784, 256, 50
    rng, square = np.random.default_rng(0), torch.randn(SQUARE, SQUARE)
    data = {f"x_{name}": rng.random((MODELS, n, d), np.float32) for name in ("train", "validation")}
    data |= {f"y_{name}": rng.integers(10, size=(MODELS, n)) for name in ("train", "validation")}
    initial = [two_layer_relu.torch_default(rng, d, hidden, 10) for _ in range(MODELS)]
    models = Models(two_layer_relu, initial, data, [f"model {i}" for i in range(MODELS)])
    recipe = Recipe("sgd", 0.1, steps, steps // 10, 1e-4)
    flop = steps * MODELS * 4 * n * (d + 1.5 * 10) * hidden
    best = interleaved({"matmul": lambda: square @ square, "images": lambda: classification.fit(models, recipe)}, 3)
    share = flop / best["images"] / (2 * SQUARE**3 / best["matmul"])
    return [("image training, whole runs: share of the matrix-product rate, 1 thread", f"{share:.2f}", ">= 0.8")]


def gpu_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Return models x steps per second on a GPU against the size of the batch, with the share of its matrix product."""
    if not torch.cuda.is_available():
        return [("model-steps a second on a GPU, by batch", "no CUDA device here: not measured", "")]
    square = torch.randn(SQUARE, SQUARE, device="cuda")
    rate = 2 * SQUARE**3 / gpu_seconds(lambda: square @ square)
    rows = [(f"matrix product {SQUARE}^3 on {torch.cuda.get_device_name()}", f"{rate / 1e9:.0f} GFLOP/s", "")]
    for m in BATCHES:
        speed = 20 * m / gpu_seconds(ours(20, False, folder, m, "cuda"))
        name = f"model-steps a second on it in a batch of {m}, share of that rate"
        rows.append((name, f"{speed:.3g}, {FLOP * speed / rate:.2f}", ""))
    return rows


def gpu_seconds(function) -> float:
    """Return the best of some times of a function on the GPU, after a warm-up."""
    times = []
    for _ in range(7):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[2:])


def dry_run(name: str, bar: str, *config: str) -> tuple[str, str, str]:
    """Return the row of a dry-run of the workflow with some configuration: time, memory, number of jobs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--directory", folder]
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", MEASURED, *command, "--config", *config], **OPTIONS)
        seconds = time.perf_counter() - start
    jobs, memory = (re.search(rf"^{name} +(\d+)", done.stdout, re.MULTILINE) for name in ("total", "KiB"))
    if not jobs:
        return name, f"failed: {(done.stdout + done.stderr)[-200:]}", bar
    return name, f"{seconds:.1f} s, {int(memory[1]) / 1024:.0f} MiB, {jobs[1]} jobs", bar


def seeds_for(cells: int, default: dict) -> int:
    """Return the number of seeds with which the default grid has so many cells, models that are trained."""
    each = sum(grid.trained_files(configuration.validate(default | {"seeds": 10})).values()) / 10
    return math.ceil(cells / each)


def scale() -> list[tuple[str, str, str]]:
    """Return the rows on large grids: planning them, and gathering their results."""
    default = configuration.default()
    rows = [dry_run("dry-run of the default grid", "<= 6 s", "threads=1")]
    for cells, size, bar in ((10_000, 10, "<= 15 s"), (100_000, 100, "<= 20 s")):
        settings = (f"seeds={seeds_for(cells, default)}", f"seeds_per_shard={size}")
        rows.append(dry_run(f"dry-run of {cells} cells in shards of {size}", bar, *settings))
    times = {shards: gathering(shards) for shards in GATHERED}
    for shards, seconds in times.items():
        each = f"{seconds:.1f} s, {1000 * seconds / shards:.1f} ms a shard"
        rows.append((f"gathering {10 * shards} cells from {shards} shards of two files", each, "linear"))
    return rows


def gathering(shards: int) -> float:
    """Return the seconds that aggregate_noise.py takes for so many shards of 10 seeds, made up, of one arm."""
    arm = {"id": "sigma_population_p+0.00", "method": "sigma_power", "estimator": "population", "p": 0.0}
    arm |= {"hyperparameters": {}, "learning_rate": None}
    with tempfile.TemporaryDirectory() as folder:
        files = [synthetic.shard(Path(folder), arm, range(10 * i, 10 * i + 10)) for i in range(shards)]
        job = synthetic.Job(
            input=synthetic.Names(**{stage: [names[stage] for names in files] for stage in ("train", "evaluate")}),
            output=[f"{folder}/noise.nc"],
            log=[f"{folder}/log"],
            scriptdir=str(ROOT / "scripts" / "preconditioning"),
            params=synthetic.Names(
                study="noise",
                arms=[arm],
                seeds=10 * shards,
                snrs=[1.0],
                planned={arm["id"]: [1.0]},
                cases={"High": synthetic.EIGENVALUES["High"]},
                expected={"train": {}, "evaluate": {"parameters": {}}},
                code="bench",
            ),
        )
        start = time.perf_counter()
        runpy.run_path(str(ROOT / "scripts" / "preconditioning" / "aggregate_noise.py"), {"snakemake": job})
        return time.perf_counter() - start


def job(name: str) -> dict[str, float]:
    """Return seconds and memory of one Snakemake job, from its benchmark file."""
    with open(name, encoding="utf-8") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    return {key: float(row[key]) for key in ("s", "max_rss") if row[key] not in ("", "NA")}


def fixed_cost() -> tuple[str, str, str]:
    """Return the row on a train job of one step: its time is the cost of starting, reading and writing."""
    target = "results/preconditioning/noise/train/sigma_population_p-1.00/High_snr1.00_seeds0000-0009.nc"
    with tempfile.TemporaryDirectory() as folder:
        config = ["single_index={steps: 1}", f"compile_cache={ROOT / '.cache' / 'compile'}"]
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "--directory", folder, "--config"]
        for _ in range(2):  # the first run fills the compile cache
            subprocess.run([*command, *config, "--force", "--", target], cwd=ROOT, capture_output=True, check=True)
        benchmark = target.replace("results/", "results/benchmarks/", 1).replace(".nc", ".tsv")
        return "train job of one step, compile cache warm", f"{job(Path(folder) / benchmark)['s']:.1f} s", "<= 6 s"


def whole_run(cores: int = 2) -> list[tuple[str, str, str]]:
    """Return the rows on the last full run, from its benchmark files: time of its jobs shared by the cores."""
    jobs = {path: job(path) for path in (ROOT / "results" / "benchmarks").rglob("*.tsv")}
    if not jobs:
        return [("whole runs", "no results/benchmarks here: run make reproduce first", "")]
    peak = max(jobs, key=lambda path: jobs[path].get("max_rss", 0))
    studies = Counter()
    for path, found in jobs.items():
        studies[" ".join(path.relative_to(ROOT / "results" / "benchmarks").parts[:2])] += found["s"]
    rows = [
        (f"{name}: job time / {cores}", f"{sum_ / cores / 60:.1f} min", "") for name, sum_ in studies.most_common(9)
    ]
    total = f"{studies.total() / cores / 60:.1f} min"
    return [
        *rows,
        (f"all {len(jobs)} jobs: job time / {cores}", total, "<= 90 min"),
        (f"largest memory of a job ({peak.stem})", f"{jobs[peak]['max_rss'] / 1024:.2f} GiB", "<= 1.5 GB"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=min(THREADS, os.cpu_count() or 1))
    threads = parser.parse_args().threads
    device = devices.configure(threads, "cpu", CACHE)
    print(f"torch {torch.__version__}, {devices.name(device)}, best of {BEST_OF}, interleaved")
    rows = hot_loop(threads, devices.cache_folder(CACHE))
    rows += methods(devices.cache_folder(CACHE)) + images()
    rows += [*gpu_rows(devices.cache_folder(CACHE)), fixed_cost(), bench_workflow.row(), *scale(), *whole_run()]
    width = max(len(name) for name, *_ in rows)
    for name, value, bar in rows:
        print(f"{name:<{width}}  {value:<24}  {bar}")


if __name__ == "__main__":
    main()
