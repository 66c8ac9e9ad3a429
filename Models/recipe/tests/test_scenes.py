import numpy as np

from recipe import scenes


def some(n, **how):
    return [scenes.scene(i, **how) for i in range(n)]


def test_scenes_are_reproducible():
    for video in (False, True):
        a, b = scenes.scene(7, video), scenes.scene(7, video)
        assert a == b and np.array_equal(scenes.frame(a), scenes.frame(b))


def test_splits_do_not_meet():
    for s in some(500):
        assert not any(scenes.held_out(o.name, o.tint, s.background) for o in s.sprites)
    for s in some(100, split="held"):
        assert scenes.held_out(s.sprites[0].name, s.sprites[0].tint, s.background)


def test_no_sprite_vanishes_into_its_background():
    assert all(o.tint != s.background for s in some(1000, split="any") for o in s.sprites)


def test_captions_say_what_they_claim():
    for s in some(1000, video=True):
        o = s.sprites[0]
        if "background" in s.said:
            assert s.background in s.caption or scenes.PLACES_TEXT.get(s.background, "-") in s.caption
        if "tint" in s.said:
            assert any(p.tint and p.tint in s.caption for p in s.sprites)
        if "position" in s.said:
            assert o.position in s.caption
        if "motion" in s.said:
            ways = {**scenes.MOTION_TEXT, "apart": scenes.APART, **{k: [v] for k, v in scenes.CAMERA_TEXT.items()}}[s.motion]
            assert any(text in s.caption for forms in ways for text in forms)


def test_paths_stay_in_the_frame():
    for s in some(400, video=True):
        if s.motion in scenes.TRANSLATIONS and s.mode == "one" and s.sprites[0].size < .45:
            for t in (0, .25, .5, .75, 1):
                x, y, size, _ = scenes._pose(s, s.sprites[0], t)
                assert all(size * .4 < c < 1 - size * .4 for c in (x, y)), (s, t)


def test_motion_is_what_the_name_says():
    for s in some(300, video=True):
        if s.mode != "one":
            continue
        (x0, y0, a0, _), (x1, y1, a1, _) = (scenes._pose(s, s.sprites[0], t) for t in (0, 1))
        signs = {"left": x0 - x1, "right": x1 - x0, "up": y0 - y1, "down": y1 - y0, "grow": a1 - a0, "shrink": a0 - a1}
        assert signs.get(s.motion, 1) > 0


def test_mask_covers_what_differs_from_the_background():
    s = scenes.scene(3)
    image, cover = scenes.frame(s, mask=True)
    changed = np.abs(image.astype(int) - scenes.background(s.background, 128).astype(np.uint8)).max(-1) > 0
    assert not (changed & (cover == 0)).any()


def test_the_path_of_latent_frames_is_the_motion():
    for s in some(300, video=True):
        path = scenes.path(s)
        assert path.shape == (5, 11) and abs(path[:, 6:].mean(0)).max() < 1e-5 and path[0, 0] == -1 and path[-1, 0] == 1
        shift, zoom = np.subtract(scenes.view(s, 1), scenes.view(s, 0))
        assert np.allclose(path[0, 4:6], (4 * shift * 14.5 / 16, zoom * 14.5 / 16), atol=1e-5)
        if s.motion in ("left", "right"):              # latent frame 4 shows t = 13/16 to 1, frame 0 shows t = 0
            sign = 1 if s.motion == "right" else -1
            travelled = (path[-1, 6] - path[0, 6]) / 8 * sign
            assert abs(path[2, 1] / 4 * sign - travelled) < 1e-5 and abs(travelled - scenes.SPEEDS[s.speed] * 14.5 / 16) < 1e-4


def test_the_camera_moves_and_things_stand_still_before_the_background():
    seen = set()
    for s in some(400, video=True):
        if s.motion not in scenes.CAMERA_TEXT:
            continue
        seen.add(s.motion)
        assert s.background in scenes.PLACES_TEXT                    # a plain colour shows no camera
        o, places = s.sprites[0], []
        for t in (0, .5, 1):
            x, y, size, _ = scenes._pose(s, o, t)
            shift, zoom = scenes.view(s, t)
            places.append(((x - .5) / zoom + shift, (y - .5) / zoom, size / zoom))
        assert np.allclose(places, places[0])
        moved = [scenes.view(s, 1)[i] - scenes.view(s, 0)[i] for i in (0, 1)]
        assert {"pan_left": moved[0] < 0, "pan_right": moved[0] > 0, "zoom_in": moved[1] > 0, "zoom_out": moved[1] < 0}[s.motion]
    assert seen == set(scenes.CAMERA_TEXT)


def test_a_pan_shifts_the_pixels_of_the_background():
    side = 128
    for name in scenes.PLACES_TEXT:
        still, panned = (scenes.background(name, side, shift) for shift in (0., 16 / side))
        assert np.allclose(still[:, 16:], panned[:, :-16], atol=1)


def test_two_things_move_apart():
    apart = [s for s in some(600, video=True) if s.motion == "apart"]
    assert apart
    for s in apart:
        axis = 1 if s.layout == "above" else 0
        start, end = ([scenes._pose(s, o, t)[axis] for o in s.sprites] for t in (0, 1))
        assert len(s.sprites) == 2 and end[1] - end[0] > start[1] - start[0] + .1
