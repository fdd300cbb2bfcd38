"""The fully connected CRF (Krähenbühl, Koltun, NeurIPS 2011, 1210.5644) of DeepLab v1 and v2, with all its pairs."""

import torch

from segen.layers import check_image_batch


class DenseCRF:
    """Sharpen a prediction by what pixels look like: those near each other, and of one colour, should agree.

    `logits [K, H, W]` are what a network says of the `image [C, H, W]` in [-1, 1]. The energy of a labelling is the
    sum of `−log softmax(logits)` of its labels, and, for each pair of pixels i, j with different labels, of

        k_ij = w1 exp(−|p_i − p_j|² / 2θα² − |I_i − I_j|² / 2θβ²) + w2 exp(−|p_i − p_j|² / 2θγ²)

    with positions p in pixels and colours I (equations 2 and 3 of the paper, its Potts model). Each of the two kernels
    is divided by the root of its row's and its column's sum, as in the authors' code, so that all neighbours together
    weigh about `w1 + w2` nats. `q`, float64 `[H·W, K]`, row by row, is the mean field, at first the softmax.
    Everything is exact: all (H·W)² pairs are kept, 134 MB at 64×64, for which the defaults are.

    Raises ValueError for logits and image that do not fit, and numbers under 0 (for θ: not above 0).
    """

    def __init__(
        self,
        logits: torch.Tensor,
        image: torch.Tensor,
        *,
        w1: float = 4.0,
        w2: float = 0.5,
        theta_alpha: float = 3.0,
        theta_beta: float = 0.05,
        theta_gamma: float = 1.0,
    ) -> None:
        if logits.ndim != 3 or not logits.is_floating_point():
            raise ValueError(
                f"DenseCRF was given logits {list(logits.shape)} of {logits.dtype}; give those of one image, [K, H, W]."
            )
        if image.ndim != 3:
            raise ValueError(f"DenseCRF was given an image {list(image.shape)}; give a single one, [C, H, W].")
        check_image_batch(image[None], image.shape[0], 1, "DenseCRF")
        if image.shape[1:] != logits.shape[1:]:
            raise ValueError(
                f"DenseCRF was given logits {list(logits.shape)} and an image {list(image.shape)}; "
                "give both at one size."
            )
        if not (min(w1, w2) >= 0 and min(theta_alpha, theta_beta, theta_gamma) > 0):
            raise ValueError(
                f"DenseCRF was given w1={w1}, w2={w2}, theta_alpha={theta_alpha}, theta_beta={theta_beta}, "
                f"theta_gamma={theta_gamma}; give weights of 0 or more, and ranges above 0."
            )
        self.size = tuple(logits.shape[1:])
        self.unary = -logits.detach().double().flatten(1).T.log_softmax(1)
        self.q = (-self.unary).exp()
        axes = [torch.arange(side, dtype=torch.float64, device=logits.device) for side in self.size]
        places = torch.cartesian_prod(*axes)
        colours = image.detach().double().flatten(1).T
        self.pairs = w1 * _kernel(torch.cat([places / theta_alpha, colours / theta_beta], 1))
        self.pairs += w2 * _kernel(places / theta_gamma)

    def update(self, pixels: int | slice = slice(None)) -> None:
        """Replace `q` of the given `pixels`, by default of all, by its best value while the others stay as they are.

        One pixel at a time, in any order, this lowers the free energy at every step; all at once, as the paper does
        it (algorithm 1), is one matrix product and need not.
        """
        self.q[pixels] = (self.pairs[pixels] @ self.q - self.unary[pixels]).softmax(-1)

    def free_energy(self) -> float:
        """Return the energy's mean under `q` less the entropy of `q`, in nats: KL(q‖P) − log Z, at least −log Z."""
        disagree = (self.pairs.sum() - (self.q * (self.pairs @ self.q)).sum()) / 2  # each pair once
        return ((self.q * self.unary).sum() + disagree + torch.xlogy(self.q, self.q).sum()).item()

    def probabilities(self) -> torch.Tensor:
        """Return `q` as maps, float64 `[K, H, W]`."""
        return self.q.T.reshape(-1, *self.size)


def _kernel(points: torch.Tensor) -> torch.Tensor:
    """Return `exp(−|a − b|² / 2)` for each pair of different `points [n, D]`, scaled to rows of about one: `[n, n]`."""
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    kernel = distance.square_().mul_(-0.5).exp_().fill_diagonal_(0)
    root = kernel.sum(1).clamp_min(torch.finfo(kernel.dtype).tiny).sqrt()
    return kernel.div_(root).div_(root[:, None])
