import Pipelines

/// `<lora:NAME:STRENGTH>` in a prompt, as users of the A1111 web UI name LoRA files. Without a strength it is 1;
/// `:expert=high` after it is Phasor's own, for one expert alone.
package struct LoRATags: Sendable, Equatable {
    /// The text without the tags.
    package let prompt: String
    package let loras: [LoRA]

    private static let opening = "<lora:"

    /// - Throws: `ServingError.invalid` of `prompt` for a tag that is none of these.
    package init(_ text: String) throws(ServingError) {
        var loras: [LoRA] = []
        var prompt = ""
        var rest = text[...]
        while let start = rest.firstRange(of: Self.opening), let end = rest[start.upperBound...].firstIndex(of: ">") {
            prompt += rest[..<start.lowerBound]
            loras.append(try Self.lora(rest[start.upperBound..<end]))
            rest = rest[rest.index(after: end)...]
        }
        guard !loras.isEmpty else {
            (self.prompt, self.loras) = (text, [])
            return
        }
        prompt += rest
        let words = prompt.drop(while: \.isWhitespace)
        self.prompt = words.lastIndex { !$0.isWhitespace }.map { String(words[...$0]) } ?? ""
        self.loras = loras
    }

    private static func lora(_ tag: Substring) throws(ServingError) -> LoRA {
        let parts = tag.split(separator: ":", omittingEmptySubsequences: false)
        var strength: Float?
        var expert: String?
        for part in parts.dropFirst() {
            if expert == nil, part.hasPrefix("expert=") {
                expert = String(part.dropFirst("expert=".count))
            } else if strength == nil, let number = Float(part) {
                strength = number
            } else {
                throw .invalid(
                    field: "prompt",
                    reason: "'\(opening)\(tag.prefix(100))>' is not <lora:NAME>, <lora:NAME:STRENGTH> or "
                        + "<lora:NAME:STRENGTH:expert=EXPERT>")
            }
        }
        return LoRA(name: String(parts[0]), strength: strength ?? 1, expert: expert)
    }

    /// A prompt with the tags of LoRA files after it.
    package static func text(_ prompt: String, _ loras: [LoRA]) -> String {
        ([prompt]
            + loras.map { lora in
                let expert = lora.expert.map { ":expert=\($0)" } ?? ""
                return "\(opening)\(lora.name):\(lora.strength)\(expert)>"
            }).joined(separator: " ")
    }
}
