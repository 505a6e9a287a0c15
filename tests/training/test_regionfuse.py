"""RegionFuse's training: the load loss comes and goes, experts' shares are told."""

import dataclasses

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.losses import RegionFuseLoss
from fusionlib.models.regionfuse import RegionFuse
from fusionlib.training import Spec, open_run
from fusionlib.training.regionfuse import RegionFuseTraining
from tests.training.small import go, tiny

OPTIONS = {"width": 4, "region": 8, "hidden": 4, "heads": 1, "decoder_blocks": 1, "experts": 3}


def spec(**values):
    loss = values.pop("loss", RegionFuseLoss(load_epochs=1))
    options = {**OPTIONS, **values.pop("options", {})}
    return tiny(**{"model": "regionfuse", "loss": loss, "options": options, "steps": 5, **values})


def test_the_load_loss_is_of_the_first_epochs_alone():
    history = go(spec()).history()
    epoch = spec().steps_per_epoch
    assert (history["load"][:epoch] > 0).all()
    assert (history["load"][epoch:] == 0).all()
    plain = history["intensity"] + 5 * history["gradient"]
    assert history["total"].to_numpy() == pytest.approx((plain + 5 * history["load"]).to_numpy())


def test_shares_of_the_experts_add_up():
    history = go(spec()).history()
    for number in (1, 2, 3):
        shares = history.filter(regex=f"^round_{number}_")
        assert list(shares) == [f"round_{number}_expert_{k}" for k in range(3)]
        assert shares.sum(axis=1).to_numpy() == pytest.approx(1)
        assert (shares <= 1 / 2 + 1e-6).all().all()  # each token goes to two
    assert (history[["clean", "noise"]] > 0).all().all()


@pytest.mark.parametrize("fresh", [True, False])
def test_adam_forgets_the_routers_when_the_load_loss_goes(monkeypatch, fresh):
    seen, learn = [], RegionFuseTraining.learn

    def watched(self, shards):
        terms = learn(self, shards)
        weights = {"router": self.model.blocks[0].attention.router, "other": self.model.decoder}
        known = {name: next(part.parameters()) for name, part in weights.items()}
        seen.append({n: int(self.optimiser.state[weight]["step"]) for n, weight in known.items()})
        return terms

    monkeypatch.setattr(RegionFuseTraining, "learn", watched)
    one = spec(loss=RegionFuseLoss(load_epochs=1, fresh=fresh))
    go(one)
    epoch, steps = one.steps_per_epoch, list(range(1, one.total_steps + 1))
    assert 0 < epoch < one.total_steps
    assert [step["other"] for step in seen] == steps
    after = list(range(1, one.total_steps - epoch + 1))
    assert [step["router"] for step in seen] == (steps[:epoch] + after if fresh else steps)


def test_a_run_gives_back_the_network_with_its_options():
    run = go(spec())
    model = run.model()
    assert isinstance(model, RegionFuse)
    assert model.region == 8
    assert Spec.from_dict(spec().to_dict()) == spec()


def test_options_are_part_of_the_key_and_their_order_is_not():
    usual = spec()
    assert spec(options={"region": 4}).key != usual.key
    turned = dict(reversed(list(OPTIONS.items())))
    assert tiny(model="regionfuse", loss=usual.loss, options=turned, steps=5).key == usual.key
    # Runs from before there were options keep their names.
    assert tiny(options={}).key == tiny().key


def test_every_number_of_the_loss_moves_the_key():
    others = {"gradient": 1.0, "load": 1.0, "load_epochs": 3, "fresh": False}
    assert set(others) == {item.name for item in dataclasses.fields(RegionFuseLoss)}
    specs = [spec(loss=RegionFuseLoss(**{name: value})) for name, value in others.items()]
    keys = {one.key for one in (spec(loss=RegionFuseLoss()), *specs)}
    assert len(keys) == 5
    for one in specs:
        assert Spec.from_dict(one.to_dict()) == one


def test_unknown_options_are_refused_before_training():
    with pytest.raises(FusionError, match="no option 'side'"):
        spec(options={"side": 3})
    for wrong in ("region=3", 5, {"region": [1]}, {1: 2}):
        with pytest.raises(FusionError, match="options are names and plain values"):
            tiny(model="regionfuse", loss=RegionFuseLoss(), options=wrong)
    with pytest.raises(FusionError, match="bsp-cnn has no option 'region'"):
        tiny(options={"region": 4})


def test_a_killed_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole = go(spec()).model().state_dict()
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "again"))

    def stop(run, step):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(spec(), on_snapshot=stop)
    assert not open_run(spec()).finished
    for name, value in go(spec()).model().state_dict().items():
        assert torch.equal(value, whole[name])


def test_piafusion_trains_by_the_same_loss_or_another():
    loss = {"loss": RegionFuseLoss()}
    with pytest.raises(FusionError, match="The loss of a spec for piafusion is a BSPLoss or"):
        tiny(model="piafusion", **loss)
    assert go(tiny(model="piafusion", steps=1)).finished
