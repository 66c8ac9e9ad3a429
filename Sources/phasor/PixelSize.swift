import ArgumentParser

/// `--size`.
enum PixelSize {
    /// - Throws: `ValidationError` unless it is WIDTHxHEIGHT.
    static func parse(_ text: String?, default size: (Int, Int)) throws -> (width: Int, height: Int) {
        guard let text else { return size }
        let parts = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1] else {
            throw ValidationError("--size \(text): expected WIDTHxHEIGHT, e.g. 832x480")
        }
        return (width, height)
    }
}
