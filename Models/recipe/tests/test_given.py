"""Clips whose first frame is given: what is said of them, what is learnt of them, what they are measured on."""
import os
import random
import types

import pytest
import torch
from diffusers import WanTransformer3DModel

from recipe import distill, export, moved, scenes, teacher, words

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "emoji-scenes")
CLIPS = [scenes.scene(60_000_000 + i, True) for i in range(400)]


def test_a_motion_caption_says_how_it_goes_on_and_nothing_that_is_seen():
    seen = [*words.PLACES_TEXT.values(), *words.POSITIONS, "background", *words.TINTS]
    for s in CLIPS:
        told = scenes.motion_caption(random.Random(s.seed), s)
        assert not any(word in told.split() or f" {word}" in told for word in seen if word != "orange"), told
        if s.motion in scenes.CAMERA_TEXT:
            known = words.CAMERA_TEXT[s.motion]
        elif s.motion == "apart":
            known = [form for forms in words.APART for form in forms]
        else:
            known = [forms[s.mode != "one"] for forms in words.MOTION_TEXT[s.motion]]
        assert any(form in told for form in known), (s.motion, told)


def test_several_things_are_spoken_of_in_the_plural():
    told = {scenes.motion_caption(random.Random(k), s) for s in CLIPS if s.mode != "one" and s.motion not in words.CAMERA_TEXT for k in range(4)}
    assert not any(text.startswith("it ") for text in told)
    assert any(text.startswith("they are ") for text in told) and any(text.startswith("they move") for text in told)


def test_the_first_frame_is_put_in_and_not_learnt():
    x, first = torch.randn(2, 16, 5, 4, 4), torch.randn(2, 16, 1, 4, 4)
    put = teacher.with_first(x, first)
    assert torch.equal(put[:, :, :1], first) and torch.equal(put[:, :, 1:], x[:, :, 1:])
    assert torch.equal(teacher.made(put, first), x[:, :, 1:])
    assert teacher.with_first(x, None) is x and teacher.made(x, None) is x
    cover = torch.rand(2, 5, 16, 16)
    weights = teacher.cell_weights(cover, torch.randn(2, 16, 5, 16, 16), 1.)
    assert (teacher.made(torch.randn(2, 16, 5, 16, 16), torch.zeros(2, 16, 1, 16, 16)) * weights).shape == (2, 16, 4, 16, 16)


@pytest.mark.parametrize("clips, given", [(.3, .4), (0., .5), (.4, 0.)])
def test_kinds_are_drawn_as_often_as_asked(clips, given):
    a, r = types.SimpleNamespace(clips=clips, given=given), random.Random(1)
    drawn = [distill.kind_of(a, r) for _ in range(4000)]
    for kind, share in (("clips", clips), ("given", given), ("images", 1 - clips - given)):
        assert abs(drawn.count(kind) / 4000 - share) < .03


def test_an_expert_moves_as_its_teacher_moved():
    load = lambda name: WanTransformer3DModel.from_pretrained(os.path.join(SHIPPED, name), torch_dtype=torch.float32)
    now, then = load("teacher"), load("transformer").state_dict()
    assert all(torch.equal(value, then[key]) for key, value in export.moved(SHIPPED, "transformer", now).state_dict().items())
    with torch.no_grad():
        now.proj_out.bias.add_(.5)
    after = export.moved(SHIPPED, "transformer", now).state_dict()
    assert torch.allclose(after["proj_out.bias"], then["proj_out.bias"] + .5)
    assert torch.equal(after["patch_embedding.weight"], then["patch_embedding.weight"])


def test_what_is_drawn_has_room_for_its_motion():
    for s in moved.drawn(24, scenes.OBJECTS_COMMON):
        assert s.motion in moved.ROOM[s.sprites[0].position]
        start = s.sprites[0]
        towards = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}.get(s.motion, (0, 0))
        assert .1 < start.x + .25 * towards[0] < .9 and .1 < start.y + .25 * towards[1] < .9
    for s in moved.filmed(24, scenes.OBJECTS_COMMON):
        assert s.mode == "one" and s.motion in moved.WANTED
        assert scenes.held_out(s.sprites[0].name, s.sprites[0].tint, s.background)
