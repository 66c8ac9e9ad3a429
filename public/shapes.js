// Shapes and lengths that a model can make, in the words of people: "Portrait", "2 s".

const RATIOS = [
    { name: "Square", ratio: 1 }, { name: "Portrait", ratio: 3 / 4 }, { name: "Landscape", ratio: 4 / 3 },
    { name: "Tall", ratio: 9 / 16 }, { name: "Wide", ratio: 16 / 9 },
];
const MOST_LENGTHS = 6;

/** `[{name, width, height}]`: of about the pixels of the model's own size, in its steps; no shape twice. */
export function shapesOf({ sizes }) {
    const [width, height] = sizes.default.split("x").map(Number);
    const step = sizes.multiple;
    const area = Math.min(width * height, sizes.maximum_pixels);
    const fitted = (ratio) => {
        const sides = [Math.sqrt(area * ratio), Math.sqrt(area / ratio)].map((side) => Math.max(step, Math.round(side / step) * step));
        while (sides[0] * sides[1] > sizes.maximum_pixels) sides[sides[0] > sides[1] ? 0 : 1] -= step;
        return { width: sides[0], height: sides[1] };
    };
    const shapes = [];
    for (const { name, ratio } of RATIOS) {
        const isOwn = Math.abs(width / height - ratio) < 0.02;
        const shape = isOwn ? { name, width, height } : { name, ...fitted(ratio) };
        const isNew = shapes.every((other) => other.width !== shape.width || other.height !== shape.height);
        if (isNew && shape.width > 0 && shape.height > 0) shapes.push(shape);
    }
    // A model whose own size is none of these shapes has it first.
    if (!shapes.some((shape) => shape.width === width && shape.height === height)) {
        shapes.unshift({ name: "Its own", width, height });
    }
    return shapes;
}

/** `current` where it has the ratio of the picture's sides, else the one of the shapes that comes nearest. */
export function nearestShape(shapes, current, { width, height }) {
    const distance = (shape) => Math.abs(Math.log((shape.width * height) / (shape.height * width)));
    if (distance(current) < 0.02) return current;
    return shapes.reduce((best, shape) => (distance(shape) < distance(best) ? shape : best));
}

/** `[{frames, seconds}]`: whole seconds as near as the model's frame counts come, at most six, the default among them. */
export function lengthsOf({ frames, fps }) {
    if (!frames || frames.maximum <= 1) return [];
    const lengths = new Map();
    const add = (count) => {
        const fitted = Math.round((count - 1) / frames.multiple) * frames.multiple + 1;
        if (fitted > 1 && fitted <= frames.maximum) lengths.set(fitted, (fitted - 1) / fps);
    };
    const longest = Math.floor((frames.maximum - 1) / fps);
    const every = Math.max(1, Math.ceil(longest / (MOST_LENGTHS - 1)));
    for (let seconds = every; seconds <= longest; seconds += every) add(seconds * fps + 1);
    add(frames.default);
    if (lengths.size < 2) add(frames.maximum);
    return Array.from(lengths, ([count, seconds]) => ({ frames: count, seconds }))
        .sort((a, b) => a.frames - b.frames);
}
