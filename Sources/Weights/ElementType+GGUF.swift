import Tensor

extension ElementType {
    /// Type numbers of tensors in GGUF files, `ggml_type`.
    private static let ggufNumbers: [ElementType: UInt32] = [
        .f32: 0, .f16: 1, .q4x0: 2, .q4x1: 3, .q5x0: 6, .q5x1: 7, .q8x0: 8, .q2k: 10, .q3k: 11, .q4k: 12, .q5k: 13,
        .q6k: 14, .iq2xxs: 16, .iq2xs: 17, .iq3xxs: 18, .iq1s: 19, .iq4nl: 20, .iq3s: 21, .iq2s: 22, .iq4xs: 23,
        .i8: 24, .i16: 25, .i32: 26, .i64: 27, .f64: 28, .iq1m: 29, .bf16: 30, .mxfp4: 39,
    ]
    private static let types = Dictionary(uniqueKeysWithValues: ggufNumbers.map { ($1, $0) })

    /// What other type numbers stand for, so that a refusal can say it.
    private static let unreadNames: [UInt32: String] = [
        9: "Q8_1", 15: "Q8_K", 34: "TQ1_0", 35: "TQ2_0", 40: "NVFP4",
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
