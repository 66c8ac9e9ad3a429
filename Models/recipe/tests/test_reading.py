"""The text encoder tells words apart by their places"""
import copy

import torch

from recipe import reading, shared, teacher
from recipe.text import Text, build
from recipe.tokenizer import save, train

CAPTIONS = ["a pink fish against a red background", "a red fish against a pink background", "a cat to the left of a tree"]


def texts(tmp_path):
    save(train(), tmp_path)
    torch.manual_seed(0)
    return Text(str(tmp_path))


def test_scores_that_drown_positions_are_made_small(tmp_path):
    text = texts(tmp_path)
    ids, lengths = text.tokens(CAPTIONS)
    same = lambda: (text.encode(ids[:2], lengths[:2])[:, int(lengths[0]) - 1].detach())      # </s>: the same words, in other places
    with torch.no_grad():
        for block in text.encoder.encoder.block:
            block.layer[0].SelfAttention.q.weight.mul_(600)
            block.layer[0].SelfAttention.relative_attention_bias.weight.zero_()
    before = same()
    assert torch.allclose(before[0], before[1], atol=.05 * before.abs().max().item())
    reading.soften(text, CAPTIONS)
    layer = text.encoder.encoder.block[0].layer[0]
    words = torch.arange(ids.shape[1])[None] < lengths[:, None]
    std = reading.score_std(layer.SelfAttention, layer.layer_norm(text.encoder.shared(ids)), words)
    assert abs(std / reading.SCORES_STD - 1) < .01
    after = same()
    assert (after[0] - after[1]).abs().max() > .2 * after.abs().max()


def test_what_was_read_is_taken_up_once(tmp_path):
    named = [("text_encoder.a", torch.nn.Parameter(torch.randn(4, 4))), ("transformer.b", torch.nn.Parameter(torch.randn(4)))]
    layout = shared.Layout(named, lambda name, p: p.ndim == 2, 1)
    state, progress, path = shared.State(layout.size, 1), {}, str(tmp_path / "reading.pt")
    teacher.take_up(path, state, layout, progress)
    assert progress == {} and not state.vectors["parameters"].any()
    state.vectors["momentum"].fill_(1)
    torch.save({"made": 7, "parts": {"text_encoder.a": torch.full((4, 4), 3.)}}, path)
    teacher.take_up(path, state, layout, progress)
    assert (layout.view(state.vectors["parameters"], "text_encoder.a") == 3).all() and progress == {"reading": 7}
    assert not layout.view(state.vectors["momentum"], "text_encoder.a").any() and layout.view(state.vectors["momentum"], "transformer.b").all()
    before = copy.deepcopy(state.vectors)
    state.vectors["parameters"].add_(1)
    teacher.take_up(path, state, layout, progress)
    assert torch.equal(state.vectors["parameters"], before["parameters"] + 1)


def test_a_new_encoder_looks_around():
    torch.manual_seed(0)
    encoder = build(50)
    for block in encoder.encoder.block[:-1]:
        bias = block.layer[0].SelfAttention.relative_attention_bias
        near = block.layer[0].SelfAttention.compute_bias(5, 5)[0]            # [heads, query, key]
        assert bias.weight.argmax(0)[:3].tolist() == [1, 17, 0]
        assert near[0, 3].argmax() == 2 and near[1, 3].argmax() == 4 and near[2, 3].argmax() == 3
