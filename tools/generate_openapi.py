"""Writes docs/api/<service>.openapi.json: what each service's API answers, as the code says it.

It starts nothing: an application is described without its database. A change of an API shows in these files and must be meant.
"""

from pathlib import Path

from paycue.app import api, discover
from paycue.http.openapi import text

ROOT = Path(__file__).resolve().parent.parent


def generate(out: Path) -> list[Path]:
    """Write one description per service into the folder `out`; returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    written = list[Path]()
    for service in discover():
        written.append(out / f"{service.name}.openapi.json")
        written[-1].write_text(text(api(service)))
    return written


if __name__ == "__main__":
    for path in generate(ROOT / "docs" / "api"):
        print(f"wrote {path.relative_to(ROOT)}")
