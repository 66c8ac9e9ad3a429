"""Emoji scenes: the data of the embedded model. A scene is drawn from a seed; caption, pixels and ground truth are exact.

Sprites are the bitmaps of Noto Color Emoji (Debian package fonts-noto-color-emoji). Every attribute of a scene is left
out of its caption with a known probability, so the true distribution of what is *not* named is known: that makes
diversity measurable beside adherence. Ten per cent of the combinations object x tint x background are held out of
training by a hash, to tell composition from memory.
"""
import functools
import math
import random
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .words import (
    APART, BACKGROUNDS, CAMERA_TEXT, COLORS, GLYPHS, MOTION_TEXT, MOTIONS, NUMBERS, OBJECT_SETS, OBJECTS_ALL, OBJECTS_COMMON,
    OBJECTS_V0, PLACES_TEXT, POSITIONS, SIZES, SPEEDS, SYNONYMS, TINTABLE, TINTS, TRANSLATIONS)

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
SIZE_PX = 128
CLIP_FRAMES = 17


# ---------------------------------------------------------------- the scene
@dataclass
class Sprite:
    name: str
    tint: str | None
    flip: bool
    x: float = .5          # centre, in frame widths
    y: float = .5
    size: float = .46
    size_name: str = ""
    position: str | None = None


@dataclass
class Scene:
    seed: int
    video: bool
    mode: str              # one | pair | count
    background: str
    sprites: list
    layout: str | None = None                 # of a pair: left | above
    motion: str = "still"
    speed: str = "normal"
    caption: str = ""
    said: set = field(default_factory=set)    # attributes the caption names: size tint position layout motion background


def held_out(name, tint, background):
    """One combination in ten is never trained."""
    return zlib.crc32(f"{name}|{tint}|{background}".encode()) % 10 == 0


def scene(seed, video=False, split="train", objects=OBJECTS_COMMON):
    """The scene of a seed. split: train (no held-out combination) | held (the first object's is held out) | any."""
    attempt = 0
    while True:
        r = random.Random(f"{seed}/{int(video)}/{attempt}")
        s = _draw(r, seed, video, objects)
        held = [held_out(o.name, o.tint, s.background) for o in s.sprites]
        clash = any(o.tint == s.background for o in s.sprites)
        fits = {"train": not any(held), "held": held[0], "any": True}[split]
        if fits and not clash:
            caption(r, s)
            return s
        attempt += 1


def _draw(r, seed, video, objects):
    tintable = [n for n in TINTABLE if n in objects]
    mode = r.choices(["one", "pair", "count"], [.72, .14, .14])[0]
    background = r.choice(list(COLORS)) if r.random() < .6 else r.choice(list(PLACES_TEXT))

    def sprite(name):
        return Sprite(name, r.choice(TINTS) if name in TINTABLE else None, r.random() < .5)

    first, second = r.sample(list(objects), 2)
    layout = None
    if mode == "one":
        o = sprite(r.choice(tintable) if tintable and r.random() < .2 else first)
        o.size_name = r.choice(["tiny", "small", "", "", "", "large", "large", "huge"])
        o.size = SIZES[o.size_name] * r.uniform(.93, 1.07)
        o.position = r.choice({"huge": ["in the center"], "large": ["in the center", "on the left", "on the right"]}
                              .get(o.size_name, list(POSITIONS)))
        x, y = POSITIONS[o.position]
        if o.size_name == "large":
            x = .5 + (x - .5) * .6
        o.x, o.y = x + r.uniform(-.04, .04), y + r.uniform(-.04, .04)
        sprites = [o]
    elif mode == "pair":
        layout = r.choice(["left", "above"])
        sprites = [sprite(first), sprite(second)]
        for o, c in zip(sprites, (.27, .73)):
            o.size = SIZES[""] * r.uniform(.88, 1.02)
            along, across = c + r.uniform(-.03, .03), .5 + r.uniform(-.08, .08)
            o.x, o.y = (along, across) if layout == "left" else (across, along)
    else:
        n = r.choice([2, 3, 3])
        base = sprite(first)
        sprites = [replace(base, size=(.40 if n == 2 else .30) * r.uniform(.93, 1.07),
                           x=(i + .5) / n * .92 + .04 + r.uniform(-.02, .02), y=.5 + r.uniform(-.12, .12)) for i in range(n)]
    s = Scene(seed, video, mode, background, sprites, layout)
    if video:
        s.motion = r.choice([*(MOTIONS if mode == "one" else ["still", *TRANSLATIONS]), *(["apart"] * 3 if len(sprites) == 2 else []),
                             *CAMERA_TEXT])
        s.speed = r.choice(list(SPEEDS))
        if s.motion in CAMERA_TEXT and background in COLORS:       # before a plain colour nothing tells a camera's motion
            s.background = r.choice(list(PLACES_TEXT))
        _keep_inside(s)
    return s


def _keep_inside(s):
    """Shift (and where that is not enough shrink) the sprites so that their whole path stays in the frame."""
    if s.motion in ("grow", "shrink", "zoom_in", "zoom_out"):
        for o in s.sprites:
            o.size = min(o.size, .92 / (1 + 1.1 * SPEEDS[s.speed]))
    if s.motion == "apart":
        for o in s.sprites:
            o.size = min(o.size, .36)
    for axis in "xy":
        for o in s.sprites:
            path = [_pose(s, o, t / 16) for t in range(17)]
            at = [p["xy".index(axis)] for p in path]
            reach = max(p[2] for p in path) * .46          # glyphs do not fill their square
            low, high = min(at) - reach, max(at) + reach
            centre = getattr(o, axis)
            if high - low > 1:
                centre += .5 - (low + high) / 2
            else:
                centre += max(0, -low) - max(0, high - 1)
            setattr(o, axis, centre)


def view(s, t):
    """The camera at time t: by how many frame widths it has moved to the right, and how much larger things look"""
    u = (t - .5) * SPEEDS[s.speed]
    return {"pan_left": -u, "pan_right": u}.get(s.motion, 0.), 1 + 2.2 * {"zoom_in": u, "zoom_out": -u}.get(s.motion, 0.)


def _pose(s, o, t):
    """x, y, size, clockwise degrees of a sprite at time t in [0, 1], as the camera sees it"""
    distance, u = SPEEDS[s.speed], t - .5
    x, y, size, angle = o.x, o.y, o.size, 0.
    if s.motion == "left": x -= distance * u
    elif s.motion == "right": x += distance * u
    elif s.motion == "up": y -= distance * u
    elif s.motion == "down": y += distance * u
    elif s.motion == "bounce": y += .12 - .3 * abs(math.sin(math.pi * {"slow": 1, "normal": 2, "fast": 3}[s.speed] * t))
    elif s.motion.startswith("spin"): angle = (1 if s.motion == "spin_cw" else -1) * 360 * {"slow": .25, "normal": .5, "fast": 1.}[s.speed] * t
    elif s.motion == "grow": size *= 1 + 2.2 * distance * u
    elif s.motion == "shrink": size *= 1 - 2.2 * distance * u
    elif s.motion == "apart":
        away = .4 * distance * u * (-1 if o is s.sprites[0] else 1)
        x, y = (x, y + away) if s.layout == "above" else (x + away, y)
    elif s.motion in CAMERA_TEXT:
        shift, zoom = view(s, t)
        x, y, size = .5 + (x - .5 - shift) * zoom, .5 + (y - .5) * zoom, size * zoom
    return x, y, size, angle


def path(s):
    """[5, 11]: for each latent frame of a clip (1 + 4 * 4 frames) its time in -1..1; how far the first sprite moves and grows and
    the camera pans and zooms from the first to the last of them (x, y, size, shift, zoom, in quarters of a frame); where they are
    against their mean (in eighths)"""
    times = [i / (CLIP_FRAMES - 1) for i in range(CLIP_FRAMES)]
    poses = np.array([(*_pose(s, s.sprites[0], t)[:3], *view(s, t)) for t in times])
    latent = np.concatenate([poses[:1], poses[1:].reshape(-1, 4, 5).mean(1)])
    latent[:, 4] *= .25                       # at the frame's edge, half a frame away, what is zoomed moves half as far
    whole = np.tile(4 * (latent[-1] - latent[0]), (len(latent), 1))
    return np.concatenate([np.linspace(-1, 1, len(latent))[:, None], whole, 8 * (latent - latent.mean(0))], 1).astype(np.float32)


# ---------------------------------------------------------------- the caption
_IRREGULAR = {
    "mouse": "mice", "fish": "fish", "loaf": "loaves", "cactus": "cacti", "strawberry": "strawberries", "butterfly": "butterflies",
    "bus": "buses", "octopus": "octopuses", "puppy": "puppies", "bunny": "bunnies", "fox": "foxes", "gift box": "gift boxes",
    "bunch": "bunches", "snowman": "snowmen"}


def plural(noun):
    if " of " in noun:
        head, tail = noun.split(" of ")
        return plural(head) + " of " + tail
    return _IRREGULAR.get(noun, noun + "s")


def article(phrase):
    return ("an " if phrase[0] in "aeiou" and not phrase.startswith("uni") else "a ") + phrase


def caption(r, s):
    """A caption of the scene; it is written to s.caption, and what it names to s.said."""
    s.said = set()

    def say(attribute, probability):
        if r.random() < probability:
            s.said.add(attribute)
            return True
        return False

    def noun(o, number=1):
        name = SYNONYMS[o.name] if o.name in SYNONYMS and r.random() < .25 else o.name
        words = [plural(name) if number > 1 else name]
        if o.tint and say("tint", .8): words.insert(0, o.tint)
        if o.size_name and say("size", .7): words.insert(0, o.size_name)
        phrase = " ".join(words)
        return article(phrase) if number == 1 else NUMBERS[number] + " " + phrase

    if s.mode == "one":
        text = noun(s.sprites[0])
    elif s.mode == "count":
        text = noun(s.sprites[0], len(s.sprites))
    elif say("layout", .65):
        text = noun(s.sprites[0]) + (" to the left of " if s.layout == "left" else " above ") + noun(s.sprites[1])
    else:
        text = " and ".join(noun(o) for o in r.sample(s.sprites, 2))
    pace = {"slow": " slowly", "normal": "", "fast": r.choice([" quickly", " fast"])}[s.speed] if s.video and s.motion != "still" else ""
    if s.video and s.motion not in CAMERA_TEXT and say("motion", .6 if s.motion == "still" else 1):
        told = r.choice(APART)[r.random() < .3] if s.motion == "apart" else r.choice(MOTION_TEXT[s.motion])[s.mode != "one"]
        text += f" {told}{pace}"
    if s.mode == "one" and s.motion not in TRANSLATIONS and s.motion not in CAMERA_TEXT and say("position", .55):
        text += " " + s.sprites[0].position
    if say("background", .7):
        if s.background in COLORS:
            text += r.choice([f" on {article(s.background)} background", f", {s.background} background",
                              f" against {article(s.background)} background"])
        else:
            text += " " + PLACES_TEXT[s.background]
    if s.motion in CAMERA_TEXT and say("motion", 1):
        text += f", {r.choice(CAMERA_TEXT[s.motion])}{pace}"
    s.caption = text
    return text


def motion_caption(r, s):
    """What is said of a clip whose first picture is given: how it goes on, and nothing that the picture shows"""
    pace = {"slow": " slowly", "normal": "", "fast": r.choice([" quickly", " fast"])}[s.speed] if s.motion != "still" else ""
    if s.motion in CAMERA_TEXT:
        return r.choice(CAMERA_TEXT[s.motion]) + pace
    if s.mode == "one":
        name = SYNONYMS[s.sprites[0].name] if s.sprites[0].name in SYNONYMS and r.random() < .25 else s.sprites[0].name
        return r.choice(["it ", "it ", "it ", f"the {name} ", ""]) + r.choice(MOTION_TEXT[s.motion])[0] + pace
    told = r.choice(APART)[r.random() < .3] if s.motion == "apart" else r.choice(MOTION_TEXT[s.motion])[1]
    return r.choice(["they ", "they ", ""]) + ("are " if told.split()[0].endswith("ing") else "") + told + pace


# ---------------------------------------------------------------- pixels
@functools.cache
def glyph(name):
    """The emoji as a square RGBA image of 128 pixels."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((12, 18), GLYPHS[name], font=_font(), embedded_color=True)
    image = canvas.crop(canvas.getchannel("A").getbbox())
    side = max(image.size)
    square = Image.new("RGBA", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square.resize((128, 128), Image.LANCZOS)


@functools.cache
def _font():
    return ImageFont.truetype(FONT, 109)


def _tinted(name, tint):
    """[128, 128, 4] in 0..1; saturated pixels take the tint's hue, scaled by their brightness."""
    rgba = np.asarray(glyph(name)).astype(np.float32) / 255
    if tint is None:
        return rgba
    rgb = rgba[..., :3]
    high, low = rgb.max(-1), rgb.min(-1)
    if name == "top hat":                                  # a grey object: colour all of it
        light, weight = .35 + .9 * high, np.ones_like(high)
    else:
        light, weight = .25 + .75 * high, np.clip(((high - low) / np.maximum(high, 1e-4) - .25) / .25, 0, 1)
    color = np.array(COLORS[tint], np.float32) / 255
    target = np.clip(color * light[..., None] * 1.05, 0, 1)
    return np.concatenate([rgb * (1 - weight[..., None]) + target * weight[..., None], rgba[..., 3:]], -1)


@functools.cache
def _mipmaps(name, tint, flip):
    """Premultiplied copies of 128, 64, 32 and 16 pixels, so that small sprites do not alias."""
    rgba = _tinted(name, tint).copy()
    if flip:
        rgba = rgba[:, ::-1].copy()
    rgba[..., :3] *= rgba[..., 3:]
    full = Image.fromarray((rgba * 255).clip(0, 255).astype(np.uint8), "RGBa")
    return [full] + [full.resize((side, side), Image.BOX) for side in (64, 32, 16)]


def _nearest(distance):
    """The sky repeats itself beyond the frame"""
    return (distance + .5) % 1 - .5


@functools.lru_cache(256)
def background(name, side, shift=0., zoom=1.):
    """[side, side, 3] float32 in 0..255, as a camera sees it that has moved right by `shift` frame widths and shows things
    `zoom` times as large"""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    if (shift, zoom) != (0., 1.):
        x, y = .5 + (x - .5) / zoom + shift, .5 + (y - .5) / zoom

    def blend(a, b, w):
        w = np.clip(w, 0, 1)[..., None]
        return np.array(a, np.float32) * (1 - w) + np.array(b, np.float32) * w

    def over(mask, top, below):
        return np.where(mask[..., None], top, below)

    if name in COLORS:
        image = np.ones((side, side, 3), np.float32) * np.array(COLORS[name], np.float32)
    elif name == "grassy field":
        image = over(y > .62 + .02 * np.sin(7 * x), blend((110, 190, 70), (60, 135, 45), (y - .62) / .38), blend((120, 195, 250), (205, 232, 255), y * 1.4))
    elif name == "night sky":
        image = blend((12, 14, 48), (45, 35, 95), y)
        for px, py in np.random.RandomState(7).rand(16, 2):
            image = image + 230 * np.exp(-.5 * (_nearest(x - px) ** 2 + _nearest(y - py) ** 2) * 96 ** 2)[..., None]
    elif name == "ocean":
        water = blend((35, 125, 200), (12, 60, 135), (y - .5) * 2) + 12 * np.sin(60 * y + 4 * np.sin(9 * x))[..., None]
        image = over(y > .5, water, blend((150, 215, 250), (225, 245, 255), y * 2))
    elif name == "beach":
        image = over(y > .4, blend((40, 150, 205), (60, 185, 215), (y - .4) * 4), blend((130, 205, 250), (215, 240, 255), y * 2.5))
        image = over(y > .6 + .03 * np.sin(5 * x + 1), blend((245, 220, 160), (225, 190, 120), (y - .6) * 2.5), image)
    elif name == "snowy field":
        image = over(y > .6 + .03 * np.sin(6 * x + 2), blend((252, 253, 255), (225, 235, 248), (y - .6) * 2.5), blend((165, 185, 205), (215, 225, 235), y * 1.5))
    elif name == "checkered floor":
        image = blend((238, 238, 238), (170, 175, 185), (np.floor(x * 8) + np.floor(y * 8)) % 2)
    return image.clip(0, 255)


def frame(s, t=.5, side=SIZE_PX, mask=False):
    """The scene at time t: uint8 [side, side, 3]; with mask also the sprites' coverage in 0..1, [side, side]."""
    image, cover = background(s.background, side, *view(s, t)), np.zeros((side, side), np.float32)
    for o in s.sprites:
        x, y, size, angle = _pose(s, o, t)
        pixels = size * side
        maps = _mipmaps(o.name, o.tint, o.flip)
        sprite = next((m for m in reversed(maps) if m.width >= pixels * .95), maps[0])
        scale, a = sprite.width / pixels, math.radians(angle)
        c, d, half = math.cos(a) * scale, math.sin(a) * scale, sprite.width / 2
        cx, cy = x * side, y * side
        layer = np.asarray(sprite.transform((side, side), Image.AFFINE, (c, d, half - c * cx - d * cy, -d, c, half + d * cx - c * cy),
                                            resample=Image.BILINEAR)).astype(np.float32)
        alpha = layer[..., 3] / 255
        image = image * (1 - alpha[..., None]) + layer[..., :3]
        cover = np.maximum(cover, alpha)
    image = image.clip(0, 255).astype(np.uint8)
    return (image, cover) if mask else image


def clip(s, frames=CLIP_FRAMES, side=SIZE_PX):
    """uint8 [frames, side, side, 3]"""
    return np.stack([frame(s, i / (CLIP_FRAMES - 1), side) for i in range(frames)])
