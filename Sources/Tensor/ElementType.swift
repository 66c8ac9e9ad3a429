import CKernels

/// How the numbers of a tensor are stored in a checkpoint file; raw values are safetensors' and GGUF's own names.
///
/// The quantised types keep blocks of values with a shared scale along the last axis, as GGUF files do.
package enum ElementType: String, Sendable, CaseIterable {
    case f64, f32, f16, bf16
    case e4m3 = "f8_e4m3"
    case e5m2 = "f8_e5m2"
    /// A power of two and nothing else: the scale of a block in microscaling formats.
    case e8m0 = "f8_e8m0"
    case i64, i32, i16, i8, u64, u32, u16, u8, bool
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
    case iq1s = "iq1_s"
    case iq1m = "iq1_m"
    case iq2xxs = "iq2_xxs"
    case iq2xs = "iq2_xs"
    case iq2s = "iq2_s"
    case iq3xxs = "iq3_xxs"
    case iq3s = "iq3_s"
    case iq4nl = "iq4_nl"
    case iq4xs = "iq4_xs"
    case mxfp4

    /// Elements of one block: 1 but for quantised types.
    package var blockElements: Int { format.map(phasor_format_elements) ?? 1 }

    /// Bytes of one block; of one element where there are no blocks.
    package var size: Int {
        if let format { return phasor_format_bytes(format) }
        return switch self {
        case .f64, .i64, .u64: 8
        case .i32, .u32: 4
        case .i16, .u16: 2
        default: 1
        }
    }

    /// Bytes of `count` elements, which fill whole blocks.
    package func bytes(of count: Int) -> Int { count / blockElements * size }

    /// Whether values of this type can be read as float32 weights. Eight-bit integers are weights only with factors
    /// beside them.
    package var isFloatingPoint: Bool { self == .f64 || (self != .i8 && format != nil) }

    /// What kernels that read weights in place call this type; nil where they cannot.
    var format: phasor_format? {
        switch self {
        case .f32: PHASOR_F32
        case .f16: PHASOR_F16
        case .bf16: PHASOR_BF16
        case .e4m3: PHASOR_F8_E4M3
        case .e5m2: PHASOR_F8_E5M2
        case .i8: PHASOR_I8
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
        case .iq1s: PHASOR_IQ1_S
        case .iq1m: PHASOR_IQ1_M
        case .iq2xxs: PHASOR_IQ2_XXS
        case .iq2xs: PHASOR_IQ2_XS
        case .iq2s: PHASOR_IQ2_S
        case .iq3xxs: PHASOR_IQ3_XXS
        case .iq3s: PHASOR_IQ3_S
        case .iq4nl: PHASOR_IQ4_NL
        case .iq4xs: PHASOR_IQ4_XS
        case .mxfp4: PHASOR_MXFP4
        case .f64, .e8m0, .i64, .i32, .i16, .u64, .u32, .u16, .u8, .bool: nil
        }
    }
}
