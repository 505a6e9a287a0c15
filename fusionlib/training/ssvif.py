"""SSVIF's training: fusion alone, then fusion and two segmentations together."""

import torch
from torch import Tensor

from fusionlib.data.base import Base
from fusionlib.losses.balancing import create_weighting
from fusionlib.losses.consistency import consistency
from fusionlib.losses.gradients import TaskGradients
from fusionlib.models.segmentation import SegmentationHead, segformer
from fusionlib.training.consistency import WITHOUT
from fusionlib.training.course import Course
from fusionlib.training.loop import Training
from fusionlib.training.patience import Patience

# Of stage II, and 0 in stage I: what the history holds beside the fusion loss's terms.
CSC = ("csc", "agreement", "from_a", "classes")
WEIGHED = ("g_fusion", "g_csc", "projection", "cosine", "lambda_fusion", "lambda_csc")


class SSVIFTraining(Training):
    """Stage I: the fusion loss. Stage II: the consistency loss as well (Eq. 2).

    A head segments the features, a SegFormer the fused image. Both learn from
    the consistency loss alone; the fusion model learns from both losses, whose
    weights `Consistency.weighting` gives. A run keeps the fusion model.

    The history holds the terms of the fusion loss; `fusion`, their total; `csc`
    with the `agreement` of both segmentations, the share of pixels that the
    head labels (`from_a`) and the number of `classes` in use; both gradients'
    norms over the fusion model, the `projection` coefficient (Eq. 8) and
    `cosine` (Eq. 9) of one on the other; both weights; the `stage` and, where
    there is a patience, the `validation` of the last epoch. `total` is what
    the step goes down.
    """

    watched = "fusion"  # the total's weights change, so its level says nothing

    def __init__(self, run, base: Base, *arguments, **options):
        self.held_out = None
        if run.spec.consistency.patience:
            base, self.held_out = split(base, run.spec.consistency.validation)
        super().__init__(run, base, *arguments, **options)
        if self.held_out:
            self.held_out = self.held_out.to(self.device)

    def more_parts(self) -> dict:
        game = self.spec.consistency
        self.course = Course(game.two_stages and game.weighting != WITHOUT)
        self.patience = Patience(game.patience) if game.patience else None
        kept = {"course": self.course} | ({"patience": self.patience} if self.patience else {})
        if game.weighting == WITHOUT:
            return kept
        # After the fusion model, so that a seed gives it the same weights as without.
        channels = self.model.feature_channels
        self.head = SegmentationHead(channels, game.classes, game.width)
        self.segmenter = segformer(game.segmenter, game.classes, self.spec.channels)
        epochs = -(-self.spec.total_steps // self.spec.steps_per_epoch)
        self.weighting = create_weighting(game.weighting, **game.options(epochs))
        parts = {"head": self.head, "segmenter": self.segmenter, "weighting": self.weighting}
        for part in parts.values():
            part.to(self.device).train()
        self.beside = [*self.head.parameters(), *self.segmenter.parameters()]
        learnt = [*self.beside, *self.weighting.parameters()]
        self.segmentation_adam = torch.optim.Adam(learnt, lr=self.spec.lr, fused=True)
        return {**parts, "segmentation_adam": self.segmentation_adam, **kept}

    @property
    def over(self) -> bool:
        return self.patience is not None and self.patience.over

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        ((ir, vi),) = shards
        if self.spec.consistency.flips:
            ir, vi = flipped(ir, vi, self.spec.seed, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        joint = self.spec.consistency.weighting != WITHOUT and self.course.joint
        terms = self.both(ir, vi) if joint else self.fusion_alone(ir, vi)
        self.course.add(terms["fusion"], terms["csc"])
        if (self.step + 1) % self.spec.steps_per_epoch == 0:
            self.end_epoch(joint)
        if self.patience and (self.over or self.step + 1 == self.spec.total_steps):
            self.patience.give_back(self.model)
        total = terms.pop("total")
        beside = {"stage": 1.0 + joint, "validation": self.course.validation}
        return {**terms, **{k: total.new_tensor(v) for k, v in beside.items()}, "total": total}

    def fusion_alone(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """A step down the fusion loss."""
        with self.autocast():
            fused = self.model(ir, vi)
        terms = self.spec.loss(fused.float(), ir, vi)
        # Eq. 2, first line
        terms["total"].backward()
        self.optimiser.step()
        zero = torch.zeros_like(terms["total"])
        beside = {**dict.fromkeys((*CSC, *WEIGHED), zero), "lambda_fusion": zero + 1}
        total = terms.pop("total")
        return {**terms, "fusion": total, **beside, "total": total}

    def both(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """A step down both losses, of the fusion model and both segmentations."""
        with self.autocast():
            maps = self.model.features(ir, vi)
            fused = self.model.decode(maps)
            # Eq. 1
            of_features, of_image = self.head(maps), self.segmenter(fused)
        terms = self.spec.loss(fused.float(), ir, vi)
        csc = consistency(of_features.float(), of_image.float())
        fusion = terms.pop("total")
        gradients = TaskGradients(fusion, csc["csc"], self.model.parameters(), self.beside)
        self.segmentation_adam.zero_grad(set_to_none=True)
        weights = self.weighting(gradients.norms)
        gradients.add(weights)
        losses = torch.stack((fusion, csc["csc"])).detach()
        # Eq. 2, second line
        total = self.weighting.total(losses, weights)
        if total.requires_grad:  # by what the weighting learns
            total.backward()
        self.optimiser.step()
        self.segmentation_adam.step()
        self.weighting.after_step(losses)
        seen = (*gradients.norms, gradients.projection, gradients.cosine, *weights)
        weighed = dict(zip(WEIGHED, seen, strict=True))
        return {**terms, "fusion": fusion, **csc, **weighed, "total": total}

    def end_epoch(self, joint: bool) -> None:
        """Tell course and weighting what the epoch came to."""
        if joint:
            self.weighting.after_epoch(self.course.means)
        self.course.end_epoch(self.step + 1)
        if self.patience:
            self.course.validation = self.validate()
            if self.course.began == self.step + 1:
                # Or weights that the consistency loss never saw could be given back.
                self.patience.start_anew()
            else:
                self.patience.note(self.course.validation, self.model)

    @torch.no_grad()
    def validate(self) -> float:
        """The mean fusion loss of the patches that are held out."""
        self.model.eval()
        total, base = 0.0, self.held_out
        for part in torch.arange(len(base.ir), device=self.device).split(self.spec.batch):
            ir, vi = base.gather(torch.stack((part, part), 1))
            with self.autocast():
                fused = self.model(ir, vi)
            total += len(part) * self.spec.loss(fused.float(), ir, vi)["total"].item()
        self.model.train()
        return total / len(base.ir)

    @property
    def turns(self) -> tuple[int, ...]:
        # A fusion model that learns something else, too, may leave its level.
        return (self.course.began,) if self.course.began else ()


def split(base: Base, share: float) -> tuple[Base, Base]:
    """A base in two: to learn from, and held out.

    Held out are ten stretches of patches, spread over the base: neighbours in
    a base show one image, so few images lie on both sides.
    """
    count = len(base.ir)
    place = (torch.arange(count) + 0.5) * 10 / count  # 0 to 10, a stretch each
    out = place.frac() >= 1 - share
    return tuple(Base(base.ir[chosen], base.vi[chosen]) for chosen in (~out, out))


def flipped(ir: Tensor, vi: Tensor, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """The pairs (B, C, H, W), a random half of them mirrored left to right.

    Which, depends on seed and step alone: else a run whose segmentations draw
    other first weights would see other images, and seeds could not be compared.
    """
    source = torch.Generator().manual_seed(1_000_003 * seed + step)
    mirrored = (torch.rand(len(ir), 1, 1, 1, generator=source) < 0.5).to(ir.device)
    return tuple(torch.where(mirrored, side.flip(-1), side) for side in (ir, vi))
