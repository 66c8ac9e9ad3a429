"""What emoji scenes are made of: things, colours, places, sizes and motions, and what they are called."""


def _table(text):
    return {name.strip(): glyph for name, glyph in (entry.strip().rsplit(" ", 1) for entry in text.split(","))}


GLYPHS = _table(
    "dog 🐶,cat 🐱,mouse 🐭,rabbit 🐰,fox 🦊,bear 🐻,panda 🐼,koala 🐨,tiger 🐯,lion 🦁,cow 🐮,pig 🐷,frog 🐸,monkey 🐵,"
    "chicken 🐔,penguin 🐧,owl 🦉,horse 🐴,unicorn 🦄,bee 🐝,butterfly 🦋,snail 🐌,ladybug 🐞,turtle 🐢,octopus 🐙,"
    "crab 🦀,fish 🐟,dolphin 🐬,whale 🐳,shark 🦈,elephant 🐘,dinosaur 🦖,snake 🐍,duck 🦆,"
    "apple 🍎,pear 🍐,orange 🍊,lemon 🍋,banana 🍌,watermelon 🍉,bunch of grapes 🍇,strawberry 🍓,pineapple 🍍,"
    "avocado 🥑,carrot 🥕,ear of corn 🌽,mushroom 🍄,loaf of bread 🍞,piece of cheese 🧀,hamburger 🍔,slice of pizza 🍕,"
    "hot dog 🌭,cake 🎂,cookie 🍪,donut 🍩,ice cream 🍦,cup of coffee ☕,"
    "car 🚗,bus 🚌,truck 🚚,train 🚂,bicycle 🚲,rocket 🚀,helicopter 🚁,sailboat ⛵,ship 🚢,flying saucer 🛸,tractor 🚜,"
    "sun 🌞,crescent moon 🌙,star ⭐,tree 🌳,palm tree 🌴,cactus 🌵,sunflower 🌻,rose 🌹,tulip 🌷,flame 🔥,snowman ⛄,"
    "planet earth 🌍,"
    "soccer ball ⚽,basketball 🏀,tennis ball 🎾,balloon 🎈,gift box 🎁,heart ❤,key 🔑,bell 🔔,book 📕,umbrella ☔,"
    "crown 👑,house 🏠,castle 🏰,alarm clock ⏰,light bulb 💡,guitar 🎸,trumpet 🎺,robot 🤖,ghost 👻,smiling face 😀,"
    "alien 👽,pumpkin 🎃,top hat 🎩,camera 📷,drum 🥁,anchor ⚓,diamond 💎")

#: easily recognised nouns: what data is made of by default, and the fewer ones v0 has had the time to learn
OBJECTS_COMMON = [name.replace("_", " ") for name in (
    "dog cat panda frog penguin fish pig cow butterfly apple banana strawberry carrot hamburger car rocket sailboat star "
    "tree sunflower tulip mushroom soccer_ball balloon heart house robot ghost snowman umbrella book gift_box crown pumpkin "
    "smiling_face").split()]
OBJECTS_V0 = [name.replace("_", " ") for name in (
    "dog cat panda frog penguin fish apple banana strawberry car rocket sailboat star tree tulip mushroom balloon heart "
    "house robot ghost snowman umbrella smiling_face").split()]
OBJECTS_ALL = list(GLYPHS)
OBJECT_SETS = {"v0": OBJECTS_V0, "common": OBJECTS_COMMON, "all": OBJECTS_ALL}

SYNONYMS = {
    "dog": "puppy", "cat": "kitten", "rabbit": "bunny", "car": "automobile", "ship": "ocean liner", "flying saucer": "ufo",
    "house": "home", "smiling face": "smiley", "hamburger": "burger", "donut": "doughnut", "flame": "fire",
    "gift box": "present", "bicycle": "bike", "planet earth": "globe", "soccer ball": "football"}

COLORS = {
    "red": (220, 45, 40), "orange": (245, 140, 30), "yellow": (250, 215, 50), "green": (60, 165, 70), "blue": (45, 100, 215),
    "purple": (135, 65, 190), "pink": (250, 150, 190), "white": (245, 245, 245), "gray": (135, 135, 140),
    "black": (22, 22, 26), "brown": (125, 80, 45), "cyan": (70, 205, 215)}
PLACES_TEXT = {
    "grassy field": "in a grassy field", "night sky": "in the night sky", "ocean": "by the ocean", "beach": "on the beach",
    "snowy field": "in a snowy field", "checkered floor": "on a checkered floor"}
BACKGROUNDS = [*COLORS, *PLACES_TEXT]

TINTABLE = ["car", "balloon", "heart", "star", "book", "tulip", "fish", "butterfly", "umbrella", "gift box", "top hat"]
TINTS = ["red", "orange", "yellow", "green", "blue", "purple", "pink"]

POSITIONS = {
    "on the left": (.25, .5), "on the right": (.75, .5), "at the top": (.5, .25), "at the bottom": (.5, .75),
    "in the center": (.5, .5), "in the top left corner": (.25, .25), "in the top right corner": (.75, .25),
    "in the bottom left corner": (.25, .75), "in the bottom right corner": (.75, .75)}
SIZES = {"tiny": .22, "small": .32, "": .46, "large": .62, "huge": .8}
SPEEDS = {"slow": .18, "normal": .32, "fast": .5}
NUMBERS = {2: "two", 3: "three"}

#: motion -> (for one object, for several)
MOTION_TEXT = {
    "left": [("moves to the left", "move to the left"), ("is moving left", "moving left"), ("slides left", "slide left")],
    "right": [("moves to the right", "move to the right"), ("is moving right", "moving right"), ("slides right", "slide right")],
    "up": [("moves up", "move up"), ("rises", "rise"), ("floats up", "float up")],
    "down": [("moves down", "move down"), ("falls down", "fall down"), ("sinks", "sink")],
    "bounce": [("bounces up and down", "bounce up and down"), ("is bouncing", "bouncing"), ("jumps up and down", "jump up and down")],
    "spin_cw": [("spins clockwise", "spin clockwise"), ("rotates clockwise", "rotate clockwise")],
    "spin_ccw": [("spins counterclockwise", "spin counterclockwise"), ("rotates counterclockwise", "rotate counterclockwise")],
    "grow": [("grows bigger", "grow bigger"), ("comes closer", "come closer")],
    "shrink": [("shrinks", "shrink"), ("moves away into the distance", "move away into the distance")],
    "still": [("stands still", "stand still"), ("does not move", "do not move")]}
MOTIONS = list(MOTION_TEXT)
TRANSLATIONS = ("left", "right", "up", "down", "bounce")
#: of two things
APART = [("move apart", "moving apart"), ("drift apart", "drifting apart")]
#: of the camera, past things that stand still; said at the caption's end
CAMERA_TEXT = {
    "pan_left": ["the camera pans to the left", "the camera moves to the left", "camera pan to the left"],
    "pan_right": ["the camera pans to the right", "the camera moves to the right", "camera pan to the right"],
    "zoom_in": ["the camera zooms in", "camera zoom in"],
    "zoom_out": ["the camera zooms out", "camera zoom out"]}
