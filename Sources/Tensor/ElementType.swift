import CKernels

/// How the numbers of a tensor are stored in a checkpoint file; raw values are safetensors' and GGUF's own names.
///
/// The quantised types keep blocks of values with a shared scale along the last axis, as GGUF files do.
package enum ElementType: String, Sendable, CaseIterable {
    case f64, f32, f16, bf16
    case e4m3 = "f8_e4m3"
    case i64, i32, i16, i8, u8, bool
    case q8x0 = "q8_0"
    case q4x0 = "q4_0"
    case q4x1 = "q4_1"
    case q5x0 = "q5_0"
    case q5x1 = "q5_1"
    case q2k = "q2_k"
    case q3k = "q3_k"
    case q4k = "q4_k"
    case q5k = "q5_k"
    case q6k = "q6_k"

    /// Elements of one block: 1 but for quantised types.
    package var blockElements: Int { format.map(phasor_format_elements) ?? 1 }

    /// Bytes of one block; of one element where there are no blocks.
    package var size: Int {
        if let format { return phasor_format_bytes(format) }
        return switch self {
        case .f64, .i64: 8
        case .i32: 4
        case .i16: 2
        default: 1
        }
    }

    /// Bytes of `count` elements, which fill whole blocks.
    package func bytes(of count: Int) -> Int { count / blockElements * size }

    /// Whether values of this type can be read as float32 weights.
    package var isFloatingPoint: Bool { self == .f64 || format != nil }

    /// What kernels that read weights in place call this type; nil where they cannot.
    var format: phasor_format? {
        switch self {
        case .f32: PHASOR_F32
        case .f16: PHASOR_F16
        case .bf16: PHASOR_BF16
        case .e4m3: PHASOR_F8_E4M3
        case .q8x0: PHASOR_Q8_0
        case .q4x0: PHASOR_Q4_0
        case .q4x1: PHASOR_Q4_1
        case .q5x0: PHASOR_Q5_0
        case .q5x1: PHASOR_Q5_1
        case .q2k: PHASOR_Q2_K
        case .q3k: PHASOR_Q3_K
        case .q4k: PHASOR_Q4_K
        case .q5k: PHASOR_Q5_K
        case .q6k: PHASOR_Q6_K
        case .f64, .i64, .i32, .i16, .i8, .u8, .bool: nil
        }
    }
}
