/// Turns text into the ids a text encoder was trained on.
package protocol Tokenizer: Sendable {
    /// The id that fills a row up to a fixed length. Padded positions are masked, so only its being valid matters.
    var paddingID: Int { get }

    /// The ids of `text` with the special tokens of the model's template, without padding.
    ///
    /// - Parameter maximumLength: the text is cut on the right so that, template tokens included, no more than
    ///   this many ids come out; nil for no limit.
    func encode(_ text: String, maximumLength: Int?) -> [Int]
}

extension Tokenizer {
    /// The ids of `text` with the special tokens of the model's template, neither truncated nor padded.
    package func encode(_ text: String) -> [Int] { encode(text, maximumLength: nil) }

    /// The ids of `text`, truncated and then padded on the right to exactly `length`.
    package func encode(_ text: String, paddedTo length: Int) -> PaddedTokens {
        let ids = encode(text, maximumLength: length)
        return PaddedTokens(
            ids: ids + Array(repeating: paddingID, count: max(length - ids.count, 0)), count: ids.count)
    }
}

/// One row of token ids, padded on the right.
package struct PaddedTokens: Sendable, Equatable {
    package let ids: [Int]
    /// How many of `ids` are text and template; the rest is padding.
    package let count: Int

    package init(ids: [Int], count: Int) {
        self.ids = ids
        self.count = count
    }
}
