"""What the heads are taught is what the scene shows and the caption says"""
import numpy as np
import torch

from recipe import heads, scenes
from recipe.latents import cover_cells


def covered(s):
    _, cover = scenes.frame(s, mask=True)
    return torch.from_numpy(cover_cells(cover[None])).float()[None] / 255


def test_every_token_is_told_the_object_that_covers_it():
    for seed in range(120):
        s = scenes.scene(seed)
        cover = covered(s)
        objects, tints = (part.view(8, 8) for part in heads.shown([s], cover))
        there = torch.nn.functional.avg_pool2d(cover[:, 0], 2)[0] > .4
        assert torch.equal(objects > 0, there)
        names = [heads.OBJECTS[i] for i in objects.flatten().tolist()]
        assert set(names) - {None} <= {o.name for o in s.sprites}
        assert all((t > 0) == bool(o > 0 and any(p.tint and p.name == heads.OBJECTS[o] for p in s.sprites))
                   for o, t in zip(objects.flatten(), tints.flatten()))
        if s.mode == "pair":
            alone = [covered(scenes.replace(s, sprites=[o])) for o in s.sprites]
            for o, own, other in zip(s.sprites, alone, alone[::-1]):
                only = (torch.nn.functional.avg_pool2d(own[:, 0], 2)[0] > .5) & (other[0, 0].view(8, 2, 8, 2).amax((1, 3)) == 0)
                assert (objects[only] == heads.OBJECTS.index(o.name)).all()


def test_a_caption_is_read_in_the_order_it_names_things():
    seen = set()
    for seed in range(3000):
        s = scenes.scene(seed)
        ground, layout, *things = (names[i] for names, i in zip(heads.SAID, heads.said(s)))
        assert (ground is not None) == ("background" in s.said) and (layout is not None) == ("layout" in s.said)
        words, at = s.caption.replace(",", "").split(), []
        for name, tint in (things[:2], things[2:]):
            if name:
                spoken = [n for n in (name, scenes.SYNONYMS.get(name)) if n and (n in s.caption or scenes.plural(n) in s.caption)]
                assert spoken
                at.append(min(s.caption.index(n if n in s.caption else scenes.plural(n)) for n in spoken) if s.mode != "pair" else
                          s.caption.index(next(n for n in spoken if f" {n} " in f" {s.caption.replace(',', ' ')} ")))
                assert tint is None or tint in words
        assert at == sorted(at) and (len(at) == 2) == (s.mode == "pair")
        if layout:
            assert things[0] == s.sprites[0].name and things[2] == s.sprites[1].name
        seen |= {s.mode, layout, bool(things[3])}
    assert seen == {"one", "pair", "count", None, "left", "above", True, False}


def test_heads_learn_what_they_are_told():
    """Features that differ between all tokens are told apart in a few steps: labels and layout of the losses agree"""
    torch.manual_seed(0)
    drawn = [scenes.scene(seed) for seed in range(3)]
    cover = torch.cat([covered(s) for s in drawn])
    nets, middle, rows = heads.build(), torch.randn(3, 64, 256), torch.randn(3, 9, 256)
    lengths = torch.full((3,), 9)
    optimizer = torch.optim.Adam(nets.parameters(), .01)
    for _ in range(60):
        loss, about = heads.things(nets, middle, rows, lengths, drawn, cover)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert about["there"] < .3 and about["said"] < .1
    clips = [scenes.scene(seed, True) for seed in range(3)]
    loss, about = heads.motion(nets, torch.randn(3, 2 * 64, 256), rows, lengths, clips, [0, 3])
    assert np.isfinite(loss.item()) and set(about) == {"time", "way", "path", "read"}
