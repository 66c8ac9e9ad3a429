"""Golden cases for the byte-level BPE tokenizer, computed by tokenizers.

    pip install tokenizers==0.23.3
    python make_bpe_cases.py

Writes bpe_cases.json next to itself: texts and the ids that ../qwen-image-tiny/tokenizer/tokenizer.json gives them, as
bare text without any template. Nasty ones first, then random mixtures of what the pattern, the normaliser and the added
tokens tell apart.
"""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer

here = Path(__file__).parent
tokenizer = Tokenizer.from_file(str(here.parent / "qwen-image-tiny" / "tokenizer" / "tokenizer.json"))
rng = random.Random(11)

texts = [
    "", " ", "  ", "\n", "\r\n", " \n ", "\n\n a", "a  b", "a   ", "   a", "\t\ta", "a \n\n  b\r\r\nc", "a\u00a0b", "a \u00a0 b",
    "\u3000x", "\u2028y\u2029z", "a\x0b\x0cb", "\x85n", "\x1c\x1d\x1e\x1fx", "\u180ex\u200bx\u2060x\ufeff", "\x00a\x00",
    "I'm you're he'll we've it's don't I'd", "I'M YOU'RE HE'LL WE'VE IT'S DON'T I'D", "'sa 'ta 'rex 'v 'l 'll 'LL' ''s", "'\u017fx 'S\u212a",
    "''''s", "'s's's", " 's", "\n's", "9's", "\u2019s \u2018t", "a'b'c", "x'\n", "'", "' '",
    "1234567890", "3.14159 -2e10 1,000,000", "\u0661\u0662\u0663", "\u2160\u2161 \u00b2\u00b3 \u00bd \u2460", "\U0001d7d8\U0001d7d9", "a1b2c3", "x\u00b2+y\u00b2", "\u4e00\u4e8c\u4e09",
    "hello,world!!!  (yes) [no] {maybe}", "!!!\n\n???", " !\n", " \t!", "...\r\n...", "-- a", "$5 \u20ac6 \u00a37", "a_b __c__", "C++ C# F#", "#!/bin/sh\n\techo $HOME\n",
    "<|im_start|>user\nhi<|im_end|>", "<|im_start|> <|im_end|>\n", "a<|endoftext|>b", "<|im_sta", "<|im_start|", "<tool_call>x</tool_call>", "< |im_start| >",
    "<|IM_START|>", "<|im_start|><|im_start|>", "<|vision_start|><|image_pad|><|vision_end|>", "<|im_\u0073tart|>",
    "Cafe\u0301 n\u0303 \u212b \u2126 \ufb1d \uac00\u11a8 a\u0323\u0307 a\u0307\u0323 \u0344 \U0001d15e \u0958", "\u1100\u1161\u11a8", "\u0301 alone", " \u0301\u0302", "e\u0301\u0301\u0301", "\u0e33\u0e4d\u0e32",
    "\ufb00\ufb01 \ufb03 \u0133 \uff21\uff22 \uff11", "\u01c5 \u02b0 \u0640 \u05d0\u05b0 \u0915\u094d\u0937\u093f", "\u200d\u200c", "a\u200db", "\u00adsoft", "\u0130\u0131 \u1e9e \u00df",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd \u2764\ufe0f", "\U0001f600" * 5, "\U0010ffff\U000e0001", "\ufffd\ufffe\uffff", "\ud7ff\ue000",
    "\u901a\u4e49\u5343\u95ee\uff0c\u4f60\u597d\uff01", "\u3053\u3093\u306b\u3061\u306f\u3001\u4e16\u754c\u3002", "\uc548\ub155\ud558\uc138\uc694", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\U00020000\U0002a6df \u2e80 \u3007", "\u2c00 \ua722 \U00010400 \U0001e900", "\U00011f02 \U0001e4d0 \U000105c0 \U00016d40", "the the the thethethe ththth", "a" * 300, "ab" * 150, "the" * 100, " " * 50 + "x", "\n" * 30, "!" * 70,
    "x" + "\u0301" * 40, "\u00e9" * 40, "Supercalifragilisticexpialidocious", "antidisestablishmentarianism", "https://example.org/a?b=c&d=%20#e", "def f(x):\n    return x  # y\n\n\n",
]
pieces = [
    " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "'", "'s", "'LL", "'Re", "a", "Z", "the", " The", "ing", "1", "42", "\u0664", "\u2163", ".", ",", "!?", "--", "$", "_",
    "\u0301", "\u0323", "e\u0301", "\u00e9", "\u1e69", "\uac00", "\u1161", "\u11a8", "\u4e2d", "\u6587", "\u3042", "\u0416", "\u05d0", "\u0627", "\u0915", "\u094d", "\u0e01", "\U0001f680", "\u200d", "\ufe0f",
    "<|im_start|>", "<|im_end|>", "<|", "|>", "<tool_call>", "\u017f", "\u0130", "\ufb01", "\u00b2", "\u00bd", "\x00", "\x1c", "\x85", "\u2028", "\u200b", "\U0001d54f", "\u2126",
]
texts += ["".join(rng.choice(pieces) for _ in range(rng.randrange(1, 24))) for _ in range(400)]
words = [text for text in texts if text.isprintable() and text]
texts += ["".join(rng.choice(words)[: rng.randrange(1, 30)] for _ in range(6)) for _ in range(40)]

cases = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts]
(here / "bpe_cases.json").write_text(json.dumps(cases, ensure_ascii=True, indent=None, separators=(",", ":")).replace("},{", "},\n{") + "\n")
print(len(cases), "cases,", sum(len(case["ids"]) for case in cases), "ids")
