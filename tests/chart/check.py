"""Checks the Helm chart: `python3 tests/chart/check.py`.

Helm lints it, and renders it with each file of `tests/chart/values`. Every object is valid for Kubernetes; the
ServiceMonitor, which is not of Kubernetes, is compared as it stands. Values that would harm are refused.
"""

import pathlib
import re
import sys

import helm_python as helm
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "packaging/chart"
VALUES = sorted((ROOT / "tests/chart/values").glob("*.yaml"))
KUBERNETES = "1.37"
# The objects of each file of values.
KINDS = {
    "postgres": ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service", "ServiceAccount",
                 "ServiceMonitor"],
    "sqlite": ["Deployment", "PersistentVolumeClaim", "Service", "ServiceAccount"],
    "tls": ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service", "ServiceAccount"],
}
# Values that are refused, and a part of the reason.
REFUSED = [
    ({"replicas": 2}, "SQLite serves one replica"),
    ({"replicas": 0}, "replicas"),
    ({"replicas": 1, "setings": {}}, "setings"),
    ({"replicas": 1, "settings": {"JWT_SECRET": "x"}}, "'JWT_SECRET'"),
    ({"replicas": 1, "settings": {"mail_url": "x"}}, "'mail_url'"),
    ({"replicas": 1, "shutdownDelaySeconds": 301}, "shutdownDelaySeconds"),
]
passed = 0


def holds(what, condition, detail=""):
    global passed
    if not condition:
        sys.exit(f"FAILED: {what}: {detail}")
    passed += 1
    print(f"   ok: {what}", flush=True)


# The page has a row for each setting, which a test compares with the code.
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))


def objects(chart, values):
    rendered = chart.render(values, name="auth", namespace="prod")
    texts = [text for name, text in sorted(rendered.items()) if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def settings_of(deployment):
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def check(chart, file):
    found = objects(chart, yaml.safe_load(file.read_text()))
    kinds = sorted(each["kind"] for each in found)
    holds(f"{file.stem}: its objects", kinds == KINDS[file.stem], kinds)
    for each in found:
        if each["kind"] == "ServiceMonitor":
            expected = {"port": "metrics", "interval": "15s"}
            holds("the ServiceMonitor reads the port of the metrics", each["spec"]["endpoints"] == [expected], each)
            continue
        try:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            sys.exit(f"FAILED: {file.stem}: {each['kind']}: {error}")
        holds(f"{file.stem}: {each['kind']} {each['metadata']['name']}", True)
    deployment = next(each for each in found if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    names = [variable["name"] for variable in pod["containers"][0]["env"]]
    holds(f"{file.stem}: no setting is given twice", len(set(names)) == len(names), names)
    holds(f"{file.stem}: each variable is a setting", SETTINGS.issuperset(names), names)
    settings = settings_of(deployment)
    delay = int(settings["SHUTDOWN_DELAY"].removesuffix("s"))
    grace = pod["terminationGracePeriodSeconds"]
    holds(f"{file.stem}: the drain fits into the grace period", grace == delay + 10, grace)
    secure = pod["containers"][0]["securityContext"]
    holds(f"{file.stem}: the root is read-only and the user is not root",
          secure["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"], secure)
    selector = deployment["spec"]["selector"]["matchLabels"]
    for each in found:
        if each["kind"] in ("Service", "PodDisruptionBudget"):
            chosen = each["spec"]["selector"]
            holds(f"{file.stem}: {each['kind']} selects the pods", chosen in (selector, {"matchLabels": selector}), chosen)
    return settings


def main():
    findings = helm.lint(str(CHART))
    worst = max((found["severity"] for found in findings["messages"]), default=0)
    holds("lint finds nothing but that there is no icon", not findings["errors"] and worst <= 1, findings)
    with helm.Chart.load(str(CHART)) as chart:
        holds("there are three files of values", len(VALUES) == 3)
        settings = {file.stem: check(chart, file) for file in VALUES}
        holds("SQLite is on the volume", settings["sqlite"]["DATABASE_URL"] == "sqlite:/var/lib/countersign/countersign.db")
        holds("keys need the master secret", "MASTER_SECRET_FILE" in settings["postgres"])
        holds("a boolean is written as a setting is", settings["sqlite"]["ALLOW_REGISTRATION"] == "true")
        for values, reason in REFUSED:
            try:
                objects(chart, values)
                refusal = "it was accepted"
            except helm.HelmError as error:
                refusal = str(error)
            holds(f"refused: {values}", reason in refusal, refusal)
    print(f"\nchart: {passed} checks passed")


main()
