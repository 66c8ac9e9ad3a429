"""Makes a folder of files that nobody should take for a picture, with what is to be said of each.

    python3 hostile_pictures.py OUT

Beside the files OUT gets expected.json: for each file the error (or "none" where the file holds a picture that is to be
read all the same) and a part of its text. Standard library only; the sound files that are bent here are those of
Tests/Fixtures/pictures.
"""

import functools
import gzip
import json
import random
import struct
import sys
import zlib
from pathlib import Path

SOUND = Path(__file__).resolve().parent.parent / "Fixtures" / "pictures"
FILES = {}


def add(name, data, error, text=""):
    assert name not in FILES, name
    FILES[name] = (bytes(data), error, text)


def sound(name):
    return (SOUND / name).read_bytes()


# ---------------------------------------------------------------------------------------------------- no picture at all

def add_others():
    noise = random.Random(1).randbytes(4000)
    add("empty.png", b"", "empty", "no bytes")
    add("one-byte.png", b"\x89", "unknownFormat")
    add("noise.jpg", b"\x00" + noise, "unknownFormat")
    add("zeros.webp", bytes(5000), "unknownFormat")
    add("text.png", b"a picture of a cat", "unknownFormat", "PNG, JPEG or WebP")
    add("almost.png", b"\x89PNG\n\n\x1a\n" + noise, "unknownFormat")
    add("page.jpg", b"<!DOCTYPE html><html><title>404</title></html>", "unsupportedFormat", "HTML")
    add("vector.png", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "unsupportedFormat", "SVG")
    add("vector-bom.png", b"\xef\xbb\xbf\n<!-- drawn -->\n<SVG width='9'/>", "unsupportedFormat", "SVG")
    add("answer.png", b'{"error": "not found"}', "unsupportedFormat", "JSON")
    add("data-uri.png", b"data:image/png;base64,iVBORw0KGgo=", "unsupportedFormat", "data URI")
    add("base64.png", b"iVBORw0KGgoAAAANSUhEUg==", "unsupportedFormat", "Base64")
    add("address.png", b"https://example.org/a.png", "unsupportedFormat", "address")
    add("pointer.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "unsupportedFormat", "LFS")
    add("gif-as.png", sound("other.gif"), "unsupportedFormat", "GIF")
    add("gif-animated-as.webp", sound("animated.gif"), "unsupportedFormat", "GIF")
    add("bmp-as.jpg", sound("other.bmp"), "unsupportedFormat", "BMP")
    add("tiff-as.png", sound("other.tiff"), "unsupportedFormat", "TIFF")
    add("tiff-big-endian.png", b"MM\0*\0\0\0\x08" + bytes(40), "unsupportedFormat", "TIFF")
    add("avif-as.webp", sound("other.avif"), "unsupportedFormat", "AVIF")
    add("heic-as.jpg", struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(99), "unsupportedFormat", "HEIC")
    add("jpeg2000-as.jpg", sound("other.jp2"), "unsupportedFormat", "JPEG 2000")
    add("jpegxl-as.jpg", b"\xff\x0a" + noise, "unsupportedFormat", "JPEG XL")
    add("jpegxl-boxed.jpg", b"\0\0\0\x0cJXL \r\n\x87\n" + noise, "unsupportedFormat", "JPEG XL")
    add("icon.png", sound("other.ico"), "unsupportedFormat", "ICO")
    add("netpbm.png", sound("other.ppm"), "unsupportedFormat", "Netpbm")
    add("photoshop.png", b"8BPS\0\x01" + bytes(99), "unsupportedFormat", "Photoshop")
    add("clip-as.png", struct.pack(">I", 24) + b"ftypisom\0\0\2\0isomavc1" + bytes(99), "unsupportedFormat", "video")
    add("webm-as.webp", b"\x1a\x45\xdf\xa3" + bytes(99), "unsupportedFormat", "WebM")
    add("avi-as.webp", b"RIFF\x64\0\0\0AVI LIST" + bytes(99), "unsupportedFormat", "AVI")
    add("pdf-as.jpg", b"%PDF-1.7\n" + bytes(99), "unsupportedFormat", "PDF")
    add("zip-as.png", b"PK\3\4" + bytes(99), "unsupportedFormat", "ZIP")
    add("gzip-as.png", gzip.compress(sound("rgb8.png"), mtime=0), "unsupportedFormat", "gzip")


# ------------------------------------------------------------------------------------------------------------------ PNG

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data, crc=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def header(width=8, height=8, depth=8, colour=2, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


END = chunk(b"IEND", b"")
ROWS = (b"\0" + bytes(range(24))) * 8  # 8x8 RGB


def data(raw=ROWS):
    return chunk(b"IDAT", zlib.compress(raw))


@functools.cache
def deflated_zeros(size=64 << 20):
    """A zlib stream of `size` zeros, made piece by piece."""
    coder = zlib.compressobj(9)
    parts = [coder.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join(parts) + coder.flush()


def add_png():
    whole = SIGNATURE + header() + data() + END
    add("png-sound.png", whole, "none")
    add("png-signature-only.png", SIGNATURE, "truncated", "truncated")
    add("png-cut-in-the-header.png", whole[:20], "truncated")
    add("png-cut-in-the-data.png", whole[:60], "truncated")
    add("png-without-end.png", SIGNATURE + header() + data(), "truncated")
    add("png-without-data.png", SIGNATURE + header() + END, "unreadable")
    add("png-bomb.png", SIGNATURE + header(65535, 65535, 1, 0) + chunk(b"IDAT", deflated_zeros()) + END, "tooManyPixels", "65535x65535")
    add("png-endless-side.png", SIGNATURE + header(2**31 - 1, 1) + data() + END, "sideTooLong", "2147483647x1")
    add("png-beyond-any-side.png", SIGNATURE + header(2**32 - 1, 2**32 - 1) + data() + END, "sideTooLong")
    add("png-without-width.png", SIGNATURE + header(0, 8) + data() + END, "unreadable", "0 pixels")
    add("png-few-rows.png", SIGNATURE + header() + data(ROWS[:90]) + END, "unreadable")
    add("png-interlaced-few-rows.png", SIGNATURE + header(interlace=1) + data(ROWS[:90]) + END, "unreadable")
    add("png-header-damaged.png", whole.replace(header(), header()[:-1] + b"\0"), "unreadable", "IHDR")
    add("png-data-damaged.png", SIGNATURE + header() + chunk(b"IDAT", zlib.compress(ROWS), crc=1) + END, "unreadable", "IDAT")
    add("png-no-zlib.png", SIGNATURE + header() + chunk(b"IDAT", random.Random(2).randbytes(200)) + END, "unreadable")
    add("png-unknown-filter.png", SIGNATURE + header() + data((b"\x09" + bytes(24)) * 8) + END, "unreadable")
    add("png-unknown-depth.png", SIGNATURE + header(depth=3) + data() + END, "unreadable")
    add("png-unknown-colour.png", SIGNATURE + header(colour=5) + data() + END, "unreadable")
    add("png-unknown-interlace.png", SIGNATURE + header(interlace=7) + data() + END, "unreadable")
    add("png-without-palette.png", SIGNATURE + header(colour=3) + data() + END, "unreadable")
    add("png-two-headers.png", SIGNATURE + header() + header(9000, 9000) + data() + END, "unreadable", "two headers")
    add("png-header-late.png", SIGNATURE + chunk(b"tEXt", b"a\0b") + header() + data() + END, "unreadable", "header")
    add("png-long-header.png", SIGNATURE + chunk(b"IHDR", header()[8:21] + b"\0") + data() + END, "unreadable")
    add("png-endless-chunk.png", SIGNATURE + header() + b"\xff\xff\xff\xffIDAT" + bytes(99), "truncated")
    add("png-unknown-critical.png", SIGNATURE + header() + chunk(b"ABCD", b"") + data() + END, "unreadable")
    add("png-text-bomb.png", SIGNATURE + header() + chunk(b"zTXt", b"a\0\0" + deflated_zeros()) + data() + END, "none")
    add("png-profile-bomb.png", SIGNATURE + header() + chunk(b"iCCP", b"a\0\0" + deflated_zeros()) + data() + END, "none")
    add("png-data-bomb.png", SIGNATURE + header() + chunk(b"IDAT", deflated_zeros()) + END, "none")
    add("png-exif-loop.png", SIGNATURE + header() + chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + bytes(20)) + data() + END, "none")
    add("png-animated.png", sound("animated.png"), "animated", "animated")


# ----------------------------------------------------------------------------------------------------------------- JPEG

def segments(jpeg):
    """[(marker, start, end)] before the scan; then the offset of the scan's data."""
    found, at = [], 2
    while True:
        end = at + 2 + struct.unpack(">H", jpeg[at + 2:at + 4])[0]
        found.append((jpeg[at + 1], at, end))
        if jpeg[at + 1] == 0xDA:
            return found, end
        at = end


def segment(jpeg, marker):
    return next((start, end) for kind, start, end in segments(jpeg)[0] if kind == marker)


def patched(jpeg, marker, offset, new):
    start, _ = segment(jpeg, marker)
    return jpeg[:start + offset] + new + jpeg[start + offset + len(new):]


def without(jpeg, marker):
    start, end = segment(jpeg, marker)
    return jpeg[:start] + jpeg[end:]


def app1(payload, length=None):
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2 if length is None else length) + payload


def scan_bomb(scans):
    """A progressive JPEG of 8000x8000 pixels and very many scans of no data."""
    quantisation = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, 8000, 8000, 1) + b"\x01\x11\x00"
    # One code, of one bit: for a mean that does not change; for the rest, the end of 16384 blocks and more.
    tables = b"".join(b"\xff\xc4" + struct.pack(">HB", 20, kind) + bytes([1] + [0] * 15) + bytes([symbol])
                      for kind, symbol in ((0x00, 0), (0x10, 0xE0)))
    first = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\x00\x00\x00\x00" + bytes(125000)
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\x00\x01\x3f\x00" + bytes(120)
    return b"\xff\xd8" + quantisation + frame + tables + first + scan * scans + b"\xff\xd9"


def add_jpeg():
    baseline, progressive = sound("444.jpg"), sound("progressive.jpg")
    _, scan = segments(baseline)
    add("jpeg-start-only.jpg", b"\xff\xd8\xff", "truncated")
    add("jpeg-cut-in-the-scan.jpg", baseline[:scan + 60], "truncated", "truncated")
    add("jpeg-progressive-cut.jpg", progressive[:len(progressive) * 2 // 3], "truncated")
    add("jpeg-without-end.jpg", baseline[:-2], "truncated")
    add("jpeg-bomb.jpg", patched(baseline, 0xC0, 5, struct.pack(">HH", 65500, 65500)), "tooManyPixels", "65500x65500")
    add("jpeg-large-progressive.jpg", patched(progressive, 0xC2, 5, struct.pack(">HH", 60000, 60000)), "tooManyPixels")
    add("jpeg-without-height.jpg", patched(baseline, 0xC0, 5, struct.pack(">H", 0)), "unreadable")
    add("jpeg-taller-than-its-data.jpg", patched(baseline, 0xC0, 5, struct.pack(">H", 4000)), "unreadable")
    add("jpeg-twelve-bits.jpg", patched(baseline, 0xC0, 4, b"\x0c"), "unreadable", "precision")
    add("jpeg-lossless.jpg", patched(baseline, 0xC0, 1, b"\xc3"), "unreadable", "Unsupported")
    add("jpeg-without-frame.jpg", without(baseline, 0xC0), "unreadable")
    add("jpeg-without-quantisation.jpg", without(without(baseline, 0xDB), 0xDB), "unreadable", "Quantization")
    add("jpeg-two-frames.jpg", baseline[:segment(baseline, 0xC0)[0]] + b"".join([baseline[slice(*segment(baseline, 0xC0))]] * 2)
        + baseline[segment(baseline, 0xC0)[1]:], "unreadable", "SOF")
    add("jpeg-five-components.jpg", b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 23, 8, 8, 8, 5) + b"".join(
        bytes([k, 0x11, 0]) for k in range(5)) + b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\0\0\0\x3f\0" + bytes(99), "unreadable")
    add("jpeg-bad-codes.jpg", patched(baseline, 0xC4, 5, b"\xff" * 16), "unreadable")
    add("jpeg-noise-as-scan.jpg", baseline[:scan] + random.Random(3).randbytes(40).replace(b"\xff", b"") + b"\xff\xd9", "unreadable")
    add("jpeg-segment-beyond-the-end.jpg", b"\xff\xd8" + app1(b"Exif\0\0MM", length=65535), "truncated")
    add("jpeg-segment-of-no-length.jpg", b"\xff\xd8" + app1(b"", length=1) + baseline[2:], "unreadable", "length")
    loop = b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff\xff" + struct.pack(">HHII", 0x8769, 4, 1, 8) * 3
    add("jpeg-exif-loop.jpg", b"\xff\xd8" + app1(loop) + baseline[2:], "none")
    add("jpeg-exif-beyond-the-end.jpg", b"\xff\xd8" + app1(b"Exif\0\0II*\0\xff\xff\xff\xff") + baseline[2:], "none")
    add("jpeg-scan-bomb.jpg", scan_bomb(5000), "unreadable", "too many scans")
    add("jpeg-few-scans.jpg", scan_bomb(3), "none")


# ----------------------------------------------------------------------------------------------------------------- WebP

def riff(body, size=None):
    return b"RIFF" + struct.pack("<I", len(body) + 4 if size is None else size) + b"WEBP" + body


def piece(kind, payload):
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)


def canvas(width, height, flags=0):
    return piece(b"VP8X", bytes([flags, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3])


def add_webp():
    lossy, lossless, alpha = (sound(f"{name}.webp") for name in ("lossy", "lossless", "lossy-alpha"))
    add("webp-container-only.webp", riff(b""), "unreadable", "no picture")
    add("webp-lossy-cut.webp", lossy[:len(lossy) // 2], "truncated", "truncated")
    add("webp-lossless-cut.webp", lossless[:len(lossless) // 2], "truncated")
    add("webp-alpha-cut.webp", alpha[:len(alpha) - 40], "truncated")
    add("webp-size-beyond-the-end.webp", riff(lossy[12:], size=100000), "truncated")
    bits = 16383 | 16383 << 14
    add("webp-lossless-bomb.webp", riff(piece(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(200))), "tooManyPixels", "16384x16384")
    frame = bytearray(lossy[20:])
    frame[6:10] = struct.pack("<HH", 0x3FFF, 0x3FFF)
    add("webp-lossy-bomb.webp", riff(piece(b"VP8 ", bytes(frame))), "tooManyPixels", "16383x16383")
    frame[6:10] = struct.pack("<HH", 0, 9)
    add("webp-without-width.webp", riff(piece(b"VP8 ", bytes(frame))), "unreadable")
    add("webp-canvas-contradicts.webp", riff(canvas(9000, 7000) + lossy[12:]), "unreadable")
    add("webp-canvas-bomb.webp", riff(canvas(2**24, 2**24) + lossy[12:]), "unreadable")
    add("webp-canvas-without-picture.webp", riff(canvas(29, 21) + piece(b"XMP ", b"<a/>")), "unreadable", "no picture")
    damaged = bytearray(lossless)
    damaged[26:60] = random.Random(4).randbytes(34)
    add("webp-lossless-damaged.webp", damaged, "unreadable", "damaged")
    add("webp-not-a-key-frame.webp", lossy[:20] + bytes([lossy[20] | 1]) + lossy[21:], "unreadable")
    add("webp-animated.webp", sound("animated.webp"), "animated", "animated")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    add_others()
    add_png()
    add_jpeg()
    add_webp()
    for name, (contents, _, _) in FILES.items():
        (out / name).write_bytes(contents)
    table = [{"file": name, "error": error, "text": text} for name, (_, error, text) in FILES.items()]
    (out / "expected.json").write_text(json.dumps(table, indent=1))
    print(len(FILES), "files")
