"""The README's table of figures from the result files, which ``python -m benchmarks.readme`` writes."""

from __future__ import annotations

from pathlib import Path

from benchmarks._measured import (
    between,
    each,
    equal_error_rate,
    gains,
    measured,
    ratios,
    score,
    searched,
    span,
    statement,
    table_accuracies,
)
from sennit.files import write_text

README = Path(__file__).parents[1] / "README.md"
START, END = "| what | figure |\n| --- | --- |\n", "\n\n## Licence"
STITCH, UNCERTAINTY = (
    "cross_stitch, equal against single-task networks",
    "hard, uncertainty against hard, running_deviation",
)


def rows() -> list[tuple[str, str]]:
    """Return each figure after what it is of."""
    htad = {
        protocol: f"{score('htad', 'central_net', 'activity', protocol)} against "
        + ", ".join(
            score("htad", name, "activity", protocol) for name in ("audio", "accelerometer", "extra trees")
        )
        for protocol in ("same", "new")
    }
    speakers = {
        normalise: "; ".join(
            f"{equal_error_rate('ecapa_tdnn', normalise, length)} "
            f"({equal_error_rate('MFCC statistics', normalise, length)})"
            for length in ("whole", "2 s")
        )
        for normalise in ("global", "utterance")
    }
    best = max(gains("", "concat"))
    family = [
        g for n in ("additive", "multiplicative", "boosted", "mulmix") for g in gains(n, "mean_probability")
    ]
    nets = ("conv", "transformer")
    exact = [
        ratios("balancing", *(f"pcgrad exact {net} T={t} vs {peer}" for net in nets for t in (2, 4, 10)))
        for peer in ("libmtl", "torchjd best")
    ]
    features = ratios("balancing", *(f"feature level {net} T=" for net in ("mlp", *nets)))
    school = [
        score("school", name, "exam")
        for name in (
            "mean_regularized",
            "hard",
            "pooled ridge, school intercepts",
            "the same, with years and bands of schools",
        )
    ]
    (fbank,) = measured("features", "fbank vs torchaudio loop, cpu")
    low, high = fbank["spread"]
    steps = ratios("overhead", "loss+backward vs hand", "loss+backward vs plain", "lightning step")
    same, whole, lightning = (1 / ratio for ratio in steps)
    return [
        (
            "`sennit table fit`, `medium`, without editing, 90 s on one thread: accuracy on test rows beside "
            "boosted trees, "
            "a support vector machine on cepstra, AutoGluon's tabular predictor",
            table_accuracies(),
        ),
        (
            "`htad`, same recordings: the declared fusion against the networks of sound and of movement "
            "alone, and "
            "extra trees on both",
            htad["same"],
        ),
        ("`htad`, new recording: the same", htad["new"]),
        (
            "`avdigits`, digit: the declared fusion against plain concatenation, and the image and the "
            "speech alone",
            f"{score('avdigits', 'central_net', 'digit')} against "
            + ", ".join(score("avdigits", name, "digit") for name in ("concat", "image", "speech")),
        ),
        (
            "`mosi`: the declared fusion against the text alone, and a logistic regression on all three",
            f"{score('mosi', 'concat', 'sentiment')} against {score('mosi', 'text', 'sentiment')}, "
            f"{score('mosi', 'logistic regression', 'sentiment')}",
        ),
        (
            "a search of 200 candidates with MFAS's encoders, one-time caching included, against "
            "MultiBench's MFAS "
            "(its time estimated from one candidate): in MFAS's space, in the whole space of ours",
            each(ratios("search_speed", "whole search")) + " as fast",
        ),
        (
            "32 candidates as one stacked network against one by one: in MFAS's space, in the whole "
            "space of ours",
            each(ratios("search_speed", "stacked vs one by one")) + " as fast",
        ),
        searched("avdigits", "digit", "central_net"),
        searched("mosi", "sentiment", "concat"),
        (
            "`xvector` on 26 minutes of 211 speakers, equal error rate of ECAPA-TDNN with PLDA (of MFCC "
            "statistics): "
            "channel kept, whole recordings; 2 s",
            speakers["global"],
        ),
        ("the same, each recording's mean removed", speakers["utterance"]),
        (
            "a training step of the x-vector network against SpeechBrain's: with lengths, without",
            each(ratios("speaker", "xvector step with lengths", "xvector step without lengths")) + " as fast",
        ),
        (
            "statistics pooling with lengths, and waveform to embedding, against SpeechBrain's",
            each(ratios("speaker", "statistics pooling", "waveform to embedding")) + " as fast",
        ),
        (
            "every fusion on four data sets, mean accuracy of the tasks ([more](docs/fusions.md)): the "
            "largest gain "
            "over plain concatenation",
            f"{best[0]:+.3f} ± {best[1]:.3f}",
        ),
        (
            "the multiplicative family of K. Liu 2018 against the mean of probabilities, and "
            "`multiplicative` against "
            "its plain form",
            f"{span(family, 2)}, {span(gains('multiplicative', 'additive'), 3)} of accuracy",
        ),
        (
            "forward and backward of `low_rank`, `tensor_fusion` and `multiplicative_interactions` against "
            "MultiBench's (`low_rank` corrected)",
            each(
                ratios(
                    "fusion_ops",
                    *(
                        f"{n} vs multibench"
                        for n in ("low_rank", "tensor_fusion", "multiplicative_interactions")
                    ),
                )
            )
            + " as fast",
        ),
        (
            "the same of `film` and `concat`, the latter the same two operations",
            each(ratios("fusion_ops", "film vs multibench", "concat vs multibench")) + " as fast",
        ),
        (
            "`low_rank`, `multiplicative_interactions`, `film` and `concat` against PyKale's",
            each(
                ratios(
                    "fusion_ops",
                    *(
                        f"{n} vs pykale"
                        for n in ("low_rank", "multiplicative_interactions", "film", "concat")
                    ),
                )
            )
            + " as fast",
        ),
        (
            "peak memory of a step of `tensor_fusion` over three modalities, against MultiBench's",
            f"{ratios('fusion_ops', 'tensor_fusion peak memory')[0]:.1f} times less",
        ),
        (
            "balancing by PCGrad at the parameters, exact, on an MLP: against LibMTL's with 2, 4 and 10 "
            "tasks",
            each(ratios("balancing", *(f"pcgrad exact mlp T={t} vs libmtl" for t in (2, 4, 10))))
            + " as fast",
        ),
        (
            "the same against torchjd's best",
            each(ratios("balancing", *(f"pcgrad exact mlp T={t} vs torchjd" for t in (2, 4, 10))))
            + " as fast",
        ),
        (
            "the same on a conv net and a transformer, 2 to 10 tasks, against either",
            f"{between(exact[0])}, {between(exact[1])} as fast",
        ),
        ("the same at the features against an ordinary step, 2 to 10 tasks", f"{between(features)} the time"),
        (
            "cross-stitch against single-task networks: `avdigits`, `school`, `tox21` "
            "([more](docs/multitask.md))",
            ", ".join(statement(d, STITCH) for d in ("avdigits", "school", "tox21")) + " points",
        ),
        (
            "uncertainty weighting against dividing by the running deviation: the same",
            ", ".join(statement(d, UNCERTAINTY) for d in ("avdigits", "school", "tox21")) + " points",
        ),
        (
            "`school`, explained variance of heads regularised to their mean, against hard sharing, a "
            "ridge with "
            "school intercepts, and one with years and bands of schools too",
            f"{school[0]} against {', '.join(school[1:])}",
        ),
        (
            "`tox21`, mean ROC-AUC of the best networks (fingerprint, graph and SMILES) against a "
            "random forest",
            f"{score('tox21', 'mean_probability', 'assays')} against "
            f"{score('tox21', 'random forest, fingerprint', 'assays')}",
        ),
        (
            f"filter banks of 64 two-second clips against a loop of torchaudio's ("
            f"spread {low:.1f}–"
            f"{high:.1f})",
            each([fbank["ratio"]]) + " as fast",
        ),
        (
            "a training step (loss and backward) against the same model by hand, with missing inputs "
            "and labels",
            f"{same:.2f}× the time",
        ),
        ("the same with everything present", f"{whole:.2f}× the time"),
        ("a whole step under Lightning against a loop by hand", f"{lightning:.2f}× the time"),
    ]


def table() -> str:
    """Return the table."""
    return START + "\n".join(f"| {what} | {figure} |" for what, figure in rows())


def main() -> None:
    """Rewrite the README's table."""
    text = README.read_text()
    before, _, rest = text.partition(START)
    write_text(README, before + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
