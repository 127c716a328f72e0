"""Which verdicts of the noise study hold when one setting is changed: a row for each claim, a column a variant."""

import csv
import html
import io
from collections.abc import Mapping, Sequence

from featurelearning.evidence import claims, tables

BASELINE = "baseline"
ESTIMATOR = "population"


def judged(listed: Sequence[dict], noise, variants: Mapping[str, object]) -> list[dict]:
    """Return {claim, statement, verdicts: column -> row of the claims table} for each claim on powers of Sigma.

    noise: the noise study at the SNR of the variants; variants: data sets in its layout, by name. Each is judged by the
    rule and the contrast of the claim, so that only the data differ.
    """
    columns = {BASELINE: noise, **variants}
    chosen = [claim for claim in listed if claim["contrast"].get("study") == "noise" and _on_powers(claim["contrast"])]
    return [
        {key: claim[key] for key in ("id", "statement")}
        | {"verdicts": {name: claims.evaluate(claim, {"noise": data}) for name, data in columns.items()}}
        for claim in chosen
    ]


def held(rows: Sequence[dict]) -> str:
    """Return one sentence for each variant that counts the verdicts which are those of the baseline."""
    names = [name for name in rows[0]["verdicts"] if name != BASELINE]
    same = {name: sum(_verdict(row, name) == _verdict(row, BASELINE) for row in rows) for name in names}
    counted = ", ".join(f"{name} {count}" for name, count in same.items())
    return f"Of {len(rows)} contrasts, as many have the verdict of the baseline: {counted}."


def write_csv(rows: Sequence[dict]) -> str:
    """Return a line for each claim and variant: estimate, interval, n, verdict; a missing number is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    numbers = ("estimate", "ci_low", "ci_high")
    writer.writerow(["claim", "variant", *numbers, "n", "verdict"])
    for row in rows:
        for name, found in row["verdicts"].items():
            cells = [tables.number(found[key]) for key in numbers]
            writer.writerow([row["id"], name, *cells, found["n"], found["verdict"]])
    return out.getvalue()


def markdown(rows: Sequence[dict]) -> str:
    """Return the table: verdict and estimate in each cell."""
    head = ["claim", *rows[0]["verdicts"]]
    lines = [tables.line(head), tables.line(["---"] * len(head))]
    lines += [tables.line([row["id"], *map(_cell, row["verdicts"].values())]) for row in rows]
    return "\n".join([held(rows), "", *lines, ""])


def page(rows: Sequence[dict]) -> str:
    """Return the table as one HTML page that needs no other file."""
    head = ("claim", *rows[0]["verdicts"])
    return tables.document("firmness", "Firmness of the verdicts", held(rows), "", head, map(_html_row, rows))


def _on_powers(contrast):
    return contrast.get("method") == "sigma_power" and contrast.get("estimator") == ESTIMATOR


def _verdict(row, name):
    return row["verdicts"][name]["verdict"]


def _cell(found):
    return f"{tables.MARKS[found['verdict']]} {tables.number(found['estimate'], '+.2f')}".rstrip()


def _html_row(row):
    cells = "".join(
        f'<td class="number {found["verdict"].replace(" ", "-")}" title="{found["verdict"]}">{_cell(found)}'
        f"<small>{tables.interval(found, 'ci')}</small></td>"
        for found in row["verdicts"].values()
    )
    return f'<tr><th scope="row">{row["id"]}<small>{html.escape(row["statement"])}</small></th>{cells}</tr>'
