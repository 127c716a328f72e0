"""Write the table of claims into README.md, between its two markers, from results/claims.csv: `make readme`."""

from pathlib import Path

from featurelearning.evidence import tables
from featurelearning.files import atomic

BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"


def insert(readme: str, table: str) -> str:
    """Return the README's text with everything between its markers replaced by the table.

    Raises ValueError unless both markers stand in the text once each, in this order.
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise ValueError(
            f"README.md: needs the markers {BEGIN} and {END} once each, in this order; put them where the table goes"
        )
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table.strip()}\n{END}{rest.split(END)[1]}"


def main(root: Path = Path(".")) -> None:
    """Update README.md in a folder; ends with a message that names the remedy if a file or marker is missing."""
    source, target = root / "results" / "claims.csv", root / "README.md"
    for path, remedy in ((source, "run `make reproduce` first"), (target, "run this in the repository's root")):
        if not path.is_file():
            raise SystemExit(f"{path}: not found; {remedy}")
    try:
        rows = tables.read_csv(source.read_text(encoding="utf-8"))
        text = insert(target.read_text(encoding="utf-8"), tables.markdown(rows))
    except ValueError as error:
        raise SystemExit(str(error)) from None
    with atomic.whole(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
