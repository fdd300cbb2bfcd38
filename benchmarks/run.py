"""Run the benchmarks, or those named, and print one table.

`python benchmarks/run.py` runs all, half an hour on two cores, and writes the table into `benchmarks/README.md`;
`python benchmarks/run.py confusion scenes` runs two of them and replaces their rows there; rows of another machine
keep a table of their own. With `--seconds 20` a quick look is taken, and nothing is written.
"""

import argparse
import importlib
import os
from pathlib import Path

# One thread, which a busy second core disturbs least; torch reads this when it is imported.
os.environ["OMP_NUM_THREADS"] = "1"

NAMES = ("trainer", "dcgan", "unet", "confusion", "imports", "scenes", "channels_last")
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"
COLUMNS = ("benchmark", "what", "median (least–greatest)", "asked", "met", "processor/wall")


def lines(name: str, rows: list) -> list[str]:
    """Return the table's lines for the rows of the benchmark `name`."""
    return [f"| {' | '.join([f'`{name}`', *row.cells()])} |\n" for row in rows]


def written(readme: Path) -> dict[str, dict[str, list[str]]]:
    """Return the lines of the README's tables: by machine, and for each by benchmark."""
    text = readme.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    tables: dict[str, dict[str, list[str]]] = {}
    machine = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("| `"):
            tables[machine].setdefault(line.split("`")[1], []).append(line)
        elif line.strip() and not line.startswith("|"):
            machine = line.strip()
            tables[machine] = {}
    return tables


def merged(tables: dict[str, dict[str, list[str]]], machine: str, results: dict[str, list[str]]) -> dict:
    """Return `tables` with what was measured now on `machine`; older rows of the same benchmarks go."""
    kept = {m: {name: lines for name, lines in rows.items() if name not in results} for m, rows in tables.items()}
    kept[machine] = kept.get(machine, {}) | results
    return {m: rows for m, rows in kept.items() if rows}


def table(tables: dict[str, dict[str, list[str]]]) -> str:
    """Return each machine and its table, in the order of `NAMES`."""
    head = f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|\n"
    bodies = {m: "".join(line for name in NAMES for line in rows.get(name, [])) for m, rows in tables.items()}
    return "\n".join(f"{machine}\n\n{head}{body}" for machine, body in bodies.items())


def write(text: str, readme: Path) -> None:
    """Put the text between the README's markers."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    beside = readme.with_suffix(".md.part")
    beside.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    os.replace(beside, readme)


def main() -> None:
    """Run what was asked for, print it, and keep it unless it was only a quick look."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument("--seconds", type=float, help="a quick look: for each, or for each network of unet; not kept")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")

    import torch
    from measuring import machine

    torch.set_num_threads(1)
    results = {}
    for name in asked.names or NAMES:
        print(f"{name} …", flush=True)
        measure = importlib.import_module(name).measure
        results[name] = lines(name, measure() if asked.seconds is None else measure(asked.seconds))
        print("".join(results[name]), end="", flush=True)
    print(f"\n{table({machine(): results})}")
    if asked.seconds is None:
        write(table(merged(written(README), machine(), results)), README)
        print(f"Written into {README}.")


if __name__ == "__main__":
    main()
