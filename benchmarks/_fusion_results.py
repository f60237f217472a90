"""From the trainings of `fusion_accuracy` to its table, its statements and its rows."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks._fusion_plan import CONCAT, FAMILY, PLAIN, REFERENCE, Case
from benchmarks._fusion_runs import SIDES
from benchmarks._harness import Result, not_run
from benchmarks._screen import Outcome, spread

SINGLE = "best single modality"
COMPARED = ("test", "missing_30", "missing_60")
Found = Mapping[tuple[Case, int], Outcome]


def screen_scores(found: Found) -> dict[Case, float]:
    """The score on validation data, of every case that was trained with the first seed."""
    return {
        case: own["validation"]["score"]
        for (case, seed), own in found.items()
        if seed == 0 and "refused" not in own
    }


def refusals(found: Found) -> dict[Case, str]:
    """Why cases could not be trained."""
    return {case: own["refused"] for (case, _), own in found.items() if "refused" in own}


def of_case(found: Found, case: Case) -> dict[int, Outcome]:
    """What was trained of a case, by seed."""
    return {s: own for (c, s), own in sorted(found.items(), key=lambda item: item[0][1]) if c == case}


def best_single(found: Found, data: str) -> tuple[dict[str, str], dict[int, Outcome]]:
    """For each task the modality that alone is best on validation data; outcomes of these, by seed.

    The mean over seeds decides, so that it is the same modality for all of them.
    """
    cases = [case for case in dict.fromkeys(c for c, _ in found) if case.data == data and case.how == "alone"]
    by_seed = {case: of_case(found, case) for case in cases}
    means: dict[str, dict[Case, float]] = {}
    for case, own in by_seed.items():
        for task in next(iter(own.values()))["validation"]["by_task"]:
            scores = [outcome["validation"]["by_task"][task] for outcome in own.values()]
            means.setdefault(task, {})[case] = statistics.fmean(scores)
    best = {task: max(own, key=lambda case: own[case]) for task, own in means.items()}
    seeds = set.intersection(*[set(by_seed[case]) for case in best.values()])
    outcomes: dict[int, Outcome] = {}
    for seed in sorted(seeds):
        outcomes[seed] = {"seconds": sum(by_seed[case][seed]["seconds"] for case in set(best.values()))}
        for side in SIDES:
            by_task = {t: by_seed[case][seed][side]["by_task"][t] for t, case in best.items()}
            outcomes[seed][side] = {"score": statistics.fmean(by_task.values()), "by_task": by_task}
    return {task: case.name for task, case in best.items()}, outcomes


def table(found: Found, screen: Sequence[Case], finals: Sequence[Case]) -> list[dict[str, Any]]:
    """An entry for every case that was trained, and for the best single modality of each data set.

    Of each data set what was trained with all seeds is first, the best on validation data above.
    """
    entries = []
    for case in dict.fromkeys(case for case, _ in found):
        own = of_case(found, case)
        if not any("refused" in outcome for outcome in own.values()):
            entry = _entry(case.data, case.name, case.stage, case.how, own)
            final = case in finals or case.how == "alone"
            entries.append({**entry, "screened": case in screen, "final": final})
    for data in dict.fromkeys(case.data for case, _ in found):
        chosen, own = best_single(found, data)
        entry = _entry(data, SINGLE, "single", "alone", own)
        entries.append({**entry, "screened": False, "final": True, "modalities": chosen})
    order = list(dict.fromkeys(entry["data"] for entry in entries))
    return sorted(
        entries,
        key=lambda e: (order.index(e["data"]), not e["final"], -(e["validation"]["mean"] or 0)),
    )


def _entry(data: str, name: str, stage: str, how: str, own: Mapping[int, Outcome]) -> dict[str, Any]:
    outcomes = list(own.values())
    tasks = list(outcomes[0]["test"]["by_task"])
    return {
        "data": data,
        "what": name,
        "stage": stage,
        "how": how,
        "seeds": list(own),
        **{side: spread([outcome[side]["score"] for outcome in outcomes]) for side in SIDES},
        "tasks": {
            task: {side: spread([outcome[side]["by_task"][task] for outcome in outcomes]) for side in SIDES}
            for task in tasks
        },
        "seconds": round(statistics.fmean(outcome["seconds"] for outcome in outcomes), 1),
    }


def statements(found: Found, finals: Sequence[Case]) -> list[dict[str, Any]]:
    """Differences on test data, paired by seed, whole and with modalities missing.

    The multiplicative family against the mean of probabilities and against its own plain form; every final
    against concatenation and against the best single modality.
    """
    stated = []
    for data in dict.fromkeys(case.data for case in finals):
        own = {case.name: of_case(found, case) for case in finals if case.data == data}
        own = {name: by_seed for name, by_seed in own.items() if not _refused(by_seed)}
        single = best_single(found, data)[1]
        pairs = [(name, REFERENCE, own.get(REFERENCE)) for name in FAMILY if name in own]
        pairs += [(name, PLAIN, own.get(PLAIN)) for name in FAMILY if name in own and name != PLAIN]
        pairs += [(name, CONCAT, own.get(CONCAT)) for name in own if name != CONCAT]
        pairs += [(name, SINGLE, single) for name in own]
        for name, peer, others in pairs:
            if others is not None:
                stated.append({"data": data, "what": name, "against": peer, **_paired(own[name], others)})
    return stated


def _refused(by_seed: Mapping[int, Outcome]) -> bool:
    return any("refused" in outcome for outcome in by_seed.values())


def _paired(ours: Mapping[int, Outcome], peer: Mapping[int, Outcome]) -> dict[str, Any]:
    seeds = sorted(set(ours) & set(peer))
    sides = {}
    for side in COMPARED:
        pairs = [(ours[seed][side]["score"], peer[seed][side]["score"]) for seed in seeds]
        differences = [a - b for a, b in pairs]
        sides[side] = {
            "ours": spread([a for a, _ in pairs]),
            "peer": spread([b for _, b in pairs]),
            "difference": spread(differences),
            "above": sum(difference > 0 for difference in differences),
        }
    return {"seeds": seeds, **sides}


def rows_of(stated: Sequence[Mapping[str, Any]], refused: Mapping[Case, str]) -> list[Result]:
    """Statements and refusals as rows; the ratio is ours over the peer, above 1 is better."""
    rows = []
    for own in stated:
        test = own["test"]
        pairs = zip(test["ours"]["each"], test["peer"]["each"], strict=True)
        ratios = [a / b for a, b in pairs]
        rows.append(
            Result(
                f"{own['data']}: {own['what']} against {own['against']}",
                test["ours"]["mean"],
                test["peer"]["mean"],
                round(statistics.fmean(ratios), 4),
                "accuracy",
                len(ratios),
                (round(min(ratios), 4), round(max(ratios), 4)),
            )
        )
    return rows + [not_run(f"{case.data}: {case.label}", why) for case, why in refused.items()]
