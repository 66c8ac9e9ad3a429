// The page's icons, on a grid of 24.

import { h, s } from "./dom.js";

const PATHS = {
    save: ["M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14"],
    copy: ["M9 11.5A2.5 2.5 0 0 1 11.5 9h6a2.5 2.5 0 0 1 2.5 2.5v6a2.5 2.5 0 0 1-2.5 2.5h-6A2.5 2.5 0 0 1 9 17.5z",
        "M5.5 15A1.5 1.5 0 0 1 4 13.5v-8A1.5 1.5 0 0 1 5.5 4h8A1.5 1.5 0 0 1 15 5.5"],
    link: ["M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.4 1.4", "M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.4-1.4"],
    again: ["M5 12a7 7 0 0 1 12-5l2.5 2.5M19.5 4.5v5h-5", "M19 12a7 7 0 0 1-12 5l-2.5-2.5M4.5 19.5v-5h5"],
    use: ["M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19z", "M14 7l3 3"],
    change: ["M4.5 19.5L15 9l1.5 1.5L6 21z", "M18 3.5v4M16 5.5h4M9.5 4v3M8 5.5h3M19 13v3M17.5 14.5h3"],
    move: ["M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v11a2.5 2.5 0 0 1-2.5 2.5h-11A2.5 2.5 0 0 1 4 17.5z", "M10 8.5v7l6-3.5z"],
    compare: ["M12 3v18", "M4 6h5M4 6v12h5M15 6h5v12h-5"],
    remove: ["M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5"],
    larger: ["M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5"],
    close: ["M6 6l12 12M18 6L6 18"],
    back: ["M14.5 5.5L8 12l6.5 6.5"],
    forward: ["M9.5 5.5L16 12l-6.5 6.5"],
    play: ["M8 5.5v13l10.5-6.5z"],
    pause: ["M8.5 5.5v13M15.5 5.5v13"],
};

export const icon = (name) =>
    s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, ...PATHS[name].map((d) => s("path", { d })));

/** A button that is an icon; its words are for screen readers and for a pointer that rests. */
export const iconButton = (name, label, onclick, more = {}) =>
    h("button", { type: "button", class: "icon small", "aria-label": label, title: label, onclick, ...more }, icon(name));

/** A button with an icon and words. */
export const wordButton = (name, words, onclick, more = {}) =>
    h("button", { type: "button", class: "secondary compact", onclick, ...more }, icon(name), words);
