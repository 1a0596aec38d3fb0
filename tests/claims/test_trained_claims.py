"""Claims that train, from the plan to the record: stopped and started again, and with too few seeds."""

import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from opsin.claims import plan as plans
from opsin.claims import run
from opsin.claims.catalogue import CLAIMS
from opsin.claims.claim import Finding, Part
from opsin.claims.experiments import told
from opsin.claims.plan import Asked, Work
from opsin.claims.trials.experiment import Arm, Experiment, recipe
from opsin.claims.verdict import Better, advice, effect, judge
from opsin.errors import OpsinError


def smaller_is_worse(results):
    found, rule = results.contrast({"small": 1.0, "large": -1.0}), Better(1.0)
    return Finding(
        judge(found, rule),
        (Part("a perceptron of two units errs more than one of 32", told.points(found)),),
        notes=tuple(filter(None, [advice(found, rule)])),
        effect=effect(found, rule, "test error of two units less that of 32"),
    )


UNITS = Experiment(
    tuple(Arm(name, "mlp", {"hidden": (units,)}, rate=0.05) for name, units in (("small", 2), ("large", 32))),
    recipe(2),
    (0.25, 0.5),
    smaller_is_worse,
    seeds=6,
)
CLAIM = replace(CLAIMS["T01"], id="T99", experiment=UNITS, test=None)


@pytest.fixture(autouse=True, scope="module")
def kept():
    """Claims of this module train in processes that are kept from one to the next."""
    from kept_pool import KeptPool

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "Pool", KeptPool)
        yield


def results(folder, asked=plans.NOTHING, workers=1):
    return run.run(plans.plan([CLAIM], folder, asked), folder, asked, work=Work(workers=workers))["T99"]


def test_a_trained_claim_has_its_record_once(tmp_path):
    record = results(tmp_path)
    assert record["verdict"] == "holds" and record["seeds"] == 6 and record["data"] == "digits"
    assert record["effect"]["n"] == 6 and record["effect"]["low"] > 1 and len(record["effect"]["values"]) == 6
    assert len(list((tmp_path / "trials").glob("*.json"))) == 12
    assert plans.plan([CLAIM], tmp_path).todo == ()
    (tmp_path / "T99.json").unlink()
    assert results(tmp_path) == record  # of the same trials


def test_other_images_under_the_same_name_are_run_anew(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "out"
    asked = Asked(data=str(tmp_path / "own.npz"), seeds=2)
    for n in (40, 60):
        np.savez(tmp_path / "own.npz", images=rng.integers(0, 255, (n, 8, 8), np.uint8), labels=np.arange(n) % 2)
        assert [claim.id for claim in plans.plan([CLAIM], folder, asked).todo] == ["T99"]
        results(folder, asked)
        assert not plans.plan([CLAIM], folder, asked).todo


def test_a_record_with_other_images_is_not_replaced(tmp_path):
    results(tmp_path, Asked(seeds=2))
    with pytest.raises(OpsinError, match=r"has T99 with digits, tier quick: give --out another folder for mnist"):
        plans.plan([CLAIM], tmp_path, Asked(data="mnist"))
    with pytest.raises(OpsinError, match="has T99 with 2 seeds: give as many, or --out another folder for 1"):
        plans.plan([CLAIM], tmp_path, Asked(seeds=1))
    assert [claim.id for claim in plans.plan([CLAIM], tmp_path).todo] == ["T99"], "more seeds may take its place"
    (tmp_path / "T99.json").rename(tmp_path / "T98.json")
    with pytest.raises(OpsinError, match=r"T98.json is a record of T99: give it that name"):
        plans.plan([replace(CLAIM, id="T98")], tmp_path, Asked(seeds=2))


def test_too_few_seeds_are_said(tmp_path):
    record = results(tmp_path, Asked(seeds=2))
    assert record["verdict"] == "undecided" and record["seeds"] == 2
    assert "not decided at 2 seeds" in record["notes"][0] or "at least six" in record["notes"][0]


def test_one_seed_shows_no_interval(tmp_path):
    record = results(tmp_path, Asked(seeds=1))
    assert record["verdict"] == "undecided" and record["parts"][0]["found"].endswith("points (? to ?)")


def test_images_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(OpsinError, match="nowhere"):
        results(tmp_path, Asked(data="nowhere"))
    assert not list(tmp_path.glob("T*.json"))


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_trained_claims import results
results(Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_and_started_again_it_leaves_the_same_record(tmp_path):
    whole, broken = results(tmp_path / "whole"), tmp_path / "broken"
    folder = str(__file__).rpartition("/")[0]
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, folder, str(broken)])
    while len(list(broken.glob("trials/*.json"))) < 3 and child.poll() is None:
        time.sleep(0.05)
    child.kill()
    child.wait()
    assert 3 <= len(list(broken.glob("trials/*.json"))) < 12 and not (broken / "T99.json").exists()
    again = results(broken, workers=2)  # two processes where the whole had one
    assert again | {"minutes": 0} == whole | {"minutes": 0}


def test_the_full_tier_trains_wider_networks_on_all_images(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    plan = plans.plan([CLAIM], tmp_path, Asked("full", seeds=2))
    assert [claim.id for claim in plan.todo] == ["T99"] and math.isnan(plan.minutes)
    monkeypatch.setitem(plans.TIERS, "full", plans.Tier("digits", None, 4, "cpu"))  # as on a GPU
    record = results(tmp_path, Asked("full", seeds=2))
    assert (record["tier"], record["data"], record["seeds"]) == ("full", "digits", 2)
    trials = [json.loads(file.read_text())["trial"] for file in (tmp_path / "trials").glob("*.json")]
    assert {trial["arguments"]["scale"] for trial in trials} == {4}
    assert {trial["most"] for trial in trials} == {None}


@pytest.mark.parametrize(("data", "seeds", "workers", "minutes"), [
    (None, None, 2, 8.0), (None, 5, 2, 4.0), (None, None, 4, 4.0), ("many", None, 2, 16.0),
])  # fmt: skip
def test_the_time_is_foretold_by_seeds_images_and_processes(tmp_path, monkeypatch, data, seeds, workers, minutes):
    monkeypatch.setattr(plans, "size_of", lambda data, root, most: (2 * plans.IMAGES, plans.PIXELS))
    claim = replace(CLAIM, minutes=0.0, trains=8.0, experiment=replace(UNITS, seeds=10))
    plan = plans.plan([claim, CLAIMS["X04"]], tmp_path, Asked(data=data, seeds=seeds), Work(workers=workers))
    assert plan.each == pytest.approx((CLAIMS["X04"].minutes, minutes))
    assert plan.minutes == pytest.approx(sum(plan.each))


def test_a_change_of_an_arm_is_another_run():
    other = replace(CLAIM, experiment=replace(UNITS, arms=(replace(UNITS.arms[0], rate=0.1), UNITS.arms[1])))
    assert plans.definition(other, plans.NOTHING) != plans.definition(CLAIM, plans.NOTHING)
    assert plans.definition(replace(CLAIM, minutes=5.0), plans.NOTHING) == plans.definition(CLAIM, plans.NOTHING)


def test_other_seeds_are_another_run(tmp_path):
    asked = Asked(seeds=2)
    assert plans.definition(CLAIM, plans.NOTHING) == plans.definition(CLAIM, Asked(seeds=6))
    assert plans.definition(CLAIM, plans.NOTHING) != plans.definition(CLAIM, asked)


@pytest.mark.parametrize(("asked", "options"), [
    (Asked(), ""),
    (Asked("quick", "digits", UNITS.seeds), ""),
    (Asked("standard", "cifar10"), " --tier standard"),
    (Asked("standard", "digits", 20), " --tier standard --data digits --seeds 20"),
    (Asked(data="my photos"), " --data 'my photos'"),
])  # fmt: skip
def test_the_command_of_a_record_has_the_options_that_differ_from_the_usual_ones(asked, options):
    assert plans.command(CLAIM, asked) == f"opsin claims run {CLAIM.id}{options}"
    assert plans.command(CLAIMS["X04"], asked) == "opsin claims run X04"


def test_a_test_decides_and_what_is_trained_stands_beside_it(tmp_path):
    both = replace(CLAIM, test=CLAIMS["X35"].test)
    record = run.run(plans.plan([both], tmp_path), tmp_path, work=Work(workers=1))["T99"]
    assert record["verdict"] == "does not hold here" and record["effect"]["n"] == 6
    assert [part["holds"] for part in record["parts"]] == [False, None, None]
