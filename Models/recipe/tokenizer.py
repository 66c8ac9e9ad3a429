"""Stage "tokenizer": a Unigram tokenizer in the form of the published Wan folders.

    python -m recipe.tokenizer --out WORK/tokenizer

Every word of the captions (of all objects) is one piece, except regular plurals, which are the noun and "s"; the CLDR
annotation keywords give the pieces that unknown words fall into, and every printable ASCII character is one.
Ids: <pad> 0, </s> 1, <unk> 2. No normaliser and no byte fallback: transformers' T5Tokenizer rebuilds the tokenizer
without them, and both must agree.
"""
import argparse
import collections
import json
import math
import os
import random
import re
import xml.etree.ElementTree as ElementTree

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from . import scenes
from .wording import capitalise

CLDR = "/usr/share/unicode/cldr/common/annotations/en.xml"
PIECES = 2000          # learned from the keywords


def captions(count=40_000):
    for i in range(count):
        objects = scenes.OBJECTS_ALL if i % 2 else scenes.OBJECTS_COMMON
        yield capitalise(random.Random(i), scenes.scene(i, video=i % 3 == 0, split="any", objects=objects).caption)


def keywords():
    for annotation in ElementTree.parse(CLDR).getroot().iter("annotation"):
        yield annotation.text.replace("|", " ")


def _metaspace(model):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    return tokenizer


def train():
    learned = _metaspace(models.Unigram())
    learned.train_from_iterator(keywords(), trainers.UnigramTrainer(
        vocab_size=PIECES, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", max_piece_length=16))
    scores = dict(json.loads(learned.to_str())["model"]["vocab"])
    for special in ("<pad>", "</s>", "<unk>"):
        scores.pop(special, None)
    words = collections.Counter("▁" + word for caption in captions() for word in re.findall(r"[A-Za-z]+", caption))
    total = sum(words.values())
    scores = {piece: score for piece, score in scores.items() if piece.lower() == piece and piece.isascii() or piece[0] == "▁"}
    plurals = {word for word in words if word.endswith("s") and word[:-1] in words}
    scores = {piece: min(score, -5.) for piece, score in scores.items() if piece not in plurals}
    scores |= {word: math.log(count / total) for word, count in words.items() if word not in plurals}
    for character in ["▁", *map(chr, range(33, 127))]:
        scores[character] = max(scores.get(character, -99), -11.)
    scores["s"] = -2.
    vocabulary = [("<pad>", 0.), ("</s>", 0.), ("<unk>", 0.), *sorted(scores.items(), key=lambda entry: -entry[1])]
    tokenizer = _metaspace(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def save(tokenizer, folder):
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "T5TokenizerFast", "model_max_length": 512, "extra_ids": 0, "additional_special_tokens": [],
              "clean_up_tokenization_spaces": False, **special}
    for name, content in (("special_tokens_map.json", special), ("tokenizer_config.json", config)):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file, indent=2)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    a = p.parse_args()
    save(train(), a.out)
