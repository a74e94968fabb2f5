"""The training's loss on single heads' views of a clip."""

import torch

from tiny_lalm.head_views import HeadViews

WIDTH, SIZE = 16, 4


def layers(views_NHD: torch.Tensor) -> list[torch.Tensor]:
    """Two layers of three heads; the third head of the second layer is free."""
    free = torch.ones(len(views_NHD), 1, SIZE)
    return [views_NHD[:, :3].flatten(1), torch.cat([views_NHD[:, 3:], free], 1).flatten(1)]


def make() -> HeadViews:
    return HeadViews((3, 2), SIZE, WIDTH)


def test_heads_share_out_the_directions() -> None:
    first_turn = make().maps[: WIDTH // SIZE].transpose(0, 1).flatten(1)
    torch.testing.assert_close(first_turn.T @ first_turn, torch.eye(WIDTH), atol=1e-5, rtol=0)


def test_heads_at_their_views_have_no_loss_at_any_scale() -> None:
    views = make()
    heard = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(0))
    wanted = torch.einsum("nw,hwd->nhd", heard, views.maps)
    torch.testing.assert_close(views(layers(3 * wanted), heard), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(views(layers(-wanted), heard), torch.tensor(2.0))


def test_fit_centres_and_evens_out_the_spread_within_classes() -> None:
    generator = torch.Generator().manual_seed(1)
    classes = torch.arange(8).repeat_interleave(200)
    places = 5 * torch.randn(8, WIDTH, generator=generator)
    scales = torch.linspace(0.2, 3, WIDTH)
    heard = places[classes] + scales * torch.randn(1600, WIDTH, generator=generator)
    views = make()
    views.fit([(heard, classes), (heard, classes)])
    torch.testing.assert_close(views.centre, heard.mean(0))
    residue = (heard - torch.stack([heard[classes == c].mean(0) for c in range(8)])[classes]) @ views.maps
    spread = residue.square().mean((1, 2))
    before = make()
    plain = (heard - torch.stack([heard[classes == c].mean(0) for c in range(8)])[classes]) @ before.maps
    assert spread.std() / spread.mean() < 0.7 * plain.square().mean((1, 2)).std() / plain.square().mean()


def test_only_viewing_heads_get_a_gradient_and_the_tower_none() -> None:
    heard = torch.randn(4, WIDTH, requires_grad=True)
    inputs = [torch.randn(4, 3 * SIZE, requires_grad=True) for _ in range(2)]
    make()(inputs, heard).backward()
    assert heard.grad is None
    assert (inputs[0].grad != 0).all()
    assert (inputs[1].grad[:, 2 * SIZE :] == 0).all()
