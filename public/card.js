// What a model knows, from its card: words, samples that it made, and scenes to be surprised by. A model without a
// card gets prompts that any general model can do, and no words of another's.

const GENERAL = {
    image: [
        "a red fox in fresh snow, morning light", "a lighthouse on a cliff in a storm, oil painting",
        "a bowl of ramen on a wooden table, soft window light", "an astronaut reading a book in a quiet library",
        "a paper boat on a rain puddle, city lights behind it", "a botanical drawing of a fern on old paper",
        "a small bakery at dawn, watercolour", "a snow leopard resting on a rock, telephoto",
        "a tiny house on the back of a turtle", "a street in Lisbon after the rain, tram passing",
    ],
    video: [
        "a paper boat drifts down a stream", "waves roll onto a black beach, slow motion",
        "a hot-air balloon rises over misty hills", "a cat stretches in a patch of sunlight",
        "snow falls on a quiet street at night", "a train crosses a stone bridge, seen from above",
    ],
};

const pick = (words) => words[Math.floor(Math.random() * words.length)];

export class Card {
    #data;
    #folder;

    constructor(data, folder) {
        this.#data = data;
        this.#folder = folder;
    }

    /** @param model as the capabilities describe it: `card` says where the model's card lies. */
    static async of(model) {
        if (!model.card) return new Card(null, "");
        return new Card(await read(`${model.card}card.json`).catch(() => null), model.card);
    }

    get about() {
        return this.#data?.about ?? null;
    }

    /** `[{title, words, note}]` */
    get words() {
        return Object.values(this.#data?.words ?? {});
    }

    /** `[{kind, prompt, seed, url}]`, of the kinds that are asked for. */
    samples(kinds) {
        return (this.#data?.samples ?? [])
            .filter(({ kind }) => kinds.includes(kind))
            .map((sample) => ({ ...sample, url: this.#folder + sample.file }));
    }

    /** A prompt at random that the model can do. */
    surprise(kind) {
        const scenes = this.#data?.scenes?.[kind];
        if (!scenes) return pick(GENERAL[kind] ?? GENERAL.image);
        const taken = new Set();
        const scene = pick(scenes).replace(/\{(\w+)\}/g, (_, list) => {
            const words = this.#data.words[list]?.words ?? this.#data.hidden?.[list] ?? [""];
            const left = words.filter((word) => !taken.has(word));
            const word = pick(left.length > 0 ? left : words);
            taken.add(word);
            return word;
        });
        return scene.replace(/\ba (?=[aeiou])/g, "an ");
    }

    /** How a picture may go on, at random; null where the model's card does not say. */
    movement() {
        return this.#data?.scenes?.moved ? this.surprise("moved") : null;
    }

    get isKnown() {
        return this.#data !== null;
    }
}

async function read(path) {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
}
