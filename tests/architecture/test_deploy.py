"""What is deployed is well-formed, hardened, and speaks of settings and metrics that exist."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from paycue.observability.metrics import REGISTRY
from paycue.settings import KernelSettings

ROOT = Path(__file__).parents[2]
SERVICES = ("scheduler", "notifier", "payments", "disputes")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
MANIFESTS = sorted(path for path in (ROOT / "deploy/k8s").rglob("*.yaml") if path.name != "kustomization.yaml")
PROMETHEUS_OWN = {"up", "process_start_time_seconds", "process_resident_memory_bytes"}


def documents() -> Iterator[Any]:
    for path in MANIFESTS:
        for number, document in enumerate(yaml.safe_load_all(path.read_text())):
            yield pytest.param(document, id=f"{path.relative_to(ROOT / 'deploy/k8s')}:{number}")


def deployments() -> dict[str, Any]:
    return {document["metadata"]["name"]: document["spec"]["template"]["spec"] for document in every("Deployment")}


def every(kind: str) -> list[Any]:
    found = [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]
    return [document for document in found if document["kind"] == kind]


def test_compose_runs_every_service_and_what_it_needs() -> None:
    services = COMPOSE["services"]
    assert {*SERVICES, "kafka", "postgres", "mailpit", "prometheus", "grafana", "migrate"} == services.keys()
    for name in SERVICES:
        assert services[name]["command"] == ["paycue", "run", name]
        assert services[name]["build"]["args"] == {"SERVICE": name}
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["read_only"] is True


def test_compose_refers_only_to_what_it_declares() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert {*service.get("depends_on", ())} <= services.keys()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), source


def test_compose_pins_images_and_opens_ports_on_this_machine_only() -> None:
    for name, service in COMPOSE["services"].items():
        assert "build" in service or re.search(r":v?\d[\d.]*$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_compose_refuses_to_start_without_secrets_and_holds_none() -> None:
    environment = COMPOSE["services"]["scheduler"]["environment"]
    for name in ("PAYCUE_SECRET", "PAYCUE_DATABASE_URL"):
        assert re.search(r"\$\{PAYCUE_\w+:\?[^}]+\}", environment[name])


def test_what_compose_and_kubernetes_set_are_settings() -> None:
    from services.notifier.settings import NotifierSettings

    known = {f"PAYCUE_{name.upper()}" for settings in (KernelSettings, NotifierSettings) for name in settings.model_fields}
    blocks = [document["data"] for document in every("ConfigMap")] + [COMPOSE["services"][name]["environment"] for name in SERVICES]
    assert {name for block in blocks for name in block} - known == set()


def test_compose_is_accepted_by_docker() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker with its compose plugin is not installed here")
    environment = {**os.environ, "PAYCUE_SECRET": "x" * 32, "PAYCUE_DATABASE_PASSWORD": "x"}
    done = subprocess.run([docker, "compose", "config", "--quiet"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", list(documents()))
def test_a_manifest_is_what_kubernetes_expects(document: Any) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_every_manifest_is_listed_by_its_kustomization() -> None:
    for kustomization in (ROOT / "deploy/k8s").rglob("kustomization.yaml"):
        text = yaml.safe_load(kustomization.read_text())
        listed = {*text["resources"], *(patch["path"] for patch in text.get("patches", ()))}
        assert all((kustomization.parent / name).exists() for name in listed)
        assert {path.name for path in kustomization.parent.glob("*.yaml")} - {"kustomization.yaml"} <= listed


def test_the_example_overlay_renders() -> None:
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl is not installed here; the checks above stand for it")
    command = [kubectl, "kustomize", str(ROOT / "deploy/k8s/overlays/example")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    images = [c["image"] for d in rendered if d["kind"] in {"Deployment", "Job"} for c in d["spec"]["template"]["spec"]["containers"]]
    assert len(images) == len(SERVICES) + 1
    assert all(re.fullmatch(r"registry\.example\.com/paycue-\w+:\d+\.\d+\.\d+", image) for image in images)


def test_every_service_is_deployed_with_probes_and_without_privileges() -> None:
    assert deployments().keys() == {*SERVICES}
    for pod in deployments().values():
        (container,) = pod["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["resources"].keys() == {"requests", "limits"}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_network_denies_first() -> None:
    first = next(yaml.safe_load_all((ROOT / "deploy/k8s/base/network.yaml").read_text()))
    assert first["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def expressions() -> Iterator[Any]:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=rule["alert"])
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            yield from (pytest.param(target["expr"], id=panel["title"]) for target in panel.get("targets", ()))


def series() -> dict[str, set[str]]:
    """Every series a service exposes -> its own labels."""
    found = dict[str, set[str]]()
    for collector in REGISTRY._collector_to_names:  # the client has no public way to ask for label names
        for name in REGISTRY._collector_to_names[collector]:
            found[name] = {*getattr(collector, "_labelnames", ())}
    return found


@pytest.mark.parametrize("expression", list(expressions()))
def test_a_query_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    known = series()
    names = set(re.findall(r"\b(?:paycue|process)_[a-z_]+\b", expression)) | ({"up"} & set(re.findall(r"\bup\b", expression)))
    assert names
    assert names - known.keys() - PROMETHEUS_OWN == set()
    labels = {label for name in names for label in known.get(name, set())} | {"instance", "job", "le"}
    grouped = {label for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
    assert grouped | set(re.findall(r"[{,]\s*(\w+)\s*=", expression)) <= labels


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert {"summary", "description"} == rule["annotations"].keys()


def test_dead_letters_the_outbox_and_the_watchdog_raise_alerts() -> None:
    asked = " ".join(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])
    for metric in ("paycue_dead_letters_total", "paycue_outbox_pending", "paycue_watchdog_exits_total", "paycue_invariant_violations"):
        assert metric in asked


def test_a_dashboard_has_an_id_of_its_own_and_panels_that_do_not_overlap() -> None:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert boards
    assert len({board["uid"] for board in boards}) == len(boards)
    for board in boards:
        places = [panel["gridPos"] for panel in board["panels"]]
        cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
        assert len(cells) == len(set(cells))
        assert len({panel["id"] for panel in board["panels"]}) == len(places)


def test_prometheus_scrapes_every_service() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:8080" for name in SERVICES]}]
    assert config["rule_files"] == ["alerts.yml"]
