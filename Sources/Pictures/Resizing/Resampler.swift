/// Resizes pictures to the bits that the `Image.resize` of Pillow 13 gives for 8-bit channels: two passes, each rounded
/// to 8 bits (its Resample.c), and nearest as its `ImagingScaleAffine`.
///
/// Columns are filtered first, then rows; the other way round where the rows that go are more than twice the columns
/// that go. Earlier versions of Pillow know only the first way: of such pictures they make other ones, by a few levels.
struct Resampler {
    private let whole: Part
    /// 3 or 4.
    private let channels: Int

    /// Samples `[rows, columns, channels]` of a larger plane.
    private struct Part {
        let samples: [UInt8]
        let columns: Range<Int>
        let rows: Range<Int>
    }

    /// - Parameter samples: `[height, width, channels]`.
    init(samples: [UInt8], width: Int, height: Int, channels: Int) {
        whole = Part(samples: samples, columns: 0..<width, rows: 0..<height)
        self.channels = channels
    }

    private var width: Int { whole.columns.count }
    private var height: Int { whole.rows.count }

    /// - Parameters:
    ///   - box: the part that is resized; it lies within the picture.
    ///   - size: what the part becomes.
    ///   - columns, rows: which of that are made: the same samples as if all were.
    /// - Returns: `[rows, columns, channels]`.
    func resized(
        _ box: ResizeBox, to size: (width: Int, height: Int), columns: Range<Int>, rows: Range<Int>,
        _ filter: ResizeFilter
    ) -> [UInt8] {
        guard filter != .nearest else { return nearest(box, size, columns, rows) }
        let across = ResizeAxis(
            length: width, part: box.left...box.right, size: size.width, window: columns, filter: filter)
        let down = ResizeAxis(
            length: height, part: box.top...box.bottom, size: size.height, window: rows, filter: filter)
        // An axis that keeps its samples is not filtered.
        let keepsColumns = size.width == width && box.left == 0 && box.right == Float(width)
        let keepsRows = size.height == height && box.top == 0 && box.bottom == Float(height)
        switch (keepsColumns, keepsRows) {
        case (true, true): return cut(columns, rows)
        case (true, false): return filterColumns(whole, columns, down).samples
        case (false, true): return filterRows(whole, rows, across).samples
        case (false, false):
            if size.height < height, 2 * (width - size.width) < height - size.height {
                return filterRows(filterColumns(whole, across.needed, down), rows, across).samples
            }
            return filterColumns(filterRows(whole, down.needed, across), columns, down).samples
        }
    }

    /// The samples of `columns` and `rows`.
    func cut(_ columns: Range<Int>, _ rows: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(columns.count * rows.count * channels)
        for row in rows {
            let start = (row * width + columns.lowerBound) * channels
            result += whole.samples[start..<start + columns.count * channels]
        }
        return result
    }

    /// The columns that `axis` makes, of the rows given.
    private func filterRows(_ part: Part, _ rows: Range<Int>, _ axis: ResizeAxis) -> Part {
        var result = [UInt8](repeating: 0, count: rows.count * axis.window.count * channels)
        let source = part.samples.span
        let weights = axis.weights.span
        var target = result.mutableSpan
        var out = 0
        for row in rows {
            let line = (row - part.rows.lowerBound) * part.columns.count - part.columns.lowerBound
            for column in axis.first.indices {
                var sum = SIMD4(repeating: ResizeAxis.half)
                var sample = (line + axis.first[column]) * channels
                let start = column * axis.stride
                for weight in start..<start + axis.count[column] {
                    let alpha = channels == 4 ? Int32(source[sample + 3]) : 0
                    let pixel = SIMD4(
                        Int32(source[sample]), Int32(source[sample + 1]), Int32(source[sample + 2]), alpha)
                    sum = sum &+ pixel &* SIMD4(repeating: weights[weight])
                    sample += channels
                }
                for channel in 0..<channels { target[out + channel] = ResizeAxis.sample(sum[channel]) }
                out += channels
            }
        }
        return Part(samples: result, columns: axis.window, rows: rows)
    }

    /// The rows that `axis` makes, of the columns given.
    private func filterColumns(_ part: Part, _ columns: Range<Int>, _ axis: ResizeAxis) -> Part {
        let rowBytes = columns.count * channels
        var result = [UInt8](repeating: 0, count: axis.window.count * rowBytes)
        var sums = [Int32](repeating: 0, count: rowBytes)
        let source = part.samples.span
        var target = result.mutableSpan
        let left = columns.lowerBound - part.columns.lowerBound
        for row in axis.first.indices {
            for index in sums.indices { sums[index] = ResizeAxis.half }
            for tap in 0..<axis.count[row] {
                let weight = axis.weights[row * axis.stride + tap]
                let line = axis.first[row] + tap - part.rows.lowerBound
                let start = (line * part.columns.count + left) * channels
                let samples = source.extracting(start..<start + rowBytes)
                var out = sums.mutableSpan
                for index in samples.indices { out[index] &+= Int32(samples[index]) &* weight }
            }
            for index in sums.indices { target[row * rowBytes + index] = ResizeAxis.sample(sums[index]) }
        }
        return Part(samples: result, columns: columns, rows: axis.window)
    }

    private func nearest(
        _ box: ResizeBox, _ size: (width: Int, height: Int), _ columns: Range<Int>, _ rows: Range<Int>
    ) -> [UInt8] {
        let sources = Self.nearest(box.left...box.right, size.width, columns, length: width)
        var result: [UInt8] = []
        result.reserveCapacity(columns.count * rows.count * channels)
        for row in Self.nearest(box.top...box.bottom, size.height, rows, length: height) {
            for column in sources {
                let start = (row * width + column) * channels
                result += whole.samples[start..<start + channels]
            }
        }
        return result
    }

    /// The source sample of each in `window`. Positions are added up, as Pillow does, not multiplied.
    private static func nearest(_ part: ClosedRange<Float>, _ size: Int, _ window: Range<Int>, length: Int) -> [Int] {
        let scale = Double(part.upperBound - part.lowerBound) / Double(size)
        var position = Double(part.lowerBound) + scale * 0.5
        var sources: [Int] = []
        sources.reserveCapacity(window.count)
        for sample in 0..<window.upperBound {
            if sample >= window.lowerBound { sources.append(min(Int(position), length - 1)) }
            position += scale
        }
        return sources
    }
}
