"""Write the tables of claims into README.md, between its two markers, from results/*/claims.csv: `make readme`."""

from pathlib import Path

from featurelearning.evidence import verdicts
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


def tables(root: Path) -> str:
    """Return the table of each paper in a folder, under its name where there are several.

    Raises ValueError, naming the file, where there is none or one cannot be used.
    """
    paths = sorted((root / "results").glob("*/claims.csv"))
    if not paths:
        raise ValueError(f"{root / 'results' / '*' / 'claims.csv'}: not found; run `make reproduce` first")
    heads = [f"**{path.parent.name}**\n\n" if len(paths) > 1 else "" for path in paths]
    texts = [
        verdicts.shown(verdicts.read(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())).markdown()
        for path in paths
    ]
    return "\n".join(head + text for head, text in zip(heads, texts, strict=True))


def main(root: Path = Path(".")) -> None:
    """Update README.md in a folder; ends with a message that names the remedy if a file or marker is missing."""
    target = root / "README.md"
    if not target.is_file():
        raise SystemExit(f"{target}: not found; run this in the repository's root")
    try:
        text = insert(target.read_text(encoding="utf-8"), tables(root))
    except ValueError as error:
        raise SystemExit(str(error)) from None
    with atomic.whole(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
