"""Figures of trials and embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sennit.tasks.verification._checks import check_embeddings, check_speakers, check_trials
from sennit.tasks.verification.det_curve import DetCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_BLUE, _ORANGE, _DARK = "#3b76c4", "#d9822b", "#3a3f45"


def draw_det_curves(curves: Mapping[str, DetCurve]) -> Figure:
    """Draw DET curves, on axes that make those of Gaussian scores straight, with a point at each EER.

    Source: Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.

    Args:
        curves: Curve for each name in the legend.

    Example:
        >>> from sennit.tasks.verification import det_curve
        >>> figure = draw_det_curves({"cosine": det_curve([0.1, 0.4, 0.3, 0.8], [0, 0, 1, 1])})
        >>> figure.axes[0].get_xlabel()
        'false alarms (%)'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.9 + 0.22 * len(curves)), layout="constrained")
    axes = figure.subplots()
    rates = np.concatenate([r[(r > 0) & (r < 1)] for c in curves.values() for r in (c.miss, c.false_alarm)])
    low = max(1e-5, min([*rates, 0.01]) / 1.5)
    axes.set_prop_cycle(color=[_BLUE, _ORANGE, "#2a9d8f", "#8e6bbf", "#c2566b", "#6d8b3c"])
    for name, curve in curves.items():
        rate = curve.equal_error_rate()
        # A rate of 0 or 1 is infinitely far away: the line leaves the figure.
        x, y = (_probit(np.clip(r, low / 10, 1 - low / 10)) for r in (curve.false_alarm, curve.miss))
        (line,) = axes.plot(x, y, linewidth=1.8, label=f"{_plain(name)}: EER {100 * rate:.2f} %")
        if rate > low:
            axes.plot(*2 * [_probit(np.array(rate))], marker="o", markersize=5, color=line.get_color())
    high = min(0.8, max(2 * low, 0.4, *(1.5 * c.equal_error_rate() for c in curves.values())))
    ends = _probit(np.array([low, high]))
    axes.plot(ends, ends, color="#c9ced6", linewidth=1, zorder=0)
    ticks = np.array([t for t in _TICKS if low <= t <= high])
    names = [f"{100 * t:g}" for t in ticks]
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel="false alarms (%)", ylabel="misses (%)")
    axes.set_xticks(_probit(ticks), names)
    axes.set_yticks(_probit(ticks), names)
    axes.grid(color="#eceff2", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", frameon=False, fontsize=9)
    return figure


def draw_scores(scores: Any, labels: Any, *, threshold: float | None = None) -> Figure:
    """Draw histograms of target and non-target scores, each of area 1, with the decision threshold.

    Args:
        scores: Scores of trials.
        labels: Labels, 1 or True for the same speaker.
        threshold: Lowest score that is accepted.

    Shape:
        scores, labels: the same, any.

    Example:
        >>> figure = draw_scores([0.1, 0.4, 0.3, 0.8], [0, 0, 1, 1], threshold=0.35)
        >>> figure.axes[0].get_xlabel()
        'score'
    """
    from matplotlib.figure import Figure

    x, y = check_trials(scores, labels)
    figure = Figure(figsize=(6.2, 3.4), layout="constrained")
    axes = figure.subplots()
    low, high = float(x.min()), float(x.max())
    edges = np.linspace(low, high, 61).tolist() if low < high else [low - 0.5, low + 0.5]
    for kind, colour, name in ((~y, _BLUE, "other speaker"), (y, _ORANGE, "same speaker")):
        label = f"{name} ({int(kind.sum()):,} trials)"
        axes.hist(x[kind], edges, density=True, color=colour, alpha=0.6, label=label)
    if threshold is not None:
        axes.axvline(
            threshold, color=_DARK, linewidth=1.4, linestyle="--", label=f"threshold {threshold:.3g}"
        )
    axes.set(xlabel="score", ylabel="density")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="best", frameon=False, fontsize=9)
    return figure


def draw_embeddings(embeddings: Any, groups: Mapping[str, Sequence[Any] | np.ndarray]) -> Figure:
    """Draw a map of embeddings that keeps neighbours together, coloured by each of several groupings.

    Source: van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008; with scikit-learn, of
    cosine distances, from the first principal components: the same embeddings give the same map.

    Args:
        embeddings: Five or more embeddings.
        groups: Group of each embedding, by the title of the panel ("speaker", "sex").

    Shape:
        embeddings ``[N, D]``, each of groups ``[N]``.

    Raises:
        ValueError: There are fewer than five embeddings, or the groups do not fit.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(12, 8))
        >>> figure = draw_embeddings(x, {"speaker": list("abc") * 4})
        >>> figure.axes[0].get_title(loc="left")
        'speaker'
    """
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    x = check_embeddings("embeddings", embeddings)
    if len(x) < 5:
        raise ValueError(f"a map needs five embeddings or more. Found {len(x)}.")
    near = min(30.0, (len(x) - 1) / 3)
    places = TSNE(perplexity=near, metric="cosine", init="pca", random_state=0).fit_transform(x)
    figure = Figure(figsize=(5.2 * len(groups), 4.4), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (title, group) in zip(panels, groups.items(), strict=True):
        _scatter(axes, places, x, group)
        axes.set_title(title, loc="left", fontsize=10.5)
    return figure


def _scatter(
    axes: Axes, places: np.ndarray, embeddings: np.ndarray, group: Sequence[Any] | np.ndarray
) -> None:
    from matplotlib import colormaps

    names, codes, _ = check_speakers(embeddings, group)
    palette = colormaps["tab10" if len(names) <= 10 else "tab20" if len(names) <= 20 else "turbo"]
    for code, name in enumerate(names):
        colour = palette(code if len(names) <= 20 else code / len(names))
        x, y = places[codes == code].T
        axes.scatter(x, y, s=16, color=colour, label=_plain(str(name)), linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#c9ced6")
    if len(names) <= 12:
        axes.legend(frameon=False, fontsize=8, markerscale=1.4, loc="center left", bbox_to_anchor=(1, 0.5))


def _probit(rate: np.ndarray) -> np.ndarray:
    """Return the normal deviate of a rate."""
    import torch

    return np.asarray(torch.special.ndtri(torch.as_tensor(rate, dtype=torch.float64)).numpy())


def _plain(name: str) -> str:
    """Return a name that matplotlib does not read as a formula."""
    return name.replace("$", r"\$")
