"""The training's loss on single heads' geometry."""

import torch

from tiny_lalm.head_geometry import centred_cosines, geometry_loss


def test_centred_cosines_by_hand():
    # Around their mean (1, 0) the clips lie at (1, 0), (-1, 0), (0, 1), (0, -1).
    clips = torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
    expected = torch.tensor([[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]])
    torch.testing.assert_close(centred_cosines(clips), expected)


def test_heads_that_copy_the_towers_geometry_have_no_loss():
    tower = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    centred = tower - tower.mean(0)
    one_layer = [torch.cat([centred, torch.ones(6, 8)], 1)]  # two heads; the second does not follow
    torch.testing.assert_close(geometry_loss(one_layer, tower, heads=1, size=8), torch.tensor(0.0))
    assert geometry_loss(one_layer, tower, heads=2, size=8) > 0.1


def test_the_tower_gets_no_gradient():
    tower = torch.randn(4, 8, requires_grad=True)
    head = torch.randn(4, 8, requires_grad=True)
    geometry_loss([head], tower, heads=1, size=8).backward()
    assert tower.grad is None
    assert head.grad.abs().sum() > 0
