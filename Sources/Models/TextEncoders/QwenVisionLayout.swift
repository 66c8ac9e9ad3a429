import Tensor

/// Patches of one picture: rows and columns, both even.
package struct PatchGrid: Sendable, Equatable {
    package let rows: Int
    package let columns: Int

    package init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
    }

    package var patches: Int { rows * columns }
    /// Rows and columns of groups of 2 x 2 patches, each of which becomes a row of text.
    package var groupRows: Int { rows / QwenVisionConfig.merge }
    package var groupColumns: Int { columns / QwenVisionConfig.merge }
    package var groups: Int { groupRows * groupColumns }

    /// The places of the patches in the order in which they come: group by group, and inside a group row by row.
    package var places: [(row: Int, column: Int)] {
        let merge = QwenVisionConfig.merge
        return (0..<groups).flatMap { group in
            (0..<merge * merge).map { patch in
                (group / groupColumns * merge + patch / merge, group % groupColumns * merge + patch % merge)
            }
        }
    }
}

/// How a vision tower cuts the patches of several pictures into windows.
///
/// Reference: `get_window_index` of transformers' Qwen2.5-VL. The groups of a picture are a grid that is cut into squares,
/// ragged at the right and at the bottom.
package struct QwenVisionLayout: Sendable {
    /// The groups in the order of windows: picture after picture, windows row by row, groups row by row inside.
    package let order: [Int]
    /// Patches of each window, in that order.
    package let windows: [Range<Int>]
    /// Patches of each picture, in either order.
    package let pictures: [Range<Int>]

    /// - Parameter side: groups along a side of a window.
    package init(_ grids: [PatchGrid], side: Int) {
        let patches = QwenVisionConfig.merge * QwenVisionConfig.merge
        var order: [Int] = []
        var windows: [Range<Int>] = []
        var pictures: [Range<Int>] = []
        var first = 0
        for grid in grids {
            for top in stride(from: 0, to: grid.groupRows, by: side) {
                for left in stride(from: 0, to: grid.groupColumns, by: side) {
                    let start = order.count
                    for row in top..<min(top + side, grid.groupRows) {
                        for column in left..<min(left + side, grid.groupColumns) {
                            order.append(first + row * grid.groupColumns + column)
                        }
                    }
                    windows.append(start * patches..<order.count * patches)
                }
            }
            pictures.append(first * patches..<order.count * patches)
            first = order.count
        }
        (self.order, self.windows, self.pictures) = (order, windows, pictures)
    }

    /// Runs of `rows` rows of x, in the order of windows.
    func windowed(_ x: Tensor, rows: Int) -> Tensor { moved(x, rows: rows) { ($0, order[$0]) } }

    /// The inverse of `windowed`.
    func restored(_ x: Tensor, rows: Int) -> Tensor { moved(x, rows: rows) { (order[$0], $0) } }

    private func moved(_ x: Tensor, rows: Int, _ places: (Int) -> (to: Int, from: Int)) -> Tensor {
        let run = rows * (x.shape.last ?? 0)
        return Tensor(shape: x.shape) { out in
            x.withUnsafe { x in
                for index in order.indices {
                    let (to, from) = places(index)
                    for value in 0..<run { out[to * run + value] = x[from * run + value] }
                }
            }
        }
    }
}
