"""GGUF files that carry the tokenizers of the tiny models, as llama.cpp's converter writes them.

    pip install gguf sentencepiece protobuf && python make_tokenizers.py

umt5.gguf: the text encoder of ../wan22-tiny with the pieces of its tokenizer/spiece.model, then unused rows up to the size
of the vocabulary.
qwen2.gguf: the vocabulary, added tokens and merges of ../qwen-image-tiny/tokenizer.
gemma_tokenizer.gguf: the pieces of ../sana-sprint-tiny/tokenizer/tokenizer.model and the added tokens of its tokenizer_config.json,
as _create_vocab_sentencepiece of convert_hf_to_gguf.py writes them for Gemma 2, then an unused row.
"""

import json
import struct
from pathlib import Path

import gguf
import numpy as np
from sentencepiece import sentencepiece_model_pb2

here = Path(__file__).resolve().parent


# transformers' names and llama.cpp's.
NAMES = [("shared.", "token_embd."), ("encoder.final_layer_norm.", "enc.output_norm."), ("encoder.block.", "enc.blk."),
         (".layer.0.layer_norm.", ".attn_norm."), (".layer.1.layer_norm.", ".ffn_norm."),
         (".layer.0.SelfAttention.relative_attention_bias.", ".attn_rel_b."), (".layer.0.SelfAttention.", ".attn_"),
         (".layer.1.DenseReluDense.wi_0.", ".ffn_gate."), (".layer.1.DenseReluDense.wi_1.", ".ffn_up."),
         (".layer.1.DenseReluDense.wo.", ".ffn_down.")]


def tensors(folder):
    """Names, shapes and bytes of bf16 tensors."""
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        for key, entry in json.loads(data[8:8 + size]).items():
            if key != "__metadata__":
                assert entry["dtype"] == "BF16"
                start, end = entry["data_offsets"]
                for theirs, ours in NAMES:
                    key = key.replace(theirs, ours)
                yield key, entry["shape"], data[8 + size + start:8 + size + end]


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


model = sentencepiece_model_pb2.ModelProto()
model.ParseFromString((here / "../wan22-tiny/tokenizer/spiece.model").read_bytes())
tokens, scores, types = [p.piece.encode() for p in model.pieces], [p.score for p in model.pieces], [p.type for p in model.pieces]
while len(tokens) < 1344:
    tokens.append(f"[PAD{len(tokens)}]".encode())
    scores.append(-10000.0)
    types.append(int(gguf.TokenType.UNUSED))
writer = gguf.GGUFWriter(here / "umt5.gguf", "t5encoder")
writer.add_tokenizer_model("t5")
writer.add_tokenizer_pre("default")
writer.add_token_list(tokens)
writer.add_token_scores(scores)
writer.add_token_types(types)
writer.add_add_space_prefix(model.normalizer_spec.add_dummy_prefix)
writer.add_remove_extra_whitespaces(model.normalizer_spec.remove_extra_whitespaces)
writer.add_precompiled_charsmap(model.normalizer_spec.precompiled_charsmap)
writer.add_eos_token_id(model.trainer_spec.eos_id)
writer.add_unk_token_id(model.trainer_spec.unk_id)
writer.add_pad_token_id(model.trainer_spec.pad_id)
for name, shape, raw in tensors(here / "../wan22-tiny/text_encoder"):
    bytes_ = np.frombuffer(raw, np.uint8).reshape(*shape[:-1], 2 * shape[-1])
    writer.add_tensor(name, bytes_, raw_dtype=gguf.GGMLQuantizationType.BF16)
finish(writer)

folder = here / "../qwen-image-tiny/tokenizer"
vocabulary = json.loads((folder / "vocab.json").read_text())
added = {t["id"]: t for t in json.loads((folder / "tokenizer.json").read_text())["added_tokens"]}
names = {i: s for s, i in vocabulary.items()} | {i: t["content"] for i, t in added.items()}
size = max(names) + 1
writer = gguf.GGUFWriter(here / "qwen2.gguf", "qwen2vl")
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("qwen2")
writer.add_token_list([names.get(i, f"[PAD{i}]") for i in range(size + 6)])
writer.add_token_types([
    int(gguf.TokenType.UNUSED) if i not in names else int(gguf.TokenType.NORMAL) if i not in added
    else int(gguf.TokenType.CONTROL if added[i]["special"] else gguf.TokenType.USER_DEFINED) for i in range(size + 6)])
writer.add_token_merges([line for line in (folder / "merges.txt").read_text().splitlines() if line and not line.startswith("#version")])
writer.add_eos_token_id(names and next(i for i, s in names.items() if s == "<|im_end|>"))
writer.add_pad_token_id(next(i for i, s in names.items() if s == "<|endoftext|>"))
writer.add_add_bos_token(False)
finish(writer)

folder = here / "../sana-sprint-tiny/tokenizer"
model = sentencepiece_model_pb2.ModelProto()
model.ParseFromString((folder / "tokenizer.model").read_bytes())
tokens, scores = [p.piece for p in model.pieces], [p.score for p in model.pieces]
# Pieces that SentencePiece calls user-defined are normal ones there until the configuration says otherwise.
types = [int(gguf.TokenType.NORMAL) if p.type == 4 else p.type for p in model.pieces]
for key, token in json.loads((folder / "tokenizer_config.json").read_text())["added_tokens_decoder"].items():
    content = token["content"]
    looks_special = content in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or content.startswith("<unused")
    if token["special"] or looks_special:
        types[int(key)] = int(gguf.TokenType.CONTROL)
    else:
        types[int(key)] = int(gguf.TokenType.USER_DEFINED)
        content = content.replace("\u2581", " ")
    tokens[int(key)], scores[int(key)] = content, -1000.0
writer = gguf.GGUFWriter(here / "gemma_tokenizer.gguf", "gemma2")
writer.add_tokenizer_model("llama")
writer.add_tokenizer_pre("default")
writer.add_token_list(tokens + ["[PAD]"])
writer.add_token_scores(scores + [-10000.0])
writer.add_token_types(types + [int(gguf.TokenType.UNUSED)])
writer.add_bos_token_id(model.trainer_spec.bos_id)
writer.add_eos_token_id(model.trainer_spec.eos_id)
writer.add_unk_token_id(model.trainer_spec.unk_id)
writer.add_pad_token_id(model.trainer_spec.pad_id)
writer.add_add_space_prefix(False)
finish(writer)
