"""The container files agree with each other and with the program: nothing named there is missing here."""

import shlex
from pathlib import Path

import pytest
import yaml
from image_steps import instructions

from alerting.cli.group import COMMANDS
from alerting.config import load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "container" / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text("utf-8"))
BASE = DEPLOY / "kustomize" / "base"
OVERLAYS = ["embedded", "postgres"]


def test_the_image_runs_as_nobody_special_and_installs_by_hash():
    words = instructions(DOCKERFILE)
    last_stage = words[max(place for place, (name, _) in enumerate(words) if name == "FROM") :]

    assert ("USER", "10001:10001") in last_stage
    installs = [text for name, text in words if name == "RUN" and "pip install" in text]
    assert all("--require-hashes" in text or "--no-deps" in text for text in installs)
    assert not [text for name, text in words if name == "ADD"]
    [healthcheck] = [text for name, text in last_stage if name == "HEALTHCHECK"]
    assert "/livez" in healthcheck


def test_everything_the_image_copies_is_there_and_let_through():
    let_through = (DEPLOY / "container" / "Dockerfile.dockerignore").read_text("utf-8")
    copies = [
        shlex.split(text)
        for name, text in instructions(DOCKERFILE)
        if name == "COPY" and "--from" not in text
    ]

    for *sources, _target in copies:
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source}" in let_through.splitlines()


def test_every_service_is_locked_down():
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert ":" in service["image"] or service["image"] == "alerting", f"{name} names no version"
    assert COMPOSE["services"]["serve"]["user"] == "10001:10001"


def test_our_services_run_commands_that_exist_and_only_callbacks_are_public():
    services = COMPOSE["services"]
    ours = [service for service in services.values() if service["image"] == "alerting"]

    assert ours
    assert all(service["command"][0] in COMMANDS for service in ours)
    assert "ports" not in services["serve"]
    # The image's health check asks the door for monitors, and only `serve` has one.
    asked = [service["command"] for service in ours if service.get("healthcheck") != {"disable": True}]
    assert asked == [["serve"]]
    assert services["proxy"]["command"][-1] == "serve:8460"


def test_every_secret_volume_and_network_that_is_used_is_declared():
    for service in COMPOSE["services"].values():
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
        named = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in named if not name.startswith(".")} <= set(COMPOSE["volumes"])


def test_whoever_shares_the_record_is_handed_its_address():
    """A password is never written into channels.yaml, so there is no other way to it."""
    for name in ("serve", "worker"):
        assert "ledger" in COMPOSE["services"][name]["secrets"]
    assert "/run/secrets/ledger}" in (DEPLOY / "container" / "compose.yaml").read_text("utf-8")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_keys_a_record_is_sealed_with_outlive_the_pod_that_made_them(overlay):
    objects = rendered(overlay)
    [serve] = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "serve"]
    [state] = [volume for volume in serve["spec"]["template"]["spec"]["volumes"] if volume["name"] == "state"]
    [claim] = [o["metadata"]["name"] for o in objects if o["kind"] == "PersistentVolumeClaim"]
    assert state["persistentVolumeClaim"] == {"claimName": claim}


def rendered(overlay):
    """The objects of an overlay, its patches applied: as much of kustomize as these files use."""
    folder = DEPLOY / "kustomize" / overlay
    told = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    objects = []
    for name in told["resources"]:
        path = folder / name
        inner = (
            rendered(path.resolve().name)
            if path.is_dir()
            else list(yaml.safe_load_all(path.read_text("utf-8")))
        )
        objects += inner
    for patch in told.get("patches", ()):
        [target] = [one for one in objects if wanted(one, patch["target"])]
        for change in yaml.safe_load(patch["patch"]):
            assert change["op"] == "add"
            *way, end = change["path"].strip("/").split("/")
            place = target
            for step in way:
                place = place[step]
            assert end == "-"
            place.append(change["value"])
    return objects


def wanted(one, target):
    return (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_a_volume_for_every_mount_and_a_port_for_every_name(overlay):
    objects = rendered(overlay)
    pods = [one["spec"]["template"] for one in objects if one["kind"] == "Deployment"]
    labels = [template["metadata"]["labels"] for template in pods]
    selectors = [one["spec"]["selector"]["matchLabels"] for one in objects if one["kind"] == "Deployment"]
    assert labels == selectors
    assert len({str(label) for label in labels}) == len(labels), "two deployments would fight for pods"
    for template in pods:
        pod = {**template["spec"], **template["metadata"]}
        [container] = pod["containers"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        if container["args"] == ["worker"]:
            continue
        ports = {port["name"] for port in container["ports"]}
        probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness", "startup")]
        assert [probe["path"] for probe in probes] == ["/livez", "/readyz", "/livez"]
        assert {probe["port"] for probe in probes} <= ports
        [service] = [one for one in objects if one["kind"] == "Service"]
        assert service["spec"]["selector"] == pod["labels"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} == ports


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_may_do_nothing_it_need_not(overlay):
    for pod in (one["spec"]["template"]["spec"] for one in rendered(overlay) if one["kind"] == "Deployment"):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["args"][0] in COMMANDS
            assert container["resources"]["limits"]["memory"]


def test_the_record_of_a_pod_belongs_to_one_pod():
    [serve] = [one for one in rendered("embedded") if one["kind"] == "Deployment"]
    [claim] = [one for one in rendered("embedded") if one["kind"] == "PersistentVolumeClaim"]

    assert serve["spec"]["replicas"] == 1
    assert serve["spec"]["strategy"] == {"type": "Recreate"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_the_shipped_configuration_of_the_pod_is_one_this_program_takes():
    config = load(BASE / "channels.yaml", environ={}, sandbox=True)

    assert [channel.name for channel in config.channels] == [
        "x-campus",
        "facebook-campus",
        "sms-main",
        "email-main",
    ]
    assert config.callbacks
    assert config.callbacks.port == 8460
    assert config.monitor == ("0.0.0.0", 8461)
