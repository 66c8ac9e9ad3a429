import Models
import Tensor
import Testing

@Suite struct PackingTests {
    @Test func packingIsTheInverseOfUnpacking() {
        let cells = Tensor((0..<2 * 3 * 4 * 6).map { Float($0) }, shape: [2, 3, 4, 6])
        let folded = packed(cells, by: 2)
        #expect(folded.shape == [8, 3, 2, 3])
        // Channel (c * 2 + row in the square) * 2 + column in it: here c = 1, row 1, column 0 of the square (1, 2).
        #expect(folded.array[((1 * 2 + 1) * 2 + 0) * 18 + 0 * 6 + 1 * 3 + 2] == cells.array[72 + 3 * 6 + 4])
        #expect(unpacked(folded, by: 2).array == cells.array)
    }
}
