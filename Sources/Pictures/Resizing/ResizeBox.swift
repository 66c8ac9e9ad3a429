/// A part of a picture in pixels from its top left; it may begin and end within a pixel.
///
/// In single precision, as Pillow has it.
package struct ResizeBox: Sendable, Equatable {
    package let left, top, right, bottom: Float

    package init(left: Float, top: Float, right: Float, bottom: Float) {
        (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
    }

    init(width: Int, height: Int) {
        self.init(left: 0, top: 0, right: Float(width), bottom: Float(height))
    }

    /// - Throws: `invalidBox`.
    func check(width: Int, height: Int) throws(ImageError) {
        // A NaN compares false.
        guard left >= 0, top >= 0, left < right, top < bottom, right <= Float(width), bottom <= Float(height) else {
            throw .invalidBox("(\(left), \(top), \(right), \(bottom)) of \(width)x\(height)")
        }
    }
}
