"""Writes measures.json: what numpy makes of the measures in Sources/Benchmarks/Measures, by their definitions.

    python3 Tests/Fixtures/make_measures.py

The pictures are given by a formula that the tests know too. Needs numpy only.
"""
import json
from pathlib import Path

import numpy as np

HEIGHT, WIDTH, CELLS, BINS = 32, 40, 8, 8


def picture(seed):
    y, x, c = np.mgrid[:HEIGHT, :WIDTH, :3]
    return ((x * (3 + seed) + y * (5 + 2 * seed) + c * 40 + (x * y * (seed + 1) >> 3)) & 255).astype(np.uint8)


def luma(image):
    return image.astype(float) @ [0.2126, 0.7152, 0.0722] / 255


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def ssim(a, b):
    a, b = luma(a), luma(b)
    taps = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    values = []
    for y in range(HEIGHT - 10):
        for x in range(WIDTH - 10):
            p, q = a[y:y + 11, x:x + 11], b[y:y + 11, x:x + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            values.append((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return np.mean(values)


def colour(image):
    s = image / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    cells = linear.reshape(CELLS, HEIGHT // CELLS, CELLS, WIDTH // CELLS, 3).mean((1, 3)).reshape(-1, 3)
    matrix = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])
    x, y, z = (cells @ matrix.T / [0.95047, 1, 1.08883]).T
    f = lambda t: np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))], -1)


def structure(image):
    padded = np.pad(luma(image), 1, mode="edge")
    gx, gy = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    place = np.mod(np.arctan2(gy, gx), np.pi) / np.pi * BINS
    bins = np.zeros((CELLS, CELLS, BINS))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            cell = bins[y * CELLS // HEIGHT, x * CELLS // WIDTH]
            low, length = int(place[y, x]), np.hypot(gx[y, x], gy[y, x])
            cell[low % BINS] += length * (low + 1 - place[y, x])
            cell[(low + 1) % BINS] += length * (place[y, x] - low)
    root = np.sqrt(bins.ravel())
    return root / np.linalg.norm(root)


pictures = [picture(seed) for seed in range(4)]
pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
colours = [np.sqrt(((colour(pictures[i]) - colour(pictures[j])) ** 2).sum(-1).mean()) / 100 for i, j in pairs]
structures = [1 - structure(pictures[i]) @ structure(pictures[j]) for i, j in pairs]
ratios = np.array([3.0, 2.5, 2.9, 3.6, 2.2, 3.1, 2.7, 4.0, 2.95, 3.3, 2.8, 3.05])
random = np.random.default_rng(0)
medians = np.median(random.choice(ratios, (200_000, len(ratios))), 1)
values = np.array([0.3, 0.1, 0.7, 0.2, 0.9, 0.4, 0.25])
Path(__file__).with_name("measures.json").write_text(json.dumps({
    "psnr": [psnr(pictures[i], pictures[j]) for i, j in pairs],
    "ssim": [ssim(pictures[i], pictures[j]) for i, j in pairs],
    "colour": colours, "structure": structures,
    "ratios": ratios.tolist(), "median": float(np.median(ratios)),
    "interval": np.quantile(medians, [0.025, 0.975]).tolist(),
    "values": values.tolist(), "quantiles": np.quantile(values, [0, 0.5, 0.95, 0.99]).tolist(),
}, indent=1) + "\n")
