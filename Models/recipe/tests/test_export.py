"""phases.json against the systems it describes."""
import pytest

from recipe import export, sample


@pytest.mark.parametrize("name", sample.SYSTEMS)
def test_every_step_is_routed_to_its_expert(name):
    system, entry = sample.SYSTEMS[name], export.generator(name)
    assert entry["sigmas"] == list(system.sigmas[:-1])
    for step, sigma in enumerate(entry["sigmas"]):
        owners = [p["expert"] for p in entry["phases"] if p["sigma"][0] <= sigma < p["sigma"][1] or sigma == p["sigma"][1] == 1]
        assert owners == [export.folders(name)[system.owner(step)]]


def test_phases_cover_all_levels():
    for generator in export.plan(["one-step", "dmd2"], ["phased-4"])["generators"].values():
        edges = [p["sigma"] for p in generator["phases"]]
        assert edges[0][1] == 1 and edges[-1][0] == 0 and all(a[0] == b[1] for a, b in zip(edges, edges[1:]))


def test_adapted_experts_lie_on_the_owner_of_their_noise():
    plan = export.plan([], ["phased-4"])
    bases = {p["expert"]: p["sigma"] for p in plan["generators"]["student"]["phases"]}
    phases = plan["generators"]["phased-4"]["phases"]
    assert sorted(plan["experts"]) == sorted(p["expert"] for p in phases)
    for phase in phases:
        low, high = bases[plan["experts"][phase["expert"]]["base"]]
        assert low <= phase["sigma"][0] and phase["sigma"][1] <= high
