import PromptText
import Tensor

/// What a vision tower made of the pictures in a text: rows that stand in place of tokens.
package struct QwenPictureRows: Sendable {
    /// The token that is repeated to the number of rows of its picture.
    package let token: Int
    /// `[sum of the groups, dim]`, picture after picture.
    package let rows: Tensor
    package let grids: [PatchGrid]

    package init(token: Int, rows: Tensor, grids: [PatchGrid]) {
        self.token = token
        self.rows = rows
        self.grids = grids
    }
}

/// The places of tokens on three axes: time, row, column.
///
/// Reference: `get_rope_index` of transformers' Qwen2.5-VL. Text counts on, all axes alike. A picture that starts at p has its
/// rows at (p, p + row, p + column), and what follows it starts at p plus its longer side.
package struct QwenPicturePositions: Sendable {
    /// The place of each token.
    package let places: [[Int]]
    /// The row of `QwenPictureRows.rows` that stands in place of a token, by the token's index.
    package let rows: [Int: Int]

    /// - Throws: `TextError.unusableTokens` where the marks are not as many as the pictures have rows.
    package init(ids: [Int], token: Int, grids: [PatchGrid]) throws(TextError) {
        var places: [[Int]] = []
        var rows: [Int: Int] = [:]
        var (next, index) = (0, 0)
        var pictures = grids[...]
        while index < ids.count {
            guard ids[index] == token, let grid = pictures.popFirst() else {
                places.append([next, next, next])
                (next, index) = (next + 1, index + 1)
                continue
            }
            for group in 0..<grid.groups {
                rows[index + group] = rows.count
                places.append([next, next + group / grid.groupColumns, next + group % grid.groupColumns])
            }
            next += max(grid.groupRows, grid.groupColumns)
            index += grid.groups
        }
        let wanted = grids.reduce(0) { $0 + $1.groups }
        guard rows.count == wanted, ids.count(where: { $0 == token }) == wanted, places.count == ids.count,
            rows.keys.allSatisfy({ ids[$0] == token })
        else {
            throw .unusableTokens(
                reason: "\(ids.count { $0 == token }) marks stand for \(wanted) rows of \(grids.count) pictures")
        }
        (self.places, self.rows) = (places, rows)
    }
}

extension QwenConfig {
    /// Angles `[tokens, headDim / 2]`: each pair of a head belongs to one of the axes time, row, column, by `sections`.
    /// - Parameter places: of each token on the three axes.
    package func rope(places: [[Int]]) -> RotaryTable {
        let axes = sections.enumerated().flatMap { [Int](repeating: $0, count: $1) }
        return rope(count: places.count) { token, pair in places[token][axes[pair]] }
    }
}
