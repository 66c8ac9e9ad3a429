import Tensor

extension ElementType {
    /// Type numbers of tensors in GGUF files, `ggml_type`.
    private static let ggufNumbers: [ElementType: UInt32] = [
        .f32: 0, .f16: 1, .q4x0: 2, .q4x1: 3, .q5x0: 6, .q5x1: 7, .q8x0: 8, .q2k: 10, .q3k: 11, .q4k: 12, .q5k: 13,
        .q6k: 14, .i8: 24, .i16: 25, .i32: 26, .i64: 27, .f64: 28, .bf16: 30,
    ]
    private static let types = Dictionary(uniqueKeysWithValues: ggufNumbers.map { ($1, $0) })

    /// What other type numbers stand for, so that a refusal can say it.
    private static let unreadNames: [UInt32: String] = [
        9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
        22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
    ]

    /// The type of that number; nil where it is not read.
    init?(gguf number: UInt32) {
        guard let type = Self.types[number] else { return nil }
        self = type
    }

    /// nil where GGUF has no such type.
    var gguf: UInt32? { Self.ggufNumbers[self] }

    static func ggufName(_ number: UInt32) -> String {
        types[number]?.rawValue.uppercased() ?? unreadNames[number] ?? "\(number)"
    }
}
