"""Every figure from synthetic data: the lines are the means, the text is legible, the bytes are the same each time."""

import io
import itertools
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Annotation, Text
from scipy import stats

import plot_departure
import plot_effective
import plot_features
import plot_initial
import plot_methods
import plot_noise
import plot_ood
import plot_real
import plot_spectrum
import plot_teachers
import plot_transfer
import synthetic
from featurelearning.drawing import labels, style, summaries
from featurelearning.files import records
from featurelearning.preconditioning import drawing

SCRIPTS = Path(__file__).parents[2] / "scripts" / "preconditioning"
P, SEEDS = (-2.0, 0.0, 1.0), 4
SMALL = {"exponents": P, "seeds": SEEDS}
FIGURES = {  # name: module, builder of its data set
    "noise": (plot_noise, synthetic.noise),
    "methods": (plot_methods, synthetic.noise),
    "transfer": (plot_transfer, synthetic.transfer),
    "ood": (plot_ood, synthetic.ood),
    "features": (plot_features, synthetic.noise),
    "spectrum": (plot_spectrum, synthetic.theory),
    "teachers": (plot_teachers, synthetic.teachers),
    "real": (plot_real, synthetic.real),
    "departure": (plot_departure, synthetic.theory),
    "effective": (plot_effective, synthetic.theory),
    "initial": (plot_initial, synthetic.theory),
}
each_figure = pytest.mark.parametrize("name", FIGURES)


def build(name, **grid):
    module, builder = FIGURES[name]
    return module.figure(builder(**grid))


def line(figure, gid):
    (found,) = figure.findobj(lambda artist: artist.get_gid() == gid)
    return found


def geometric(values):
    return np.exp(np.log(np.asarray(values, float)).mean(axis=-1))


def population(dataset, p):
    return dataset.sel(arm=f"sigma_population_p{p:+.2f}")


# --- means and intervals ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("log", [False, True])
def test_summary_is_the_mean_with_its_t_interval(log):
    values = synthetic.spread((3, 2, 8), 0.5)
    scaled = np.log(values) if log else values
    mean, error = scaled.mean(-1), scaled.std(-1, ddof=1) / np.sqrt(8)
    expected = np.array([mean, *stats.t.interval(0.95, 7, mean, error)])
    np.testing.assert_allclose(summaries.summary(values, log), np.exp(expected) if log else expected, rtol=1e-12)


def test_summary_leaves_nans_out_and_has_no_interval_for_one_seed():
    values = np.array([[1.0, np.nan, 3.0], [np.nan, 5.0, np.nan], [np.nan] * 3])
    mean, low, high = summaries.summary(values, log=False)
    np.testing.assert_array_equal(mean, [2, 5, np.nan])
    np.testing.assert_array_equal(np.isfinite(low) & np.isfinite(high), [True, False, False])


def test_noise_lines_are_means_over_seeds():
    data = synthetic.noise(**SMALL)
    figure = plot_noise.figure(data)
    late = data.step.values >= data.step.values[-1] // 1000
    for case, p in itertools.product(("High", "Low"), P):
        cells = population(data, p).sel(case=case)
        final = line(figure, f"{case} p={p:g} final")
        np.testing.assert_allclose(final.get_ydata(), geometric(cells.test_mse.values[..., -1]))
        np.testing.assert_allclose(final.get_xdata(), data.snr.values, rtol=0.1)  # drawn apart
        for split in ("test", "train"):
            curve = line(figure, f"{case} p={p:g} {split}")
            np.testing.assert_array_equal(curve.get_xdata(), data.step.values[late])
            expected = geometric(cells[f"{split}_mse"].sel(snr=1).values.T[late])
            np.testing.assert_allclose(curve.get_ydata(), expected)
            assert curve.is_dashed() == (split == "train")
    floors = geometric(population(data, 0).noise_floor.sel(case="High").values)
    np.testing.assert_allclose(line(figure, "High floor").get_ydata(), floors)
    np.testing.assert_allclose(line(figure, "High floor at SNR").get_ydata(), floors[1])


def test_noise_draws_adahessian_beside_the_powers_of_the_covariance():
    data = synthetic.noise(**SMALL)
    figure = plot_noise.figure(data)
    for case, p in itertools.product(("High", "Low"), P):
        cells = data.sel(arm=f"adahessian_p{p:+.2f}", case=case)
        final = line(figure, f"adahessian {case} p={p:g} final")
        np.testing.assert_allclose(final.get_ydata(), geometric(cells.test_mse.values[..., -1]))
    assert len(figure.axes) == 8 and "as released" not in figure.get_supxlabel()


def test_noise_draws_adahessian_as_released_and_as_described():
    data = synthetic.noise(**SMALL)
    hessian = data.isel(arm=np.flatnonzero(data["method"] == "adahessian"))
    names = [name.replace("adahessian", "row_sum_hessian") for name in hessian["arm"].values]
    sums = hessian.assign_coords(arm=names, method=("arm", ["row_sum_hessian"] * len(names)))
    figure = plot_noise.figure(xr.concat([data, sums], "arm"))
    titles = [axes.get_title(loc="left") for axes in figure.axes[:6]]
    assert [title.split(": ")[1] for title in titles[2:]] == 2 * ["AdaHessian, row sums"] + 2 * ["AdaHessian, signs"]
    assert "row sums of the Hessian: as released" in figure.get_supxlabel().replace("\n", " ")


def test_methods_are_means_over_seeds_with_their_names():
    data = synthetic.noise(**SMALL)
    figure = plot_methods.figure(data)
    arms = [f"sigma_population_p{p:+.2f}" for p in P] + ["adam", "kfac"] + [f"adahessian_p{p:+.2f}" for p in P]
    for case, arm in itertools.product(("High", "Low"), arms):
        cells = data.sel(arm=arm, case=case, snr=1)
        np.testing.assert_allclose(line(figure, f"{case} {arm}").get_xdata(), geometric(cells.clean_mse[:, -1]))
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[3:6] == ["Adam", "K-FAC", "AdaHessian, $p$ = −2"] and len(names) == len(arms)


def test_transfer_lines_are_means_over_seeds():
    data = synthetic.transfer(**SMALL)
    figure = plot_transfer.figure(data)
    for case, name in itertools.product(("High", "Low"), ("test_mse", "unfrozen_test_mse")):
        drawn = line(figure, f"{case} {name}")
        expected = [geometric(population(data, p)[name].sel(source_case=case)) for p in P]
        np.testing.assert_allclose(drawn.get_ydata(), expected)
        np.testing.assert_allclose(drawn.get_xdata(), P, atol=0.05)
    floor = geometric(population(data, 0).noise_floor.sel(source_case="Low"))
    np.testing.assert_allclose(line(figure, "Low floor").get_ydata(), floor)
    assert [axes.get_title("left")[:14] for axes in figure.axes] == ["(a) High → Low", "(b) Low → High"]


def test_teachers_show_the_mean_over_seeds_of_the_best_exponent():
    data = synthetic.teachers(**SMALL)
    figure = plot_teachers.figure(data)
    clean = data.clean_mse.isel(snr=0).transpose("case", "arm", "seed", "step").values
    best = {"final": clean[..., -1], "best": clean.min(-1)}
    for name, values in best.items():
        wanted = data.p.values[values.argmin(axis=1)].mean(axis=-1)
        found = [line for axes in figure.axes for line in axes.lines if line.get_gid() == name]
        np.testing.assert_allclose(np.concatenate([line.get_ydata() for line in found]), wanted)
    assert wanted[0] > wanted[1]


def test_ood_markers_are_means_over_seeds_and_the_readers_are_drawn():
    data = synthetic.ood(**SMALL)
    figure = plot_ood.figure(data)
    for arm in data.arm.values:
        marker = line(figure, arm)
        np.testing.assert_allclose(marker.get_xdata(), 100 * data.accuracy_flipped_noise.sel(arm=arm).mean())
        np.testing.assert_allclose(marker.get_ydata(), 100 * data.accuracy_flipped_digits.sel(arm=arm).mean())
    np.testing.assert_array_equal(line(figure, "readers").get_xydata(), [[0, 100], [100, 10]])
    named = {text.get_text() for text in annotations(figure)}
    assert named == {"pattern reader", "digit reader", "SGD", "momentum", "Adam"} | {
        f"$p$ = {style.number(p)}" for p in P
    }


def test_lines_of_real_data_are_means_over_seeds():
    data = synthetic.real(**SMALL)
    figure = plot_real.figure(data)
    for pair in data.pair.values:
        cells = data.sel(pair=pair)
        drawn = line(figure, f"{pair} target")
        means = [100 * cells.accuracy_target.sel(arm=f"sigma_empirical_p{p:+.2f}").values.mean() for p in P]
        np.testing.assert_allclose(drawn.get_xydata(), np.transpose([P, means]))
        np.testing.assert_allclose(line(figure, f"{pair} random").get_ydata(), 100 * cells.accuracy_random.mean())
        mean = 100 * cells.accuracy_specialised.mean()
        np.testing.assert_allclose(line(figure, f"{pair} specialised").get_xydata(), [[cells.specialised_p, mean]])
    titles = [axes.get_title("left") for axes in figure.axes]
    assert [title.split(":")[0] for title in titles] == ["(a) Fashion-MNIST → MNIST", "(b) MNIST → Fashion-MNIST"]


def test_one_pair_and_three_pairs_are_drawn_and_no_panel_is_empty():
    pairs = (("cifar10", "svhn"), ("svhn", "cifar10"), ("mnist", "fashion_mnist"))
    for n in (1, 3):
        figure = plot_real.figure(synthetic.real(**SMALL, pairs=pairs[:n]))
        assert len(figure.axes) == n and all(axes.lines for axes in figure.axes)


def test_rates_of_real_data_at_the_edge_and_diverged_models_are_named():
    data = synthetic.real(**SMALL)
    arm = "sigma_empirical_p+1.00"
    data.at_grid_edge.loc[{"arm": arm, "pair": "mnist_to_fashion_mnist"}] = 1
    data = synthetic.diverge(data, 10, arm=arm, pair="fashion_mnist_to_mnist", seed=0)
    figure = plot_real.figure(data)
    assert "end of its grid: MNIST → Fashion-MNIST $p$ = 1." in small_print(figure)
    assert f"Diverged and left out, models: 1 ({arm}: 1)." in small_print(figure)
    rest = data.accuracy_target.sel(arm=arm, pair="fashion_mnist_to_mnist").values[1:]
    np.testing.assert_allclose(line(figure, "fashion_mnist_to_mnist target").get_ydata()[-1], 100 * rest.mean())
    assert "grid" not in small_print(build("real", **SMALL))


@pytest.mark.parametrize("name", ["feature_energy", "sensitivity"])
@pytest.mark.parametrize(("case", "block"), [("High", slice(1, 10)), ("Low", slice(0, 9))])
def test_feature_lines_are_means_over_blocks_and_seeds(name, case, block):
    data = synthetic.noise(**SMALL)
    figure = plot_features.figure(data)
    values = np.array([population(data, p)[name].sel(case=case, snr=1).values for p in P])  # [p, seed, direction]
    share = values / values.sum(axis=-1, keepdims=True)
    lone = share[..., 0 if case == "High" else 9]
    lone_eigenvalue, block_eigenvalue = (10, 0.1) if case == "High" else (0.1, 10)
    np.testing.assert_allclose(line(figure, f"{case} {name} {lone_eigenvalue:g}").get_ydata(), geometric(lone))
    members = figure.findobj(lambda artist: artist.get_gid() == f"{case} {name} member")
    np.testing.assert_allclose(
        [member.get_ydata() for member in members], geometric(share[..., block].swapaxes(1, 2)).T
    )
    expected = geometric(share[..., block].mean(axis=-1))
    np.testing.assert_allclose(line(figure, f"{case} {name} {block_eigenvalue:g}").get_ydata(), expected)


@pytest.mark.parametrize("order", [1, -1])
def test_spectrum_points_lie_on_the_theory_in_either_order_of_the_file(order):
    data = synthetic.theory(**SMALL)
    for name in ("gram_eigenvalue", "gram_eigenvalue_population"):
        data[name].values = data[name].values[..., ::order]
    figure = plot_spectrum.figure(data)
    for p in P:
        s, eigenvalue = line(figure, f"p={p:g} gram_eigenvalue").get_data()
        np.testing.assert_allclose(s, geometric(data.singular_value.values.T))
        np.testing.assert_allclose(eigenvalue, s ** (2 * (p + 1)), rtol=1e-10)
        np.testing.assert_allclose(line(figure, f"p={p:g} fit").get_ydata(), eigenvalue, rtol=1e-10)
    np.testing.assert_allclose(
        line(figure, "slope empirical").get_xydata(), np.transpose([np.add(P, 1)] * 2), atol=1e-12
    )
    s, y = data.singular_value.values, synthetic.descending(data.gram_eigenvalue_population.sel(exponent=1).values)
    expected = np.mean([np.polyfit(np.log(s[i]), np.log(y[i]), 1)[0] / 2 for i in range(SEEDS)])
    np.testing.assert_allclose(line(figure, "slope population").get_ydata()[-1], expected)


def test_departure_lines_are_means_over_seeds_after_the_first_update():
    data = synthetic.theory(**SMALL)
    figure = plot_departure.figure(data)
    for change, name in itertools.product(("rotation", "invertible"), data.preconditioner.values):
        drawn = line(figure, f"{change} {name}")
        np.testing.assert_array_equal(drawn.get_xdata(), data.step.values[1:])
        expected = geometric(data.departure.sel(transformation=change, preconditioner=name).values.T[1:])
        np.testing.assert_allclose(drawn.get_ydata(), expected)
        bottom, top = drawn.axes.get_ylim()
        assert bottom < expected.min() and expected.max() < top  # those at the level of rounding as well
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"fixed $\\Sigma^{-1}$", "re-estimated $\\Sigma^{+1}$", "Adam", "K-FAC input"} < set(names)


def test_effective_exponents_are_means_over_seeds_in_both_frames():
    data = synthetic.theory(**SMALL)
    figure = plot_effective.figure(data)
    for frame, name in itertools.product(("eigenbasis", "rotated"), data.optimizer.values):
        values = data.effective_exponent.sel(optimizer=name, frame=frame).values
        np.testing.assert_allclose(line(figure, f"{frame} {name} last").get_xdata(), values[:, -1].mean())
        if not name.startswith("sigma_power"):
            np.testing.assert_allclose(line(figure, f"{frame} {name}").get_ydata(), values.mean(axis=0))
    assert [line(figure, f"claimed {p:g} row").get_xdata()[0] for p in (1, -0.5)] == [1, -0.5]
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[:4] == ["$\\Sigma^{-1}$", "$\\Sigma^{-0.5}$", "$\\Sigma^{+1}$", "SGD"] and len(names) == 13


def test_initial_lines_are_means_over_seeds_with_their_noise():
    data = synthetic.theory(**SMALL)
    figure = plot_initial.figure(data)
    for change, law in itertools.product(("rotation", "invertible"), ("P-isotropic", "released")):
        drawn = line(figure, f"{change} {law}")
        expected = geometric(data.isotropy_error.sel(transformation=change, initialisation=law).values)
        np.testing.assert_allclose(drawn.get_xydata(), np.transpose([P, expected]))
        noise = line(figure, f"{change} noise")
        np.testing.assert_allclose(noise.get_xydata(), np.transpose([P, geometric(data.isotropy_noise.values)]))


# --- what is left out -------------------------------------------------------------------------------------------------
def test_diverged_models_are_left_out_of_the_means_and_counted():
    arm, where = "sigma_population_p+1.00", {"case": "High", "snr": 1.0}
    data = synthetic.diverge(synthetic.noise(**SMALL), 500, arm=arm, seed=2, **where)
    figure = plot_noise.figure(data)
    rest = data.test_mse.sel(arm=arm, **where).drop_sel(seed=2).values.T
    drawn = line(figure, "High p=1 test").get_ydata()
    np.testing.assert_allclose(drawn, geometric(rest[-len(drawn) :]))
    assert f"Diverged and left out, models: 1 ({arm}: 1)." in small_print(figure)
    assert "Diverged" not in small_print(build("noise", **SMALL))


def test_curves_that_leave_the_panel_are_mentioned_only_where_there_are_any():
    assert "Below the lower panels: under 2" in small_print(build("noise", **SMALL))
    assert "Below" not in small_print(build("noise", **SMALL, steps=100))


def test_an_arm_that_diverged_for_every_seed_is_not_drawn():
    figure = plot_ood.figure(synthetic.diverge(synthetic.ood(**SMALL), 10, arm="adam"))
    assert "Adam" not in {text.get_text() for text in annotations(figure)}
    assert f"(adam: {SEEDS})" in small_print(figure)


def test_both_flags_of_transfer_are_counted():
    label = {"arm": "sigma_population_p+0.00", "source_case": "Low"}
    data = synthetic.diverge(synthetic.transfer(**SMALL), 10, "unfrozen_diverged_at", **label)
    figure = plot_transfer.figure(data)
    np.testing.assert_array_equal(np.isnan(line(figure, "Low unfrozen_test_mse").get_ydata()), [False, True, False])
    assert np.isfinite(line(figure, "Low test_mse").get_ydata()).all()
    assert "left out, trained on the target from scratch: 4" in small_print(figure)


def test_a_rate_at_the_edge_of_its_grid_is_marked():
    data = synthetic.ood(**SMALL)
    data.at_grid_edge.loc[{"arm": "adam"}] = 1
    figure = plot_ood.figure(data)
    assert "Adam †" in {text.get_text() for text in annotations(figure)} and "†: learning rate" in small_print(figure)


def test_another_estimator_stands_in_where_the_population_was_not_run():
    assert "Ledoit" in plot_noise.figure(synthetic.noise(**SMALL, estimators=("ledoit_wolf",))).axes[0].get_title(
        "left"
    )


def test_no_arm_to_draw_is_an_error_that_names_the_remedy():
    data = synthetic.noise(**SMALL, estimators=("oas",))
    data["estimator"] = ("arm", ["unheard_of"] * data.sizes["arm"])
    with pytest.raises(ValueError, match="no arm of method 'sigma_power'.*sigma_oas_p-2.00.*noise.estimators"):
        plot_transfer.figure(data)


# --- legibility -------------------------------------------------------------------------------------------------------
def annotations(figure):
    return figure.findobj(Annotation)


def small_print(figure):
    return figure._supxlabel.get_text().replace("\n", " ")


@pytest.fixture
def drawn_texts(monkeypatch):
    """A function of a figure that returns each text that is drawn, with its box in pixels."""

    def texts(figure):
        found, draw = {}, Text.draw
        with monkeypatch.context() as patch, matplotlib.rc_context(style.rc()):
            patch.setattr(Text, "draw", lambda text, *rest: (found.setdefault(text), draw(text, *rest))[1])
            figure.draw_without_rendering()
            shown = [text for text in found if text.get_visible() and text.get_text().strip()]
            return [(text.get_text(), Text.get_window_extent(text)) for text in shown]

    return texts


GRIDS = {
    "default": {},
    "many exponents": {"exponents": tuple(np.linspace(-3, 3, 13)), "seeds": 3},
    "one exponent": {"exponents": (0.0,), "seeds": 1},
}


@each_figure
@pytest.mark.parametrize("grid", GRIDS)
def test_no_text_is_cut_or_covers_another(name, grid, drawn_texts):
    figure = build(name, **GRIDS[grid])
    boxes = drawn_texts(figure)
    assert len(boxes) > 10
    for text, box in boxes:
        assert 0 <= box.x0 and box.x1 <= figure.bbox.width and 0 <= box.y0 and box.y1 <= figure.bbox.height, text
    for (a, first), (b, second) in itertools.combinations(boxes, 2):
        assert not first.shrunk(0.98, 0.98).overlaps(second.shrunk(0.98, 0.98)), (a, b)


@each_figure
def test_every_outer_axis_is_labelled_and_says_how_many_seeds(name):
    figure = build(name, **SMALL)
    axes = np.array(figure.axes)
    for panel in axes:
        place = panel.get_subplotspec()
        assert panel.get_xlabel() or not place.is_last_row()
        assert panel.get_ylabel() or not place.is_first_col()
    assert f"n = {SEEDS} seeds" in small_print(figure)
    if len(axes) > 1:
        assert [panel.get_title("left")[:3] for panel in axes] == [f"({letter})" for letter in "abcdefgh"[: len(axes)]]


def lightness(colour):
    """CIE L* of an sRGB colour, above the linear foot of both curves."""
    linear = ((np.array(colour[:3]) + 0.055) / 1.055) ** 2.4
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def test_exponents_differ_in_grey_and_by_marker():
    looks = style.ordered(synthetic.EXPONENTS)
    steps = np.diff([lightness(look["color"]) for look in looks.values()])
    assert steps.min() >= 8  # L* of 100; neighbours in a printed grey scale are told apart from about 5
    assert lightness(looks[1.0]["color"]) <= 80  # and the lightest from white paper
    assert len({look["marker"] for look in looks.values()}) == len(looks)


# --- labels -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(5))
def test_labels_of_a_crowd_are_disjoint_and_inside(seed):
    rng = np.random.default_rng(seed)
    anchors = 150 + rng.normal(0, 6, (12, 2))
    sizes, frame = np.tile([32.0, 8.0], (12, 1)), np.array([0.0, 0, 300, 300])
    markers = np.concatenate([anchors - 3, anchors + 3], axis=1)
    centres = labels.place(anchors, sizes, markers, np.empty((0, 2)), frame)
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= 300).all()
    for a, b in [*itertools.combinations(boxes, 2), *itertools.product(boxes, markers)]:
        assert (a[2:] <= b[:2]).any() or (b[2:] <= a[:2]).any()


def test_a_lone_label_is_next_to_its_marker():
    frame = np.array([0.0, 0, 100, 100])
    centre = labels.place(np.array([[50.0, 50]]), np.array([[20.0, 8]]), np.empty((0, 4)), np.empty((0, 2)), frame)
    assert np.linalg.norm(centre - 50) < 20


def test_labels_of_methods_that_nearly_coincide_are_disjoint(drawn_texts):
    data = synthetic.ood()
    for name in ("accuracy_flipped_noise", "accuracy_flipped_digits"):
        data[name].values = 0.5 + 0.05 * (data[name].values - 0.5)
    boxes = drawn_texts(plot_ood.figure(data))
    assert {"SGD", "momentum", "Adam"} < {text for text, _ in boxes}
    for (a, first), (b, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), (a, b)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("sigma_power_p-1.00", "$\\Sigma^{-1}$"),
        ("fixed_p+0.50", "fixed $\\Sigma^{+0.5}$"),
        ("reestimated_p-1.00", "re-estimated $\\Sigma^{-1}$"),
        ("kfac_input", "K-FAC input"),
        ("adahessian_p-1.00", "adahessian_p-1.00"),
        ("torch_optimizer_class-torch.optim.NAdam", "NAdam (torch.optim)"),
        (
            "torch_optimizer_class-a-b.LBFGS_history_size-5_line_search_fn-strong-wolfe_lr2--1e-05",
            "LBFGS (a-b), history_size = 5, line_search_fn = strong-wolfe, lr2 = -1e-05",
        ),
    ],
)
def test_optimisers_of_the_theory_study_have_the_names_of_the_others(key, text):
    assert drawing.theory_label(key) == text


# --- files ------------------------------------------------------------------------------------------------------------
@each_figure
def test_script_writes_the_same_bytes_each_time(name, tmp_path):
    records.write(FIGURES[name][1](**SMALL), tmp_path / "data.nc")
    written = []
    for run in ("a", "b"):
        output = SimpleNamespace(pdf=str(tmp_path / f"{run}.pdf"), png=str(tmp_path / f"{run}.png"))
        paths = {"input": SimpleNamespace(data=str(tmp_path / "data.nc")), "log": [str(tmp_path / "log")]}
        job = SimpleNamespace(**paths, output=output, params=SimpleNamespace(expected={}), scriptdir=str(SCRIPTS))
        runpy.run_path(str(SCRIPTS / f"plot_{name}.py"), init_globals={"snakemake": job})
        written.append([Path(path).read_bytes() for path in (output.pdf, output.png)])
    assert written[0] == written[1]
    pdf, png = written[0]
    assert b"/Type3" not in pdf and b"/FontFile2" in pdf
    assert not re.search(rb"CreationDate|ModDate|Matplotlib v", pdf) and b"Software" not in png and b"tIME" not in png


@pytest.mark.parametrize(
    ("name", "dimension", "kept"),
    [("effective", "optimizer", "sigma_power"), ("departure", "preconditioner", "fixed"), ("methods", "arm", "sigma_")],
)
def test_a_figure_without_any_other_method_is_drawn(name, dimension, kept):
    """As with `only: []`."""
    module, builder = FIGURES[name]
    data = builder(**SMALL)
    figure = module.figure(data.sel({dimension: [key for key in data[dimension].values if key.startswith(kept)]}))
    figure.savefig(io.BytesIO(), format="svg")
