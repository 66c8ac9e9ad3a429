"""Stage "reading": the text encoder learns, on captions alone, to tell in every row what the whole caption says.

    python -m recipe.reading --work WORK --minutes 10

It sees five times as many captions a second as with the teacher, and which tint is which object's comes late from pictures
alone. With a WORK/teacher.pt its encoder is trained on, held near the rows that its transformer knows; queries that were
trained at another pace are made small first (see `soften`). The result, WORK/reading.pt, is taken up by the next `recipe.teacher`.
"""
import argparse
import copy
import os
import random
import time

import torch

from . import export, heads, scenes, shared, teacher
from .latents import HELD_SEEDS, IMAGE_SEEDS
from .text import look_around
from .wording import vary

#: of attention's scores over a caption's words, before their positions are added
SCORES_STD = 2.5
NEAR_WEIGHT = .5
BATCH = 128


def score_std(layer, x, words):
    """Of each word's scores over the words of its caption. x: the layer's input, normalised"""
    b, n, _ = x.shape
    q, k = (part.view(b, n, layer.n_heads, -1).transpose(1, 2) for part in (layer.q(x), layer.k(x)))
    scores = (q @ k.mT).masked_fill(~words[:, None, None], float("nan"))
    off = (scores - scores.nanmean(-1, keepdim=True)).transpose(1, 2)[words]
    return off.square().nanmean().sqrt().item()


@torch.no_grad()
def soften(text, captions):
    """Queries of layers whose scores are too large for positions to matter become smaller, first layer first, and heads look around"""
    ids, lengths = text.tokens(captions)
    ids = ids[:, :int(lengths.max())]
    words = torch.arange(ids.shape[1])[None] < lengths[:, None]
    scaled = False
    for block in text.encoder.encoder.block:
        seen = []
        hook = block.layer[0].layer_norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
        text.encoder(input_ids=ids, attention_mask=words.long())
        hook.remove()
        attention = block.layer[0].SelfAttention
        std = score_std(attention, seen[0], words)
        if std > 4 * SCORES_STD:
            attention.q.weight.mul_(SCORES_STD / std)
            scaled = True
    if scaled:
        look_around(text.encoder)


def right(nets, text, batch):
    """Share of words that know: background and tint of captions with both colours; the second object and its tint of pairs"""
    ids, lengths = text.tokens([s.caption for s in batch])
    with torch.no_grad():
        rows = text.encode(ids, lengths)
        parts = nets["said"](rows).split([len(names) for names in heads.SAID], 2)
    words, truth = heads.is_word(rows, lengths), torch.tensor([heads.said(s) for s in batch])
    pairs = torch.tensor([s.mode == "pair" for s in batch])
    colors = (truth[:, 0] > 0) & (truth[:, 3] > 0) & ~pairs
    of = lambda k, which: round((parts[k].argmax(2) == truth[:, k:k + 1])[which][words[which]].float().mean().item(), 3)
    return {"background": of(0, colors), "tint": of(3, colors), "second object": of(4, pairs), "its tint": of(5, pairs)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", required=True)
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="common")
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--lr", type=float, default=1e-3)
    a = p.parse_args()
    torch.manual_seed(0)
    r, objects = random.Random(0), scenes.OBJECT_SETS[a.objects]
    nets, former = heads.build(), None
    drawn = [scenes.scene(IMAGE_SEEDS + i, objects=objects) for i in range(30_000)]
    held = [scenes.scene(HELD_SEEDS + i, objects=objects) for i in range(1000)]
    if os.path.exists(os.path.join(a.work, "teacher.pt")):
        _, text, _ = export.load_teacher(a.work)
        former = copy.copy(text)
        former.encoder = copy.deepcopy(text.encoder)
        soften(text, [s.caption for s in held[:64]])
    else:
        _, text, _ = teacher.parts(os.path.join(a.work, "tokenizer"))
    encoder = dict(text.encoder.named_parameters())
    queries = [q for name, q in encoder.items() if "SelfAttention.q." in name]
    biases = [q for name, q in encoder.items() if "relative_attention_bias" in name]
    others = [q for name, q in encoder.items() if not any(q is other for other in queries + biases)]
    optimizer = torch.optim.AdamW([
        {"params": queries, "rate": a.lr * teacher.pace("SelfAttention.q.")}, {"params": biases, "rate": 20 * a.lr},
        {"params": others, "rate": a.lr}, {"params": nets["said"].parameters(), "rate": 3 * a.lr}], betas=(.9, .98), weight_decay=0.)
    totals = list(torch.tensor([float(teacher.weight(s, objects)) for s in drawn]).cumsum(0))
    start, step = time.time(), 0
    while (done := (time.time() - start) / 60 / a.minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1, (step + 1) / 30, 3 * (1 - done) + .02)
        batch = [copy.copy(s) for s in r.choices(drawn, cum_weights=totals, k=BATCH)]
        ids, lengths = text.tokens([vary(r, scenes.caption(r, s)) for s in batch])
        rows = text.encode(ids, lengths)
        read = heads.reading(nets, rows, lengths, batch)
        loss = read
        if former:
            with torch.no_grad():
                known = former.encode(ids, lengths)
            words = heads.is_word(rows, lengths)
            loss = loss + NEAR_WEIGHT * (rows - known)[words].square().mean() / known[words].square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.values(), 1.)
        optimizer.step()
        step += 1
        if step % 60 == 0:
            print(step, f"{read.item():.3f} nats", right(nets, text, held), flush=True)
    shared.save(os.path.join(a.work, "reading.pt"), {
        "made": round(time.time()), "parts": {**{"text_encoder." + n: q.detach() for n, q in encoder.items()},
                                **{n: q.detach() for n, q in heads.with_names(nets) if ".said." in n}}})


if __name__ == "__main__":
    main()
