"""Checks the contracts in proto/ and generates everything that follows from them: code, topics.json, AsyncAPI, golden bytes.

Offline: buf and the compiler come from packages. It must never rewrite what is released: an image or golden bytes that exist are
kept, and a change that breaks them is refused.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf import json_format
from google.protobuf.message import Message

from tools import asyncapi, topics
from tools.protobuf_source import Definitions

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
RELEASED = PROTO / "released" / "v1.binpb"
"""What `buf build` made of the contracts as last released; `make proto RELEASE=1` moves it on."""


def main() -> None:
    """Lint, refuse what breaks the released contracts, then write everything that is generated into the working tree."""
    step("lint", "lint", "proto")
    if RELEASED.exists():
        step("compatible with what is released", "breaking", "proto", "--against", str(RELEASED.relative_to(ROOT)))
    generate(ROOT)
    for name in encode_examples(PROTO / "examples"):
        print(f"encoded proto/examples/{name}.binpb, which is golden from now on")
    if os.environ.get("RELEASE") or not RELEASED.exists():
        RELEASED.parent.mkdir(exist_ok=True)
        step("release", "build", "proto", "--exclude-source-info", "-o", str(RELEASED.relative_to(ROOT)))


def step(what: str, *arguments: str) -> None:
    """Run buf and stop with its own words when it refuses."""
    print(f"buf {arguments[0]}: {what}", flush=True)
    done = buf(*arguments)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}proto/ is refused: mend what stands above and run make proto again")


def buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the buf of this environment from the root, with the compiler of grpcio-tools on its path."""
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run([tools / "buf", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def generate(out: Path) -> None:
    """Write the generated files below `out`, which need not be the working tree."""
    step("generate", "generate", "proto", "--template", "proto/buf.gen.yaml", "-o", str(out))
    declared, definitions = topics.read(PROTO / "topics.yaml"), read_definitions()
    _write(out / "paycue" / "events" / "topics.json", topics.compiled(declared))
    _write(out / "docs" / "api" / "asyncapi.yaml", asyncapi.document(declared, definitions, PROTO / "examples"))


def read_definitions() -> Definitions:
    """The contracts as they stand in the working tree."""
    with TemporaryDirectory() as folder:
        image = Path(folder) / "image.binpb"
        step("compile", "build", "proto", "-o", str(image))
        return Definitions(PROTO, image.read_bytes())


def encode_examples(folder: Path) -> list[str]:
    """Write the golden bytes of every example that has none yet; returns their names."""
    classes = event_classes()
    fresh = sorted(path.stem for path in folder.glob("*.json") if not path.with_suffix(".binpb").exists())
    for name in fresh:
        message = json_format.Parse((folder / f"{name}.json").read_text(), classes[name]())
        (folder / f"{name}.binpb").write_bytes(message.SerializeToString(deterministic=True))
    return fresh


def event_classes() -> dict[str, type[Message]]:
    """Generated message class by its short name."""
    modules = [importlib.import_module(f"{topics.PACKAGE}.{path.stem}_pb2") for path in (PROTO / "paycue/events/v1").glob("*.proto")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type) and issubclass(value, Message)]
    return {kind.DESCRIPTOR.name: kind for kind in found}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    main()
