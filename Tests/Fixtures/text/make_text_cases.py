"""Golden cases for prompt cleaning and the Unigram tokenizer, computed by ftfy, Python's html module and tokenizers.

    pip install ftfy==6.3.1 tokenizers==0.23.3
    python make_text_cases.py

Writes cleaning_cases.json, unescape_cases.json and unigram_cases.json next to itself. unigram_cases.json applies
`patch` to the top level of ../wan22-tiny/tokenizer/tokenizer.json, so that other serialisations and options are covered.
"""

import html
import json
import random
import re
from html.entities import html5
from pathlib import Path

import ftfy
from tokenizers import Tokenizer

here = Path(__file__).parent
rng = random.Random(7)


def prompt_clean(text, **options):
    text = html.unescape(html.unescape(ftfy.fix_text(text, **options))).strip()
    return re.sub(r"\s+", " ", text).strip()


def write(name, value):
    (here / name).write_text(json.dumps(value, ensure_ascii=True, indent=0) + "\n")


def misread(text, encoding):
    """UTF-8 read in another encoding; the bytes Windows-1252 lacks become C1 controls, as in browsers."""
    out = []
    for byte in text.encode("utf-8"):
        try:
            out.append(bytes([byte]).decode(encoding))
        except UnicodeDecodeError:
            out.append(chr(byte))
    return "".join(out)


# --- cleaning -------------------------------------------------------------------------------------------------------

plain = [
    "", " ", "\n", "A cat.", "“Curly” ‘single’ ‚low‘ ‛reversed’ „double“ ‟x‟ ʼmodifierʼ",
    "ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ Ĳ ĳ ŉ Ǆ ǅ ǆ Ǉ ǈ ǉ Ǌ ǋ ǌ Ǳ ǲ ǳ æ œ", "ＦＵＬＬ　ｗｉｄｔｈ ！＂＃＇～ ｟ ￠￡￢￣￤￥￦ ￨￩￪￫￬￭￮",
    "ﾊﾝｶｸ ｶﾞｷﾞﾊﾟ ｡｢｣､･ ﾠﾡﾢￂￇￜ", "a\r\nb\rc\u2028d\u2029e\x85f\x0cg\x0bh", "tab\tnull\x00bell\x07del\x7fesc\x1b",
    "\x1b[36;44mblue\x1b[0m \x1b[1;31mred \x1b[ \x1b[12 \x1b[1;2", "\ufeffbom \u206ax\ufff9y\ufffcz\u200b\u200d\u202e",
    "Cafe\u0301 n\u0303 \u212b \u2126 \ufb1d \uac00\u11a8 a\u0323\u0307 \u0344 \U0001d15e \u0958",
    "no\u00a0break\u2003em\u3000wide\u1680ogham\u180emvs\u2060wj", "x\x1cy\x1dz\x1e\x1f",
    "&lt;b&gt; &amp;amp;amp;lt; &EACUTE; &NTILDE; &nTILDE; &SZLIG; &COPY; &FRAC12; &AMP;quot; &notit; &not it",
    "<b>&lt;kept till html&gt; &EACUTE; &amp;lt;</b>", "first &EACUTE;\nsecond < &EACUTE;\nthird &EACUTE;",
    "&#39; &#x27; &#X27; &#128; &#x99; &#0; &#55296; &#1114112; &#99999999999999; &#x1F436; &#12345 &#59; &#x3b; &#; &#x;",
    "&hellip; &ampx &copy2024 &eacute &Eacute;&aacute;&frac34 &bne; &NotEqualTilde; &fjlig; &ThickSpace;.",
    "this&not that &para &sect; R&D AT&T &unknown; & &; &&amp;", "caf&Atilde;&copy; &acirc;&euro;&trade;",
]
languages = [
    "Ein schöner Tag in Köln, große Straße, „Spaß“ und »Größe«", "GRÜNE ÄPFEL UND ÖL, ÜBERALL", "garçon, où est la forêt ? « voilà »",
    "“CAFÉ” DÉJÀ VU… À L’ÉCOLE – ÇA VA", "el niño comió piñas ¿verdad? ¡olé! cafe…¿sí?", "São Paulo, coração, MAÇÃ, IRMÃ… “MAÇÃ”",
    "Příliš žluťoučký kůň úpěl ďábelské ódy", "BLÍŽÍŠ SE, PÍŠE, MÍŠA", "Zażółć gęślą jaźń", "Årets björn på ön, 5 Å², Ø½ mm, 3×½",
    "Þórður á Íslandi borðaði æðislegan ís", "İstanbul'da güneşli bir gün, şöyle böyle", "Tiếng Việt: một con mèo ngồi trên bàn gỗ",
    "Кошка сидит на окне, ёлка", "Ένα γατί στο παράθυρο", "قطة على النافذة", "חתול על החלון", "नमस्ते दुनिया", "แมวนั่งบนโต๊ะ",
    "一只猫在草地上奔跑", "桜の木の下で踊る少女", "고양이가 창가에 앉아 있다", "🐶 👩‍🚀 🏳️‍🌈 ✔ ™ ® © ½ ² …", "œuvre, cœur, bœuf, SŒUR",
    "10 € ou £5 or ¥300, 20°C ± 1, §4 ¶2", "ñandú º ª 1º 2ª", "don’t — “really”…", "naïve façade, résumé, piñata", "ﬁn de siècle",
]
# ftfy takes parts of these for misread text although they are not; they must come out as they are.
taken_for_misread = ["Årets björn på ön, 5 Å², Ø½ mm, 3×½", "São Paulo, coração, MAÇÃ, IRMÃ… “MAÇÃ”"]
cases = [(text, prompt_clean(text)) for text in plain]
for text in languages:
    if text in taken_for_misread:
        cleaned = prompt_clean(text, fix_encoding=False)
        cases += [(text, cleaned)] + [(misread(text, encoding), cleaned) for encoding in ("latin-1", "windows-1252")]
    else:
        cases += [(t, prompt_clean(t)) for t in (text, misread(text, "latin-1"), misread(text, "windows-1252"))]
for text in ("don’t — “really”…", "naïve café", "😀 ok", "Größe"):
    cases.append((misread(misread(text, "windows-1252"), "windows-1252"), prompt_clean(text)))
for text in (
    "schÃ¶ne GrÃ¼ÃŸe, donâ€™t panic", "mixed: naïve and cafÃ© and €5", "“quoted” and donâ€™t", "Ã¢â‚¬â„¢", "20Â°C, Â£5, Â© 2024",
    "1Â½ cups, Ã…land, ÃŽle, Ãœber, Ã–l", "ï»¿start", "HasÅ‚o", "stage 0 â†’ 1", "AgriÄ‘ento",
    "vilayÉ™ti", "Ä°talyanca", "15 decimetrÅ³", "Tá»‰nh á»Œdá»‹da", "â–¸ â‡§ â„– âœ”", "mÄ›na", "l’Ã©tÃ© Ã\xa0 Paris",
):
    cases.append((text, prompt_clean(text)))
write("cleaning_cases.json", list(dict.fromkeys(cases)))

# --- html.unescape ----------------------------------------------------------------------------------------------------

names = sorted(html5)
pieces = names + ["#", "#x", "#X", "x", ";", "1", "9", "ff", "F", " ", "<", "&", "é", "K", "ampersand", "notin"]
unescape = ["&" + name for name in rng.sample(names, 150)]
for _ in range(250):
    unescape.append("".join("&" + "".join(rng.choice(pieces) for _ in range(rng.randint(0, 4))) for _ in range(rng.randint(1, 3))))
for number in [0, 1, 8, 9, 10, 11, 13, 14, 31, 32, 127, 128, 129, 159, 160, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFDD0, 0xFDEF, 0xFDF0,
               0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 0x20000, 0x10FFFD, 0x10FFFE, 0x10FFFF, 0x110000, 2**32, 2**64 + 65]:
    unescape += [f"&#{number};", f"&#x{number:x}", f"&#X{number:X};"]
write("unescape_cases.json", [[t, html.unescape(t)] for t in unescape])

# --- Unigram ----------------------------------------------------------------------------------------------------------

tokenizer_file = json.loads((here / "../wan22-tiny/tokenizer/tokenizer.json").read_text())
words = [w for w, _ in tokenizer_file["model"]["vocab"]] + languages + ["the quick brown fox", "unbelievable"]
odd = ["\u0301", "\u200d", "\r\n", "\t", "  ", "   ", " ", "▁", "ﬁ", "½", "Ⅷ", "ｶﾞ", "가", "각", "\u1100\u1161", "🐶", "👩‍🚀", "नि", "<s>", "</s>",
       "<pad>", "<extra_id_3>", "<extra_id_33>", "<0x41>", "<unk>", "\u00a0", "\u3000", "Å", "\u212b", "ẞ", "İ", "\x00", "\ufeff", "a\u0300\u0301\u0302"]
texts = []
for _ in range(40):
    parts = [rng.choice(words + odd * 12) for _ in range(rng.randint(1, 9))]
    texts.append(rng.choice(["", " "]).join(parts) + rng.choice(["", " ", "  "]))
normalizers = tokenizer_file["normalizer"]["normalizers"]


def metaspace(**options):
    return {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", **options}}


def normalizer(*steps):
    return {"normalizer": {"type": "Sequence", "normalizers": list(steps)}}


def replace(content, **pattern):
    return {"type": "Replace", "pattern": pattern, "content": content}


added = tokenizer_file["added_tokens"]
patches = [
    {},
    metaspace(prepend_scheme="first", split=True),
    metaspace(prepend_scheme="never", split=True),
    metaspace(prepend_scheme="always", split=False),
    metaspace(add_prefix_space=False, prepend_scheme="never"),
    metaspace(add_prefix_space=True, str_rep="▁"),
    {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(prepend_scheme="always", split=True)["pre_tokenizer"]]}},
    {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(prepend_scheme="first", split=True)["pre_tokenizer"]]}},
    {"pre_tokenizer": None, "normalizer": None},
    normalizer({"type": "NFC"}, {"type": "Lowercase"}),
    normalizer({"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True}),
    normalizer(replace("-", String="  "), replace(" ", Regex=" +"), replace("", Regex="▁{3,}"), replace("THE", String="the")),
    {"post_processor": None},
    {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]},
        "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}}},
    {"added_tokens": [dict(t, lstrip=True) for t in added]},
    {"added_tokens": [dict(t, rstrip=True, lstrip=True) for t in added]},
    {"added_tokens": [dict(t, single_word=True) for t in added]},
    {"added_tokens": [dict(t, normalized=True) for t in added]},
]
groups = []
for patch in patches:
    tokenizer = Tokenizer.from_str(json.dumps({**tokenizer_file, **patch}))
    groups.append({"patch": patch, "cases": [[t, tokenizer.encode(t).ids] for t in texts]})
    tokenizer.enable_truncation(12)
    groups[-1]["truncated"] = [12, [tokenizer.encode(t).ids for t in texts]]
write("unigram_cases.json", groups)
