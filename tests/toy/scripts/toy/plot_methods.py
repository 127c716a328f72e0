"""Draw the training error of every arm against the step."""

from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of results/toy/toss.nc: the training error over steps, a line for each arm."""
    result = Figure(figsize=(style.PAGE_INCHES, 3), layout="constrained")
    axes = result.subplots()
    for arm in dataset["arm"].values:
        values = dataset["train_mse"].sel(arm=arm).transpose("step", "seed").values
        axes.plot(dataset["step"].values, summaries.summary(values, log=True)[0], label=arm)
    axes.set(yscale="log", xlabel="step", ylabel="training MSE")
    axes.legend()
    style.footer(result, summaries.seeds(dataset.sizes["seed"], log=True))
    return result


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
