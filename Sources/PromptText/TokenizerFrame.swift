/// What tokenizers have in common around their models: added tokens are cut out of the text, what lies between them is
/// normalised, tokens of normalised text are cut out of that, and a template goes around the ids.
struct TokenizerFrame: Sendable {
    private let addedTokens: AddedTokens
    private let normalizer: Normalizer?
    /// Added tokens that are looked for after normalisation.
    private let normalizedTokens: AddedTokens
    private let template: TokenTemplate

    init(tokens: [AddedToken], normalizer: Normalizer?, template: TokenTemplate) {
        self.normalizer = normalizer
        self.template = template
        addedTokens = AddedTokens(tokens.filter { !$0.isNormalized })
        normalizedTokens = AddedTokens(tokens.filter(\.isNormalized)) { normalizer?.apply(to: $0) ?? $0 }
    }

    /// - Parameter segment: appends the ids of a normalised piece of text; `atStart` if the given text begins there.
    func encode(
        _ text: String, maximumLength: Int?, segment: (_ piece: String, _ atStart: Bool, _ ids: inout [Int]) -> Void
    ) -> [Int] {
        var ids: [Int] = []
        for section in addedTokens.split(text) {
            switch section {
            case .token(let id): ids.append(id)
            case .text(let raw, let atStart):
                for section in normalizedTokens.split(normalizer?.apply(to: raw) ?? raw) {
                    switch section {
                    case .token(let id): ids.append(id)
                    case .text(let piece, let first): segment(piece, atStart && first, &ids)
                    }
                }
            }
        }
        return template.apply(to: ids, maximumLength: maximumLength)
    }
}
