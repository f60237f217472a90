"""``sennit table search``: the fusion of a table of one's own, searched."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Searching:
    """Search the fusion of a table's inputs, beside random search and the fusions picked by hand.

    Args:
        data: A .csv, .tsv, .parquet, .jsonl, .json or .xlsx, or a folder that holds one folder of files for
            each class.
        target: Column to learn, or several between commas, where the schema is guessed.
        schema: YAML file with the meaning of the columns; guessed, and written beside the runs, by default.
        fusions: Fusions to compare with.
        seeds: Number of repetitions, each with encoders and a search of its own.
        epochs: Passes over the training data of each input alone.
        generations: Number of generations.
        population: Candidates per generation.
        final_epochs: Epochs of the joint training of each finalist.
        workers: Number of parallel processes of one thread each; 0 runs everything in this process.
        output: Folder for run folders.
        resume: Folder of an interrupted run, to resume under the same options.
    """

    data: str = ""
    target: str = ""
    schema: Path | None = None
    fusions: list[str] = field(default_factory=lambda: ["concat", "gated", "mean_probability"])
    seeds: int = 3
    epochs: int = 20
    generations: int = 5
    population: int = 32
    final_epochs: int = 3
    workers: int = 2
    output: Path = Path("runs/search")
    resume: Path | None = None

    def check(self) -> None:
        """Refuse options without data.

        Raises:
            ValueError: There are none.
        """
        if not self.data:
            raise ValueError(
                "`search` should be given a .csv, a .parquet or a folder: "
                "`sennit table search train.csv --target COLUMN`."
            )


def search_table(options: Searching) -> Path:
    """Search, tune and compare; return the run folder."""
    from sennit.recipes.search.__main__ import main

    schema = options.schema or _guessed(options)
    given = {
        "recipe": "table",
        "data": options.data,
        "schema": schema,
        "fusions": f"[{','.join(options.fusions)}]",
        **{
            name: getattr(options, name)
            for name in ("seeds", "epochs", "generations", "population", "final_epochs", "workers", "output")
        },
        "resume": options.resume,
    }
    return main([word for k, v in given.items() if v is not None for word in (f"--{k}", str(v))])


def _guessed(options: Searching) -> Path:
    """Return the file of the guessed schema; one that an earlier call wrote is used as it is."""
    from sennit.recipes.table.guess import reason_lines
    from sennit.recipes.table.reading.read import read_rows
    from sennit.recipes.table.schema.guess import guess_schema, write_guess

    path = options.output / f"{Path(options.data).stem}.yaml"
    if path.is_file():
        print(f"The schema is '{path}', of an earlier call: edit it, or remove it for a new guess.")
        return path
    guess = guess_schema(read_rows(options.data), target=options.target or None)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_guess(path, guess, data=options.data)
    print(f"Guessed (edit '{path}' for another search):", *reason_lines(guess), sep="\n")
    return path
