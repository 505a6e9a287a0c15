"""A segmenter's training: cross entropy on labelled images, by AdamW."""

import math
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.segmentation import load_encoder
from fusionlib.pairing import Draw
from fusionlib.training.any_spec import is_key
from fusionlib.training.augmenting import augmented, averaged, mixed
from fusionlib.training.labelled_images import LabelledImages, load_labelled
from fusionlib.training.labelled_source import MIXES
from fusionlib.training.loop import Training
from fusionlib.training.patience import Patience
from fusionlib.training.segmenter_spec import SegmenterSpec
from fusionlib.training.store import finished_run


class SegmenterTraining(Training):
    """SSVIF's appendix A-B, see `SegmenterSpec`.

    An epoch meets every image once, in new order. The loss is the mean over
    all pixels, the unlabelled ones among them, which are a class.
    """

    @classmethod
    def load(
        cls, spec: SegmenterSpec, data: str | Path | None, device: str, quiet: bool
    ) -> LabelledImages:
        return load_labelled(spec, data, device, quiet)

    def draws(self) -> Draw:
        images = self.spec.trained
        return Draw("strict", images, images, images, self.spec.seed)

    def network(self) -> nn.Module:
        network = super().network()
        if begin := self.spec.weights:
            if is_key(begin):
                run = finished_run(begin, SegmenterSpec.kind)
                begin = run.weights_file(run.spec.total_steps)
            load_encoder(network, begin)
        return network

    def adam(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(network.parameters(), lr=self.spec.lr, fused=True)

    def more_parts(self) -> dict:
        self.patience = Patience(self.spec.patience) if self.spec.patience else None
        return {"patience": self.patience} if self.patience else {}

    @property
    def over(self) -> bool:
        return self.patience is not None and self.patience.over

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        frozen, parts = self.step < self.spec.frozen_steps, []
        self.model.encoder.requires_grad_(not frozen)
        self.optimiser.zero_grad(set_to_none=True)
        for images, labels in shards:
            if self.spec.source.images == MIXES:
                images = mixed(images)
            if self.spec.augment:
                images, labels = augmented(images, labels)
            total = self.loss_of(images, labels)
            (total / self.spec.shards).backward()
            parts.append({"total": total})
        terms = self.together([self.model.decoder if frozen else self.model], parts)
        # The rate follows from the step alone, so that a checkpoint needs no schedule.
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        if self.patience:
            self.look_at_held_out()
        return terms

    def loss_of(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of images (B, C, H, W) and labels (B, H, W)."""
        with self.autocast():
            logits = self.model(images)
        return F.cross_entropy(logits, labels, self.class_weights)

    @cached_property
    def class_weights(self) -> Tensor | None:
        """Of each class (n,), (1 / ln(1.02 + its share of pixels)) ** balance.

        None where all count alike. Source: Paszke et al., "ENet", 2016, without
        the power.
        """
        if not self.spec.balance:
            return None
        learnt = self.base.labels[: self.spec.trained]
        counts = torch.bincount(learnt.flatten(), minlength=len(self.spec.classes))
        return torch.log(1.02 + counts / counts.sum()) ** -self.spec.balance

    def rate(self) -> float:
        """The learning rate of this step."""
        spec, step = self.spec, self.step
        turn = spec.frozen_steps
        if step < turn:
            first, last, done = spec.lr, spec.thawed_lr, step / turn
        else:
            first, last = spec.thawed_lr if turn else spec.lr, 0.0
            done = (step - turn) / (spec.total_steps - turn)
        return last + (first - last) * (1 + math.cos(math.pi * done)) / 2

    @torch.no_grad()
    def look_at_held_out(self) -> None:
        """At an epoch's end note its loss; at the training's end take the best weights."""
        taken, images = self.step + 1, len(self.base.labels)
        if taken % self.spec.steps_per_epoch == 0:
            self.model.eval()
            places = torch.arange(self.spec.trained, images, device=self.device)
            losses = []
            for part in places.split(self.spec.batch):
                held, labels = self.base.gather(part[:, None])
                if self.spec.source.images == MIXES:
                    held = averaged(held)
                losses.append(self.loss_of(held, labels) * len(part))
            self.patience.note(sum(losses).item() / len(places), self.model)
            self.model.train()
        if self.over or taken == self.spec.total_steps:
            self.patience.give_back(self.model)
