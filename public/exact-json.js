// JSON whose whole numbers keep all their digits. Seeds have up to 63 bits and JavaScript's numbers hold 53, so longer
// ones are strings of digits on this side and numbers on the wire.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LONG = /^-?\d{16,}$/;
/** What no text of a visitor can contain: a lone surrogate does not come through a form. */
const MARK = "\ud800";

/** As JSON.parse; a whole number of 16 digits or more becomes a string. */
export function parseExact(text) {
    return JSON.parse(text.replace(TOKEN, (token) => (LONG.test(token) ? `"${token}"` : token)));
}

/** As JSON.stringify; what `whole` made is written as a number. */
export function writeExact(value) {
    const text = JSON.stringify(value, (_, item) => (item instanceof Whole ? `${MARK}${item.digits}` : item));
    return text.replace(/"\\ud800(\d+)"/g, "$1");
}

class Whole {
    constructor(digits) {
        this.digits = digits;
    }
}

/** A whole number of any length when the text is one, else the text itself: the server says what is wrong with it. */
export const whole = (text) => (/^\d{1,30}$/.test(text) ? new Whole(String(BigInt(text))) : text);

/** The sum of a whole number, as parseExact gives it, and a small one: as a string of digits. */
export const plus = (number, small) => String(BigInt(number) + BigInt(small));
