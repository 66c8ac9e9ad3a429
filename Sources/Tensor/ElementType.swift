import CKernels

/// How the numbers of a tensor are stored in a checkpoint file.
package enum ElementType: String, Sendable, CaseIterable {
    case f64, f32, f16, bf16
    case i64, i32, i16, i8, u8, bool

    /// Bytes of one element.
    package var size: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .f16, .bf16, .i16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Bytes of `count` elements.
    package func bytes(of count: Int) -> Int { count * size }

    /// Whether values of this type can be read as float32 weights.
    package var isFloatingPoint: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        default: false
        }
    }

    /// What kernels that read weights in place call this type; nil where they cannot.
    var format: phasor_format? {
        switch self {
        case .f32: PHASOR_F32
        case .f16: PHASOR_F16
        case .bf16: PHASOR_BF16
        default: nil
        }
    }
}
