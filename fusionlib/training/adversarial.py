"""Adversarial training: a generator against two critics (BSP's GAN baseline)."""

import torch
from torch import Tensor, nn

from fusionlib.losses.bsp_adversarial import (
    adversarial_term,
    critic_loss,
    generator_total,
    gradient_penalty,
)
from fusionlib.models.bsp_discriminator import BSPDiscriminator
from fusionlib.training.loop import Training


class AdversarialTraining(Training):
    """Each step teaches the critics on a batch first, then the generator.

    The history holds the terms of the generator, with `adversarial` (Eq. 18)
    and `total` (Eq. 7), and the critics' losses (Eq. 16 and 17, without their
    regularisation) as `saliency_critic` and `detail_critic`. Inferred: one
    step of the critics for one of the generator, on the same batch. The critics
    compute in float32 whatever the spec's precision, as losses do.
    """

    def more_parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        # After the generator, so that a seed gives it the same weights as without critics.
        patch = self.spec.ir.patch
        self.critics = [BSPDiscriminator(patch).to(self.device).train() for _ in range(2)]
        weights = [weight for critic in self.critics for weight in critic.parameters()]
        self.critic_adam = torch.optim.Adam(weights, lr=self.spec.adversarial.critic_lr, fused=True)
        saliency, detail = self.critics
        return {"saliency": saliency, "detail": detail, "critic_adam": self.critic_adam}

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        game, fused, views, parts = self.spec.adversarial, [], [], []
        for ir, vi in shards:
            with self.autocast():
                fused.append(self.model(ir, vi).float())
            views.append(game.views(fused[-1], ir, vi))
        critic_losses = self.teach_critics(
            [tuple((seen.detach(), source) for seen, source in both) for both in views]
        )
        self.optimiser.zero_grad(set_to_none=True)
        # The critics' weights need no gradient here; they only pass one on.
        for critic in self.critics:
            critic.requires_grad_(False)
        for image, (ir, vi), both in zip(fused, shards, views, strict=True):
            terms = self.spec.loss(image, ir, vi)
            (fused_saliency, _), (fused_detail, _) = both
            adversarial = adversarial_term(*self.critics, fused_saliency, fused_detail)
            total = generator_total(terms, adversarial, game.factor)
            (total / self.spec.shards).backward()
            parts.append({**terms, "adversarial": adversarial, "total": total})
        terms = self.together([self.model], parts)
        self.optimiser.step()
        for critic in self.critics:
            critic.requires_grad_(True)
        return {**terms, **critic_losses}

    def teach_critics(self, shards: list[tuple[tuple[Tensor, Tensor], ...]]) -> dict[str, Tensor]:
        """One step of both critics on the (fused, source) views of each shard; their losses."""
        game, parts = self.spec.adversarial, []
        self.critic_adam.zero_grad(set_to_none=True)
        for views in shards:
            losses, total = [], 0.0
            for critic, (fused, source) in zip(self.critics, views, strict=True):
                losses.append(critic_loss(critic, fused, source))
                total = total + losses[-1]
                if game.regularisation == "penalty":
                    total = total + game.strength * gradient_penalty(critic, fused, source)
            (total / self.spec.shards).backward()
            parts.append(dict(zip(("saliency_critic", "detail_critic"), losses, strict=True)))
        losses = self.together(self.critics, parts)
        self.critic_adam.step()
        if game.regularisation == "clip":
            with torch.no_grad():
                for weight in self.critic_adam.param_groups[0]["params"]:
                    weight.clamp_(-game.strength, game.strength)
        return losses
