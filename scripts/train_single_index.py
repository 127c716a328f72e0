"""Train one shard of the synthetic studies: the seeds of one arm, case and SNR as one batch of models."""

import joblog
from featurelearning import devices, models, powers, records, regression, training
from featurelearning.seeding import generator

ARRAYS = ("x_train", "y_train", "x_test", "y_test", "clean_test")

with joblog.to(snakemake.log[0]):
    params, arm, settings = snakemake.params, snakemake.params.arm, snakemake.params.settings
    data, covariance = records.read(snakemake.input.data), records.read(snakemake.input.covariance)
    device = devices.configure(params.machine["threads"], params.machine["device"], snakemake.resources.compile_cache)
    d, h, scale = data.sizes["direction"], settings["hidden"], settings["initial_scale"]
    streams = [generator(params.master_seed, "initialisation", seed) for seed in params.seeds]
    cell = f"{arm['id']} {params.cell['study']} {params.cell['case']} SNR {params.cell['snr']:g}"
    run = regression.fit(
        [models.kaiming_uniform(stream, d, h, 1, scale) for stream in streams],
        {name: data[name].values for name in ARRAYS},
        settings,
        method=arm["method"],
        names=[f"{cell} seed {seed}" for seed in params.seeds],
        basis=covariance["eigenvector"].values,
        powers=powers.power(covariance["eigenvalue"].values, arm["p"]),
        device=device,
        compiled=devices.cache_folder(snakemake.resources.compile_cache) if settings["compile"] else None,
        progress=joblog.progress(settings["steps"], cell),
    )
    attributes = records.provenance(
        "trained models and their curves", records.plain(params, "machine"), params.code, devices.name(device)
    )
    coords = {"seed": data["seed"], "direction": data["direction"]}
    steps = training.schedule(settings["steps"], settings["records"])
    records.write(records.trained(run, coords, steps, attributes, inputs="direction"), snakemake.output.model)
