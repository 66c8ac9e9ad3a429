// How sure a share of votes is.

/** The 95 % point of the normal distribution, both sides. */
const Z = 1.959964;

/** Wilson's score interval of a share (Wilson 1927, JASA 22): `[low, high]`, honest also for few votes and for 0 or all. */
export function wilson(wins, votes) {
    if (votes === 0) return [0, 1];
    const share = wins / votes;
    const z2 = (Z * Z) / votes;
    const centre = (share + z2 / 2) / (1 + z2);
    const half = (Z / (1 + z2)) * Math.sqrt((share * (1 - share)) / votes + z2 / (4 * votes));
    return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
