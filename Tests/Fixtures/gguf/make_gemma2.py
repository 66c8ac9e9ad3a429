"""A tiny random Gemma 2 as transformers saves it, the same as a GGUF file as llama.cpp's converter writes it, and what
transformers computes from it.

    pip install torch transformers safetensors gguf && python make_gemma2.py

Writes gemma2/config.json, gemma2/model.safetensors, gemma2.gguf and gemma2.rows.safetensors (`ids`, `rows`: the last hidden state).
Of convert_hf_to_gguf.py's Gemma2Model: the names are the gguf package's table, 1 is added to the weights of all norms, and the
scalar of the scores is not written. transformers' own reader of GGUF files must give the same rows.
"""

import json
from pathlib import Path

import gguf
import torch
from safetensors.torch import save_file
from transformers import Gemma2Config, Gemma2Model

here = Path(__file__).resolve().parent
torch.manual_seed(5)
config = Gemma2Config(
    vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    head_dim=8, query_pre_attn_scalar=8, sliding_window=4096, attn_logit_softcapping=5.0, rms_norm_eps=1e-5,
    max_position_embeddings=8192, attn_implementation="eager")
model = Gemma2Model(config).eval()
for name, parameter in model.named_parameters():
    parameter.data = torch.randn(parameter.shape) * (0.4 if "norm" in name else 0.3)
tensors = {k: v.contiguous() for k, v in model.state_dict().items()}
folder = here / "gemma2"
folder.mkdir(exist_ok=True)
save_file(tensors, folder / "model.safetensors", {"format": "pt"})
kept = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
        "query_pre_attn_scalar", "sliding_window", "attn_logit_softcapping", "rms_norm_eps", "hidden_activation", "model_type"]
(folder / "config.json").write_text(json.dumps({k: getattr(config, k) for k in kept}, indent=1) + "\n")

writer = gguf.GGUFWriter(here / "gemma2.gguf", "gemma2")
writer.add_context_length(config.max_position_embeddings)
writer.add_embedding_length(config.hidden_size)
writer.add_block_count(config.num_hidden_layers)
writer.add_feed_forward_length(config.intermediate_size)
writer.add_head_count(config.num_attention_heads)
writer.add_head_count_kv(config.num_key_value_heads)
writer.add_layer_norm_rms_eps(config.rms_norm_eps)
writer.add_key_length(config.head_dim)
writer.add_value_length(config.head_dim)
writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
writer.add_final_logit_softcapping(config.final_logit_softcapping)
writer.add_sliding_window(config.sliding_window)
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA2, config.num_hidden_layers)
for key, value in tensors.items():
    if key.endswith("norm.weight"):
        value = value + 1
    writer.add_tensor(names.get_name("model." + key, (".weight",)), value.numpy())
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

ids = torch.tensor([[2, 17, 63, 3, 3, 40, 61, 8, 27]])
with torch.no_grad():
    rows = model(ids).last_hidden_state[0]
    # transformers does not read all numbers of the file's metadata.
    theirs = Gemma2Model.from_pretrained(here, gguf_file="gemma2.gguf", config=config, attn_implementation="eager")
    again = theirs(ids).last_hidden_state[0]
difference = float((again - rows).abs().max())
print(rows.std(), difference)
assert difference < 1e-5
save_file({"ids": ids[0], "rows": rows.contiguous()}, here / "gemma2.rows.safetensors")
