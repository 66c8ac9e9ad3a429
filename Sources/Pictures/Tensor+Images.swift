import Tensor

extension Tensor {
    /// Frames `[T, H, W, 3]` in [0, 1] as pictures.
    /// - Throws: `ImageError.notFinite` rather than to make a black picture.
    package func images() throws -> [RGBImage] {
        try (0..<shape[0]).map { index in
            try self[index].withUnsafe { values in
                try RGBImage(width: shape[2], height: shape[1], floats: values.span, layout: .interleaved)
            }
        }
    }
}
