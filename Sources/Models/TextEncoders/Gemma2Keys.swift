import Weights

/// Keys of Gemma 2: a `Gemma2Model` that was saved alone has bare ones, as SANA's repositories do, Gemma's own say `model.`.
package enum Gemma2Keys {
    package static let encoder = KeyTable(prefixes: [], [])

    static func prefix(of contains: (String) -> Bool) -> String {
        ["model.", ""].first { contains($0 + "embed_tokens.weight") } ?? "model."
    }
}
