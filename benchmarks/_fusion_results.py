"""The table, the statements and the rows of `fusion_accuracy`, from its trainings."""

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
Outcomes = Mapping[tuple[Case, int], Outcome]


def screen_scores(outcomes: Outcomes) -> dict[Case, float]:
    """Return the score on validation data of every case that was trained with the first seed."""
    return {
        case: outcome["validation"]["score"]
        for (case, seed), outcome in outcomes.items()
        if seed == 0 and "refused" not in outcome
    }


def refusals(outcomes: Outcomes) -> dict[Case, str]:
    """Return why cases could not be trained."""
    return {case: outcome["refused"] for (case, _), outcome in outcomes.items() if "refused" in outcome}


def of_case(outcomes: Outcomes, case: Case) -> dict[int, Outcome]:
    """Return the outcomes of a case by seed."""
    return {s: x for (c, s), x in sorted(outcomes.items(), key=lambda item: item[0][1]) if c == case}


def best_single(outcomes: Outcomes, data: str) -> tuple[dict[str, str], dict[int, Outcome]]:
    """Return for each task the modality that alone is best on validation data, and its outcomes by seed.

    The mean over seeds decides, so that all seeds have the same modality.
    """
    cases = [
        case for case in dict.fromkeys(c for c, _ in outcomes) if case.data == data and case.how == "alone"
    ]
    by_seed = {case: of_case(outcomes, case) for case in cases}
    means: dict[str, dict[Case, float]] = {}
    for case, of_seeds in by_seed.items():
        for task in next(iter(of_seeds.values()))["validation"]["by_task"]:
            scores = [outcome["validation"]["by_task"][task] for outcome in of_seeds.values()]
            means.setdefault(task, {})[case] = statistics.fmean(scores)
    best = {task: max(by_case, key=lambda case: by_case[case]) for task, by_case in means.items()}
    seeds = set.intersection(*[set(by_seed[case]) for case in best.values()])
    joined: dict[int, Outcome] = {}
    for seed in sorted(seeds):
        joined[seed] = {"seconds": sum(by_seed[case][seed]["seconds"] for case in set(best.values()))}
        for side in SIDES:
            by_task = {t: by_seed[case][seed][side]["by_task"][t] for t, case in best.items()}
            joined[seed][side] = {"score": statistics.fmean(by_task.values()), "by_task": by_task}
    return {task: case.name for task, case in best.items()}, joined


def table(outcomes: Outcomes, screen: Sequence[Case], finals: Sequence[Case]) -> list[dict[str, Any]]:
    """Return an entry for every case that was trained, and for the best single modality of each data set.

    In each data set, cases trained with all seeds come first, the best on validation data above.
    """
    entries = []
    for case in dict.fromkeys(case for case, _ in outcomes):
        by_seed = of_case(outcomes, case)
        if not _refused(by_seed):
            entry = _entry(case.data, case.name, case.stage, case.how, by_seed)
            final = case in finals or case.how == "alone"
            entries.append({**entry, "screened": case in screen, "final": final})
    for data in dict.fromkeys(case.data for case, _ in outcomes):
        chosen, by_seed = best_single(outcomes, data)
        entry = _entry(data, SINGLE, "single", "alone", by_seed)
        entries.append({**entry, "screened": False, "final": True, "modalities": chosen})
    order = list(dict.fromkeys(entry["data"] for entry in entries))
    return sorted(
        entries,
        key=lambda e: (order.index(e["data"]), not e["final"], -(e["validation"]["mean"] or 0)),
    )


def _entry(data: str, name: str, stage: str, how: str, by_seed: Mapping[int, Outcome]) -> dict[str, Any]:
    outcomes = list(by_seed.values())
    tasks = list(outcomes[0]["test"]["by_task"])
    return {
        "data": data,
        "what": name,
        "stage": stage,
        "how": how,
        "seeds": list(by_seed),
        **{side: spread([outcome[side]["score"] for outcome in outcomes]) for side in SIDES},
        "tasks": {
            task: {side: spread([outcome[side]["by_task"][task] for outcome in outcomes]) for side in SIDES}
            for task in tasks
        },
        "seconds": round(statistics.fmean(outcome["seconds"] for outcome in outcomes), 1),
    }


def statements(outcomes: Outcomes, finals: Sequence[Case]) -> list[dict[str, Any]]:
    """Return differences on test data, paired by seed, complete and with modalities missing.

    The multiplicative family is compared with the mean of probabilities and with its plain form; every final
    with concatenation and with the best single modality.
    """
    stated = []
    for data in dict.fromkeys(case.data for case in finals):
        cases = {case.name: of_case(outcomes, case) for case in finals if case.data == data}
        cases = {name: by_seed for name, by_seed in cases.items() if not _refused(by_seed)}
        single = best_single(outcomes, data)[1]
        pairs = [(name, REFERENCE, cases.get(REFERENCE)) for name in FAMILY if name in cases]
        pairs += [(name, PLAIN, cases.get(PLAIN)) for name in FAMILY if name in cases and name != PLAIN]
        pairs += [(name, CONCAT, cases.get(CONCAT)) for name in cases if name != CONCAT]
        pairs += [(name, SINGLE, single) for name in cases]
        for name, peer, others in pairs:
            if others is not None:
                stated.append({"data": data, "what": name, "against": peer, **_paired(cases[name], others)})
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
    """Return statements and refusals as rows; the ratio is ours over the peer, above 1 is better."""
    rows = []
    for statement in stated:
        test = statement["test"]
        pairs = zip(test["ours"]["each"], test["peer"]["each"], strict=True)
        ratios = [a / b for a, b in pairs]
        rows.append(
            Result(
                f"{statement['data']}: {statement['what']} against {statement['against']}",
                test["ours"]["mean"],
                test["peer"]["mean"],
                round(statistics.fmean(ratios), 4),
                "accuracy",
                len(ratios),
                (round(min(ratios), 4), round(max(ratios), 4)),
            )
        )
    return rows + [not_run(f"{case.data}: {case.label}", why) for case, why in refused.items()]
