"""Fails when a link leads to no file or heading, or when no page links to one. Run by `make check`; no network."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings' anchors as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {word.strip().replace(" ", "-") for word in words}


def links(page: Path) -> list[tuple[str, Path, str]]:
    """Each local link: as it stands, the file, the anchor or ""."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = []
    for target in (one or other for one, other in _LINK.findall(text)):
        if re.match(r"^[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found.append((target, (page.parent / name).resolve() if name else page, anchor))
    return found


def is_broken(linked: Path, anchor: str) -> bool:
    return not linked.exists() or (bool(anchor) and linked.suffix == ".md" and anchor not in anchors(linked))


def main() -> int:
    documents = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docker").rglob("*.md")]
    found = {page: links(page) for page in [*ROOT.glob("*.md"), *documents]}
    problems = [
        f"broken link: {page.relative_to(ROOT)}: {target}"
        for page, targets in found.items()
        for target, linked, anchor in targets
        if is_broken(linked, anchor)
    ]
    linked_to = {linked for page, targets in found.items() for _, linked, _ in targets if linked != page}
    problems += [f"no page links to {page.relative_to(ROOT)}" for page in documents if page not in linked_to]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    sys.stdout.write(f"{len(found)} pages, {len(problems)} problems\n")
    return 1 if problems or not found else 0


if __name__ == "__main__":
    sys.exit(main())
