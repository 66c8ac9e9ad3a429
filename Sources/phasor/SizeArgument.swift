import ArgumentParser
import Support

/// `--size`.
enum SizeArgument {
    /// - Throws: `ValidationError` unless it is WIDTHxHEIGHT.
    static func parse(_ text: String?, default size: (Int, Int)) throws -> (width: Int, height: Int) {
        guard let text else { return size }
        guard let size = PixelSize(text) else {
            throw ValidationError("--size \(text): expected WIDTHxHEIGHT, e.g. 832x480")
        }
        return (size.width, size.height)
    }
}
