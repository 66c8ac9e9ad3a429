"""Makes the pictures of this folder and what Pillow reads in them, resizes them to and fits them into.

    pip install Pillow==13.0.0 numpy
    python3 make_pictures.py

Writes the picture files, `expected.bin` (samples, one picture after the other) and `manifest.json`, which says where in
it each lies. Tests read these and need no Pillow.
"""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 13, 9
blob = bytearray()
manifest = {"pictures": [], "resizes": [], "fits": [], "sizes": []}


def stored(array):
    """Where the samples of an array lie in expected.bin: [offset, height, width, channels]."""
    array = np.ascontiguousarray(array, dtype=np.uint8)
    place = [len(blob), *array.shape]
    blob.extend(array.tobytes())
    return place


def noise(width, height, channels=3, seed=1):
    """What `noise` of the tests makes: the high byte of a small congruential generator."""
    state, samples = seed, []
    for _ in range(width * height * channels):
        state = (state * 1664525 + 1013904223) % 2**32
        samples.append(state >> 24)
    return np.array(samples, dtype=np.uint8).reshape(height, width, channels)


def smooth(width=WIDTH, height=HEIGHT, channels=3):
    """Colours that lossy formats keep, different in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 230 // width + 20, y * 230 // height + 10, 240 - (x + y) * 200 // (width + height), (x * y * 255) // (width * height)]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------- PNG

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, colour, interlaced, chunks=b""):
    """A PNG of samples [height, width, channels], each of `depth` bits, without filters."""
    height, width, channels = samples.shape

    def rows(part):
        out = bytearray()
        for row in part:
            out.append(0)
            if depth == 16:
                out += row.astype(">u2").tobytes()
            elif depth == 8:
                out += row.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in row.reshape(-1))
                bits += "0" * (-len(bits) % 8)
                out += bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        return bytes(out)
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
        data = b"".join(rows(p) for p in parts if p.shape[0] and p.shape[1])
    else:
        data = rows(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def eight(samples, depth):
    """Samples of `depth` bits on 8 bits, rounded."""
    top = 2**depth - 1
    return ((samples.astype(np.int64) * 255 * 2 + top) // (2 * top)).astype(np.uint8)


def on_white(rgba):
    image = Image.fromarray(rgba, "RGBA")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return np.asarray(ground)


def add(name, data, rgba, **more):
    (FOLDER / name).write_bytes(data)
    entry = {"file": name, "rgb": stored(on_white(rgba)), **more}
    # Where all is opaque the colours say it.
    if (rgba[..., 3] < 255).any():
        entry["rgba"] = stored(rgba)
    manifest["pictures"].append(entry)


def read(data):
    """As diffusers' `load_image` reads it, but with alpha."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA"))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def add_png():
    rng = np.random.default_rng(7)
    palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    alphas = rng.integers(0, 256, 256, dtype=np.uint8)
    kinds = {"gray": (0, 1, (1, 2, 4, 8, 16)), "rgb": (2, 3, (8, 16)), "palette": (3, 1, (1, 2, 4, 8)),
             "gray-alpha": (4, 2, (8, 16)), "rgba": (6, 4, (8, 16))}
    for kind, (colour, channels, depths) in kinds.items():
        for depth in depths:
            samples = rng.integers(0, 2**depth, (HEIGHT, WIDTH, channels))
            samples[0, 0] = samples[4, 5]  # what tRNS names is there twice at least
            for transparent in (False, True) if colour in (0, 2, 3) else (False,):
                chunks, rgba = b"", None
                if colour == 3:
                    count = 2**depth
                    chunks = chunk(b"PLTE", palette[:count].tobytes())
                    alpha = np.full(count, 255, np.uint8)
                    if transparent:
                        part = max(count * 3 // 4, 1)
                        alpha[:part] = alphas[:part]
                        chunks += chunk(b"tRNS", alphas[:part].tobytes())
                    index = samples[..., 0]
                    rgba = np.dstack([palette[index], alpha[index]])
                else:
                    shown = eight(samples, depth)
                    rgb = shown[..., :1].repeat(3, -1) if channels < 3 else shown[..., :3]
                    alpha = shown[..., -1] if channels in (2, 4) else np.full((HEIGHT, WIDTH), 255, np.uint8)
                    if transparent:
                        key = samples[0, 0]
                        chunks = chunk(b"tRNS", struct.pack(f">{channels}H", *key.tolist()))
                        alpha = np.where((samples == key).all(-1), 0, 255).astype(np.uint8)
                    rgba = np.dstack([rgb, alpha])
                for interlaced in (False, True):
                    # Interlaced files of the transparent kinds bring nothing new.
                    if interlaced and transparent and depth != 8:
                        continue
                    name = f"{kind}{depth}{'-trns' if transparent else ''}{'-interlaced' if interlaced else ''}.png"
                    data = png(samples, depth, colour, interlaced, chunks)
                    # Pillow reads up to 8 bits as we do, but for tRNS of fewer than 8 bits, which it compares unscaled.
                    if depth == 8 or depth < 8 and not (transparent and colour == 0):
                        assert (read(data) == rgba).all(), name
                    add(name, data, rgba)
    turned = chunk(b"eXIf", exif(6)[6:] if exif(6).startswith(b"Exif") else exif(6))
    data = png(smooth().astype(int), 8, 2, False, turned)
    add("orientation6.png", data, read(data))


# ------------------------------------------------------------------------------------------------------------ JPEG

def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", optimize=True, **options)
    return out.getvalue()


def segments(data):
    """Offsets of the marker segments before the scan: [(marker, start, end)]."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
        found.append((data[at + 1], at, end))
        at = end
    return found


def add_jpeg():
    wide, high = 29, 21
    rgb = Image.fromarray(smooth(wide, high))
    variants = {
        "gray": jpeg(rgb.convert("L"), quality=85),
        "444": jpeg(rgb, quality=90, subsampling=0),
        "422": jpeg(rgb, quality=90, subsampling=1),
        "420": jpeg(rgb, quality=90, subsampling=2),
        "progressive": jpeg(rgb, quality=90, subsampling=2, progressive=True),
        "progressive-gray": jpeg(rgb.convert("L"), quality=90, progressive=True),
        "rgb": jpeg(rgb, quality=90, keep_rgb=True),
        "restarts": jpeg(rgb, quality=90, restart_marker_blocks=1),
    }
    for name, data in variants.items():
        add(f"{name}.jpg", data, read(data), lossy=True)
    for orientation in range(1, 9):
        data = jpeg(rgb, quality=90, subsampling=0, exif=exif(orientation))
        add(f"orientation{orientation}.jpg", data, read(data), lossy=True)

    inks = Image.fromarray(np.dstack([smooth(wide, high), smooth(wide, high)[..., 1] // 2]), "CMYK")
    adobe = jpeg(inks, quality=95)
    add("cmyk-adobe.jpg", adobe, read(adobe), lossy=True)
    # Pillow writes no YCCK: planes that are to be read as it, with Adobe's transform set to 2. It inverts what it writes.
    ycc = np.asarray(rgb.convert("YCbCr"))
    planes = np.dstack([ycc, 255 - smooth(wide, high)[..., 1] // 2])
    ycck = bytearray(jpeg(Image.fromarray(255 - planes, "CMYK"), quality=95))
    start, end = next((a, b) for marker, a, b in segments(bytes(ycck)) if marker == 0xEE)
    ycck[end - 1] = 2
    add("ycck-adobe.jpg", bytes(ycck), read(bytes(ycck)), lossy=True)
    # Without an Adobe segment 255 is full ink; Pillow would still invert.
    start, end = next((a, b) for marker, a, b in segments(adobe) if marker == 0xEE)
    plain = adobe[:start] + adobe[end:]
    turned = Image.fromarray(255 - np.asarray(Image.open(io.BytesIO(plain))), "CMYK")
    add("cmyk-plain.jpg", plain, np.asarray(turned.convert("RGB").convert("RGBA")), lossy=True)


# ------------------------------------------------------------------------------------------------------------ WebP

def webp(image, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", **options)
    return out.getvalue()


def add_webp():
    rgb, rgba = Image.fromarray(smooth(29, 21)), Image.fromarray(smooth(29, 21, 4), "RGBA")
    variants = {
        "lossy": webp(rgb, quality=80), "lossless": webp(rgb, lossless=True),
        "lossy-alpha": webp(rgba, quality=80), "lossless-alpha": webp(rgba, lossless=True, exact=True),
        "orientation8": webp(rgb, lossless=True, exif=exif(8)),
    }
    for name, data in variants.items():
        add(f"{name}.webp", data, read(data), lossy="lossy" in name)


# ------------------------------------------------------------------------------------- what is refused, by others

def add_others():
    rgb = Image.fromarray(smooth())
    frames = [Image.fromarray(np.roll(smooth(), 2 * k, axis=1)) for k in range(3)]
    for name, options in {"other.gif": {}, "other.bmp": {}, "other.tiff": {}, "other.avif": {}, "other.jp2": {},
                          "other.ico": {}, "other.ppm": {}}.items():
        rgb.save(FOLDER / name, **options)
    for name in ("animated.gif", "animated.png", "animated.webp"):
        frames[0].save(FOLDER / name, save_all=True, append_images=frames[1:], duration=100, loop=0)


# ---------------------------------------------------------------------------------------------------------- resize

FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


def filter_of(name):
    return getattr(Image.Resampling, name.upper())


def add_resizes():
    jobs = [((23, 17), size, None) for size in ((10, 7), (31, 24), (23, 6), (40, 17), (1, 1), (50, 2), (23, 17))]
    jobs += [((23, 17), (12, 12), (3, 2, 20.5, 14.25)), ((23, 17), (25, 9), (0.3, 0.7, 22.1, 16.9)),
             ((23, 17), (23, 8), (1, 0, 23, 16)), ((23, 17), (10, 17), (5, 0, 15, 17)),
             ((300, 200), (24, 16), None), ((1, 50), (3, 9), None)]
    for name in FILTERS:
        for source, size, box in jobs:
            image = Image.fromarray(noise(*source))
            result = image.resize(size, filter_of(name), box)
            manifest["resizes"].append({"source": source, "filter": name, "box": box, "result": stored(np.asarray(result))})
        for size in ((10, 7), (31, 24), (23, 17)):
            image = Image.fromarray(noise(23, 17, 4), "RGBA")
            result = image.resize(size, filter_of(name))
            manifest["resizes"].append({"source": (23, 17), "filter": name, "box": None, "result": stored(np.asarray(result))})


def covered(image, width, height, resample):
    """Scaled so that it covers the sides, then the middle: Wan's own code for TI2V-5B."""
    scale = max(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), resample)
    x, y = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((x, y, x + width, y + height))


def add_fits():
    for source, target in (((23, 17), (16, 16)), ((23, 17), (12, 19)), ((17, 23), (32, 16)), ((23, 17), (30, 22)),
                           ((23, 17), (23, 9)), ((2, 40), (20, 12)), ((40, 3), (15, 16))):
        image = Image.fromarray(noise(*source))
        for name in ("lanczos", "nearest"):
            ways = {"crop": covered(image, *target, filter_of(name)), "stretch": image.resize(target, filter_of(name)),
                    "pad": ImageOps.pad(image, target, filter_of(name), color=(40, 50, 60))}
            for way, result in ways.items():
                manifest["fits"].append({"source": source, "fit": way, "filter": name, "result": stored(np.asarray(result))})


# ----------------------------------------------------------------------------------------------------------- sizes

def best_output_size(w, h, dw, dh, expected_area):
    """Of Wan2.2's wan/utils/utils.py, restated."""
    ratio = w / h
    ow = (expected_area * ratio)**0.5
    oh = expected_area / ow
    ow1 = int(ow // dw * dw)
    oh1 = int(expected_area / ow1 // dh * dh)
    oh2 = int(oh // dh * dh)
    ow2 = int(expected_area / oh2 // dw * dw)
    first, second = ow1 / oh1, ow2 / oh2
    return (ow1, oh1) if max(ratio / first, first / ratio) < max(ratio / second, second / ratio) else (ow2, oh2)


def add_sizes():
    rng = np.random.default_rng(3)
    sides = [(832, 480), (480, 832), (1280, 720), (1024, 1024), (1000, 1000), (333, 1111), (4000, 3000), (6, 5), (1920, 817)]
    sides += [tuple(int(v) for v in rng.integers(64, 5000, 2)) for _ in range(40)]
    # Roots just below a multiple of 16, where the two rules for Wan I2V differ.
    sides += [(w, h) for w in range(700, 720) for h in range(500, 700) if int(np.sqrt(399360 * w / h)) % 16 == 15
              and int(round(np.sqrt(399360 * w / h))) % 16 == 0][:6]
    for w, h in sides:
        ratio = h / w
        wan = {a: [int(round(np.sqrt(a / ratio))) // 16 * 16, int(round(np.sqrt(a * ratio))) // 16 * 16] for a in (399360, 921600)}
        own = {a: [round(np.sqrt(a / ratio) // 8 // 2 * 2) * 8, round(np.sqrt(a * ratio) // 8 // 2 * 2) * 8] for a in (399360, 921600)}
        wide = np.sqrt(1024 * 1024 * (w / h))
        scale = np.sqrt(1024 * 1024 / (w * h))
        short = 224 / min(w, h)
        manifest["sizes"].append({
            "source": [w, h], "diffusers_480": wan[399360], "diffusers_720": wan[921600],
            "wan_480": own[399360], "wan_720": own[921600],
            "wan_ratio": list(best_output_size(w, h, 32, 32, 704 * 1280)),
            "qwen_edit": [int(round(wide / 32) * 32), int(round(wide / (w / h) / 32) * 32)],
            "flux2": [int(w * scale), int(h * scale)] if w * h > 1024 * 1024 else [w, h],
            "clip": [224, int(224 * h / w)] if w <= h else [int(224 * w / h), 224],
        })


if __name__ == "__main__":
    for old in FOLDER.iterdir():
        if old.suffix in (".png", ".jpg", ".webp", ".gif", ".bmp", ".tiff", ".avif", ".jp2", ".ico", ".ppm"):
            old.unlink()
    add_png()
    add_jpeg()
    add_webp()
    add_others()
    add_resizes()
    add_fits()
    add_sizes()
    (FOLDER / "expected.bin").write_bytes(blob)
    lines = ",\n".join(
        f'"{key}": [\n' + ",\n".join("  " + json.dumps(entry) for entry in entries) + "\n]" for key, entries in manifest.items())
    (FOLDER / "manifest.json").write_text("{\n" + lines + "\n}\n")
