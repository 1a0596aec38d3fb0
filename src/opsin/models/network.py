"""What the networks of the zoo share: maps, then what the last layer sees, then logits."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from opsin.errors import OpsinError


class Network(nn.Module):
    """A network for images [N, C, H, W].

    Attributes:
        last_layer: the name of the layer that gives the logits; what it sees is the network's embedding of an image.
        constructor: builds the network anew, with its own arguments where none are given; None where it was not built
            by its name.
        origin: where its weights come from (opsin.weights.create.Origin); None for those it started with.
    """

    last_layer: str = "fc"
    constructor: Callable[..., "Network"] | None = None
    origin: Any = None

    def get_classifier(self) -> nn.Module:
        """The layer that gives the logits."""
        return self.get_submodule(self.last_layer)

    def embed(self, x: Tensor) -> Tensor:
        """What the last layer sees, in the network's present mode: [N, D]; of maps [N, D, H, W] the mean."""
        seen: list[Tensor] = []
        hook = self.get_classifier().register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
        try:
            self(x)
        finally:
            hook.remove()
        return seen[0].mean(dim=(2, 3)) if seen[0].ndim == 4 else seen[0]

    def reset_classifier(self, num_classes: int) -> None:
        """Puts a new last layer for `num_classes` in place, drawn as its paper starts it, and new auxiliary heads.

        Raises OpsinError where the network was not built by its name (`opsin.create_model`).
        """
        if self.constructor is None:
            raise OpsinError(f"{type(self).__name__} was not built by its name: use opsin.create_model")
        fresh = self.constructor(num_classes=num_classes)
        like = next(self.parameters())
        heads = [name for name, _ in self.named_children() if name.startswith("aux")]
        for name in (self.last_layer, *heads):
            self.set_submodule(name, fresh.get_submodule(name).to(like.device, like.dtype).train(self.training))
        self.constructor = fresh.constructor
