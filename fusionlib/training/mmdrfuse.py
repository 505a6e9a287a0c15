"""MMDRFuse's training: the teacher learns first, and then the student."""

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses.mmdrfuse import distillation, quality
from fusionlib.models import create_model
from fusionlib.training.best_so_far import BestSoFar
from fusionlib.training.loop import Training

REFRESH = ("refresh_ssim", "refresh_gmsd")


class MMDRFuseTraining(Training):
    """Two phases: a teacher on the first steps, the student on the others.

    How the steps are shared out is `MMDRFuseLoss.teacher_share`. Both learn
    from the same draws. The student's last layer begins as the teacher's; the
    teacher then stands still. A run keeps the student, which does not change
    in the first phase; "mmdrfuse-teacher" trains a teacher to keep.

    Inferred: "the best so far" is of a pair, not of an image, since under
    unpaired relations an image meets another one each time.

    The history holds the content of the one that learns; of the teacher,
    `distillation` and the refresh are 0.
    """

    def more_parts(self) -> dict:
        if self.team.size > 1:
            raise FusionError(
                "mmdrfuse remembers the images of each process: train it in one process."
            )
        # After the student, so that a seed gives it the same weights as without a teacher.
        self.teacher = create_model("mmdrfuse-teacher").to(self.device).train()
        self.teacher_adam = self.adam(self.teacher)
        self.best = BestSoFar(self.spec.ir.patch, len(REFRESH), self.device)
        return {"teacher": self.teacher, "teacher_adam": self.teacher_adam, "best": self.best}

    @property
    def turns(self) -> tuple[int, ...]:
        return (self.spec.loss.turn(self.spec.total_steps),)

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        (turn,) = self.turns
        if self.step < turn:
            network, adam, terms_of = self.teacher, self.teacher_adam, self.teacher_terms
        else:
            network, adam, terms_of = self.model, self.optimiser, self.student_terms
        if self.step == turn:
            self.model.last.load_state_dict(self.teacher.last.state_dict())
        parts = []
        adam.zero_grad(set_to_none=True)
        for pairs, (ir, vi) in zip(self.shown, shards, strict=True):
            parts.append(terms_of(pairs, ir, vi))
            (parts[-1]["total"] / self.spec.shards).backward()
        terms = self.together([network], parts)
        adam.step()
        return terms

    def teacher_terms(self, pairs: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """The teacher's content alone."""
        with self.autocast():
            fused = self.teacher(ir, vi)
        terms = self.spec.loss.teacher_content(fused, ir, vi)
        zero = torch.zeros_like(terms["total"])
        total = terms.pop("total")
        return {**terms, "distillation": zero, **dict.fromkeys(REFRESH, zero), "total": total}

    def student_terms(self, pairs: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """Content, distillation and refresh; the best images are renewed."""
        loss = self.spec.loss
        with torch.no_grad(), self.autocast():
            maps = self.teacher.features(ir, vi)
            taught = maps, self.teacher.decode(maps)
        with self.autocast():
            maps = self.model.features(ir, vi)
            fused = self.model.decode(maps)
        terms = loss.content(fused, ir, vi)
        terms["distillation"] = distillation((maps, fused), taught)
        with torch.no_grad():
            now, (best, scores) = quality(fused, ir, vi), self.best.recall(pairs)
        refresh = loss.refresh_terms(fused, now, best, scores)
        self.best.renew(pairs, fused, now)
        total = terms.pop("total") + loss.distillation * terms["distillation"]
        return {**terms, **refresh, "total": total + loss.refresh * sum(refresh.values())}
