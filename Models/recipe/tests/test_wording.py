"""Other wordings name the same scene"""
import random
from collections import Counter

from recipe import scenes, wording


def captions(n=400):
    return [scenes.scene(i, video=i % 2 == 0).caption for i in range(n)]


def test_the_background_comes_first_and_nothing_else_is_lost():
    assert wording.reorder("a red car, blue background") == "blue background, a red car"
    assert wording.reorder("a dog against an orange background") == "orange background, a dog"
    assert wording.reorder("a cat by the ocean, the camera zooms in") == "by the ocean, a cat, the camera zooms in"
    assert wording.reorder("a red car on the left") == "a red car on the left"
    for i in range(400):
        s = scenes.scene(i, video=i % 2 == 0)
        new = wording.reorder(s.caption)
        assert (new != s.caption) == ("background" in s.said)
        words = lambda text: Counter(w.strip(",") for w in text.split())
        assert not words(new) - words(s.caption) and set(words(s.caption) - words(new)) <= {"on", "against", "a", "an"}


def test_a_misspelt_caption_differs_in_one_word_by_one_letter():
    r, kinds = random.Random(0), Counter()
    for caption in captions():
        before, after = caption.split(" "), wording.misspell(r, caption).split(" ")
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(changed) <= 1                                    # a letter may be put in its own place
        for a, b in changed:
            assert a[0] == b[0] and len(a) >= 4 and abs(len(a) - len(b)) <= 1
            kinds[len(b) - len(a)] += 1
            assert sum((Counter(a) - Counter(b)).values()) <= 1
    assert set(kinds) == {-1, 0, 1}


def test_a_varied_caption_keeps_its_words_most_of_the_time():
    r = random.Random(0)
    kept = [wording.vary(r, caption).lower().rstrip(".") == caption for caption in captions(2000)]
    assert .55 < sum(kept) / len(kept) < .75
    assert len({wording.vary(r, "a red car on the beach") for _ in range(300)}) > 40
