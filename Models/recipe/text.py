"""The text side: the tokenizer of the folder and a small UMT5 encoder, exactly as WanPipeline runs them."""
import os

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import UMT5Config, UMT5EncoderModel

from .arithmetic import autocast

#: rows a training batch is padded to (fixed shapes for the compiler); what has more pieces (long captions, misspelt) loses its end
ROWS = 24


def build(vocabulary, dim=256, layers=4, ff=512, heads=4):
    encoder = UMT5EncoderModel(UMT5Config(
        vocab_size=vocabulary, d_model=dim, d_kv=dim // heads, d_ff=ff, num_layers=layers, num_heads=heads, dropout_rate=0.,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, is_encoder_decoder=False, use_cache=False,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0))
    look_around(encoder)
    return encoder


@torch.no_grad()
def look_around(encoder):
    """In all layers but the last, heads begin as the word before, the word behind, and the word itself: what belongs together
    stands together. Bucket n is n words before, 16 + n is n words behind."""
    for block in encoder.encoder.block[:-1]:
        bias = block.layer[0].SelfAttention.relative_attention_bias.weight
        for head, bucket in enumerate((1, 17, 0)):
            bias[bucket, head] += 4


class Text:
    """Captions -> token ids -> encoder rows."""

    def __init__(self, folder, encoder=None):
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.encoder = encoder or build(self.tokenizer.get_vocab_size())

    def tokens(self, captions, rows=ROWS):
        """-> ids [B, rows] padded with 0, lengths [B] counting </s>"""
        ids = torch.zeros(len(captions), rows, dtype=torch.long)
        lengths = torch.zeros(len(captions), dtype=torch.long)
        for i, e in enumerate(self.tokenizer.encode_batch(list(captions))):
            cut = e.ids if len(e.ids) <= rows else e.ids[:rows - 1] + [1]
            ids[i, :len(cut)] = torch.tensor(cut)
            lengths[i] = len(cut)
        return ids, lengths

    def encode(self, ids, lengths):
        """-> rows [B, L, d]; those behind the length are not meaningful"""
        longest = int(lengths.max())
        mask = (torch.arange(longest)[None] < lengths[:, None]).long()
        with autocast():
            rows = self.encoder(input_ids=ids[:, :longest], attention_mask=mask).last_hidden_state.float()
        return F.pad(rows, (0, 0, 0, ids.shape[1] - longest))
